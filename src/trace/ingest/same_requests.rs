//! Finds the same requests in two inputs: two formats of one proxy, a proxy in front of another, files that overlap.
//!
//! [`Sketches`] keeps a small sample of every input, by which pairs are found in any run; [`SeenRequests`] keeps all requests, by which
//! `--dedupe` leaves the second of each out. Lines of a proxy and of Synapse are joined later; they are compared only where requests are not
//! kept, so that nothing joins them. Requests that match with another clock are found too, by targets that are rare. Knows nothing of
//! formats. Invariant: what is found depends on the requests of each input only, neither on their order nor on threads.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::clocks::{RARE_MAX, densest};
use crate::join::{DISTANCE_MAX_US, end_us};
use crate::request::{NameId, Request, flag};

/// Two inputs with the same requests; the numbers are of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SameRequests {
    /// Indices of the inputs.
    pub one: u32,
    pub other: u32,
    /// Requests in both.
    pub same: u64,
    /// Requests of the input with fewer in the time that both cover.
    pub of: u64,
    /// How far the clock of `one` is behind that of `other`, µs; 0 if they agree.
    #[serde(default)]
    pub clock_offset_us: i64,
}

/// Which inputs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    /// Logs of proxies with each other, and those of Synapse.
    EachSide,
    /// A proxy's with Synapse's as well.
    All,
}

/// A sample of every input: the instants of the requests with the smallest hashes of target and status.
#[derive(Debug, Default)]
pub(super) struct Sketches {
    inputs: BTreeMap<u32, Sketch>,
}

#[derive(Debug, Default)]
struct Sketch {
    synapse: bool,
    coarse: bool,
    span_us: Option<(i64, i64)>,
    targets: BTreeMap<u64, Vec<i64>>,
}

impl Sketches {
    pub(super) fn observe(&mut self, input: u32, request: &Request, coarse: bool) {
        if request.match_hash == 0 || request.has(flag::INTERNAL) || input >= INPUTS_MAX {
            return;
        }
        let sketch = self.inputs.entry(input).or_default();
        sketch.synapse |= request.has(flag::SYNAPSE);
        sketch.coarse |= coarse;
        let end = end_us(request);
        let (first, last) = sketch.span_us.unwrap_or((end, end));
        sketch.span_us = Some((first.min(end), last.max(end)));
        let key = xxhash_rust::xxh3::xxh3_64_with_seed(&request.match_hash.to_le_bytes(), request.status.into());
        if sketch.targets.len() >= TARGETS_MAX && sketch.targets.last_key_value().is_some_and(|(last, _)| key > *last) {
            return;
        }
        keep_earliest(sketch.targets.entry(key).or_default(), end);
        if sketch.targets.len() > TARGETS_MAX {
            sketch.targets.pop_last();
        }
    }

    /// Adds the sketches of another thread, with the same result as if this one had seen its requests.
    pub(super) fn merge(&mut self, other: Self) {
        for (input, added) in other.inputs {
            let own = self.inputs.entry(input).or_default();
            own.synapse |= added.synapse;
            own.coarse |= added.coarse;
            own.span_us = match (own.span_us, added.span_us) {
                (Some((first, last)), Some((a, b))) => Some((first.min(a), last.max(b))),
                (own, added) => own.or(added),
            };
            for (key, instants) in added.targets {
                let kept = own.targets.entry(key).or_default();
                instants.into_iter().for_each(|at| keep_earliest(kept, at));
            }
            while own.targets.len() > TARGETS_MAX {
                own.targets.pop_last();
            }
        }
    }

    /// The pairs of inputs that hold the same requests, at most a few.
    pub(super) fn pairs(self, compared: Compared) -> Vec<SameRequests> {
        let inputs: Vec<(&u32, &Sketch)> = self.inputs.iter().collect();
        let mut pairs = Vec::new();
        for (index, (one, a)) in inputs.iter().enumerate() {
            for (other, b) in &inputs[index + 1..] {
                if pairs.len() >= PAIRS_MAX || (compared == Compared::EachSide && a.synapse != b.synapse) {
                    continue;
                }
                let found = a.same_as(b).map(|(same, of)| (same, of, 0)).or_else(|| a.same_with_another_clock(b));
                if let Some((same, of, clock_offset_us)) = found {
                    pairs.push(SameRequests { one: **one, other: **other, same, of, clock_offset_us });
                }
            }
        }
        pairs
    }
}

impl Sketch {
    /// How many requests of the smaller of two inputs are in the other, and how many could be; `None` if these are not many, or no more
    /// than chance explains: as many as there would be with other clocks.
    fn same_as(&self, other: &Self) -> Option<(u64, u64)> {
        let ((a_first, a_last), (b_first, b_last)) = (self.span_us?, other.span_us?);
        let tolerance = if self.coarse || other.coarse { COARSE_US } else { FINE_US };
        let common = (a_first.max(b_first) - tolerance, a_last.min(b_last) + tolerance);
        let whole = |sketch: &Self| sketch.targets.len() < TARGETS_MAX;
        let last = |sketch: &Self| if whole(sketch) { u64::MAX } else { sketch.targets.last_key_value().map_or(0, |(key, _)| *key) };
        let limit = last(self).min(last(other));
        let in_common = |sketch: &Self| -> u64 {
            let instants = sketch.targets.range(..=limit).flat_map(|(_, instants)| instants);
            instants.filter(|at| (common.0..=common.1).contains(*at)).count() as u64
        };
        let matched = |shift_us: i64| -> u64 {
            let pairs = self.targets.range(..=limit).filter_map(|(key, instants)| Some((instants, other.targets.get(key)?)));
            pairs.map(|(a, b)| matches(a, b, shift_us, tolerance)).sum()
        };
        let (same, of) = (matched(0), in_common(self).min(in_common(other)));
        let chance = CONTROL_SHIFTS_US.into_iter().map(matched).max().unwrap_or(0);
        (same >= SAME_MIN && same * 2 >= of && chance * 2 <= same).then_some((same, of.max(same)))
    }

    /// The same where one clock is behind the other, by the targets that are rare in both, and how far `other` is ahead, µs.
    fn same_with_another_clock(&self, other: &Self) -> Option<(u64, u64, i64)> {
        let rare = |instants: &[i64]| (1..=RARE_MAX).contains(&instants.len());
        let common = || {
            let pairs = self.targets.iter().filter_map(|(key, instants)| Some((instants, other.targets.get(key)?)));
            pairs.filter(|(a, b)| rare(a) && rare(b))
        };
        let mut differences: Vec<i64> = common().flat_map(|(a, b)| b.iter().flat_map(move |b| a.iter().map(move |a| b - a))).collect();
        differences.sort_unstable();
        let found = densest(&differences)?;
        let offset = found[found.len() / 2];
        let (same, of) = (found.len() as u64, common().count() as u64);
        let certain = same >= SAME_MIN && same * 2 >= of && offset.unsigned_abs() >= DISTANCE_MAX_US;
        certain.then_some((same, of.max(same), offset))
    }
}

/// Adds an instant to a sorted list of the earliest.
fn keep_earliest(instants: &mut Vec<i64>, at: i64) {
    if instants.len() >= INSTANTS_MAX && instants.last().is_some_and(|last| at >= *last) {
        return;
    }
    instants.insert(instants.partition_point(|other| *other <= at), at);
    instants.truncate(INSTANTS_MAX);
}

/// The number of instants in one sorted list with a partner in the other, one to one.
fn matches(a: &[i64], b: &[i64], shift_us: i64, tolerance_us: i64) -> u64 {
    let (mut i, mut j, mut found) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let apart = x + shift_us - y;
        if apart.abs() <= tolerance_us {
            found += 1;
            (i, j) = (i + 1, j + 1);
        } else if apart < 0 {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

/// All requests of the inputs read so far, for `--dedupe`.
#[derive(Debug, Default)]
pub(super) struct SeenRequests {
    by_target: HashMap<(u32, u16, bool), Vec<SeenRequest>>,
}

#[derive(Debug)]
struct SeenRequest {
    end_us: i64,
    input: u32,
    /// The last input that has the request.
    taken_by: u32,
    peer: NameId,
    coarse: bool,
}

impl SeenRequests {
    /// Whether an earlier input has the request, in whatever format: same target and status, same client where both say so, and the same
    /// end as far as the stamps tell. Remembers the request if not.
    pub(super) fn is_duplicate(&mut self, input: u32, request: &Request, coarse: bool) -> bool {
        if request.match_hash == 0 || request.has(flag::INTERNAL) {
            return false;
        }
        let end = end_us(request);
        let seen = self.by_target.entry((request.match_hash, request.status, request.has(flag::SYNAPSE))).or_default();
        let matching = |earlier: &&mut SeenRequest| {
            let tolerance = if coarse || earlier.coarse { COARSE_US } else { FINE_US };
            let same_peer = earlier.peer == request.peer || !earlier.peer.is_some() || !request.peer.is_some();
            earlier.input != input && earlier.taken_by != input && same_peer && earlier.end_us.abs_diff(end) <= tolerance.unsigned_abs()
        };
        if let Some(earlier) = seen.iter_mut().filter(matching).min_by_key(|earlier| earlier.end_us.abs_diff(end)) {
            earlier.taken_by = input;
            return true;
        }
        seen.push(SeenRequest { end_us: end, input, taken_by: input, peer: request.peer, coarse });
        false
    }
}

/// Targets kept of each input.
const TARGETS_MAX: usize = 128;
/// Requests kept of each target.
const INSTANTS_MAX: usize = 64;
/// Inputs that are compared: the first.
pub const INPUTS_MAX: u32 = 256;
const PAIRS_MAX: usize = 10;
/// Fewer may be equal by chance.
const SAME_MIN: u64 = 20;
/// Stamps of whole seconds, of which one may be cut and the other rounded.
const COARSE_US: i64 = 1_100_000;
/// The time from one proxy's log to the next one's.
const FINE_US: i64 = 200_000;
/// Clocks at which the same requests would not match, those of busy targets would.
const CONTROL_SHIFTS_US: [i64; 3] = [-17_000_000, 13_000_000, 29_000_000];

#[cfg(test)]
mod tests {
    use super::*;

    fn request(second: i64, target: u32) -> Request {
        Request { arrival_us: second * 1_000_000, match_hash: target, status: 200, flags: flag::PROXY, ..Request::default() }
    }

    fn found(rows: impl Iterator<Item = (u32, Request, bool)>) -> Vec<SameRequests> {
        let mut sketches = Sketches::default();
        rows.for_each(|(input, request, coarse)| sketches.observe(input, &request, coarse));
        sketches.pairs(Compared::EachSide)
    }

    #[test]
    fn two_formats_of_the_same_requests_are_found_by_a_sample() {
        let one = (0..5000u32).map(|n| (0, request(i64::from(n) * 3, n), true));
        let other = (1000..6000u32).map(|n| (1, Request { arrival_us: i64::from(n) * 3_000_000 + 600_000, ..request(0, n) }, false));
        let pairs = found(one.chain(other));
        assert_eq!(pairs.len(), 1);
        assert!((pairs[0].one, pairs[0].other) == (0, 1) && pairs[0].same * 100 >= pairs[0].of * 95, "{pairs:?}");
    }

    #[test]
    fn busy_targets_on_two_machines_are_not_the_same_requests() {
        // A few targets without parameters, several times a second on both.
        let rows = (0..4000u32).flat_map(|n| (0..2).map(move |input| (input, request(i64::from(n / 4), n % 3), true)));
        assert_eq!(found(rows), []);
        // Other requests at other times.
        let rows = (0..4000u32).map(|n| (n % 2, request(n.into(), n), true));
        assert_eq!(found(rows), []);
    }

    #[test]
    fn threads_that_share_the_blocks_of_a_file_find_the_same_in_any_order() {
        let rows = || {
            let one = (0..3000u32).map(|n| (0, request(i64::from(n) * 3, n % 700), true));
            one.chain((0..3000u32).map(|n| (1, request(i64::from(n) * 3, n % 700), true)))
        };
        let whole = found(rows());
        assert_eq!(whole.len(), 1);
        for threads in [2, 3] {
            let mut parts: Vec<Sketches> = (0..threads).map(|_| Sketches::default()).collect();
            rows().collect::<Vec<_>>().into_iter().rev().enumerate().for_each(|(row, (input, request, coarse))| {
                parts[row / 100 % threads].observe(input, &request, coarse);
            });
            let mut all = Sketches::default();
            parts.into_iter().rev().for_each(|part| all.merge(part));
            assert_eq!(all.pairs(Compared::EachSide), whole);
        }
    }

    #[test]
    fn a_proxy_and_synapse_are_compared_only_on_request_and_clocks_may_differ() {
        let hour = 3_600_000_000;
        let proxy =
            |shift: i64| (0..200u32).map(move |n| (0, Request { arrival_us: i64::from(n) * 3_000_000 - shift, ..request(0, n) }, true));
        let synapse = || (0..200u32).map(|n| (1, Request { flags: flag::SYNAPSE, ..request(i64::from(n) * 3, n) }, false));
        let pairs = |shift: i64, compared: Compared| {
            let mut sketches = Sketches::default();
            proxy(shift).chain(synapse()).for_each(|(input, request, coarse)| sketches.observe(input, &request, coarse));
            sketches.pairs(compared)
        };
        assert_eq!(pairs(0, Compared::EachSide), []);
        let same = pairs(0, Compared::All);
        assert!(same.len() == 1 && same[0].clock_offset_us == 0, "{same:?}");
        let apart = pairs(hour, Compared::All);
        assert!(apart.len() == 1 && apart[0].clock_offset_us == hour && apart[0].same >= 100, "{apart:?}");
    }

    #[test]
    fn dedupe_leaves_out_one_of_each_pair_and_no_repetition_within_an_input() {
        let mut seen = SeenRequests::default();
        let mut duplicate =
            |input: u32, second: i64, peer: u32| seen.is_duplicate(input, &Request { peer: NameId(peer), ..request(second, 7) }, true);
        assert_eq!([duplicate(0, 10, 1), duplicate(0, 10, 1), duplicate(0, 10, 2)], [false; 3]);
        assert_eq!([duplicate(1, 11, 1), duplicate(1, 10, 1), duplicate(1, 10, 1)], [true, true, false]);
        assert_eq!([duplicate(1, 10, 0), duplicate(1, 40, 2)], [true, false]);
    }
}
