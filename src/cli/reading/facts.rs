//! What a [`ReadSummary`] contributes to the facts of a report.

use super::super::output::command_line;
use super::ReadSummary;
use super::anonymise::{anonymous_command_line, key_sentence};
use wsim_report::{NextStep, RunFacts};
use wsim_text::plural;
use wsim_trace::ingest::LineTally;

impl ReadSummary {
    /// What the report says of the run as a whole.
    pub(in crate::cli) fn run_facts(&self, next: Vec<NextStep>) -> RunFacts {
        RunFacts {
            wsim: env!("CARGO_PKG_VERSION").to_owned(),
            created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            command: if self.hides_command { anonymous_command_line() } else { command_line() },
            seed: self.seed,
            synapse_version: self.synapse_version.clone(),
            table_note: self.table_note.clone(),
            time_zone: self.hours_zone().to_owned(),
            partial: self.partial,
            joined: self.joined,
            assumptions: self.assumptions(),
            next,
        }
    }

    fn assumptions(&self) -> Vec<String> {
        let mut list = vec![match self.hours_zone {
            None => format!("Time stamps without a zone are read as {}; --tz changes that.", self.zone),
            Some(_) => format!("Time stamps without a zone were read as {} when the trace was made.", self.zone),
        }];
        if self.outside_range > 0 {
            let left_out = plural(self.outside_range, "request", "requests");
            list.push(format!(
                "{left_out} of the trace are outside --from and --to and left out; the table of inputs counts the whole logs."
            ));
        }
        if self.anonymised {
            let sentence = key_sentence(self.key_kept);
            list.push(format!("{}{}.", sentence[..1].to_uppercase(), &sentence[1..]));
        }
        if let Some(joined) = self.joined
            && joined.joined * 2 < joined.proxy_requests.min(joined.synapse_requests)
        {
            list.push(format!(
                "Only {} of {} proxied requests were found in Synapse's logs; the others are counted as one side logged them. If the logs cover the same time, check --tz.",
                joined.joined, joined.proxy_requests
            ));
        }
        list.extend(self.other_names.sentences());
        list.extend(clock_changes(&self.tallies, &self.zone));
        list.extend(self.source_notes.iter().take(NOTES_MAX).map(|note| format!("{note}.")));
        list.extend(
            self.source_notes
                .len()
                .checked_sub(NOTES_MAX)
                .filter(|more| *more > 0)
                .map(|more| format!("{more} more files are left out or the same as others.")),
        );
        let (pairs, more) = duplicate_inputs(&self.tallies);
        list.extend(pairs.into_iter().map(|(one, other)| {
            format!(
                "{} and {} hold the same number of requests over the same time: if they are the same requests, give only one of them.",
                one.path, other.path
            )
        }));
        list.extend((more > 0).then(|| format!("{} look like copies of others, too.", plural(more, "more input", "more inputs"))));
        list
    }
}

/// What stamps without an offset leave open where clocks were changed.
fn clock_changes(tallies: &[LineTally], zone: &str) -> Vec<String> {
    let sum = |count: fn(&LineTally) -> u64| tallies.iter().map(count).sum::<u64>();
    let mut list = Vec::new();
    let doubled = sum(|tally| tally.doubled_hour);
    if doubled > 0 {
        let requests = plural(doubled, "request", "requests");
        list.push(format!(
            "{requests} are in the hour that came twice when the clocks of {zone} were put back, and the order of the lines does not tell which: the first is assumed. Stamps with an offset, or logs in UTC, leave no doubt."
        ));
    }
    let missing = sum(|tally| tally.missing_hour);
    if missing > 0 {
        let requests = plural(missing, "request", "requests");
        list.push(format!(
            "{requests} are in an hour that the clocks of {zone} never showed, because they were put forward: the stamps are read as if they had not been. The logs are probably of another zone; check --tz."
        ));
    }
    list
}

/// Pairs of inputs that look like the same traffic, logged twice, and how many more inputs look like a copy.
fn duplicate_inputs(tallies: &[LineTally]) -> (Vec<(&LineTally, &LineTally)>, u64) {
    let spans = |tally: &LineTally| tally.first_us.zip(tally.last_us);
    let mut sorted: Vec<(u64, i64, i64, &LineTally)> = tallies
        .iter()
        .filter(|tally| tally.requests >= DUPLICATE_REQUESTS_MIN)
        .filter_map(|tally| spans(tally).map(|(first, last)| (tally.requests, first, last, tally)))
        .collect();
    // Sorted by number and first arrival, copies are neighbours, so that 100,000 inputs need no comparison of each with each.
    sorted.sort_by_key(|(requests, first, last, _)| (*requests, *first, *last));
    let mut pairs = Vec::new();
    let mut more = 0;
    for (index, (requests, first, last, one)) in sorted.iter().enumerate() {
        let near =
            sorted[index + 1..].iter().take_while(|(count, start, ..)| count == requests && start.abs_diff(*first) < DUPLICATE_APART_US);
        let Some((.., other)) = near.take(NEAR_MAX).find(|(_, _, end, _)| end.abs_diff(*last) < DUPLICATE_APART_US) else { continue };
        if pairs.len() < PAIRS_MAX { pairs.push((*one, *other)) } else { more += 1 }
    }
    (pairs, more)
}

/// Pairs that are told one by one.
const PAIRS_MAX: usize = 10;
/// Inputs with the same number of requests and the same beginning that are looked at.
const NEAR_MAX: usize = 100;
/// Notes on files left out that are told one by one.
const NOTES_MAX: usize = 20;

/// Below this number of requests two logs may have the same number by chance.
const DUPLICATE_REQUESTS_MIN: u64 = 50;

/// Allows for stamps of whole seconds, of which one log's mark the start and the other's the end of a short request.
const DUPLICATE_APART_US: u64 = 3_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_traffic_logged_twice_is_noticed() {
        let log = |path: &str, requests, first_us| LineTally {
            path: path.to_owned(),
            requests,
            first_us: Some(first_us),
            last_us: Some(first_us + 1_000_000),
            ..LineTally::default()
        };
        let tallies = [log("combined", 500, 0), log("other", 500, 90_000_000), log("rich", 500, 900_000)];
        let found: Vec<_> = duplicate_inputs(&tallies).0.into_iter().map(|(one, other)| (one.path.as_str(), other.path.as_str())).collect();
        assert_eq!(found, [("combined", "rich")]);
    }

    #[test]
    fn many_copies_are_counted_not_listed() {
        let tallies: Vec<LineTally> =
            (0..50_000).map(|_| LineTally { requests: 60, first_us: Some(0), last_us: Some(1), ..LineTally::default() }).collect();
        let (pairs, more) = duplicate_inputs(&tallies);
        assert_eq!((pairs.len(), more), (PAIRS_MAX, 49_999 - PAIRS_MAX as u64));
    }

    #[test]
    fn hours_that_clocks_skip_or_double_are_told_with_their_requests() {
        let tally = |doubled_hour, missing_hour| LineTally { doubled_hour, missing_hour, ..LineTally::default() };
        assert!(clock_changes(&[tally(0, 0)], "Europe/Berlin").is_empty());
        let told = clock_changes(&[tally(2, 1), tally(1, 0)], "Europe/Berlin");
        assert!(told[0].starts_with("3 requests are in the hour that came twice") && told[0].contains("Europe/Berlin"), "{told:?}");
        assert!(told[1].starts_with("1 request") && told[1].contains("never showed"), "{told:?}");
    }
}
