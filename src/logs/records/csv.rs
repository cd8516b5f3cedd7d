//! Tables with a header, of which a column holds the lines or every column a value of a request: exports of Grafana, CloudWatch, Kibana.
//!
//! Source of the notation: RFC 4180.

use super::{LineCount, RECORD_MAX, Rewriter, member};

/// Names of the column of lines.
const LINES: [&str; 11] =
    ["message", "@message", "line", "log", "msg", "textpayload", "_raw", "content", "body", "_source.message", "event"];
/// Names that some other column of such a table has.
const OTHERS: [&str; 16] = [
    "timestamp",
    "@timestamp",
    "time",
    "date",
    "tsns",
    "_time",
    "labels",
    "host",
    "container_name",
    "pod",
    "ingestiontime",
    "logstreamname",
    "@logstream",
    "_source.@timestamp",
    "id",
    "container",
];

/// Names of columns of which a table of requests has one for what was asked, and one for what came of it; without case and punctuation.
const ASKED: [&str; 10] = ["request", "requesturi", "requesturl", "requestpath", "uri", "url", "path", "urlpath", "csuristem", "target"];
const ANSWERED: [&str; 9] =
    ["status", "statuscode", "httpstatus", "scstatus", "responsecode", "responsestatus", "response", "elbstatuscode", "code"];

/// Whether the first line is the header of such a table.
pub(super) fn is_table(head: &[u8]) -> bool {
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(first) = std::str::from_utf8(first) else { return false };
    if first.len() > 2000 || !first.contains(',') {
        return false;
    }
    let names: Vec<String> = first.trim().split(',').map(|name| name.trim_matches([' ', '"']).to_ascii_lowercase()).collect();
    let plain = |name: &String| -> String {
        let last = name.rsplit('.').next().unwrap_or_default();
        last.chars().filter(char::is_ascii_alphanumeric).collect()
    };
    let has = |known: &[&str]| names.iter().any(|name| known.contains(&plain(name).as_str()));
    if has(&ASKED) && has(&ANSWERED) {
        return true;
    }
    names.iter().any(|name| LINES.contains(&name.as_str())) && names.iter().any(|name| OTHERS.contains(&name.as_str()))
}

/// Reads a table.
#[derive(Debug, Default)]
pub(super) struct Table {
    header: Option<Vec<String>>,
    row: Vec<Vec<u8>>,
    cell: Vec<u8>,
    /// Within quotes.
    quoted: bool,
    /// A quote within quotes, which ends them unless another follows.
    quote: bool,
    size: usize,
    count: LineCount,
}

impl Table {
    fn byte(&mut self, byte: u8, lines: &mut Vec<u8>) {
        self.count.add(usize::from(byte == b'\n'));
        self.size += 1;
        let after_quote = std::mem::take(&mut self.quote);
        match byte {
            b'"' if after_quote => {
                self.cell.push(b'"');
                self.quoted = true;
            }
            b'"' if self.quoted => {
                self.quoted = false;
                self.quote = true;
            }
            b'"' if self.cell.is_empty() => self.quoted = true,
            b'\n' if !self.quoted || self.size > RECORD_MAX => self.end_row(lines),
            b',' if !self.quoted => self.row.push(std::mem::take(&mut self.cell)),
            b'\r' if !self.quoted => {}
            _ => self.cell.push(byte),
        }
    }

    fn end_row(&mut self, lines: &mut Vec<u8>) {
        self.row.push(std::mem::take(&mut self.cell));
        (self.quoted, self.size) = (false, 0);
        let row = std::mem::take(&mut self.row);
        let Some(header) = &self.header else {
            let name = |cell: &Vec<u8>| String::from_utf8_lossy(cell.strip_prefix(b"\xef\xbb\xbf").unwrap_or(cell)).trim().to_owned();
            self.header = Some(row.iter().map(name).collect());
            return self.count.pad(lines);
        };
        let mut object = Vec::new();
        for (name, cell) in header.iter().zip(&row).filter(|(_, cell)| !cell.is_empty()) {
            let name = if LINES.contains(&name.to_ascii_lowercase().as_str()) { "message" } else { name.as_str() };
            member(&mut object, name.strip_prefix("_source.").unwrap_or(name), cell);
        }
        if object.is_empty() {
            return self.count.pad(lines);
        }
        object.push(b'}');
        lines.append(&mut object);
        self.count.end(lines);
    }
}

impl Rewriter for Table {
    fn feed(&mut self, bytes: &[u8], lines: &mut Vec<u8>) {
        bytes.iter().for_each(|byte| self.byte(*byte, lines));
    }

    fn finish(&mut self, lines: &mut Vec<u8>) {
        if !self.cell.is_empty() || !self.row.is_empty() {
            self.end_row(lines);
        }
        self.count.pad(lines);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewrite;

    #[test]
    fn rows_are_objects_and_quoted_cells_may_have_line_breaks() {
        let table = b"\"Time\",\"labels\",\"Line\",\"tsNs\"\r\n2026,\"{\"\"a\"\":1}\",\"x \"\"y\"\", z\",17\r\n2027,,\"two\nlines\",18\n";
        let text = String::from_utf8(rewrite(table)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], r#"{"Time":"2026","labels":"{\"a\":1}","message":"x \"y\", z","tsNs":"17"}"#);
        assert_eq!((lines[2], lines[3], lines.len()), (r#"{"Time":"2027","message":"two\nlines","tsNs":"18"}"#, "", 4));
    }

    #[test]
    fn a_row_may_be_a_request() {
        let table = b"time,http.method,url.path,http.response.status_code\n2026-01-02T15:04:05Z,GET,/a,200\n";
        let text = String::from_utf8(rewrite(table)).unwrap();
        assert_eq!(
            text.lines().nth(1),
            Some(r#"{"time":"2026-01-02T15:04:05Z","http.method":"GET","url.path":"/a","http.response.status_code":"200"}"#)
        );
    }

    #[test]
    fn other_text_with_commas_is_no_table() {
        for text in ["a,b\n1,2\n", "message\nx\n", "log in, please\n", "2026-07-01 09:15:42,118 - synapse.access - line - INFO\n"] {
            assert_eq!(rewrite(text.as_bytes()), text.as_bytes());
        }
    }
}
