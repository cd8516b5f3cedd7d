//! The clock: hands events to a model in order.
//!
//! Knows nothing of requests. Two streams of events are merged: what the outside sends (arrivals, already in order, never in
//! the heap) and what the model schedules. At equal instants the outside comes first.

use super::queue::EventQueue;
use super::time::Time;

/// What is simulated.
pub trait Model {
    /// When the outside acts next; [`Time::NEVER`] if it has nothing more. Never earlier than the last instant it gave.
    fn next_arrival(&self) -> Time;

    /// The outside acts, at the instant [`next_arrival`](Self::next_arrival) gave; the model must move on to the next one.
    fn arrive(&mut self, now: Time, queue: &mut EventQueue);

    /// An event that the model scheduled is due.
    fn happen(&mut self, now: Time, payload: u32, queue: &mut EventQueue);
}

/// Runs a model until nothing is left that happens at or before `until`. Returns how many events there were.
pub fn run<M: Model>(model: &mut M, queue: &mut EventQueue, until: Time) -> u64 {
    let mut events = 0;
    loop {
        let outside = model.next_arrival();
        let inside = queue.next_time();
        if outside.min(inside) > until || (outside == Time::NEVER && inside == Time::NEVER) {
            return events;
        }
        events += 1;
        if outside <= inside {
            model.arrive(outside, queue);
        } else if let Some((now, payload)) = queue.pop() {
            model.happen(now, payload, queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::Span;
    use super::*;

    /// Writes down what happens; every arrival schedules an echo 3 ns later.
    struct Diary {
        arrivals: Vec<u64>,
        lines: Vec<String>,
    }

    impl Model for Diary {
        fn next_arrival(&self) -> Time {
            self.arrivals.first().map_or(Time::NEVER, |&at| Time::from_nanos(at))
        }

        fn arrive(&mut self, now: Time, queue: &mut EventQueue) {
            self.arrivals.remove(0);
            self.lines.push(format!("arrival {}", now.nanos()));
            queue.schedule(now + Span::from_nanos(3), 1);
        }

        fn happen(&mut self, now: Time, _: u32, _: &mut EventQueue) {
            self.lines.push(format!("echo {}", now.nanos()));
        }
    }

    #[test]
    fn the_outside_comes_first_at_equal_instants_and_the_end_is_included() {
        let mut diary = Diary { arrivals: vec![1, 4, 9], lines: Vec::new() };
        let events = run(&mut diary, &mut EventQueue::default(), Time::from_nanos(9));
        assert_eq!(diary.lines, ["arrival 1", "arrival 4", "echo 4", "echo 7", "arrival 9"]);
        assert_eq!(events, 5);
    }
}
