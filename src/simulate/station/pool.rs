//! Equal servers with one common queue, first come first served: a process's database connections.

use std::collections::VecDeque;

use super::meter::{MeasurementWindow, Occupancy, OccupancyOverTime};
use crate::engine::time::Time;

/// The servers and their queue.
#[derive(Debug, Clone)]
pub struct Pool<T> {
    servers: u32,
    serving: OccupancyOverTime,
    waiting: VecDeque<T>,
    present: Occupancy,
}

impl<T> Pool<T> {
    /// An idle pool of `servers` servers, at least one.
    pub fn new(servers: u32, measurement: MeasurementWindow) -> Self {
        let (serving, present) = (OccupancyOverTime::new(measurement), Occupancy::new(measurement));
        Self { servers: servers.max(1), serving, waiting: VecDeque::new(), present }
    }

    /// A customer arrives: returned if a server is free, else queued.
    #[inline]
    pub fn enter(&mut self, now: Time, customer: T) -> Option<T> {
        self.present.enter(now);
        if self.serving.present() < self.servers {
            self.serving.enter(now);
            return Some(customer);
        }
        self.waiting.push_back(customer);
        None
    }

    /// A customer leaves its server; returns the customer that the server takes next.
    #[inline]
    pub fn leave(&mut self, now: Time) -> Option<T> {
        self.present.leave(now);
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.serving.leave(now);
        }
        next
    }

    /// Counts the customers in service up to `now`. Call once at the end of the run.
    pub fn advance(&mut self, now: Time) {
        self.serving.advance(now);
    }

    pub fn servers(&self) -> u32 {
        self.servers
    }

    /// Customers in service.
    pub fn serving(&self) -> &OccupancyOverTime {
        &self.serving
    }

    /// Customers waiting or in service.
    pub fn present(&self) -> &Occupancy {
        &self.present
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::time::Span;

    #[test]
    fn the_longest_waiting_gets_the_next_server() {
        let at = Time::from_nanos;
        let mut pool = Pool::new(2, MeasurementWindow { from: at(0), until: at(100), bin: Span::from_nanos(100) });
        assert_eq!((pool.enter(at(0), 'a'), pool.enter(at(0), 'b')), (Some('a'), Some('b')));
        assert_eq!((pool.enter(at(10), 'c'), pool.enter(at(20), 'd')), (None, None));
        assert_eq!((pool.leave(at(50)), pool.leave(at(50)), pool.leave(at(60)), pool.leave(at(100))), (Some('c'), Some('d'), None, None));
        assert!((pool.serving().mean() - (2.0 * 60.0 + 40.0) / 100.0).abs() < 1e-12);
        assert_eq!(pool.present().largest(), 4);
    }
}
