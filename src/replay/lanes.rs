//! The order of one user's requests: users arrive independently of one another (open), one user's requests wait for each other (closed).
//!
//! A lane holds the requests of one client in order. A request is admitted when no more of its lane are in flight than were in the log
//! (`overlap_max`), first come, first served. In a lane of syncs one is in flight, and of the waiting ones only the latest is sent, because a
//! client has one sync at a time.
//!
//! Source: partly open systems, Schroeder, Wierman and Harchol-Balter, NSDI 2006. Invariant: every slot leaves its lane
//! exactly once: admitted, overtaken, or left over at the end.

use std::collections::VecDeque;

/// What happens to a slot that enters its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may be sent now, and counts as in flight.
    Admitted,
    /// It waits.
    Queued {
        /// A waiting sync that this one replaces: it will not be sent.
        overtaken: Option<u32>,
    },
}

/// The lanes of a run.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    waiting: usize,
}

#[derive(Debug, Clone, Default)]
struct Lane {
    in_flight: u32,
    waiting: VecDeque<QueuedSlot>,
}

/// A slot that enters a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueuedSlot {
    pub(super) slot: u32,
    /// How many earlier requests of the lane may still be in flight when it is sent.
    pub(super) overlap_max: u8,
    /// In a lane of syncs.
    pub(super) sync: bool,
}

impl Lanes {
    pub(super) fn new(count: usize) -> Self {
        Self { lanes: vec![Lane::default(); count], waiting: 0 }
    }

    /// Number of slots that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether a slot would be admitted at once.
    pub(super) fn is_free(&self, lane: usize, overlap_max: u8) -> bool {
        self.lanes[lane].is_free(overlap_max)
    }

    /// Admits a slot, or queues it.
    pub(super) fn admit(&mut self, number: usize, entry: QueuedSlot) -> Admission {
        let lane = &mut self.lanes[number];
        if lane.is_free(entry.overlap_max) {
            lane.in_flight += 1;
            return Admission::Admitted;
        }
        let overtaken = if entry.sync { lane.waiting.pop_back().map(|before| before.slot) } else { None };
        lane.waiting.push_back(entry);
        self.waiting += usize::from(overtaken.is_none());
        Admission::Queued { overtaken }
    }

    /// Notes that a request in flight has ended.
    pub(super) fn release(&mut self, number: usize) {
        self.lanes[number].in_flight -= 1;
    }

    /// The next slot that may be sent now; it counts as in flight. Call until there is none.
    pub(super) fn admit_next(&mut self, number: usize) -> Option<u32> {
        let lane = &mut self.lanes[number];
        let first = *lane.waiting.front()?;
        if lane.in_flight > u32::from(first.overlap_max) {
            return None;
        }
        lane.waiting.pop_front();
        lane.in_flight += 1;
        self.waiting -= 1;
        Some(first.slot)
    }

    /// Removes all waiting slots.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = u32> + '_ {
        self.waiting = 0;
        self.lanes.iter_mut().flat_map(|lane| lane.waiting.drain(..)).map(|waiting| waiting.slot)
    }
}

impl Lane {
    fn is_free(&self, overlap_max: u8) -> bool {
        self.waiting.is_empty() && self.in_flight <= u32::from(overlap_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(slot: u32, overlap_max: u8) -> QueuedSlot {
        QueuedSlot { slot, overlap_max, sync: false }
    }

    fn sync(slot: u32) -> QueuedSlot {
        QueuedSlot { slot, overlap_max: 0, sync: true }
    }

    #[test]
    fn a_lane_admits_as_many_as_overlapped_in_the_log() {
        let mut lanes = Lanes::new(1);
        assert_eq!(lanes.admit(0, plain(1, 0)), Admission::Admitted);
        assert_eq!(lanes.admit(0, plain(2, 1)), Admission::Admitted);
        assert_eq!(lanes.admit(0, plain(3, 0)), Admission::Queued { overtaken: None });
        assert_eq!(lanes.admit(0, plain(4, 9)), Admission::Queued { overtaken: None }, "it does not overtake the one before it");
        lanes.release(0);
        assert_eq!(lanes.admit_next(0), None);
        lanes.release(0);
        assert_eq!((lanes.admit_next(0), lanes.admit_next(0), lanes.admit_next(0), lanes.waiting()), (Some(3), Some(4), None, 0));
    }

    #[test]
    fn of_waiting_syncs_the_latest_is_sent() {
        let mut lanes = Lanes::new(1);
        assert_eq!(lanes.admit(0, sync(1)), Admission::Admitted);
        assert_eq!(lanes.admit(0, sync(2)), Admission::Queued { overtaken: None });
        assert_eq!(lanes.admit(0, sync(3)), Admission::Queued { overtaken: Some(2) });
        assert_eq!(lanes.waiting(), 1);
        lanes.release(0);
        assert_eq!(lanes.admit_next(0), Some(3));
    }

    proptest! {
        #[test]
        fn every_slot_leaves_once(steps in prop::collection::vec((0_usize..3, 0_u8..3, any::<bool>()), 0..200)) {
            let mut lanes = Lanes::new(3);
            let mut in_flight = [0_u32; 3];
            let mut out = Vec::new();
            let mut count = 0;
            for (number, overlap_max, ends) in steps {
                if ends && in_flight[number] > 0 {
                    lanes.release(number);
                    in_flight[number] -= 1;
                    while let Some(slot) = lanes.admit_next(number) {
                        out.push(slot);
                        in_flight[number] += 1;
                    }
                    continue;
                }
                // Lane 2 is one of syncs.
                let entry = QueuedSlot { slot: count, overlap_max: if number == 2 { 0 } else { overlap_max }, sync: number == 2 };
                match lanes.admit(number, entry) {
                    Admission::Admitted => {
                        out.push(count);
                        in_flight[number] += 1;
                    }
                    Admission::Queued { overtaken } => out.extend(overtaken),
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
