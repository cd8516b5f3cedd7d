//! The parser of files that contain no requests: error logs, empty files.

use crate::{Line, Parser};

/// Reads every line as one that reports no request.
#[derive(Debug, Clone)]
pub struct NoRequests {
    name: &'static str,
}

impl NoRequests {
    /// `name` is the kind of file, such as `nginx error log`.
    pub fn new(name: &'static str) -> Self {
        Self { name }
    }
}

impl Parser for NoRequests {
    fn name(&self) -> &str {
        self.name
    }

    fn parse<'a>(&'a mut self, _line: &'a [u8]) -> Line<'a> {
        Line::NotRequest
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}
