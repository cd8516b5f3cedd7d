//! A pool of equal servers with one line: database connections.

use std::collections::VecDeque;

use super::super::time::Time;
use super::meter::{Measuring, Occupancy};

/// Servers, and those who wait for one, first come first served.
#[derive(Debug, Clone)]
pub struct Pool<T> {
    servers: u32,
    serving: Occupancy,
    waiting: VecDeque<T>,
    present: Occupancy,
}

impl<T> Pool<T> {
    /// Free servers, at least one.
    pub fn new(servers: u32, measuring: Measuring) -> Self {
        let (serving, present) = (Occupancy::new(measuring), Occupancy::new(measuring));
        Self { servers: servers.max(1), serving, waiting: VecDeque::new(), present }
    }

    /// Somebody comes: gets a server at once (and is handed back), or waits.
    #[inline]
    pub fn enter(&mut self, now: Time, ticket: T) -> Option<T> {
        self.present.enter(now);
        if self.serving.present() < self.servers {
            self.serving.enter(now);
            return Some(ticket);
        }
        self.waiting.push_back(ticket);
        None
    }

    /// Somebody leaves its server: who starts in its place.
    #[inline]
    pub fn leave(&mut self, now: Time) -> Option<T> {
        self.present.leave(now);
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.serving.leave(now);
        }
        next
    }

    /// Those served.
    pub fn serving(&self) -> &Occupancy {
        &self.serving
    }

    /// Those waiting or served.
    pub fn present(&self) -> &Occupancy {
        &self.present
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::time::Span;
    use super::*;

    #[test]
    fn the_longest_waiting_gets_the_next_server() {
        let at = Time::from_nanos;
        let mut pool = Pool::new(2, Measuring { from: at(0), until: at(100), bin: Span::from_nanos(100) });
        assert_eq!((pool.enter(at(0), 'a'), pool.enter(at(0), 'b')), (Some('a'), Some('b')));
        assert_eq!((pool.enter(at(10), 'c'), pool.enter(at(20), 'd')), (None, None));
        assert_eq!((pool.leave(at(50)), pool.leave(at(50)), pool.leave(at(60)), pool.leave(at(100))), (Some('c'), Some('d'), None, None));
        assert!((pool.serving().mean() - (2.0 * 60.0 + 40.0) / 100.0).abs() < 1e-12);
        assert_eq!(pool.present().largest(), 4);
    }
}
