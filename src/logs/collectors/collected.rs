//! The parser of a file whose lines wear a collector's dress.

use std::borrow::Cow;

use super::{Chain, Clock, unwrap};
use crate::streams::StreamUpdate;
use crate::{Line, Parser};

/// Takes the dress off every line, gives the rest to the format's parser, and adds the process and the stamp where the line has none.
pub struct Collected {
    chain: Chain,
    clock: Clock,
    inner: Box<dyn Parser>,
    /// What was unwrapped of the last line.
    text: Vec<u8>,
    process: Vec<u8>,
}

impl Collected {
    pub fn new(chain: Chain, clock: Clock, inner: Box<dyn Parser>) -> Self {
        Self { chain, clock, inner, text: Vec::new(), process: Vec::new() }
    }
}

impl Parser for Collected {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        let Self { chain, clock, inner, text, process } = self;
        let found = unwrap(chain, line, clock);
        let named = match found.process {
            Some(name) => {
                process.clear();
                process.extend_from_slice(&name);
                true
            }
            None => false,
        };
        let stamp = found.stamp;
        let (unwrapped, offset): (&'a [u8], usize) = match found.text {
            // What was removed stood mostly before the text.
            Cow::Borrowed(rest) => (rest, (rest.as_ptr() as usize).wrapping_sub(line.as_ptr() as usize)),
            Cow::Owned(owned) => {
                *text = owned;
                (text.as_slice(), 0)
            }
        };
        match inner.parse(unwrapped) {
            Line::Request(mut record) => {
                if named {
                    record.process = record.process.or(Some(process.as_slice()));
                }
                record.stamp = record.stamp.or(stamp);
                Line::Request(record)
            }
            Line::Malformed(mut why) => {
                why.column = why.column.saturating_add(offset.min(line.len())).min(line.len());
                Line::Malformed(why)
            }
            Line::NotRequest => Line::NotRequest,
        }
    }

    fn update(&mut self, line: &[u8]) -> Option<StreamUpdate> {
        self.inner.update(&unwrap(&self.chain, line, &mut self.clock).text)
    }

    fn study(&mut self, sample: &[&[u8]]) {
        let texts: Vec<Cow<'_, [u8]>> = sample.iter().map(|line| unwrap(&self.chain, line, &mut self.clock).text).collect();
        let lines: Vec<&[u8]> = texts.iter().map(|text| &**text).collect();
        self.inner.study(&lines);
    }

    fn notes(&self) -> Vec<String> {
        self.inner.notes()
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(Self::new(self.chain.clone(), self.clock.clone(), self.inner.fork()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Wrapper;
    use super::*;
    use crate::formats::nginx;
    use crate::formats::synapse::Synapse;
    use crate::formats::testing::{malformed, request, stamps};

    const MESSAGE: &str = r#"synapse.access.http.8008: [GET-182] 10.44.110.1 - 8008 - {@n:example.org} Processed request: 30.005sec/0.001sec (0.008sec, 0.000sec) (0.001sec/0.004sec/1) 223B 200 "GET /_matrix/client/r0/sync HTTP/1.1" "Mozilla/5.0" [0 dbevts]"#;

    fn collected(chain: &[Wrapper], inner: impl Parser + 'static) -> Collected {
        Collected::new(chain.to_vec(), Clock::new(stamps(), 1_782_907_200_000_000), Box::new(inner))
    }

    #[test]
    fn the_dress_gives_the_process_and_the_stamp() {
        let mut parser = collected(&[Wrapper::Syslog], Synapse::new(stamps()));
        let line = format!("Mar 25 11:54:18 host synapse[977]: {MESSAGE}");
        let record = request(&mut parser, &line);
        assert_eq!(record.process, Some(&b"synapse"[..]));
        assert_eq!(record.stamp.unwrap().micros, 1_774_439_658_000_000);
        let object = format!(r#"{{"log":{},"time":"2026-03-25T11:54:18Z"}}"#, serde_json::to_string(&line).unwrap());
        let mut parser = collected(&[Wrapper::Object, Wrapper::Syslog], Synapse::new(stamps()));
        assert_eq!(request(&mut parser, &object).process, Some(&b"synapse"[..]));
    }

    #[test]
    fn a_line_without_the_dress_is_read_as_it_is_and_columns_count_from_the_lines_start() {
        let access = br#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 5 "-" "a""#;
        let mut parser = collected(&[Wrapper::Compose], nginx::combined(stamps()));
        assert_eq!(request(&mut parser, access).process, None);
        let dressed = [b"nginx-1  | ", &access[..]].concat();
        assert_eq!(request(&mut parser, &dressed).process, Some(&b"nginx-1"[..]));
        let plain = malformed(&mut nginx::combined(stamps()), &access[..40]).column;
        assert_eq!(malformed(&mut parser, &dressed[..51]).column, plain + 11);
    }
}
