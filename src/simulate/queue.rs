//! The event queue: what happens next.
//!
//! Invariant: events come out by time; events of one instant come out in the order in which they were scheduled, after them timers by
//! number, so a run never depends on how they are kept.
//!
//! The few events of the next hundredth of a second are in order ([`Near`]), as 16-byte keys: time, sequence number and payload in one
//! `u128`, so that one comparison decides. What happens later waits in a calendar ([`Calendar`]), a page of which is sorted when its time
//! comes: thousands of parked long polls cost two moves each and are in nobody's way. What happens to one of a few things that are never
//! done, a process's next turn, is in neither ([`Timers`]).

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
    /// Events before the calendar's first page. Empty only if that is, too.
    near: Near,
    /// All later ones.
    far: Calendar,
    timers: Timers,
    sequence: u64,
}

/// Largest payload of an event.
pub const PAYLOAD_MAX: u32 = (1 << PAYLOAD_BITS) - 1;

impl EventQueue {
    /// A queue that also has so many timers.
    pub fn with_timers(count: usize) -> Self {
        Self { timers: Timers::new(count), ..Self::default() }
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
            self.settle();
        }
    }

    /// When the next event happens; [`Time::NEVER`] if there is none.
    #[inline]
    pub fn next_event(&self) -> Time {
        self.near.least().map_or(Time::NEVER, time_of)
    }

    /// Takes the next event, which there must be: its payload.
    #[inline]
    pub fn take_event(&mut self) -> u32 {
        let Some(key) = self.near.take() else { return 0 };
        self.settle();
        payload_of(key)
    }

    /// The payload of the event that comes `after` others, if it is one of those at hand: for who wants to make ready for it.
    #[inline]
    pub fn coming(&self, after: usize) -> Option<u32> {
        self.near.after(after).map(payload_of)
    }

    /// When the next timer is due; [`Time::NEVER`] if none is set.
    #[inline]
    pub fn next_timer(&self) -> Time {
        self.timers.least()
    }

    /// Which timer that is; of several the one of the lowest number.
    #[inline]
    pub fn first_timer(&self) -> usize {
        self.timers.first()
    }

    /// When anything happens next; [`Time::NEVER`] if nothing does.
    pub fn next_time(&self) -> Time {
        self.next_event().min(self.next_timer())
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(Time, u32)> {
        let at = time_of(self.near.least()?);
        Some((at, self.take_event()))
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
    fn settle(&mut self) {
        if self.near.len() == 0 && self.far.len() > 0 {
            self.far.turn(&mut self.near);
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

    #[test]
    fn a_timer_is_set_anew_and_the_lowest_number_is_first() {
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
        fn timers_are_due_as_if_they_were_looked_through(sets in prop::collection::vec((0usize..40, 0u64..9), 1..200)) {
            let mut queue = EventQueue::with_timers(40);
            let mut all = [Time::NEVER; 40];
            for (number, millis) in sets {
                all[number] = if millis == 0 { Time::NEVER } else { Time::from_millis(millis) };
                queue.set_timer(number, all[number]);
                let least = all.iter().min().copied().unwrap();
                prop_assert_eq!(queue.next_timer(), least);
                if least != Time::NEVER {
                    prop_assert_eq!(Some(queue.first_timer()), all.iter().position(|&at| at == least));
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
