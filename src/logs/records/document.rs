//! JSON documents over several lines or with many records in one: made into one object a line.
//!
//! | document | record |
//! |---|---|
//! | objects over several lines (`journalctl -o json-pretty`, stern's `ppextjson`) | each object |
//! | a list (Grafana's download, CloudWatch Insights, Google Cloud) | each object in it |
//! | an object with a list `events`, `logEvents`, `hits`, `results`, `records` or `logRecords` (CloudWatch, subscriptions, Elasticsearch, Azure's Event Hubs, OpenTelemetry) | each object in the list |
//! | Loki's response and push format | each pair in `values`, with the labels in `stream` |

use super::{LineCount, RECORD_MAX, Rewriter};

/// Names of lists of records in an outer object.
const LISTS: [&[u8]; 6] = [b"events", b"logEvents", b"hits", b"results", b"records", b"logRecords"];

/// Whether a file is such a document.
pub(super) fn is_document(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    match head.first() {
        Some(b'[') => head[1..].trim_ascii_start().first() == Some(&b'{'),
        Some(b'{') => {
            let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
            if is_open(first) {
                // A line that was cut off does not end between two members.
                let breaks = matches!(first.trim_ascii_end().last(), Some(b'{' | b'[' | b','));
                return breaks && first.len() < head.len();
            }
            // OpenTelemetry's exporter writes one document a line, each with any number of records.
            if has_name(first, b"resourceLogs") && has_name(first, b"logRecords") {
                return true;
            }
            // So do Azure's Event Hubs, and blobs that they are captured in.
            if first.trim_ascii_start().get(1..).is_some_and(|inner| inner.trim_ascii_start().starts_with(b"\"records\""))
                && is_outer(first)
            {
                return true;
            }
            // The whole of a document is in the first line.
            let is_only = head[first.len()..].trim_ascii().is_empty();
            is_only && (is_outer(first) || has_name(first, b"values"))
        }
        _ => false,
    }
}

fn is_outer(text: &[u8]) -> bool {
    LISTS.iter().any(|list| has_name(text, list))
}

/// Whether a text has a member of this name whose value is a list.
fn has_name(text: &[u8], name: &[u8]) -> bool {
    memchr::memmem::find_iter(text, name).any(|at| {
        let (before, behind) = (&text[..at], &text[at + name.len()..]);
        let value = behind.strip_prefix(b"\"").map(<[u8]>::trim_ascii_start).and_then(|rest| rest.strip_prefix(b":"));
        before.ends_with(b"\"") && value.is_some_and(|value| value.trim_ascii_start().starts_with(b"["))
    })
}

/// Whether brackets are open at the end of a line.
fn is_open(line: &[u8]) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_i64, false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth -= 1,
            _ => {}
        }
    }
    depth > 0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// An object that is not a record.
    Outer,
    /// A list whose objects are records.
    Records,
    /// Loki's list of pairs.
    Values,
    /// Any other list.
    Other,
}

/// What is being copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copy {
    Record,
    Pair,
    Labels,
}

/// Reads a document byte by byte.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// What is open and not being copied.
    stack: Vec<Place>,
    /// The string that was read last, while it may be a name.
    name: Vec<u8>,
    quoted: bool,
    escaped: bool,
    /// With the number of open brackets at its start.
    copy: Option<(Copy, usize)>,
    copied: Vec<u8>,
    labels: Vec<u8>,
    /// Whether the file is one object with lists of records; `None` before its first bytes.
    is_outer: Option<bool>,
    /// Brackets that are open.
    depth: usize,
    count: LineCount,
}

impl Document {
    fn byte(&mut self, byte: u8, lines: &mut Vec<u8>) {
        self.count.add(usize::from(byte == b'\n'));
        if self.quoted {
            self.in_string(byte);
            return;
        }
        match byte {
            b'"' => {
                self.quoted = true;
                self.name.clear();
                self.push(byte);
            }
            b'{' | b'[' => self.open(byte),
            b'}' | b']' => self.close(byte, lines),
            byte if byte.is_ascii_whitespace() => {}
            _ => self.push(byte),
        }
    }

    fn in_string(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.quoted = false,
            _ if self.name.len() < 16 => self.name.push(byte),
            _ => {}
        }
        // A line break in a string is no JSON, but would break the line.
        self.push(if byte == b'\n' || byte == b'\r' { b' ' } else { byte });
    }

    fn push(&mut self, byte: u8) {
        if self.copy.is_some() && self.copied.len() < RECORD_MAX {
            self.copied.push(byte);
        }
    }

    fn open(&mut self, byte: u8) {
        self.depth += 1;
        if self.copy.is_some() {
            return self.push(byte);
        }
        let above = self.stack.last().copied();
        let named = |names: &[&[u8]]| names.contains(&&self.name[..]);
        let copy = match (above, byte) {
            (None, b'{') if self.is_outer == Some(false) => Some(Copy::Record),
            (Some(Place::Records), b'{') => Some(Copy::Record),
            (Some(Place::Values), b'[') => Some(Copy::Pair),
            (Some(Place::Outer), b'{') if named(&[b"stream"]) => Some(Copy::Labels),
            _ => None,
        };
        if let Some(copy) = copy {
            self.copy = Some((copy, self.depth));
            self.copied.clear();
            return self.push(byte);
        }
        self.stack.push(match (above, byte) {
            (_, b'{') => Place::Outer,
            (None, _) => Place::Records,
            (Some(Place::Outer), _) if named(&[b"values"]) => Place::Values,
            (Some(Place::Outer), _) if named(&LISTS) => Place::Records,
            _ => Place::Other,
        });
        self.name.clear();
    }

    fn close(&mut self, byte: u8, lines: &mut Vec<u8>) {
        self.push(byte);
        if let Some((copy, depth)) = self.copy {
            if depth == self.depth {
                self.copy = None;
                self.end_copy(copy, lines);
            }
        } else {
            self.stack.pop();
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn end_copy(&mut self, copy: Copy, lines: &mut Vec<u8>) {
        match copy {
            Copy::Labels => std::mem::swap(&mut self.labels, &mut self.copied),
            Copy::Record => {
                lines.append(&mut self.copied);
                self.count.end(lines);
            }
            Copy::Pair => {
                let Some((time, line)) = pair(&self.copied) else { return };
                let labels: &[u8] = if self.labels.is_empty() { b"{}" } else { &self.labels };
                for piece in [&b"{\"labels\":"[..], labels, b",\"timestamp\":", time, b",\"line\":", line, b"}"] {
                    lines.extend_from_slice(piece);
                }
                self.count.end(lines);
            }
        }
    }
}

/// The two strings of `["1767366245123456789","line"]`, with their quotes; metadata may follow.
fn pair(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let (time, rest) = string(list.strip_prefix(b"[")?)?;
    let (line, _) = string(rest.strip_prefix(b",")?)?;
    Some((time, line))
}

fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 1;
    text.first().filter(|byte| **byte == b'"')?;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(text.split_at(at + 1));
        }
        at += 2;
    }
}

impl Rewriter for Document {
    fn feed(&mut self, bytes: &[u8], lines: &mut Vec<u8>) {
        // The first bytes are those by which the document was recognised.
        if self.is_outer.is_none() {
            let list = bytes.trim_ascii_start().first() == Some(&b'[');
            self.is_outer = Some(!list && (is_outer(bytes) || has_name(bytes, b"values")));
        }
        bytes.iter().for_each(|byte| self.byte(*byte, lines));
    }

    fn finish(&mut self, lines: &mut Vec<u8>) {
        self.count.pad(lines);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewrite;

    fn records(text: &str) -> Vec<String> {
        let text = String::from_utf8(rewrite(text.as_bytes())).unwrap();
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn pretty_objects_and_lists_are_one_object_a_line_and_keep_the_count_of_lines() {
        let pretty = "{\n\t\"MESSAGE\" : \"a \\\"b\\\" }\",\n\t\"n\" : [ 1, { } ]\n}\n{\n\t\"MESSAGE\" : \"c\"\n}\n";
        assert_eq!(records(pretty), [r#"{"MESSAGE":"a \"b\" }","n":[1,{}]}"#, r#"{"MESSAGE":"c"}"#]);
        assert_eq!(rewrite(pretty.as_bytes()).iter().filter(|byte| **byte == b'\n').count(), 7);
        assert_eq!(records(r#"[{"line":"a"}, {"line":"b"}]"#), [r#"{"line":"a"}"#, r#"{"line":"b"}"#]);
        assert_eq!(records("[\n  {\n    \"line\": \"a\"\n  }\n]\n"), [r#"{"line":"a"}"#]);
    }

    #[test]
    fn records_are_found_in_lists_of_an_outer_object() {
        let cloudwatch = "{\n  \"events\": [\n    {\n      \"timestamp\": 1,\n      \"message\": \"a\"\n    },\n    {\"message\": \"b\"}\n  ],\n  \"searchedLogStreams\": []\n}\n";
        assert_eq!(records(cloudwatch), [r#"{"timestamp":1,"message":"a"}"#, r#"{"message":"b"}"#]);
        let subscription = r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","message":"a"}]}"#;
        assert_eq!(records(subscription), [r#"{"id":"1","message":"a"}"#]);
        let batch = |line: &str| {
            format!(
                r#"{{"resourceLogs":[{{"resource":{{"attributes":[]}},"scopeLogs":[{{"scope":{{}},"logRecords":[{{"body":{{"stringValue":"{line}"}}}},{{"a":1}}]}}]}}]}}"#
            )
        };
        let expected = [r#"{"body":{"stringValue":"x"}}"#, r#"{"a":1}"#, r#"{"body":{"stringValue":"y"}}"#, r#"{"a":1}"#];
        assert_eq!(records(&format!("{}\n{}\n", batch("x"), batch("y"))), expected);
        let elastic = r#"{"took":1,"hits":{"total":1,"hits":[{"_source":{"message":"a"}}]}}"#;
        assert_eq!(records(elastic), [r#"{"_source":{"message":"a"}}"#]);
    }

    #[test]
    fn lokis_pairs_get_the_labels_of_their_stream() {
        let loki = r#"{"status":"success","data":{"resultType":"streams","result":[{"stream":{"pod":"a-0"},"values":[["17","x \"y\""],["18","z",{"m":"1"}]]},{"stream":{"pod":"b-0"},"values":[["19","w"]]}],"stats":{}}}"#;
        assert_eq!(
            records(loki),
            [
                r#"{"labels":{"pod":"a-0"},"timestamp":"17","line":"x \"y\""}"#,
                r#"{"labels":{"pod":"a-0"},"timestamp":"18","line":"z"}"#,
                r#"{"labels":{"pod":"b-0"},"timestamp":"19","line":"w"}"#,
            ]
        );
        let push = r#"{"streams":[{"stream":{},"values":[["17","x"]]}]}"#;
        assert_eq!(records(push), [r#"{"labels":{},"timestamp":"17","line":"x"}"#]);
    }

    #[test]
    fn objects_of_one_line_are_left_alone() {
        for text in ["{\"a\":[{\"values\":[1]}]}\n{\"b\":1}\n", "{\"log\":\"x\",\"stream\":\"y\"}\n", "{\"a\":1}", "{\"cut\":\"off"] {
            assert_eq!(rewrite(text.as_bytes()), text.as_bytes());
        }
    }
}
