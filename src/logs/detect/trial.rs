//! How well a parser reads the sample.

use std::net::IpAddr;

use memchr::memmem;

use super::sample::View;
use crate::{Line, Malformed, Parser, Record};
use wsim_http::target;

/// What a parser made of a sampled line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// A request with a path and, if any, a sane stamp and duration.
    Usable,
    /// A request of which nothing can be used, such as an unreadable request line.
    Request,
    NotRequest,
    Malformed(Malformed),
}

/// A parser, the view that it was given, and what it read.
pub(super) struct Trial {
    pub(super) parser: Box<dyn Parser>,
    pub(super) view: usize,
    depth: usize,
    /// One for each sampled line.
    pub(super) readings: Vec<Reading>,
    /// One for each sampled line.
    worths: Vec<Worth>,
    /// Reads whatever has fields of known names, so that a format with names of its own comes first.
    pub(super) generic: bool,
}

/// How much a record says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Worth {
    /// The request is usable and has a status.
    good: bool,
    usable: bool,
    stamped: bool,
    /// The client's address is one, and the virtual host a host.
    sound: bool,
    fields: u8,
}

/// The share of a trial in some lines; the greater is the better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score {
    pub(super) good: usize,
    pub(super) usable: usize,
    stamped: usize,
    sound: usize,
    fields: usize,
}

/// What decides between trials; the greater is the better.
pub(super) type Rank = ([usize; 3], bool, [usize; 3]);

impl Trial {
    pub(super) fn new(parser: Box<dyn Parser>, view: &View<'_>, index: usize, generic: bool) -> Self {
        let mut trial = Self { parser, view: index, depth: view.depth, readings: Vec::new(), worths: Vec::new(), generic };
        trial.read(view, false);
        trial
    }

    /// [`Self::new`], given up at the first line that is not read as a good request: `None`. Where another trial has read every line so,
    /// such a one is worse whatever it makes of the others.
    pub(super) fn of_good_lines(parser: Box<dyn Parser>, view: &View<'_>, index: usize, generic: bool) -> Option<Self> {
        let mut trial = Self { parser, view: index, depth: view.depth, readings: Vec::new(), worths: Vec::new(), generic };
        trial.read(view, true).then_some(trial)
    }

    /// Reads the lines of a view. With `only_good` ends at the first that is not a good request; whether all lines were read.
    fn read(&mut self, view: &View<'_>, only_good: bool) -> bool {
        let lines: Vec<&[u8]> = view.lines().collect();
        let Self { parser, readings, worths, .. } = self;
        parser.study(&lines);
        for (line, text) in lines.iter().zip(&view.texts) {
            let (reading, worth) = match parser.parse(line) {
                Line::Request(mut record) => {
                    record.stamp = record.stamp.or(text.stamp);
                    let has_process = record.process.is_some() || text.process.is_some();
                    let worth = Worth::of(&record, has_process);
                    (if worth.usable { Reading::Usable } else { Reading::Request }, worth)
                }
                Line::NotRequest => (Reading::NotRequest, Worth::default()),
                Line::Malformed(why) => (Reading::Malformed(why), Worth::default()),
            };
            if only_good && !worth.good {
                return false;
            }
            readings.push(reading);
            worths.push(worth);
        }
        true
    }

    /// Whether every line was read as a good request.
    pub(super) fn reads_all(&self) -> bool {
        !self.worths.is_empty() && self.worths.iter().all(|worth| worth.good)
    }

    /// Whether nothing but a trial with names or keys of its own can be better.
    pub(super) fn is_sure(&self) -> bool {
        self.reads_all() && !self.generic && self.worths.iter().all(|worth| worth.stamped)
    }

    pub(super) fn name(&self) -> &str {
        self.parser.name()
    }

    pub(super) fn requests(&self) -> usize {
        self.readings.iter().filter(|reading| matches!(reading, Reading::Usable | Reading::Request)).count()
    }

    pub(super) fn not_requests(&self) -> usize {
        self.readings.iter().filter(|reading| **reading == Reading::NotRequest).count()
    }

    /// The share in the lines of these numbers.
    pub(super) fn score(&self, lines: impl IntoIterator<Item = usize>) -> Score {
        let mut score = Score::default();
        for worth in lines.into_iter().filter_map(|line| self.worths.get(line)) {
            score.good += usize::from(worth.good);
            score.usable += usize::from(worth.usable);
            score.stamped += usize::from(worth.stamped);
            score.sound += usize::from(worth.sound);
            score.fields += usize::from(worth.fields);
        }
        score
    }

    pub(super) fn total(&self) -> Score {
        self.score(0..self.worths.len())
    }

    /// The share in the lines of these numbers, with what decides between equals: keys or names that are the format's own, addresses
    /// that are addresses, the number of fields, and at last how much is taken off.
    pub(super) fn rank(&self, lines: &[usize]) -> Rank {
        self.rank_of(self.score(lines.iter().copied()))
    }

    /// The rank in all lines.
    pub(super) fn total_rank(&self) -> Rank {
        self.rank_of(self.total())
    }

    fn rank_of(&self, score: Score) -> Rank {
        ([score.good, score.usable, score.stamped], !self.generic, [score.sound, score.fields, self.depth])
    }

    /// Whether the parser reads requests, and no more lines look like requests that it cannot read than it reads.
    pub(super) fn fits(&self, view: &View<'_>) -> bool {
        let usable = self.total().usable;
        usable > 0 && usable >= (0..self.readings.len()).filter(|line| self.misses(*line, view)).count()
    }

    /// Whether the line of this number looks like a request and is malformed for the parser.
    pub(super) fn misses(&self, line: usize, view: &View<'_>) -> bool {
        matches!(self.readings.get(line), Some(Reading::Malformed(_)))
            && view.texts.get(line).is_some_and(|text| looks_like_request(&text.text))
    }

    /// Whether more than one line in twenty is malformed for the parser and reports no request.
    pub(super) fn is_mixed(&self, view: &View<'_>) -> bool {
        let others = self.readings.iter().zip(view.lines());
        let others = others.filter(|(reading, line)| matches!(reading, Reading::Malformed(_)) && is_other(line)).count();
        others * 20 > self.readings.len()
    }

    /// The first line that looks like a request and could not be read, and why.
    pub(super) fn first_failure(&self, view: &View<'_>) -> Option<(usize, Malformed)> {
        self.readings.iter().enumerate().find_map(|(number, reading)| match reading {
            Reading::Malformed(why) if self.misses(number, view) => Some((number, *why)),
            _ => None,
        })
    }
}

impl Worth {
    fn of(record: &Record<'_>, has_process: bool) -> Self {
        let usable = is_usable(record);
        if !usable {
            return Self::default();
        }
        let fields = [
            record.wall_us.is_some(),
            record.upstream_us.is_some(),
            record.upstream.is_some(),
            record.address.is_some(),
            record.agent.is_some(),
            record.bytes_sent.is_some(),
            record.request_id.is_some(),
            record.user.as_deref().is_some_and(|user| memchr::memchr(b' ', user).is_none()),
            record.cost.is_some() && has_process,
            record.cost.is_some(),
        ];
        let fields = fields.into_iter().map(u8::from).sum();
        Self {
            good: (100..600).contains(&record.status),
            usable,
            stamped: record.stamp.is_some(),
            sound: record.address.is_some_and(is_address) && record.site.is_none_or(is_host),
            fields,
        }
    }
}

fn is_address(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|address| address.parse::<IpAddr>().is_ok()) || address.starts_with(b"unix:")
}

/// Whether a virtual host can be one, rather than a clock or a name that a collector put before the line.
fn is_host(site: &[u8]) -> bool {
    let is_date = matches!(site, [a, b, c, d, b'-', _, _, b'-', ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()));
    let port = memchr::memrchr(b':', site).map_or(&b"0"[..], |colon| &site[colon + 1..]);
    let is_port = site.ends_with(b"]") || (!port.is_empty() && port.iter().all(u8::is_ascii_digit));
    !is_date && is_port && site.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-:[]*~".contains(byte) || *byte >= 0x80)
}

/// Whether a record is that of a request: its target is a path (or `*` of `OPTIONS`), its stamp is of the time of computers, and its
/// duration can be one.
pub(super) fn is_usable(record: &Record<'_>) -> bool {
    let path = target::split(&record.target).is_some_and(|target| target.path.first() == Some(&b'/')) || *record.target == *b"*";
    let sane = record.stamp.is_none_or(|stamp| (EARLIEST_US..LATEST_US).contains(&stamp.micros));
    path && sane && !record.has_impossible_duration()
}

/// Whether a line has the text of a request, in whatever format. An error log quotes requests too, and names the client before;
/// matrix-authentication-service's requests are not Synapse's.
pub fn looks_like_request(line: &[u8]) -> bool {
    let protocol = memmem::find_iter(line, b"HTTP/").find(|at| line.get(at + 5).is_some_and(u8::is_ascii_digit));
    let end = match protocol {
        Some(at) if memchr::memchr(b'/', &line[..at]).is_some() => at,
        // Cut off before its protocol.
        _ => match [&b"\"GET /"[..], b"\"POST /", b"\"PUT /"].into_iter().find_map(|start| memmem::find(line, start)) {
            Some(at) => at + 1,
            None => return false,
        },
    };
    memmem::find(&line[..end], b", request: \"").is_none() && memmem::find(&line[..end], AUTHENTICATION_SERVICE).is_none()
}

/// What matrix-authentication-service, which stands beside Synapse in many compose files, logs of its own requests.
const AUTHENTICATION_SERVICE: &[u8] = b" http.server.response ";

/// Whether a line is text of another program and no request.
pub(super) fn is_other(line: &[u8]) -> bool {
    is_text(line) && !looks_like_request(line)
}

/// Whether a line may be what a program says; other bytes are those of a scanner, or of a disk that was full.
fn is_text(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte >= 0x20 || matches!(byte, b'\t' | 0x1b | b'\r')) && std::str::from_utf8(line).is_ok()
}

/// 2005, before there was any of the servers whose logs are read.
const EARLIEST_US: i64 = 1_104_537_600_000_000;
/// 2100.
const LATEST_US: i64 = 4_102_444_800_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ambiguity, Stamp, StampMeaning};

    #[test]
    fn a_record_is_usable_if_its_target_is_a_path_and_its_stamp_is_sane() {
        let record = |target: &'static [u8], micros: Option<i64>| Record {
            method: b"GET",
            target: target.into(),
            stamp: micros.map(|micros| Stamp { micros, resolution_us: 1, meaning: StampMeaning::End, ambiguity: Ambiguity::None }),
            ..Record::default()
        };
        for target in [&b"/x?y"[..], b"https://example.org/x", b"*"] {
            assert!(is_usable(&record(target, None)) && is_usable(&record(target, Some(1_782_907_200_000_000))));
            assert!(!is_usable(&record(target, Some(7))) && !is_usable(&record(target, Some(i64::MAX))));
        }
        for target in [&b""[..], b"example.org/x", b"200", b"-"] {
            assert!(!is_usable(&record(target, None)));
        }
    }

    #[test]
    fn the_text_of_a_request_is_recognised_but_not_that_of_an_error() {
        assert!(looks_like_request(br#"x "GET /a HTTP/1.1" y"#) && looks_like_request(b"x GET /a HTTP/2.0"));
        assert!(!looks_like_request(br#"[error] 23#23: *1 no live upstreams, client: 1.2.3.4, request: "GET /x HTTP/1.0""#));
        assert!(!looks_like_request(b"the text HTTP/ alone") && !looks_like_request(b"HTTP/1.1"));
    }
}
