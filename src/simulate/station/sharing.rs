//! Exact processor sharing: all customers present are served at once, each at an equal part of the speed.
//!
//! This is the limit of a reactor whose requests are cut into ever smaller slices, and is used to check that limit. Virtual time counts the
//! service that each customer present has received; a customer that arrived at virtual time v with work w leaves at v + w.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::engine::time::{Span, Time};

/// The shared server. Ids are the caller's.
#[derive(Debug, Clone, Default)]
pub struct ProcessorSharing {
    /// Service per customer since the server was last empty, ns.
    virtual_now: f64,
    last: Time,
    present: BinaryHeap<Reverse<(VirtualTime, u32)>>,
    due: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct VirtualTime(f64);

impl Eq for VirtualTime {}

impl PartialOrd for VirtualTime {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for VirtualTime {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl ProcessorSharing {
    /// A customer arrives. Returns the time of the next departure unless another customer arrives first; schedule a call of
    /// [`leave`](Self::leave) for that time. Earlier calls may stay scheduled: `leave` recognises that they are out of date.
    pub fn enter(&mut self, now: Time, work: Span, id: u32) -> Time {
        self.advance(now);
        if self.present.is_empty() {
            self.virtual_now = 0.0;
        }
        self.present.push(Reverse((VirtualTime(self.virtual_now + work.nanos() as f64), id)));
        self.next_due()
    }

    /// The departure due at `now`, if it is still due: the id of the customer, and the time of the next departure.
    pub fn leave(&mut self, now: Time) -> Option<(u32, Option<Time>)> {
        if self.due != Some(now) {
            return None;
        }
        self.advance(now);
        let Reverse((VirtualTime(left_at), id)) = self.present.pop()?;
        // The time was rounded to a nanosecond; the service is exact.
        self.virtual_now = left_at;
        self.due = None;
        let next = (!self.present.is_empty()).then(|| self.next_due());
        Some((id, next))
    }

    /// Number of customers present.
    pub fn len(&self) -> usize {
        self.present.len()
    }

    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    fn advance(&mut self, now: Time) {
        if !self.present.is_empty() {
            self.virtual_now += (now - self.last).nanos() as f64 / self.present.len() as f64;
        }
        self.last = now;
    }

    fn next_due(&mut self) -> Time {
        let Some(Reverse((VirtualTime(first), _))) = self.present.peek() else { return Time::NEVER };
        let due = self.last + Span::from_nanos_f64((first - self.virtual_now).max(0.0) * self.present.len() as f64);
        self.due = Some(due);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_once_take_twice_as_long() {
        let at = Time::from_nanos;
        let mut server = ProcessorSharing::default();
        assert_eq!(server.enter(at(0), Span::from_nanos(100), 1), at(100));
        // The first has received 50 of 100; the second brings 20, which take 40 ns of time.
        assert_eq!(server.enter(at(50), Span::from_nanos(20), 2), at(90));
        assert_eq!(server.leave(at(100)), None, "the first departure was postponed");
        assert_eq!(server.len(), 2);
    }

    #[test]
    fn every_customer_leaves_with_its_full_service() {
        let at = Time::from_nanos;
        let mut server = ProcessorSharing::default();
        server.enter(at(0), Span::from_nanos(100), 1);
        server.enter(at(50), Span::from_nanos(20), 2);
        assert_eq!(server.leave(at(90)), Some((2, Some(at(120)))));
        assert_eq!(server.leave(at(120)), Some((1, None)));
        assert!(server.is_empty());
    }
}
