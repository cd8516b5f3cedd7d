//! Cache state per (actor, process, class), and what a request costs in either state.
//!
//! A process that has served a class of requests to a user has what the class needs in its caches: the first initial sync of a user at a worker
//! took 64 ms of CPU and 48 transactions, later ones 9 ms and one, and having been there with other requests did not help (docs/accuracy.md).
//! These are two kinds of request rather than one with a factor, so costs in the other state are those of another request: a donor.

use std::sync::Arc;

use super::record::Record;
use crate::engine::random::below;
use wsim_stats::hashing::NumberMap;
use wsim_stats::random::mix;

/// What the caches of a process mean for the costs of a class.
#[derive(Debug, Clone, PartialEq)]
pub enum CacheEffect {
    /// Nothing that a log shows.
    None,
    /// The log shows both states.
    Donors(Donors),
    /// The log does not show both: costs with cold caches divided by costs with warm ones, above 0.
    Ratio(f64),
}

/// Requests with known cache state; neither list is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Donors {
    pub cold: Arc<[Record]>,
    pub warm: Arc<[Record]>,
}

impl CacheEffect {
    /// The record whose costs a request has in a cache state, and a factor on them. `is_cold` is the simulated state, `was_cold` that of the
    /// record; `random` are random bits that belong to the request.
    #[inline]
    pub(super) fn costs<'r>(&'r self, record: &'r Record, is_cold: bool, was_cold: bool, random: u64) -> (&'r Record, f64) {
        if is_cold == was_cold {
            return (record, 1.0);
        }
        match self {
            Self::None => (record, 1.0),
            Self::Donors(donors) => {
                let donors = if is_cold { &donors.cold } else { &donors.warm };
                (donors.get(below(random, donors.len())).unwrap_or(record), 1.0)
            }
            Self::Ratio(ratio) => (record, if is_cold { *ratio } else { 1.0 / ratio }),
        }
    }
}

/// What the processes of a run have cached.
#[derive(Debug, Default)]
pub(super) struct Caches {
    /// Second of the last request, by actor, process and class.
    last: NumberMap<u64, u32>,
    /// Actors and classes that any process has served.
    seen: NumberMap<u64, ()>,
}

impl Caches {
    /// A process serves a class to an actor at this second; returns whether its caches are cold. The first request of a class by an actor has
    /// the state that it had in the log, `was_cold`: what was cached before the start is the same in every deployment.
    pub(super) fn serve(&mut self, actor: u64, process: u16, class: u16, second: u32, was_cold: bool) -> bool {
        let of_class = mix(actor).wrapping_add(u64::from(class));
        match self.last.insert(mix(of_class ^ u64::from(process) << 32), second) {
            Some(last) => second.saturating_sub(last) > LIFE_SECONDS,
            // What this process has served before, it knows; only of others it must be looked up.
            None => self.seen.insert(mix(of_class), ()).is_some() || was_cold,
        }
    }
}

/// Expiry of cache entries: half an hour unless configured (Synapse, `caches.expiry_time`).
pub(super) const LIFE_SECONDS: u32 = 1_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_of_a_process_and_a_class_and_expire() {
        let mut caches = Caches::default();
        assert!(caches.serve(7, 0, 1, 0, true), "as in the log");
        assert!(!caches.serve(7, 0, 1, 10, true));
        assert!(caches.serve(7, 1, 1, 20, false), "cold once at another process");
        assert!(!caches.serve(7, 1, 1, 30, false));
        assert!(!caches.serve(7, 0, 2, 40, false), "warm before the start, as in the log");
        assert!(caches.serve(7, 1, 2, 40, false), "another class does not help");
        assert!(!caches.serve(7, 0, 1, 10 + LIFE_SECONDS, false) && caches.serve(7, 0, 1, 11 + 2 * LIFE_SECONDS, false));
        assert!(caches.serve(8, 0, 1, 50, true), "another user does not help");
    }

    #[test]
    fn costs_in_the_other_state_are_those_of_a_donor_or_of_a_ratio() {
        let record = |cpu_us: u32| Record { cpu_us, ..Record::at(0) };
        let own = record(5);
        let donors = CacheEffect::Donors(Donors { cold: [record(60), record(70)].into(), warm: [record(9)].into() });
        let cpu = |effect: &CacheEffect, is_cold: bool, was_cold: bool, random: u64| {
            let (record, factor) = effect.costs(&own, is_cold, was_cold, random);
            f64::from(record.cpu_us) * factor
        };
        assert_eq!((cpu(&donors, true, true, 0), cpu(&donors, false, false, 0)), (5.0, 5.0), "its own where the states agree");
        assert_eq!((cpu(&donors, true, false, 0), cpu(&donors, true, false, u64::MAX), cpu(&donors, false, true, 3)), (60.0, 70.0, 9.0));
        assert_eq!((cpu(&CacheEffect::Ratio(4.0), true, false, 0), cpu(&CacheEffect::Ratio(5.0), false, true, 0)), (20.0, 1.0));
        assert_eq!(cpu(&CacheEffect::None, true, false, 0), 5.0);
    }
}
