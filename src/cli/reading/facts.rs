//! What a [`ReadSummary`] contributes to the facts of a report.

use super::super::output::command_line;
use super::ReadSummary;
use wsim_report::{NextStep, RunFacts};
use wsim_trace::ingest::LineTally;

impl ReadSummary {
    /// What the report says of the run as a whole.
    pub(in crate::cli) fn run_facts(&self, next: Vec<NextStep>) -> RunFacts {
        RunFacts {
            wsim: env!("CARGO_PKG_VERSION").to_owned(),
            created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            command: command_line(),
            seed: self.seed,
            synapse_version: self.synapse_version.clone(),
            table_note: self.table_note.clone(),
            time_zone: self.zone.clone(),
            partial: self.partial,
            joined: self.joined,
            assumptions: self.assumptions(),
            next,
        }
    }

    fn assumptions(&self) -> Vec<String> {
        let mut list = vec![format!("Time stamps without a zone are read as {}; --tz changes that.", self.zone)];
        if let Some(joined) = self.joined
            && joined.joined * 2 < joined.proxy_requests.min(joined.synapse_requests)
        {
            list.push(format!(
                "Only {} of {} proxied requests were found in Synapse's logs; the others are counted as one side logged them. If the logs cover the same time, check --tz.",
                joined.joined, joined.proxy_requests
            ));
        }
        list.extend(duplicate_inputs(&self.tallies).map(|(one, other)| {
            format!(
                "{} and {} hold the same number of requests over the same time: if they are the same requests, give only one of them.",
                one.path, other.path
            )
        }));
        list
    }
}

/// Pairs of inputs that look like the same traffic, logged twice.
fn duplicate_inputs(tallies: &[LineTally]) -> impl Iterator<Item = (&LineTally, &LineTally)> {
    let close = |a: Option<i64>, b: Option<i64>| a.zip(b).is_some_and(|(a, b)| a.abs_diff(b) < DUPLICATE_APART_US);
    tallies.iter().enumerate().flat_map(move |(index, one)| {
        let is_duplicate = move |other: &&LineTally| {
            one.requests == other.requests
                && one.requests >= DUPLICATE_REQUESTS_MIN
                && close(one.first_us, other.first_us)
                && close(one.last_us, other.last_us)
        };
        tallies[index + 1..].iter().filter(is_duplicate).map(move |other| (one, other))
    })
}

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
        let found: Vec<_> = duplicate_inputs(&tallies).map(|(one, other)| (one.path.as_str(), other.path.as_str())).collect();
        assert_eq!(found, [("combined", "rich")]);
    }
}
