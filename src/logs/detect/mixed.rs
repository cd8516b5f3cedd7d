//! The parser of a file with lines of several programs.

use super::trial::{is_other, is_usable};
use crate::streams::StreamUpdate;
use crate::{Line, Malformed, Parser};

/// Gives every line to its formats in a fixed order; the first that reads a usable request counts. Text that none can read and that looks
/// like no request is a line of another program; all else is malformed.
pub(super) struct Mixed {
    name: String,
    branches: Vec<Box<dyn Parser>>,
}

impl Mixed {
    /// `branches` are at least one, the most frequent first.
    pub(super) fn new(branches: Vec<Box<dyn Parser>>) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for branch in &branches {
            if !names.contains(&branch.name()) {
                names.push(branch.name());
            }
        }
        Self { name: names.join(" and "), branches }
    }
}

impl Parser for Mixed {
    fn name(&self) -> &str {
        &self.name
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        let mut request = None;
        let mut malformed: Option<Malformed> = None;
        for branch in &mut self.branches {
            match branch.parse(line) {
                Line::Request(record) if is_usable(&record) => return Line::Request(record),
                Line::Request(record) => request = request.or(Some(record)),
                Line::Malformed(why) if malformed.is_none_or(|known| why.column > known.column) => malformed = Some(why),
                Line::Malformed(_) | Line::NotRequest => {}
            }
        }
        match (request, malformed) {
            (Some(record), _) => Line::Request(record),
            (None, Some(why)) if !is_other(line) => Line::Malformed(why),
            _ => Line::NotRequest,
        }
    }

    fn update(&mut self, line: &[u8]) -> Option<StreamUpdate> {
        self.branches.iter_mut().find_map(|branch| branch.update(line))
    }

    fn notes(&self) -> Vec<String> {
        self.branches.iter().flat_map(|branch| branch.notes()).collect()
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(Self { name: self.name.clone(), branches: self.branches.iter().map(|branch| branch.fork()).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::nginx;
    use crate::formats::synapse::Synapse;
    use crate::formats::testing::stamps;

    #[test]
    fn every_line_is_read_by_the_format_that_can() {
        let mut parser = Mixed::new(vec![Box::new(nginx::combined(stamps())), Box::new(Synapse::new(stamps()))]);
        assert_eq!(parser.fork().name(), "nginx combined and synapse");
        let access = br#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET /a HTTP/1.1" 200 5 "-" "a""#;
        let synapse = br#"2026-07-01 09:15:42,118 - synapse.access.http.8008 - 12 - INFO - GET-1 - 127.0.0.1 - 8008 - {None} Processed request: 0.001sec/0.000sec (0.001sec, 0.000sec) (0.000sec/0.000sec/0) 12B 200 "GET /b HTTP/1.1" "curl" [0 dbevts]"#;
        for (line, target) in [(&access[..], &b"/a"[..]), (synapse, b"/b")] {
            let Line::Request(record) = parser.parse(line) else { panic!("no request") };
            assert_eq!(*record.target, *target);
        }
        assert!(matches!(parser.parse(&access[..40]), Line::NotRequest));
        assert!(matches!(parser.parse(&access[..52]), Line::Malformed(_)), "cut off within the request");
        assert!(matches!(parser.parse(b"\xff\xfe\x16"), Line::Malformed(_)), "no text");
        assert_eq!(parser.parse(b"starting up"), Line::NotRequest);
        let unreadable = br#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "\x16\x03" 400 5 "-" "-""#;
        assert!(matches!(parser.parse(unreadable), Line::Request(_)));
    }
}
