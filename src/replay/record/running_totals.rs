//! Totals of a run so far, for `/metrics`; kept on the recorder's thread.

use super::super::{End, Outcome, OutcomeTotals};
use super::Group;

/// Upper bounds of the buckets of response times, ms.
pub const BOUNDS_MS: [u64; 12] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000];

#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunningTotals {
    pub outcomes: OutcomeTotals,
    /// Responses by the first digit of their status: `by_class[2]` counts 2xx, `by_class[0]` everything outside 1xx to 5xx.
    pub by_class: [u64; 6],
    /// Endpoint groups, in the recorder's order.
    pub groups: Vec<GroupTotals>,
}

/// Responses of an endpoint group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupTotals {
    pub id: String,
    /// Responses without long polls, by [`BOUNDS_MS`]; not cumulative. The last bucket has no upper bound.
    pub buckets: [u64; BOUNDS_MS.len() + 1],
    /// Sum of the response times in `buckets`, ns.
    pub sum_ns: u64,
    /// Long polls that got a response.
    pub long_polls: u64,
}

impl RunningTotals {
    pub(super) fn new(groups: &[Group]) -> Self {
        let groups = groups.iter().map(|group| GroupTotals { id: group.id.clone(), ..GroupTotals::default() });
        Self { groups: groups.collect(), ..Self::default() }
    }

    pub(super) fn add(&mut self, outcome: &Outcome, group: usize) {
        self.outcomes.record(outcome.end);
        if outcome.end != End::Completed {
            return;
        }
        let class = usize::from(outcome.status / 100);
        self.by_class[if class < self.by_class.len() { class } else { 0 }] += 1;
        let Some(group) = self.groups.get_mut(group) else { return };
        match outcome.response_ns() {
            Some(ns) if !outcome.long_poll => {
                let bucket = BOUNDS_MS.iter().position(|bound| ns <= bound * 1_000_000).unwrap_or(BOUNDS_MS.len());
                group.buckets[bucket] += 1;
                group.sum_ns = group.sum_ns.saturating_add(ns);
            }
            _ => group.long_polls += 1,
        }
    }
}
