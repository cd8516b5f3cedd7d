//! The event queue: what happens next.
//!
//! Invariant: events come out by time; events of one instant come out in the order in which they were scheduled, so a run never
//! depends on how the heap happens to lie.
//!
//! A heap with four children per node (LaMarca and Ladner, "The influence of caches on the performance of heaps", 1996) of
//! 16-byte keys: time, sequence number and payload in one `u128`, so that one comparison decides and siblings share a cache
//! line. Most events schedule exactly one other: the root that was taken stays open until the next operation, and an event
//! scheduled meanwhile is put there and sinks, which saves the replacement from the bottom. Two such heaps, by how far
//! ahead an event lies: thousands of parked long polls do not deepen the heap in which slices and transactions turn over.

use super::time::{Span, Time};

/// Pending events.
#[derive(Debug, Clone, Default)]
pub struct EventQueue {
    /// Events scheduled for soon. Few, so that it is shallow.
    near: Heap,
    /// Events scheduled for much later (parked long polls), which would only be in the way.
    far: Heap,
    sequence: u64,
    now: Time,
}

/// Largest payload of an event.
pub const PAYLOAD_MAX: u32 = (1 << PAYLOAD_BITS) - 1;

impl EventQueue {
    /// Schedules an event. Payloads are at most [`PAYLOAD_MAX`].
    #[inline]
    pub fn schedule(&mut self, at: Time, payload: u32) {
        debug_assert!(payload <= PAYLOAD_MAX);
        let tail = (self.sequence << PAYLOAD_BITS) | u64::from(payload);
        self.sequence += 1;
        let key = (u128::from(at.nanos()) << 64) | u128::from(tail);
        if at > self.now + FAR {
            self.far.push(key);
        } else {
            self.near.push(key);
        }
    }

    /// When the next event happens; [`Time::NEVER`] if there is none.
    #[inline]
    pub fn next_time(&mut self) -> Time {
        time_of(self.near.least().min(self.far.least()))
    }

    /// Takes the next event.
    #[inline]
    pub fn pop(&mut self) -> Option<(Time, u32)> {
        let (near, far) = (self.near.least(), self.far.least());
        let key = near.min(far);
        if key == NOTHING {
            return None;
        }
        if near <= far {
            self.near.take();
        } else {
            self.far.take();
        }
        self.now = time_of(key);
        #[expect(clippy::cast_possible_truncation, reason = "the payload's bits are masked out of the key")]
        Some((self.now, (key as u32) & PAYLOAD_MAX))
    }

    /// Number of pending events.
    pub fn len(&self) -> usize {
        self.near.len() + self.far.len()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Keys, the least at the root.
#[derive(Debug, Clone, Default)]
struct Heap {
    keys: Vec<u128>,
    /// The root has been taken and not been replaced.
    open: bool,
}

impl Heap {
    #[inline]
    fn push(&mut self, key: u128) {
        if self.open {
            self.open = false;
            self.sink(key);
        } else {
            self.rise(key);
        }
    }

    /// The least key; [`NOTHING`] if there is none.
    #[inline]
    fn least(&mut self) -> u128 {
        if self.open {
            self.settle();
        }
        self.keys.first().copied().unwrap_or(NOTHING)
    }

    /// Takes the least key, which there must be.
    #[inline]
    fn take(&mut self) {
        self.open = true;
    }

    fn len(&self) -> usize {
        self.keys.len() - usize::from(self.open)
    }

    fn settle(&mut self) {
        self.open = false;
        if let Some(last) = self.keys.pop()
            && !self.keys.is_empty()
        {
            self.sink(last);
        }
    }

    /// Puts a key into the open root and lets it sink.
    #[inline]
    fn sink(&mut self, key: u128) {
        let heap = self.keys.as_mut_slice();
        let mut at = 0;
        loop {
            let first = 4 * at + 1;
            let Some((mut child, mut least)) = heap.get(first).map(|&k| (first, k)) else { break };
            for (i, &other) in heap.iter().enumerate().take(first + 4).skip(first + 1) {
                if other < least {
                    (child, least) = (i, other);
                }
            }
            if key <= least {
                break;
            }
            heap[at] = least;
            at = child;
        }
        heap[at] = key;
    }

    #[inline]
    fn rise(&mut self, key: u128) {
        let mut at = self.keys.len();
        self.keys.push(key);
        let heap = self.keys.as_mut_slice();
        while at > 0 {
            let parent = (at - 1) / 4;
            if heap[parent] <= key {
                break;
            }
            heap[at] = heap[parent];
            at = parent;
        }
        heap[at] = key;
    }
}

fn time_of(key: u128) -> Time {
    Time::from_nanos((key >> 64) as u64)
}

/// The rest, 36 bits, number events: 68 thousand million in a run.
const PAYLOAD_BITS: u32 = 28;
/// Later than every key of an event.
const NOTHING: u128 = u128::MAX;
/// What lies further ahead goes to the far heap.
const FAR: Span = Span::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn events_of_one_instant_come_in_the_order_they_were_scheduled() {
        let mut queue = EventQueue::default();
        for payload in [5, 3, 9, 1] {
            queue.schedule(Time::from_nanos(7), payload);
        }
        let order: Vec<u32> = std::iter::from_fn(|| queue.pop()).map(|(_, payload)| payload).collect();
        assert_eq!(order, [5, 3, 9, 1]);
    }

    proptest! {
        #[test]
        fn any_mixture_of_scheduling_and_taking_comes_out_by_time_and_order(steps in prop::collection::vec((0u64..50, 0usize..3), 0..400)) {
            let mut queue = EventQueue::default();
            let mut expected: Vec<(u64, u32)> = Vec::new();
            let mut taken = Vec::new();
            let mut model = Vec::new();
            for ((time, pops), payload) in steps.into_iter().zip(0u32..) {
                // Up to two seconds ahead: near and far.
                let time = time * 40_000_000;
                queue.schedule(Time::from_nanos(time), payload);
                expected.push((time, payload));
                prop_assert_eq!(queue.len(), expected.len());
                for _ in 0..pops {
                    expected.sort_unstable();
                    prop_assert_eq!(queue.next_time(), expected.first().map_or(Time::NEVER, |e| Time::from_nanos(e.0)));
                    if !expected.is_empty() {
                        model.push(expected.remove(0));
                    }
                    taken.extend(queue.pop().map(|(t, p)| (t.nanos(), p)));
                }
            }
            prop_assert_eq!(taken, model);
        }
    }
}
