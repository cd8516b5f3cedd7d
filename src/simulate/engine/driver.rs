//! The event loop: hands arrivals, timers and events to a model in order of time.
//!
//! Two streams of events are merged: arrivals from outside, which are in order already and never enter the queue, and
//! events and timers that the model sets. At equal instants arrivals come first, then events, then timers.

use super::queue::EventQueue;
use super::stop::StopFlag;
use super::time::Time;

/// A system that is simulated.
pub trait Model {
    /// Time of the next arrival; [`Time::NEVER`] if there are no more. Never earlier than the last time returned.
    fn next_arrival(&self) -> Time;

    /// Called at the time that [`next_arrival`](Self::next_arrival) returned. The model must advance to the next arrival.
    fn on_arrival(&mut self, now: Time, queue: &mut EventQueue);

    /// Called when timer `number` fires. The model must re-arm or stop it, otherwise it fires again at the same instant.
    fn on_timer(&mut self, now: Time, number: usize, queue: &mut EventQueue) {
        let _ = now;
        queue.set_timer(number, Time::NEVER);
    }

    /// Called when an event that the model scheduled is due.
    fn on_event(&mut self, now: Time, payload: u32, queue: &mut EventQueue);
}

/// How far a run has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Events handled.
    pub events: u64,
    /// Time of the last event.
    pub now: Time,
}

impl Progress {
    /// Runs a model until nothing is pending at or before `until`.
    pub fn run<M: Model>(&mut self, model: &mut M, queue: &mut EventQueue, until: Time) {
        while self.step(model, queue, until) {}
    }

    /// Runs a model until nothing is pending; returns whether it came to that before the flag was set.
    pub fn run_unless<M: Model>(&mut self, model: &mut M, queue: &mut EventQueue, stop: &StopFlag) -> bool {
        while !stop.is_set() {
            for _ in 0..STEPS_AT_ONCE {
                if !self.step(model, queue, Time::NEVER) {
                    return true;
                }
            }
        }
        false
    }

    /// Runs a model until there are no more arrivals; events that are pending then stay pending.
    pub fn run_arrivals<M: Model>(&mut self, model: &mut M, queue: &mut EventQueue) {
        while model.next_arrival() != Time::NEVER && self.step(model, queue, Time::NEVER) {}
    }

    #[inline]
    fn step<M: Model>(&mut self, model: &mut M, queue: &mut EventQueue, until: Time) -> bool {
        let (arrival, timer, event) = (model.next_arrival(), queue.next_timer(), queue.next_event());
        let now = arrival.min(timer).min(event);
        if now > until || now == Time::NEVER {
            return false;
        }
        self.events += 1;
        self.now = now;
        if timer < event && timer < arrival {
            model.on_timer(now, queue.first_timer(), queue);
        } else if event < arrival {
            let payload = queue.pop_payload();
            model.on_event(now, payload, queue);
        } else {
            model.on_arrival(now, queue);
        }
        true
    }
}

/// Events between two looks at the flag: less than a hundredth of a second.
const STEPS_AT_ONCE: u32 = 1 << 14;

#[cfg(test)]
mod tests {
    use super::super::time::Span;
    use super::*;

    /// Records all calls; every arrival schedules an echo 3 ns later.
    struct Recorder {
        arrivals: Vec<u64>,
        lines: Vec<String>,
    }

    impl Model for Recorder {
        fn next_arrival(&self) -> Time {
            self.arrivals.first().map_or(Time::NEVER, |&at| Time::from_nanos(at))
        }

        fn on_arrival(&mut self, now: Time, queue: &mut EventQueue) {
            self.arrivals.remove(0);
            self.lines.push(format!("arrival {}", now.nanos()));
            queue.schedule(now + Span::from_nanos(3), 1);
        }

        fn on_event(&mut self, now: Time, _: u32, _: &mut EventQueue) {
            self.lines.push(format!("echo {}", now.nanos()));
        }
    }

    #[test]
    fn arrivals_come_first_at_equal_instants_and_the_end_is_included() {
        let mut recorder = Recorder { arrivals: vec![1, 4, 9], lines: Vec::new() };
        let mut progress = Progress::default();
        progress.run(&mut recorder, &mut EventQueue::default(), Time::from_nanos(9));
        assert_eq!(recorder.lines, ["arrival 1", "arrival 4", "echo 4", "echo 7", "arrival 9"]);
        assert_eq!(progress, Progress { events: 5, now: Time::from_nanos(9) });
    }

    #[test]
    fn a_flag_ends_a_run_early() {
        let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let run = |stop: &StopFlag| {
            let mut recorder = Recorder { arrivals: vec![1, 4, 9], lines: Vec::new() };
            (Progress::default().run_unless(&mut recorder, &mut EventQueue::default(), stop), recorder.lines.len())
        };
        assert_eq!(run(&StopFlag::from(flag)), (false, 0));
        assert_eq!(run(&StopFlag::default()), (true, 6));
    }
}
