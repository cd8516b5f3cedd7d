//! JSON objects of collectors: one member is the line, others name the process and the time.
//!
//! Owns the names of those members, for Docker's json-file, GELF, the journal, Fluent Bit, Fluentd, Vector, Loki, CloudWatch, Google
//! Cloud, Elastic, Splunk, stern. Members of inner objects count like those of the outer one. An object without such a member is no dress
//! but perhaps an access log.

use std::borrow::Cow;

use super::containers::{labels, of_stream};
use super::process::{named, of_pod};
use super::{Clock, Unwrapped};
use crate::json::{Value, Walker, unescape};

/// Unwraps an object at the start of a text; a comma may follow, as in a list, and the cookie `@cee:` of structured syslog may stand before.
pub(super) fn unwrap<'a>(text: &'a [u8], clock: &mut Clock) -> Option<Unwrapped<'a>> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(COOKIE).unwrap_or(text).trim_ascii_start();
    let text = text.strip_suffix(b",").unwrap_or(text);
    Members::of(text)?.finish(clock)
}

/// The line that a collector keeps.
#[derive(Clone, Copy)]
enum Message<'a> {
    Text(Value<'a>),
    /// The journal writes a text with control characters as the numbers of its bytes: the index of the array in the object.
    Bytes(&'a [u8]),
}

impl<'a> Message<'a> {
    fn text(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Text(value) => Some(plain(value)),
            Self::Bytes(array) => {
                let numbers = array.split(|byte| !byte.is_ascii_digit()).filter(|digits| !digits.is_empty());
                numbers.map(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).collect::<Option<Vec<u8>>>().map(Cow::Owned)
            }
        }
    }
}

/// What is known of an object; each with its rank, of which the lowest counts.
#[derive(Default)]
pub(super) struct Members<'a> {
    message: Option<(usize, Message<'a>)>,
    time: Option<(usize, Value<'a>)>,
    name: Option<(usize, Value<'a>)>,
    pod: Option<Value<'a>>,
    /// Loki's labels as one text.
    labels: Option<Value<'a>>,
}

impl<'a> Members<'a> {
    fn of(text: &'a [u8]) -> Option<Self> {
        let mut walker = Walker::new(text, 0).ok()?;
        let mut found = Self::default();
        let mut outer: [&[u8]; DEPTH_MAX] = [b""; DEPTH_MAX];
        let mut depth = 1;
        while depth > 0 {
            let Some((key, value)) = walker.member().ok()? else {
                depth -= 1;
                continue;
            };
            match value {
                Value::Object if depth < DEPTH_MAX => {
                    walker.enter();
                    outer[depth] = key;
                    depth += 1;
                }
                Value::Array if key == b"MESSAGE" => {
                    let rest = text.get(walker.column()..)?;
                    let array = &rest[..memchr::memchr(b']', rest)?];
                    found.message = Some((0, Message::Bytes(array)));
                }
                Value::Text { .. } | Value::Bare(_) => found.add(outer.get(depth - 1).copied(), key, value),
                _ => {}
            }
        }
        Some(found)
    }

    /// Takes a member of an object of the name `outer`, if it is known.
    pub(super) fn add(&mut self, outer: Option<&[u8]>, key: &[u8], value: Value<'a>) {
        let is_text = matches!(value, Value::Text { raw, .. } if !raw.is_empty());
        let key = of_outer(outer.unwrap_or_default(), key);
        let rank = |keys: &[&str]| keys.iter().position(|known| known.as_bytes() == key);
        if is_text && key == b"labels" {
            self.labels = Some(value);
        } else if is_text
            && let Some(rank) = rank(&MESSAGE)
            && self.message.is_none_or(|(known, _)| rank < known)
        {
            self.message = Some((rank, Message::Text(value)));
        } else if let Some(rank) = rank(&TIME)
            && self.time.is_none_or(|(known, _)| rank < known)
        {
            self.time = Some((rank, value));
        } else if is_text && rank(&POD).is_some() {
            self.pod = self.pod.or(Some(value));
        } else if is_text
            && let Some(rank) = rank(&PROCESS)
            && self.name.is_none_or(|(known, _)| rank < known)
            && named(&plain(value)).is_some()
        {
            self.name = Some((rank, value));
        }
    }

    /// The line with what is known of its process and time; `None` if there is no line.
    pub(super) fn finish(self, clock: &mut Clock) -> Option<Unwrapped<'a>> {
        let stamp = self.time.and_then(|(_, value)| clock.value(&plain(value)));
        let process = self.process();
        let (_, message) = self.message?;
        Some(Unwrapped { text: trimmed(message.text()?), process, stamp })
    }

    fn process(&self) -> Option<Cow<'a, [u8]>> {
        if let (None, None, Some(written)) = (self.name, self.pod, self.labels) {
            let written = [&*plain(written), b" "].concat();
            return labels(&written)?.process.map(|process| Cow::Owned(process.into_owned()));
        }
        let name = self.name.map(|(rank, value)| (rank, plain(value)));
        if let Some(pod) = self.pod {
            let container = name.filter(|(rank, _)| *rank < CONTAINERS).map(|(_, name)| name.into_owned()).unwrap_or_default();
            return Some(Cow::Owned(of_pod(&plain(pod), &container).into_owned()));
        }
        let (rank, name) = name?;
        if PROCESS[rank] == "logStreamName" || PROCESS[rank] == "logStream" || PROCESS[rank] == "@logStream" {
            return Some(Cow::Owned(of_stream(&name).to_vec()));
        }
        Some(match name {
            Cow::Borrowed(text) => Cow::Borrowed(named(text)?),
            Cow::Owned(text) => Cow::Owned(named(&text)?.to_vec()),
        })
    }
}

/// The flat name of a member that Elastic's schema has in an object (`pod.name`, nested or with dots): `kubernetes.pod.name` is
/// `pod_name`.
fn of_outer<'k>(outer: &'k [u8], key: &'k [u8]) -> &'k [u8] {
    let (outer, last) = match memchr::memrchr(b'.', key) {
        Some(dot) => (key[..dot].rsplit(|byte| *byte == b'.').next().unwrap_or_default(), &key[dot + 1..]),
        None => (outer, key),
    };
    match (outer, last) {
        (b"pod", b"name") => b"pod_name",
        (b"container", b"name") => b"container_name",
        (b"syslog", b"identifier") => b"syslog_identifier",
        (b"systemd", b"unit") => b"systemd_unit",
        (b"service", b"name") => b"service_name",
        (b"process", b"name") => b"process_name",
        (b"file", b"path") => b"filename",
        (b"event", b"original") => b"event.original",
        (b"kubernetes", b"pod_name" | b"container_name") => last,
        _ => key,
    }
}

/// A value without its escapes.
fn plain(value: Value<'_>) -> Cow<'_, [u8]> {
    match value {
        Value::Text { raw, escaped: true } => {
            let mut text = Vec::with_capacity(raw.len());
            unescape(raw, &mut text);
            Cow::Owned(text)
        }
        Value::Text { raw, .. } | Value::Bare(raw) => Cow::Borrowed(raw),
        Value::Object | Value::Array => Cow::Borrowed(b""),
    }
}

/// Without line breaks at the end.
fn trimmed(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let end = text.len() - text.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

/// Says that a syslog message is an object (Common Event Expression; rsyslog's mmjsonparse and syslog-ng's JSON parser look for it).
const COOKIE: &[u8] = b"@cee:";
/// The line, the most telling name first.
const MESSAGE: [&str; 20] = [
    "MESSAGE",
    "log",
    "message",
    "line",
    "Line",
    "full_message",
    "short_message",
    "textPayload",
    "@message",
    "_raw",
    "LogEntry",
    "LogMessage",
    "event",
    "msg",
    "body",
    "content",
    "text",
    "stringValue",
    "entry",
    "event.original",
];
const TIME: [&str; 21] = [
    "__REALTIME_TIMESTAMP",
    "_SOURCE_REALTIME_TIMESTAMP",
    "entry_timestamp",
    "time",
    "timestamp",
    "@timestamp",
    "ts",
    "tsNs",
    "Time",
    "date",
    "Date",
    "_time",
    "TimeStamp",
    "timeStamp",
    "receiveTimestamp",
    "TimeGenerated",
    "timeUnixNano",
    "timereported",
    "ISODATE",
    // Of Python's loggers.
    "asctime",
    "created",
];
const POD: [&str; 4] = ["pod_name", "podName", "pod", "PodName"];
/// How many of the names below are those of containers.
const CONTAINERS: usize = 8;
const PROCESS: [&str; 33] = [
    "container_name",
    "_container_name",
    "CONTAINER_NAME",
    "containerName",
    "container",
    "ContainerName",
    "com.docker.compose.service",
    "compose_service",
    "SYSLOG_IDENTIFIER",
    "syslog_identifier",
    "_SYSTEMD_UNIT",
    "systemd_unit",
    "unit",
    "app-name",
    "appname",
    "service_name",
    "app",
    "_tag",
    "tag",
    "logStreamName",
    "logStream",
    "@logStream",
    "filename",
    "file",
    "programname",
    // Common Event Expression, and syslog-ng's `$(format-json)`.
    "pname",
    "p_proc",
    "p_app",
    "PROGRAM",
    "program",
    "process_name",
    "container_id",
    "_container_id",
];
const DEPTH_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::told_by;
    use super::*;

    fn told(line: &str) -> Option<(String, String, Option<i64>)> {
        told_by(unwrap, line)
    }

    #[test]
    fn every_collector_keeps_the_line_in_a_member() {
        let at = Some(1_767_366_245_123_456);
        for (line, process, stamp) in [
            (r#"{"log":"a \"b\"\n","stream":"stdout","time":"2026-01-02T15:04:05.123456789Z"}"#, "", at),
            (r#"{"log":"a \"b\"\n","stream":"stdout","attrs":{"tag":"synapse/1"},"time":"2026-01-02T15:04:05.123456789Z"},"#, "1", at),
            (
                r#"{"version":"1.1","host":"h","short_message":"a \"b\"","timestamp":1767366245.123456,"level":6,"_container_name":"synapse"}"#,
                "synapse",
                at,
            ),
            (
                r#"{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1767366245123456","_SYSTEMD_UNIT":"matrix-synapse.service","SYSLOG_IDENTIFIER":"python3","MESSAGE":"a \"b\""}"#,
                "matrix-synapse",
                at,
            ),
            (
                r#"{"__REALTIME_TIMESTAMP":"1767366245123456","CONTAINER_NAME":"nginx","_SYSTEMD_UNIT":"docker.service","MESSAGE":[97,32,34,98,34]}"#,
                "nginx",
                at,
            ),
            (
                r#"{"date":1767366245.123456,"log":"a \"b\"","kubernetes":{"pod_name":"synapse-0","container_name":"synapse","labels":{"app":"x"}}}"#,
                "synapse-0",
                at,
            ),
            (r#"{"container_name":"/synapse","source":"stdout","log":"a \"b\"","container_id":"0123"}"#, "synapse", None),
            (
                r#"{"kubernetes":{"pod_name":"m-0","container_name":"nginx"},"message":"a \"b\"","timestamp":"2026-01-02T15:04:05.123456Z"}"#,
                "m-0/nginx",
                at,
            ),
            (
                r#"{"labels":{"filename":"/var/log/synapse/reader1.log"},"line":"a \"b\"","timestamp":"2026-01-02T15:04:05.123456Z"}"#,
                "reader1",
                at,
            ),
            (r#"{"line": "a \"b\"","timestamp": "1767366245123456789","date": "2026-01-02T15:04:05.123Z","fields": {"job":"x"}}"#, "", at),
            (
                r#"{"logStreamName":"ecs/synapse/0123456789abcdef0123456789abcdef","timestamp":1767366245123,"message":"a \"b\"","eventId":"3"}"#,
                "synapse",
                Some(1_767_366_245_123_000),
            ),
            (r#"{"@timestamp":"2026-01-02 15:04:05.123456","@message":"a \"b\""}"#, "", at),
            (
                r#"{"textPayload":"a \"b\"","timestamp":"2026-01-02T15:04:05.123456Z","resource":{"labels":{"pod_name":"s-0","container_name":"synapse"}}}"#,
                "s-0/synapse",
                at,
            ),
            (r#"{"_source":{"@timestamp":"2026-01-02T15:04:05.123456Z","message":"a \"b\"","container":{"name":"x"}}}"#, "x", at),
            (
                r#"{"@timestamp":"2026-01-02T15:04:05.123456Z","message":"a \"b\"","kubernetes":{"pod":{"name":"s-0","uid":"1"},"container":{"name":"synapse"}}}"#,
                "s-0/synapse",
                at,
            ),
            (r#"{"@timestamp":"2026-01-02T15:04:05.123456Z","message":"a \"b\"","kubernetes.pod.name":"s-0"}"#, "s-0", at),
            (
                r#"{"@timestamp":"2026-01-02T15:04:05.123456Z","message":"a \"b\"","log":{"file":{"path":"/var/log/reader1.log"}}}"#,
                "reader1",
                at,
            ),
            (r#"@cee: {"msg":"a \"b\"","pname":"reader1","time":"2026-01-02T15:04:05.123456Z"}"#, "reader1", at),
            (
                r#"{"asctime":"2026-01-02 15:04:05,123","levelname":"INFO","name":"synapse.access.http.8008","message":"a \"b\""}"#,
                "",
                Some(1_767_366_245_123_000),
            ),
            (r#"@cee:{"p_proc":"reader1","p_sys":"h","msg":"a \"b\""}"#, "reader1", None),
            (r#"{"PROGRAM":"reader1","MESSAGE":"a \"b\"","ISODATE":"2026-01-02T15:04:05.123456+00:00","HOST":"h"}"#, "reader1", at),
            (r#"{"message":"a \"b\"","nodeName":"n","namespace":"m","podName":"s-0","containerName":"s"}"#, "s-0", None),
        ] {
            assert_eq!(told(line), Some((process.to_owned(), r#"a "b""#.to_owned(), stamp)), "{line}");
        }
    }

    #[test]
    fn other_text_is_no_object_of_a_collector() {
        for line in
            ["", "{", "{}", "x", r#"{"status":200}"#, r#"{"log":null}"#, r#"{"MESSAGE":[300]}"#, r#"{"MESSAGE":["#, r#"{"log":"a"} x"#]
        {
            assert_eq!(told(line), None, "{line}");
        }
    }
}
