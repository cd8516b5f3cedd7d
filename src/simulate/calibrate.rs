//! What a request log says of the time that neither CPU nor transactions nor parking explain.
//!
//! Of a request's wall time P, G = P - C - T - V is left (C CPU, T transactions, V waits for connections). Part of G is waiting for
//! the reactor, which the simulation makes itself and which must not enter it twice; part does not depend on load (remote calls).
//! A straight line through G against the reactor's load at the time tells them apart: the intercept is the delay, the slope
//! is waiting.

use std::collections::HashMap;

use super::time::Span;
use super::workload::Class;
use crate::stats::hashing::NumberMap;
use crate::trace::{NameId, Request, flag};

/// What the model needs and no line says.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Per class, the share of G that does not depend on load, for [`Class::delay_share`]; 0 for classes that persist events, whose
    /// G is the persister's time.
    pub delay_shares: Vec<f64>,
    /// Mean G of event sends that no other send of their room overlapped: what one event takes at its persister, the way there
    /// and back included. `None` if there were none.
    pub hold: Option<Span>,
}

impl Calibration {
    /// Reads the requests twice; `requests` gives them anew, in order of arrival, `classify` as in
    /// [`Workload::from_requests`](super::workload::Workload::from_requests). Requests without logged costs say nothing.
    pub fn of<I: Iterator<Item = Request>>(
        requests: impl Fn() -> I,
        classes: &[Class],
        classify: impl Fn(&Request) -> Option<u16>,
    ) -> Self {
        let known = |request: &Request| request.has(flag::COST) && request.has(flag::WALL);
        let mut load: NumberMap<u64, f64> = NumberMap::default();
        for request in requests().filter(known) {
            *load.entry(second_of(&request)).or_default() += f64::from(request.cpu_us) / 1e6;
        }
        let mut lines = vec![Line::default(); classes.len()];
        let mut rooms = Rooms::default();
        for request in requests().filter(known) {
            let Some(number) = classify(&request).map(usize::from).filter(|&number| number < classes.len()) else { continue };
            if classes[number].persists {
                rooms.see(&request);
            } else if !request.has(flag::LONG_POLL) {
                let busy = load.get(&second_of(&request)).copied().unwrap_or(0.0);
                lines[number].add(busy.min(1.0), unexplained_seconds(&request));
            }
        }
        Self { delay_shares: lines.iter().map(Line::share).collect(), hold: rooms.hold() }
    }
}

/// The process and the second in which a request ended.
fn second_of(request: &Request) -> u64 {
    let end = request.arrival_us.saturating_add(i64::from(request.wall_us));
    u64::from(request.process.0) << 40 ^ end.div_euclid(1_000_000).cast_unsigned() & ((1 << 40) - 1)
}

fn unexplained_seconds(request: &Request) -> f64 {
    let explained = u64::from(request.cpu_us) + u64::from(request.db_txn_us) + u64::from(request.db_sched_us);
    u64::from(request.wall_us).saturating_sub(explained) as f64 / 1e6
}

/// Sums for a straight line.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Line {
    fn add(&mut self, x: f64, y: f64) {
        self.n += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
    }

    /// Intercept over mean, between 0 and 1. With too little to go by, all of it counts as delay: nothing is known to wait.
    fn share(&self) -> f64 {
        if self.y <= 0.0 {
            return 0.0;
        }
        let spread = self.n * self.xx - self.x * self.x;
        if self.n < REQUESTS_MIN || spread <= 1e-9 * self.n * self.n {
            return 1.0;
        }
        // Waiting does not shrink with load: a slope below nought is noise.
        let slope = ((self.n * self.xy - self.x * self.y) / spread).max(0.0);
        (1.0 - slope * self.x / self.y).clamp(0.0, 1.0)
    }
}

/// The sends of each room: the last one, unless it is known to overlap another.
#[derive(Debug, Default)]
struct Rooms {
    last: HashMap<NameId, Send>,
    sum: f64,
    count: f64,
}

#[derive(Debug, Clone, Copy)]
struct Send {
    end_us: i64,
    alone: bool,
    seconds: f64,
}

impl Rooms {
    fn see(&mut self, request: &Request) {
        if !request.room.is_some() {
            return;
        }
        let end_us = request.arrival_us.saturating_add(i64::from(request.wall_us));
        let mut send = Send { end_us, alone: true, seconds: unexplained_seconds(request) };
        if let Some(before) = self.last.get(&request.room).copied() {
            let overlaps = before.end_us > request.arrival_us;
            send.alone = !overlaps;
            send.end_us = end_us.max(before.end_us);
            if before.alone && !overlaps {
                self.keep(before);
            }
        }
        self.last.insert(request.room, send);
    }

    fn keep(&mut self, send: Send) {
        self.sum += send.seconds;
        self.count += 1.0;
    }

    fn hold(mut self) -> Option<Span> {
        let alone: Vec<Send> = self.last.values().filter(|send| send.alone).copied().collect();
        alone.into_iter().for_each(|send| self.keep(send));
        (self.count > 0.0).then(|| Span::from_seconds(self.sum / self.count))
    }
}

/// Fewer say nothing of a slope.
const REQUESTS_MIN: f64 = 20.0;

#[cfg(test)]
mod tests {
    use super::super::workload::tests::request;
    use super::*;

    fn calibrated(requests: &[Request], class: Class) -> Calibration {
        Calibration::of(|| requests.iter().copied(), &[class], |_| Some(0))
    }

    #[test]
    fn what_grows_with_load_is_waiting_and_the_rest_is_delay() {
        // 20 ms remote in every request; 0 to 90 ms of waiting as the reactor's load goes from 0 to 0.9.
        let requests: Vec<Request> = (0..100u32)
            .map(|i| {
                let cpu_us = i % 10 * 100_000;
                Request { cpu_us, db_txn_us: 0, wall_us: cpu_us + 20_000 + i % 10 * 10_000, ..request(i64::from(i) * 2_000_000) }
            })
            .collect();
        let share = calibrated(&requests, Class::plain(0)).delay_shares[0];
        assert!((share - 20.0 / 65.0).abs() < 0.01, "{share}");
    }

    #[test]
    fn without_a_change_of_load_all_of_it_is_delay() {
        let requests: Vec<Request> = (0..100).map(|i| request(i * 2_000_000)).collect();
        assert_eq!(calibrated(&requests, Class::plain(0)).delay_shares, [1.0]);
        assert_eq!(calibrated(&[], Class::plain(0)), Calibration { delay_shares: vec![0.0], hold: None });
    }

    #[test]
    fn only_sends_alone_in_their_room_say_what_an_event_takes() {
        let send = |at: i64, wall_us: u32| Request { wall_us, cpu_us: 0, db_txn_us: 0, ..request(at) };
        let requests = [send(0, 10_000), send(1_000_000, 500_000), send(1_100_000, 600_000), send(9_000_000, 30_000)];
        let class = Class { persists: true, ..Class::plain(0) };
        assert_eq!(calibrated(&requests, class).hold, Some(Span::from_millis(20)));
    }
}
