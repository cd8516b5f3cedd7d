//! Order within a user: open across users, closed inside a chain.
//!
//! A lane holds what one user's client does in order. A request is let go when no more of its lane are under way than were in the log
//! (`alongside`), first come first served. In a lane of syncs one is under way, and of those waiting only the latest is worth
//! sending: a client has one sync at a time and would not have asked twice.
//!
//! Source: partly open systems, Schroeder, Wierman and Harchol-Balter, NSDI 2006. Invariant: every slot that comes in goes out once:
//! let go, overtaken, or left over at the end.

use std::collections::VecDeque;

/// What happens to a slot that comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// It may be sent now; it counts as under way.
    Go,
    /// It waits; the slot named, which waited before, will never be sent.
    Waits {
        /// A sync that this one has overtaken.
        overtaken: Option<u32>,
    },
}

/// All lanes of a run.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    waiting: usize,
}

#[derive(Debug, Clone, Default)]
struct Lane {
    under_way: u32,
    waiting: VecDeque<Waiting>,
}

/// A slot in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Which slot.
    pub(super) slot: u32,
    /// How many may be under way beside it.
    pub(super) alongside: u8,
    /// One of a lane of syncs.
    pub(super) sync: bool,
}

impl Lanes {
    pub(super) fn new(count: usize) -> Self {
        Self { lanes: vec![Lane::default(); count], waiting: 0 }
    }

    /// How many slots wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether a slot would be let go at once.
    pub(super) fn is_free(&self, lane: usize, alongside: u8) -> bool {
        self.lanes[lane].is_free(alongside)
    }

    /// A slot comes in.
    pub(super) fn enter(&mut self, number: usize, entry: Waiting) -> Entry {
        let lane = &mut self.lanes[number];
        if lane.is_free(entry.alongside) {
            lane.under_way += 1;
            return Entry::Go;
        }
        let overtaken = if entry.sync { lane.waiting.pop_back().map(|before| before.slot) } else { None };
        lane.waiting.push_back(entry);
        self.waiting += usize::from(overtaken.is_none());
        Entry::Waits { overtaken }
    }

    /// One under way has ended.
    pub(super) fn leave(&mut self, number: usize) {
        self.lanes[number].under_way -= 1;
    }

    /// The next that may be sent; it counts as under way. Call until there is none.
    pub(super) fn next(&mut self, number: usize) -> Option<u32> {
        let lane = &mut self.lanes[number];
        let first = *lane.waiting.front()?;
        if lane.under_way > u32::from(first.alongside) {
            return None;
        }
        lane.waiting.pop_front();
        lane.under_way += 1;
        self.waiting -= 1;
        Some(first.slot)
    }

    /// Takes out everything that waits.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = u32> + '_ {
        self.waiting = 0;
        self.lanes.iter_mut().flat_map(|lane| lane.waiting.drain(..)).map(|waiting| waiting.slot)
    }
}

impl Lane {
    fn is_free(&self, alongside: u8) -> bool {
        self.waiting.is_empty() && self.under_way <= u32::from(alongside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(slot: u32, alongside: u8) -> Waiting {
        Waiting { slot, alongside, sync: false }
    }

    fn sync(slot: u32) -> Waiting {
        Waiting { slot, alongside: 0, sync: true }
    }

    #[test]
    fn a_lane_lets_go_what_the_log_had_together() {
        let mut lanes = Lanes::new(1);
        assert_eq!(lanes.enter(0, plain(1, 0)), Entry::Go);
        assert_eq!(lanes.enter(0, plain(2, 1)), Entry::Go);
        assert_eq!(lanes.enter(0, plain(3, 0)), Entry::Waits { overtaken: None });
        assert_eq!(lanes.enter(0, plain(4, 9)), Entry::Waits { overtaken: None }, "it does not pass the one before it");
        lanes.leave(0);
        assert_eq!(lanes.next(0), None);
        lanes.leave(0);
        assert_eq!((lanes.next(0), lanes.next(0), lanes.next(0), lanes.waiting()), (Some(3), Some(4), None, 0));
    }

    #[test]
    fn of_waiting_syncs_the_latest_is_sent() {
        let mut lanes = Lanes::new(1);
        assert_eq!(lanes.enter(0, sync(1)), Entry::Go);
        assert_eq!(lanes.enter(0, sync(2)), Entry::Waits { overtaken: None });
        assert_eq!(lanes.enter(0, sync(3)), Entry::Waits { overtaken: Some(2) });
        assert_eq!(lanes.waiting(), 1);
        lanes.leave(0);
        assert_eq!(lanes.next(0), Some(3));
    }

    proptest! {
        #[test]
        fn every_slot_goes_out_once(steps in prop::collection::vec((0_usize..3, 0_u8..3, any::<bool>()), 0..200)) {
            let mut lanes = Lanes::new(3);
            let mut under_way = [0_u32; 3];
            let mut out = Vec::new();
            let mut count = 0;
            for (number, alongside, ends) in steps {
                if ends && under_way[number] > 0 {
                    lanes.leave(number);
                    under_way[number] -= 1;
                    while let Some(slot) = lanes.next(number) {
                        out.push(slot);
                        under_way[number] += 1;
                    }
                    continue;
                }
                // Lane 2 is one of syncs.
                let entry = Waiting { slot: count, alongside: if number == 2 { 0 } else { alongside }, sync: number == 2 };
                match lanes.enter(number, entry) {
                    Entry::Go => {
                        out.push(count);
                        under_way[number] += 1;
                    }
                    Entry::Waits { overtaken } => out.extend(overtaken),
                }
                count += 1;
            }
            let waiting = lanes.waiting();
            let left: Vec<u32> = lanes.drain().collect();
            prop_assert_eq!(left.len(), waiting);
            out.extend(left);
            out.sort_unstable();
            prop_assert_eq!(out, (0..count).collect::<Vec<_>>());
        }
    }
}
