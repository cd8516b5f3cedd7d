//! The event queue: pending events and timers by time.
//!
//! Invariant: events come out by time; events of one instant come out in the order in which they were scheduled, and timers of that instant
//! after them, by number. So a run never depends on how events are stored.
//!
//! Three stores, because one binary heap spends most of a run on events that are far away:
//! - `Near` keeps the few events of the next hundredth of a second sorted, as 16-byte keys: time, sequence number and payload in one
//!   `u128`, so that one comparison decides.
//! - `Calendar` keeps all later events on pages, each sorted when its time comes. The thousands of waiting long polls cost two moves each
//!   and do not slow the near events down.
//! - `Timers` hold events of which each thing has at most one pending, and often: the next poll of a process's interpreter.
//!
//! Measured by removing one event and scheduling another, four million times, with a quarter of the events 20 to 30 s
//! ahead and the others within 8 ms: with 1,000, 10,000 and 50,000 events pending this queue handles 45, 29 and 17
//! million events a second, one `BinaryHeap` of the same keys 18, 11 and 7.5.

mod calendar;
mod near;
mod timers;

use calendar::Calendar;
use near::Near;
use timers::Timers;

use super::time::Time;

/// Pending events.
#[derive(Debug, Clone, Default)]
pub struct EventQueue {
    /// Events before the calendar's first page. Empty only if the calendar is empty too.
    near: Near,
    /// All later events.
    far: Calendar,
    timers: Timers,
    sequence: u64,
}

/// Largest payload of an event.
pub const PAYLOAD_MAX: u32 = (1 << PAYLOAD_BITS) - 1;

impl EventQueue {
    /// A queue that also has `count` timers.
    pub fn with_timers(count: usize) -> Self {
        Self { timers: Timers::new(count), ..Self::default() }
    }

    /// Sets a timer; [`Time::NEVER`] stops it. A timer that has fired fires again at once unless it is set.
    #[inline]
    pub fn set_timer(&mut self, number: usize, at: Time) {
        self.timers.set(number, at);
    }

    /// Schedules an event. `payload` is at most [`PAYLOAD_MAX`].
    #[inline]
    pub fn schedule(&mut self, at: Time, payload: u32) {
        debug_assert!(payload <= PAYLOAD_MAX);
        let tail = (self.sequence << PAYLOAD_BITS) | u64::from(payload);
        self.sequence += 1;
        let key = (u128::from(at.nanos()) << 64) | u128::from(tail);
        if at.nanos() < self.far.first_page_start() {
            self.near.push(key);
        } else {
            self.far.push(at.nanos(), key);
            self.refill_near();
        }
    }

    /// Time of the next event; [`Time::NEVER`] if there is none.
    #[inline]
    pub fn next_event(&self) -> Time {
        self.near.first().map_or(Time::NEVER, time_of)
    }

    /// Removes the next event, which must exist, and returns its payload.
    #[inline]
    pub fn pop_payload(&mut self) -> u32 {
        let Some(key) = self.near.pop() else { return 0 };
        self.refill_near();
        payload_of(key)
    }

    /// Payload of the n-th pending event, if it is among the near ones. For prefetching only.
    #[inline]
    pub fn peek_nth(&self, n: usize) -> Option<u32> {
        self.near.nth(n).map(payload_of)
    }

    /// Time of the next timer; [`Time::NEVER`] if none is set.
    #[inline]
    pub fn next_timer(&self) -> Time {
        self.timers.next_time()
    }

    /// Number of the next timer; the lowest of several at that time.
    #[inline]
    pub fn first_timer(&self) -> usize {
        self.timers.next_number()
    }

    /// Time of the next event or timer; [`Time::NEVER`] if there is neither.
    pub fn next_time(&self) -> Time {
        self.next_event().min(self.next_timer())
    }

    /// Removes the next event and returns its time and payload.
    pub fn pop(&mut self) -> Option<(Time, u32)> {
        let at = time_of(self.near.first()?);
        Some((at, self.pop_payload()))
    }

    /// Number of pending events and timers.
    pub fn len(&self) -> usize {
        self.near.len() + self.far.len() + self.timers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn refill_near(&mut self) {
        if self.near.len() == 0 && self.far.len() > 0 {
            self.far.advance_page(&mut self.near);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the payload's bits are masked out of the key")]
fn payload_of(key: u128) -> u32 {
    (key as u32) & PAYLOAD_MAX
}

fn time_of(key: u128) -> Time {
    Time::from_nanos((key >> 64) as u64)
}

/// The other 36 bits of the key's lower half number events: 68 thousand million in a run.
const PAYLOAD_BITS: u32 = 28;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn events_of_one_instant_come_in_the_order_in_which_they_were_scheduled() {
        let mut queue = EventQueue::default();
        for payload in [5, 3, 9, 1] {
            queue.schedule(Time::from_nanos(7), payload);
        }
        let order: Vec<u32> = std::iter::from_fn(|| queue.pop()).map(|(_, payload)| payload).collect();
        assert_eq!(order, [5, 3, 9, 1]);
    }

    #[test]
    fn the_end_of_time_is_an_instant_like_any_other() {
        let mut queue = EventQueue::default();
        queue.schedule(Time::NEVER, 1);
        queue.schedule(Time::from_millis(5), 2);
        assert_eq!(queue.pop(), Some((Time::from_millis(5), 2)));
        assert_eq!(queue.pop(), Some((Time::NEVER, 1)));
        queue.schedule(Time::NEVER, 3);
        assert_eq!((queue.len(), queue.pop(), queue.pop()), (1, Some((Time::NEVER, 3)), None));
    }

    #[test]
    fn a_timer_can_be_set_again_and_the_lowest_number_is_first() {
        let at = Time::from_millis;
        for count in [1, 3, 4, 5, 16, 17, 100] {
            let mut queue = EventQueue::with_timers(count);
            assert_eq!((queue.next_time(), queue.is_empty()), (Time::NEVER, true));
            (0..count).rev().for_each(|number| queue.set_timer(number, at(7)));
            queue.schedule(at(9), 1);
            assert_eq!((queue.next_timer(), queue.first_timer(), queue.len()), (at(7), 0, count + 1));
            (0..count).for_each(|number| queue.set_timer(number, at(1000 - number as u64)));
            assert_eq!((queue.next_timer(), queue.first_timer()), (at(1001 - count as u64), count - 1));
            assert_eq!((queue.next_time(), queue.pop()), (at(9), Some((at(9), 1))));
            (0..count).for_each(|number| queue.set_timer(number, Time::NEVER));
            assert!(queue.is_empty());
        }
    }

    proptest! {
        #[test]
        fn timers_are_due_as_in_a_linear_search(sets in prop::collection::vec((0usize..40, 0u64..9), 1..200)) {
            let mut queue = EventQueue::with_timers(40);
            let mut all = [Time::NEVER; 40];
            for (number, millis) in sets {
                all[number] = if millis == 0 { Time::NEVER } else { Time::from_millis(millis) };
                queue.set_timer(number, all[number]);
                let earliest = all.iter().min().copied().unwrap();
                prop_assert_eq!(queue.next_timer(), earliest);
                if earliest != Time::NEVER {
                    prop_assert_eq!(Some(queue.first_timer()), all.iter().position(|&at| at == earliest));
                }
            }
        }

        #[test]
        fn any_mixture_of_scheduling_and_taking_comes_out_by_time_and_order(steps in prop::collection::vec((0u64..50, 0usize..3), 0..400)) {
            let mut queue = EventQueue::default();
            let mut expected: Vec<(u64, u32)> = Vec::new();
            let mut taken = Vec::new();
            let mut model = Vec::new();
            for ((time, pops), payload) in steps.into_iter().zip(0u32..) {
                // Up to five minutes ahead, many at once: near events, pages and the heap beyond the last page.
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
