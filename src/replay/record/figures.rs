//! Counts of a run so far, for whoever scrapes them; kept on the recorder's own thread.

use super::super::{Account, End, Outcome};
use super::Group;

/// Upper bounds of the response times that are counted apart, ms.
pub const BOUNDS_MS: [u64; 12] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000];

/// What was counted so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Where everything went that has ended.
    pub account: Account,
    /// Answers by the first digit of their status: `by_class[2]` are 2xx, `by_class[0]` all that are none of 1xx to 5xx.
    pub by_class: [u64; 6],
    /// Endpoint groups in the order of the recorder.
    pub groups: Vec<GroupFigures>,
}

/// Answers of an endpoint group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupFigures {
    /// Its id.
    pub id: String,
    /// Answers of work up to each of [`BOUNDS_MS`] and above the one before; the last are above all.
    pub buckets: [u64; BOUNDS_MS.len() + 1],
    /// Sum of their response times, ns.
    pub sum_ns: u64,
    /// Long polls that were answered.
    pub long_polls: u64,
}

impl Figures {
    pub(super) fn new(groups: &[Group]) -> Self {
        let groups = groups.iter().map(|group| GroupFigures { id: group.id.clone(), ..GroupFigures::default() });
        Self { groups: groups.collect(), ..Self::default() }
    }

    pub(super) fn add(&mut self, outcome: &Outcome, place: usize) {
        self.account.book(outcome.end);
        if outcome.end != End::Completed {
            return;
        }
        let class = usize::from(outcome.status / 100);
        self.by_class[if class < self.by_class.len() { class } else { 0 }] += 1;
        let Some(group) = self.groups.get_mut(place) else { return };
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
