//! The parser of files that are known to hold no requests: error logs, empty files.

use crate::{Line, Parser};

/// Says of every line that it is no request.
#[derive(Debug, Clone)]
pub struct NoRequests {
    name: &'static str,
}

impl NoRequests {
    /// A parser with the kind of file as its name, such as `nginx error log`.
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
