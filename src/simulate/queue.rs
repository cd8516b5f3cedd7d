//! The event queue: what happens next.
//!
//! Invariant: events come out by time; events of one instant come out in the order in which they were scheduled, after them timers by
//! number, so a run never depends on how the heap happens to lie.
//!
//! What happens soon is in a heap with four children per node (LaMarca and Ladner, "The influence of caches on the performance of
//! heaps", 1996) of 16-byte keys: time, sequence number and payload in one `u128`, so that one comparison decides and siblings share
//! a cache line. Most events schedule exactly one other: the root that was taken stays open until the next operation, and an event
//! scheduled meanwhile is put there and sinks, which saves the replacement from the bottom. What happens later waits in a calendar
//! ([`Calendar`]), a page of which is moved into the heap when its time comes: thousands of parked long polls cost two moves each and do
//! not deepen the heap in which transactions turn over. What happens to one of a few things that are never done, a process's next turn, is not in the
//! heap at all ([`Timers`]).

mod calendar;
mod heap;
mod timers;

use calendar::Calendar;
use heap::Heap;
use timers::Timers;

use super::time::Time;

/// Pending events.
#[derive(Debug, Clone, Default)]
pub struct EventQueue {
    /// Events before the calendar's first page. Few, so that it is shallow.
    near: Heap,
    /// All later ones.
    far: Calendar,
    timers: Timers,
    /// Payload of the first timer's event.
    timer_payload: u32,
    sequence: u64,
}

/// Largest payload of an event.
pub const PAYLOAD_MAX: u32 = (1 << PAYLOAD_BITS) - 1;

impl EventQueue {
    /// A queue that also has so many timers; the event of number n has the payload `payload` + n.
    pub fn with_timers(count: usize, payload: u32) -> Self {
        Self { timers: Timers::new(count), timer_payload: payload, ..Self::default() }
    }

    /// Sets a timer anew; [`Time::NEVER`] stops it. One that has gone off goes off again at once unless it is set.
    #[inline]
    pub fn set_timer(&mut self, number: usize, at: Time) {
        self.timers.set(number, at);
    }

    /// Schedules an event. Payloads are at most [`PAYLOAD_MAX`].
    #[inline]
    pub fn schedule(&mut self, at: Time, payload: u32) {
        debug_assert!(payload <= PAYLOAD_MAX);
        let tail = (self.sequence << PAYLOAD_BITS) | u64::from(payload);
        self.sequence += 1;
        let key = (u128::from(at.nanos()) << 64) | u128::from(tail);
        if at.nanos() < self.far.begins() {
            self.near.push(key);
        } else {
            self.far.push(at.nanos(), key);
        }
    }

    /// When the next event happens; [`Time::NEVER`] if there is none.
    pub fn next_time(&mut self) -> Time {
        self.least().map_or(Time::NEVER, time_of).min(self.timers.least())
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(Time, u32)> {
        self.pop_if(|_| true)
    }

    /// Takes the next event if its time is as wanted.
    #[inline]
    pub fn pop_if(&mut self, wanted: impl FnOnce(Time) -> bool) -> Option<(Time, u32)> {
        let (least, timer) = (self.least(), self.timers.least());
        if let Some(key) = least.filter(|&key| time_of(key) <= timer) {
            let at = time_of(key);
            if !wanted(at) {
                return None;
            }
            self.near.take();
            #[expect(clippy::cast_possible_truncation, reason = "the payload's bits are masked out of the key")]
            return Some((at, (key as u32) & PAYLOAD_MAX));
        }
        #[expect(clippy::cast_possible_truncation, reason = "a timer's number is one of a payload's")]
        (timer != Time::NEVER && wanted(timer)).then(|| (timer, self.timer_payload + self.timers.first() as u32))
    }

    /// Number of pending events.
    pub fn len(&self) -> usize {
        self.near.len() + self.far.len() + self.timers.len()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn least(&mut self) -> Option<u128> {
        loop {
            let least = self.near.least();
            if least.is_some() || self.far.len() == 0 {
                return least;
            }
            self.far.turn(&mut self.near);
        }
    }
}

fn time_of(key: u128) -> Time {
    Time::from_nanos((key >> 64) as u64)
}

/// The rest, 36 bits, number events: 68 thousand million in a run.
const PAYLOAD_BITS: u32 = 28;

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

    #[test]
    fn the_end_of_time_is_an_instant_like_others() {
        let mut queue = EventQueue::default();
        queue.schedule(Time::NEVER, 1);
        queue.schedule(Time::from_millis(5), 2);
        assert_eq!(queue.pop(), Some((Time::from_millis(5), 2)));
        assert_eq!(queue.pop(), Some((Time::NEVER, 1)));
        queue.schedule(Time::NEVER, 3);
        assert_eq!((queue.len(), queue.pop(), queue.pop()), (1, Some((Time::NEVER, 3)), None));
    }

    proptest! {
        #[test]
        fn any_mixture_of_scheduling_and_taking_comes_out_by_time_and_order(steps in prop::collection::vec((0u64..50, 0usize..3), 0..400)) {
            let mut queue = EventQueue::default();
            let mut expected: Vec<(u64, u32)> = Vec::new();
            let mut taken = Vec::new();
            let mut model = Vec::new();
            for ((time, pops), payload) in steps.into_iter().zip(0u32..) {
                // Up to five minutes ahead, many at once: heap, pages and what lies beyond the last page.
                let time = time * time * time * 2_500_000;
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
