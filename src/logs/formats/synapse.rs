//! Synapse's request log as text, of every release since 0.16.0 and under any log configuration.
//!
//! Owns the classification of a line: it is a request if it contains a complete access message (`synapse_message`) and its prefix
//! (`synapse_prefix`) names no other logger. The prefix may be missing.
//!
//! Invariant: an incomplete line of the access logger is malformed; a line of any other logger, a continuation or a banner is no
//! request, whatever text it quotes.

use memchr::memmem::{self, Finder};

use super::synapse_clock;
use super::synapse_message::{self, Broken, Message, PROCESSED};
use super::synapse_prefix::{ACCESS_LOGGER, Clock, Logger, id_of, is_field, logger, process, request_id};
use super::synapse_update::{self, SENDING};
use crate::streams::StreamUpdate;
use crate::{Line, Malformed, Parser, StampReader};

/// Reads Synapse's text log. Its stamps have no zone, so it needs the one Synapse ran in.
///
/// - [`Record::user`](crate::Record::user) is the user on whose behalf the request ran: the second name of
///   `{@admin:server|@user:server}`; for a federation request the server name.
/// - [`Record::request_id`](crate::Record::request_id) is the text after the method in `GET-48213`: the process's own counter, or any
///   text that a proxy sent.
/// - [`Record::process`](crate::Record::process) is as in the prefix, with `synapse_` of the Docker image's supervisor.
#[derive(Debug, Clone)]
pub struct Synapse {
    stamps: StampReader,
    processed: Finder<'static>,
    access_logger: Finder<'static>,
    sending: Finder<'static>,
}

impl Synapse {
    /// `stamps` has the zone in which Synapse ran.
    pub fn new(stamps: StampReader) -> Self {
        Self { stamps, processed: Finder::new(PROCESSED), access_logger: Finder::new(ACCESS_LOGGER), sending: Finder::new(SENDING) }
    }

    /// Reads a text of `logger`; for [`Logger::Unknown`] the text itself decides.
    pub(super) fn read<'a>(&mut self, text: &'a [u8], logger: Logger) -> Line<'a> {
        let mut broken: Option<Broken> = None;
        let mut from = 0;
        // More than one only if a client forged the text in its address, user agent or path.
        for _ in 0..ATTEMPTS_MAX {
            let Some(offset) = self.processed.find(&text[from..]) else { break };
            match synapse_message::read(text, from + offset) {
                Ok(message) => return self.request(text, message),
                Err(error) if broken.is_none_or(|known| error.has_client && !known.has_client) => broken = Some(error),
                Err(_) => {}
            }
            from += offset + PROCESSED.len() - 1;
        }
        self.no_request(text, logger, broken)
    }

    fn request<'a>(&mut self, line: &'a [u8], message: Message<'a>) -> Line<'a> {
        let head = &line[..message.start];
        let clock = Clock::find(head);
        let other_clock = if clock.is_none() { synapse_clock::find(head, &mut self.stamps) } else { None };
        let after_clock = clock.map(|clock| clock.end).or(other_clock.map(|(_, end)| end)).unwrap_or(0);
        if logger(head, after_clock) == Logger::Other {
            return Line::NotRequest;
        }
        let mut record = message.record;
        // A target contains no space, so that this is the start of one line followed by another, as two writers to one file leave
        // them.
        if memchr::memchr(b' ', &record.target).is_some() && self.processed.find(&record.target).is_some() {
            return Line::Malformed(Malformed { expected: "one access message in the line", column: 0 });
        }
        record.stamp = other_clock.map(|(stamp, _)| stamp);
        if let Some(clock) = clock {
            record.stamp = clock.stamp(head, &mut self.stamps);
            if record.stamp.is_none() {
                return Line::Malformed(Malformed { expected: "a date and a time of day that exist", column: clock.start });
            }
        }
        record.request_id = request_id(&head[after_clock..], record.method);
        let prefix = clock.filter(|clock| clock.asctime).map_or(head, |clock| &head[..clock.start]);
        // A format may have bars between its own fields.
        record.process = process(prefix).filter(|name| !is_field(name) && id_of(name, record.method).is_none());
        Line::Request(record)
    }

    /// Classifies a line without a complete access message: truncated, or of another logger.
    fn no_request(&self, line: &[u8], claimed: Logger, broken: Option<Broken>) -> Line<'static> {
        let whole_tail = line.ends_with(b" dbevts]");
        if claimed == Logger::Unknown && broken.is_none() && !whole_tail && self.access_logger.find(line).is_none() {
            return Line::NotRequest;
        }
        let found = || logger(line, Clock::find(line).map_or(0, |clock| clock.end));
        let claimed = if claimed == Logger::Unknown { found() } else { claimed };
        let malformed = match (claimed, broken) {
            (Logger::Other, _) => return Line::NotRequest,
            (Logger::Access, Some(broken)) | (Logger::Unknown, Some(broken @ Broken { has_client: true, .. })) => broken.malformed,
            (Logger::Access, None) if is_arrival(line) => return Line::NotRequest,
            (Logger::Access, None) => Malformed { expected: "`Processed request:` and the text after it", column: line.len() },
            (Logger::Unknown, _) if whole_tail => Malformed { expected: "the start of the access message", column: 0 },
            (Logger::Unknown, _) => return Line::NotRequest,
        };
        Line::Malformed(malformed)
    }
}

impl Parser for Synapse {
    fn name(&self) -> &str {
        "synapse"
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        self.read(line, Logger::Unknown)
    }

    fn update(&mut self, line: &[u8]) -> Option<StreamUpdate> {
        synapse_update::in_line(line, self.sending.find(line)?, &mut self.stamps)
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

/// `... Received request: METHOD TARGET`, which the access logger writes when a request arrives.
fn is_arrival(line: &[u8]) -> bool {
    let Some(at) = memmem::find(line, RECEIVED) else { return false };
    let request = &line[at + RECEIVED.len()..];
    memchr::memchr(b' ', request).is_some_and(|space| space > 0 && space + 1 < request.len())
}

const RECEIVED: &[u8] = b" - Received request: ";
/// How many times `Processed request:` is tried in one line, which bounds the time that a forged line can take.
const ATTEMPTS_MAX: usize = 8;

#[cfg(test)]
mod tests;
