//! The lines of a log that grows, one after another, for whoever follows it: what a worker does with the lines of a block, without blocks.

use super::IngestConfig;
use super::identify::{FileFacts, Identifier, Wants};
use super::open::{process_name, what_is_logged};
use super::worker::is_of_another_host;
use crate::names::Names;
use crate::request::{Request, flag};
use wsim_endpoints::Classifier;
use wsim_http::host::Host;
use wsim_logs::Parser;
use wsim_logs::detect::{self, DetectConfig, DetectError};
use wsim_logs::record::Line;
use wsim_logs::source::{Input, Source};

/// Reads the lines of one log.
pub struct LineReader<'c> {
    parser: Box<dyn Parser>,
    facts: FileFacts,
    identifier: Identifier<'c>,
    hosts: Vec<Host>,
    format: String,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveLine {
    /// A request with a time.
    Request(Request),
    /// A complete line that reports no request, or one without a time.
    NotRequest,
    /// A line that the format cannot explain.
    Malformed,
}

impl<'c> LineReader<'c> {
    /// Detects the format of a log by lines of it. `number` tells the logs of one reading apart.
    ///
    /// # Errors
    /// No format fits.
    pub fn new(
        sample: &[&[u8]],
        source: &Source,
        number: u32,
        config: &IngestConfig,
        classifier: &'c Classifier,
    ) -> Result<Self, DetectError> {
        let log = match &source.input {
            Input::File(path) => Some(path.clone()),
            Input::StandardInput => None,
        };
        let mut detection = detect::detect(sample, &DetectConfig { log, changed_us: None, ..config.detect.clone() })?;
        let logged = what_is_logged(sample, detection.parser.as_mut());
        let facts = FileFacts { number, process: process_name(source), queries_logged: logged.queries, upstreams_logged: logged.upstreams };
        let identifier = Identifier::new(classifier, Wants { templates: false, join: true });
        Ok(Self { parser: detection.parser, facts, identifier, hosts: config.hosts.clone(), format: detection.name })
    }

    /// The name of the format.
    pub fn format(&self) -> &str {
        &self.format
    }

    /// Reads a line, given without its terminator.
    pub fn read(&mut self, line: &[u8], names: &mut Names) -> LiveLine {
        match &mut self.parser.parse(line) {
            Line::NotRequest => LiveLine::NotRequest,
            Line::Malformed(_) => LiveLine::Malformed,
            Line::Request(record) => match self.identifier.request(record, &self.facts, names) {
                None => LiveLine::NotRequest,
                Some((mut request, _)) => {
                    if request.has(flag::PROXY) && is_of_another_host(record, &self.hosts) {
                        request.flags |= flag::FOREIGN;
                    }
                    LiveLine::Request(request)
                }
            },
        }
    }

    /// To be called when the names of earlier requests are void.
    pub fn forget_names(&mut self) {
        self.identifier.forget_names();
    }
}

impl Request {
    /// The same request with its names in another table.
    #[must_use]
    pub fn moved(mut self, from: &Names, to: &mut Names) -> Self {
        for id in self.names_mut() {
            *id = if id.is_some() { to.intern_clean(from.text(*id)) } else { *id };
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_endpoints::{ClassifierConfig, table_for};

    #[test]
    fn lines_are_read_one_by_one_and_names_can_move() {
        let classifier = Classifier::new(&table_for(None).unwrap().table, &ClassifierConfig::default()).unwrap();
        let line: &[u8] =
            br#"192.0.2.1 - - [20/Nov/2026:16:54:00 +0000] "GET /_matrix/client/v3/sync?timeout=0 HTTP/1.1" 200 5 "-" "Element/1.11""#;
        let source = Source { input: Input::StandardInput, explicit: true, identity: None };
        let config = IngestConfig {
            detect: DetectConfig::default(),
            from_us: None,
            to_us: None,
            seed: 1,
            dedupe: false,
            hosts: Vec::new(),
            threads: 1,
        };
        let mut reader = LineReader::new(&[line], &source, 0, &config, &classifier).unwrap();
        let mut names = Names::new();
        assert_eq!(reader.format(), "nginx combined");
        let LiveLine::Request(request) = reader.read(line, &mut names) else { panic!("a request") };
        assert_eq!(reader.read(b"", &mut names), LiveLine::NotRequest);
        let mut others = Names::new();
        others.intern(b"first");
        let moved = request.moved(&names, &mut others);
        assert_ne!(moved.peer, request.peer);
        assert_eq!(others.text(moved.peer), names.text(request.peer));
    }
}
