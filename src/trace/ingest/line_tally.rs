//! The count of every input's lines, which always adds up.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::passes::Pass;
use wsim_logs::Malformed;
use wsim_logs::source::log_name;

/// One input and the count of its lines: `lines == requests + not_requests + malformed`, always. The field names are part of
/// trace files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LineTally {
    /// As given, or as found in a folder; `-` for standard input.
    pub path: String,
    /// Name of the format.
    pub format: String,
    /// Why the input is read in this format: `200 of 200 sampled lines`.
    pub reason: String,
    /// What was assumed about the meaning of the time stamps, if anything had to be.
    pub stamp_note: Option<String>,
    /// Bytes after decompression.
    pub bytes: u64,
    /// Physical lines.
    pub lines: u64,
    /// Lines that report a request.
    pub requests: u64,
    /// Complete lines that report no request: other loggers, tracebacks, headers, blank lines.
    pub not_requests: u64,
    /// Lines that the format cannot explain.
    pub malformed: u64,
    /// Requests left out because an earlier file has the same line (only with `--dedupe`).
    pub duplicates: u64,
    /// Requests left out because they are outside `--from`/`--to`.
    pub outside: u64,
    /// First and last arrival of those, µs since the epoch. Not kept in trace files.
    #[serde(skip)]
    pub outside_span_us: Option<(i64, i64)>,
    /// Requests left out because their line has no time stamp.
    pub without_clock: u64,
    /// First arrival, µs since the epoch.
    pub first_us: Option<i64>,
    /// Last arrival, µs since the epoch.
    pub last_us: Option<i64>,
    /// Requests by the UTC day of their arrival, in days since 1970: says which input has stray times.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub days: BTreeMap<i64, u64>,
    /// What is wrong with the input, if something is: it is damaged, ended early or could not be opened. Lines may be missing.
    pub read_error: Option<String>,
    /// Requests in the hour that came twice when clocks were put back, where nothing tells which of the two: the first is assumed.
    #[serde(default)]
    pub doubled_hour: u64,
    /// Requests in an hour that no clock has shown, because clocks were put forward.
    #[serde(default)]
    pub missing_hour: u64,
    /// Requests in the first and in the second pass of a doubled hour. Not kept in trace files.
    #[serde(skip)]
    pub passes: (u64, u64),
    /// Virtual hosts that get Matrix requests in a sample of the lines, where the log has hosts and none was named. Not kept in trace files.
    #[serde(skip)]
    pub hosts: Vec<String>,
    /// The first few malformed lines.
    pub examples: Vec<MalformedExample>,
}

/// One of the malformed lines. Never its text, which is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MalformedExample {
    /// The input that contains it.
    #[serde(default)]
    pub path: String,
    /// Line number, from 1.
    pub line: u64,
    /// What was expected, and in which column (from 1).
    pub reason: String,
}

/// Counts the requests of doubled hours whose pass nothing tells: those of a log, in all its rotated files, that has only one pass.
pub(super) fn count_doubled_hours(tallies: &mut [LineTally]) {
    let told: HashSet<String> = tallies.iter().filter(|tally| tally.passes.1 > 0).map(|tally| log_name(&tally.path)).collect();
    for tally in tallies.iter_mut().filter(|tally| tally.passes.0 > 0) {
        if !told.contains(&log_name(&tally.path)) {
            tally.doubled_hour = tally.passes.0;
        }
    }
}

/// Errors that are told for each input.
const ERRORS_MAX: usize = 3;
const AND_MORE: &str = "; and more";

const DAY_US: i64 = 86_400_000_000;
/// Days counted for each input: eleven years.
const DAYS_MAX: usize = 4096;
/// Malformed lines kept as examples for each input.
pub(super) const EXAMPLES_MAX: usize = 5;

impl LineTally {
    /// States that something is wrong with the input, behind this number of whole lines.
    pub(super) fn record_error(&mut self, error: &str, lines: u64) {
        let place = if lines == 0 { "before the first line".to_owned() } else { format!("after line {lines}") };
        self.add_error(format!("{error}, {place}"));
    }

    /// States that something is wrong with the input. Beyond a few the errors are not told one by one.
    pub(super) fn add_error(&mut self, error: String) {
        let Some(text) = &mut self.read_error else {
            self.read_error = Some(error);
            return;
        };
        if text.matches("; ").count() + 1 < ERRORS_MAX {
            text.push_str("; ");
            text.push_str(&error);
        } else if !text.ends_with(AND_MORE) {
            text.push_str(AND_MORE);
        }
    }

    /// Counts what is open about a stamp.
    pub(super) fn record_pass(&mut self, pass: Pass) {
        match pass {
            Pass::Plain => {}
            Pass::First => self.passes.0 += 1,
            Pass::Second => self.passes.1 += 1,
            Pass::Missing => self.missing_hour += 1,
        }
    }

    /// Counts a malformed line.
    pub(super) fn record_malformed(&mut self, line: u64, why: Malformed) {
        self.malformed += 1;
        if self.examples.len() < EXAMPLES_MAX {
            let reason = format!("expected {} at column {}", why.expected, why.column + 1);
            self.examples.push(MalformedExample { path: self.path.clone(), line, reason });
        }
    }

    /// Counts a request outside `--from`/`--to`.
    pub(super) fn record_outside(&mut self, arrival_us: i64) {
        self.outside += 1;
        self.extend_outside_span((arrival_us, arrival_us));
    }

    fn extend_outside_span(&mut self, (first, last): (i64, i64)) {
        let (earliest, latest) = self.outside_span_us.unwrap_or((first, last));
        self.outside_span_us = Some((earliest.min(first), latest.max(last)));
    }

    /// Counts requests of a day. Of an input of very many days the earliest are counted, in whatever order they come.
    fn add_to_day(&mut self, day: i64, requests: u64) {
        *self.days.entry(day).or_default() += requests;
        if self.days.len() > DAYS_MAX {
            self.days.pop_last();
        }
    }

    /// Extends the span of arrivals.
    pub(super) fn extend_span(&mut self, arrival_us: i64) {
        self.first_us = Some(self.first_us.map_or(arrival_us, |first| first.min(arrival_us)));
        self.last_us = Some(self.last_us.map_or(arrival_us, |last| last.max(arrival_us)));
    }

    /// Adds the counts of another part of the same input.
    pub(super) fn add(&mut self, part: LineTally) {
        self.bytes += part.bytes;
        self.lines += part.lines;
        self.requests += part.requests;
        self.not_requests += part.not_requests;
        self.malformed += part.malformed;
        self.duplicates += part.duplicates;
        self.outside += part.outside;
        self.without_clock += part.without_clock;
        self.missing_hour += part.missing_hour;
        self.passes = (self.passes.0 + part.passes.0, self.passes.1 + part.passes.1);
        if let Some(span) = part.outside_span_us {
            self.extend_outside_span(span);
        }
        for arrival in [part.first_us, part.last_us].into_iter().flatten() {
            self.extend_span(arrival);
        }
        part.days.iter().for_each(|(&day, &requests)| self.add_to_day(day, requests));
        self.examples.extend(part.examples.into_iter().map(|example| MalformedExample { path: self.path.clone(), ..example }));
        self.examples.sort_by_key(|example| example.line);
        self.examples.truncate(EXAMPLES_MAX);
    }
}

/// Neighbouring arrivals of one day, which are added to a tally at once.
#[derive(Debug, Default)]
pub(super) struct ArrivalRun {
    requests: u64,
    day_start_us: i64,
    first_us: i64,
    last_us: i64,
}

impl ArrivalRun {
    /// Counts an arrival; those of another day before it are added to the tally.
    #[inline]
    pub(super) fn record(&mut self, arrival_us: i64, tally: &mut LineTally) {
        if self.requests == 0 || !(0..DAY_US).contains(&arrival_us.wrapping_sub(self.day_start_us)) {
            self.begin(arrival_us, tally);
        }
        self.requests += 1;
        self.first_us = self.first_us.min(arrival_us);
        self.last_us = self.last_us.max(arrival_us);
    }

    /// Adds what was counted to the tally and begins again.
    pub(super) fn add_to(&mut self, tally: &mut LineTally) {
        if self.requests > 0 {
            tally.extend_span(self.first_us);
            tally.extend_span(self.last_us);
            tally.add_to_day(self.first_us.div_euclid(DAY_US), self.requests);
        }
        self.requests = 0;
    }

    #[cold]
    fn begin(&mut self, arrival_us: i64, tally: &mut LineTally) {
        self.add_to(tally);
        let day_start_us = arrival_us.div_euclid(DAY_US).saturating_mul(DAY_US);
        *self = Self { requests: 0, day_start_us, first_us: arrival_us, last_us: arrival_us };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_errors_of_an_input_are_told_one_by_one() {
        let mut tally = LineTally::default();
        for member in 1..=9 {
            tally.record_error(&format!("wrong checksum {member}"), member * 10);
        }
        let told = tally.read_error.unwrap();
        assert_eq!(told, "wrong checksum 1, after line 10; wrong checksum 2, after line 20; wrong checksum 3, after line 30; and more");
    }

    #[test]
    fn a_doubled_hour_is_open_only_if_no_file_of_the_log_has_a_second_pass() {
        let tally = |path: &str, passes| LineTally { path: path.to_owned(), passes, ..LineTally::default() };
        let mut tallies = [tally("a.log.1", (5, 0)), tally("a.log", (2, 7)), tally("b.log", (3, 0)), tally("c.log", (0, 4))];
        count_doubled_hours(&mut tallies);
        assert_eq!(tallies.map(|tally| tally.doubled_hour), [0, 0, 3, 0]);
    }

    #[test]
    fn days_are_counted_alike_in_any_order_and_number_of_parts() {
        let days: Vec<i64> = (0..2 * 4096_i64).map(|number| number * 7919 % 8192).chain([3, 3, 8191]).collect();
        let count = |days: &mut dyn Iterator<Item = &i64>| {
            let (mut tally, mut run) = (LineTally::default(), ArrivalRun::default());
            days.for_each(|day| run.record(day * DAY_US + 5, &mut tally));
            run.add_to(&mut tally);
            tally
        };
        let whole = count(&mut days.iter());
        let mut parts = count(&mut days.iter().rev().take(3000));
        parts.add(count(&mut days.iter().rev().skip(3000)));
        assert_eq!((&whole.days, whole.days.len(), whole.days[&3]), (&parts.days, 4096, 3));
    }
}
