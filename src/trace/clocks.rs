//! Whether the clocks of a proxy and of Synapse agree: estimated from requests that both logged, by the targets that are rare.
//!
//! A constant difference, such as a wrong time zone or a clock that nobody set, would keep every request from being joined. Knows nothing
//! of joining beyond the distance within which it needs no help.

use std::collections::HashMap;

use super::join::{DISTANCE_MAX_US, end_us, is_proxy, is_synapse};
use super::store::Trace;

/// The ends of the requests of one target in the proxy's and in Synapse's logs.
#[derive(Debug, Default)]
struct Ends {
    proxy: Vec<i64>,
    synapse: Vec<i64>,
}

/// How far the proxy's clock is behind Synapse's, µs; `None` if the clocks agree, or too little tells.
pub(crate) fn clock_offset_us(trace: &Trace) -> Option<i64> {
    // One target of so many is looked at, so that memory stays small.
    let one_of = u32::try_from(trace.len() / ROWS_WANTED).unwrap_or(u32::MAX).max(1);
    let mut targets: HashMap<u32, Ends> = HashMap::new();
    for request in trace.requests().filter(|request| request.match_hash != 0 && request.match_hash % one_of == 0) {
        let ends = if is_proxy(&request) {
            &mut targets.entry(request.match_hash).or_default().proxy
        } else if is_synapse(&request) {
            &mut targets.entry(request.match_hash).or_default().synapse
        } else {
            continue;
        };
        if ends.len() <= RARE_MAX {
            ends.push(end_us(&request));
        }
    }
    let rare = |ends: &&Ends| (1..=RARE_MAX).contains(&ends.proxy.len()) && (1..=RARE_MAX).contains(&ends.synapse.len());
    let mut count = 0;
    let mut differences: Vec<i64> = Vec::new();
    for ends in targets.values().filter(rare) {
        count += 1;
        differences.extend(ends.synapse.iter().flat_map(|synapse| ends.proxy.iter().map(move |proxy| synapse - proxy)));
    }
    differences.sort_unstable();
    let agreeing = differences.iter().filter(|difference| difference.unsigned_abs() < DISTANCE_MAX_US).count();
    let densest = densest(&differences)?;
    let offset = densest[densest.len() / 2];
    let certain = count >= TARGETS_MIN && densest.len() * 2 >= count && agreeing * 4 <= densest.len();
    (certain && offset.unsigned_abs() >= DISTANCE_MAX_US).then_some(offset)
}

/// The differences within the narrow span that holds most of them; of equals the first.
pub(crate) fn densest(sorted: &[i64]) -> Option<&[i64]> {
    let mut best: &[i64] = &[];
    let mut first = 0;
    for last in 0..sorted.len() {
        while sorted[last] - sorted[first] > SPAN_US {
            first += 1;
        }
        if last + 1 - first > best.len() {
            best = &sorted[first..=last];
        }
    }
    (!best.is_empty()).then_some(best)
}

const ROWS_WANTED: usize = 200_000;
/// Requests of a target on either side, up to which they tell which belongs to which.
pub(crate) const RARE_MAX: usize = 3;
const TARGETS_MIN: usize = 20;
/// Stamps of whole seconds and clocks that drift.
const SPAN_US: i64 = 3_000_000;

#[cfg(test)]
mod tests {
    use crate::join::join;
    use crate::request::tests::request_at;
    use crate::request::{Request, flag};
    use crate::store::Trace;

    /// Fifty requests in both logs, the proxy's clock behind by `offset_us`.
    fn trace(offset_us: i64, targets: u32) -> Trace {
        let mut trace = Trace::new();
        for number in 0..50u32 {
            let (at, match_hash) = (i64::from(number) * 7_000_000, 1 + number % targets);
            trace.push(Request { match_hash, flags: flag::PROXY, ..request_at(at - offset_us) });
            trace.push(Request { match_hash, flags: flag::SYNAPSE | flag::COST, ..request_at(at) });
        }
        trace.seal();
        trace
    }

    #[test]
    fn a_constant_offset_is_found_and_the_requests_are_joined() {
        for offset in [3_600_000_000, -47_000_000] {
            let (joined, facts) = join(trace(offset, 50));
            let facts = facts.unwrap();
            assert_eq!((facts.clock_offset_us, facts.joined, joined.len()), (offset, 50, 50));
            assert_eq!(joined.requests().next().unwrap().arrival_us, 0);
        }
    }

    #[test]
    fn clocks_that_agree_and_targets_that_repeat_give_no_offset() {
        let offset = |trace| join(trace).1.unwrap().clock_offset_us;
        assert_eq!(offset(trace(800_000, 50)), 0);
        assert_eq!(offset(trace(3_600_000_000, 5)), 0);
    }
}
