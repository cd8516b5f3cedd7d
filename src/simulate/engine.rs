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

    /// A timer that the model set is due; it must be set anew, or stopped.
    fn timer(&mut self, now: Time, number: usize, queue: &mut EventQueue) {
        let _ = now;
        queue.set_timer(number, Time::NEVER);
    }

    /// An event that the model scheduled is due.
    fn happen(&mut self, now: Time, payload: u32, queue: &mut EventQueue);
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Events handled.
    pub events: u64,
    /// The instant of the last one.
    pub now: Time,
}

impl Progress {
    /// Runs a model until nothing is left that happens at or before `until`.
    pub fn run<M: Model>(&mut self, model: &mut M, queue: &mut EventQueue, until: Time) {
        while self.step(model, queue, until) {}
    }

    /// Runs a model until the outside has nothing more; what is pending then stays pending.
    pub fn run_arrivals<M: Model>(&mut self, model: &mut M, queue: &mut EventQueue) {
        while model.next_arrival() != Time::NEVER && self.step(model, queue, Time::NEVER) {}
    }

    #[inline]
    fn step<M: Model>(&mut self, model: &mut M, queue: &mut EventQueue, until: Time) -> bool {
        let (outside, timer, event) = (model.next_arrival(), queue.next_timer(), queue.next_event());
        let now = outside.min(timer).min(event);
        if now > until || now == Time::NEVER {
            return false;
        }
        self.events += 1;
        self.now = now;
        if timer < event && timer < outside {
            model.timer(now, queue.first_timer(), queue);
        } else if event < outside {
            let payload = queue.take_event();
            model.happen(now, payload, queue);
        } else {
            model.arrive(now, queue);
        }
        true
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
        let mut progress = Progress::default();
        progress.run(&mut diary, &mut EventQueue::default(), Time::from_nanos(9));
        assert_eq!(diary.lines, ["arrival 1", "arrival 4", "echo 4", "echo 7", "arrival 9"]);
        assert_eq!(progress, Progress { events: 5, now: Time::from_nanos(9) });
    }
}
