//! The chains of long polls of a population in which news comes more or less often than observed.
//!
//! A chain of the log is one device. Each of its polls is there once for each copy of the news that woke it, in the order of time.

use super::record::{Record, mark};
use super::schedule::Occurrence;
use crate::engine::time::Time;
use wsim_stats::hashing::NumberMap;

/// The successor of each poll.
#[derive(Debug, Clone, Default)]
pub(super) struct PollChains(NumberMap<u64, Occurrence>);

impl PollChains {
    pub(super) fn next(&self, poll: Occurrence) -> Option<Occurrence> {
        self.0.get(&poll.identity()).copied()
    }
}

/// Collects polls in the order of the log.
#[derive(Debug, Default)]
pub(super) struct ChainBuilder {
    /// Index of a poll -> first poll of its chain, for polls to come.
    heads: NumberMap<u64, u32>,
    /// The chain of the poll that was observed last.
    head: u32,
    /// (chain, copy of the user, wake-up, poll).
    polls: Vec<(u32, u16, Time, Occurrence)>,
}

impl ChainBuilder {
    /// The poll with this index follows in the log.
    pub(super) fn observe(&mut self, poll: &Record, index: u32) {
        let known = if poll.has(mark::FOLLOWS_POLL) { self.heads.remove(&u64::from(index)) } else { None };
        self.head = known.unwrap_or(index);
        if poll.next != 0 {
            self.heads.insert(poll.next.into(), self.head);
        }
    }

    /// Adds a copy of the poll that was observed last.
    pub(super) fn push(&mut self, poll: Occurrence, wakeup: Time) {
        self.polls.push((self.head, poll.copy, wakeup, poll));
    }

    /// The chains; the first poll of each is added to `order`.
    pub(super) fn finish(mut self, order: &mut Vec<Occurrence>) -> PollChains {
        self.polls.sort_unstable();
        let mut chains = PollChains::default();
        let mut last: Option<(u32, u16, Occurrence)> = None;
        for (head, copy, _, poll) in self.polls {
            match last {
                Some((of, device, before)) if (of, device) == (head, copy) => {
                    chains.0.insert(before.identity(), poll);
                }
                _ => order.push(poll),
            }
            last = Some((head, copy, poll));
        }
        chains
    }
}
