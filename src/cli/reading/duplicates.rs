//! Inputs that look like copies by their counts alone: for inputs that are not compared request by request, because there are very many.
//! Where they are compared, equal counts say nothing: a worker's syncs may each cause one request to the main process.

use wsim_trace::ingest::{INPUTS_COMPARED, LineTally};

/// Pairs of inputs that look like the same traffic, logged twice, and how many more inputs look like a copy. At least one of each pair was not
/// compared request by request.
pub(super) fn duplicate_inputs(tallies: &[LineTally]) -> (Vec<(&LineTally, &LineTally)>, u64) {
    let spans = |tally: &LineTally| tally.first_us.zip(tally.last_us);
    let is_compared = |index: usize| u32::try_from(index).is_ok_and(|index| index < INPUTS_COMPARED);
    let mut sorted: Vec<(u64, i64, i64, (bool, &LineTally))> = tallies
        .iter()
        .enumerate()
        .filter(|(_, tally)| tally.requests >= DUPLICATE_REQUESTS_MIN)
        .filter_map(|(index, tally)| spans(tally).map(|(first, last)| (tally.requests, first, last, (is_compared(index), tally))))
        .collect();
    // Sorted by number and first arrival, copies are neighbours, so that 100,000 inputs need no comparison of each with each.
    sorted.sort_by_key(|(requests, first, last, _)| (*requests, *first, *last));
    let mut pairs = Vec::new();
    let mut more = 0;
    for (index, (requests, first, last, (compared, one))) in sorted.iter().enumerate() {
        let near =
            sorted[index + 1..].iter().take_while(|(count, start, ..)| count == requests && start.abs_diff(*first) < DUPLICATE_APART_US);
        let is_copy = |(_, _, end, (other, _)): &&(u64, i64, i64, (bool, &LineTally))| {
            end.abs_diff(*last) < DUPLICATE_APART_US && !(*compared && *other)
        };
        let Some((.., (_, other))) = near.take(NEAR_MAX).find(is_copy) else { continue };
        if pairs.len() < PAIRS_MAX { pairs.push((*one, *other)) } else { more += 1 }
    }
    (pairs, more)
}

/// Pairs that are told one by one.
const PAIRS_MAX: usize = 10;
/// Inputs with the same number of requests and the same beginning that are looked at.
const NEAR_MAX: usize = 100;
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
        let logs = [log("combined", 500, 0), log("other", 500, 90_000_000), log("rich", 500, 900_000)];
        let names = |tallies: &[LineTally]| -> Vec<(String, String)> {
            duplicate_inputs(tallies).0.into_iter().map(|(one, other)| (one.path.clone(), other.path.clone())).collect()
        };
        assert!(names(&logs).is_empty(), "these are compared request by request");
        let many: Vec<LineTally> = (0..INPUTS_COMPARED).map(|_| LineTally::default()).chain(logs).collect();
        assert_eq!(names(&many), [("combined".to_owned(), "rich".to_owned())]);
    }

    #[test]
    fn many_copies_are_counted_not_listed() {
        let tallies: Vec<LineTally> =
            (0..50_000).map(|_| LineTally { requests: 60, first_us: Some(0), last_us: Some(1), ..LineTally::default() }).collect();
        let (pairs, more) = duplicate_inputs(&tallies);
        // The first of those that are compared have no other input among the nearest.
        let without = u64::from(INPUTS_COMPARED) - NEAR_MAX as u64;
        assert_eq!((pairs.len(), more), (PAIRS_MAX, 49_999 - without - PAIRS_MAX as u64));
    }
}
