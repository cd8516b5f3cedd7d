//! Exact processor sharing: everybody present is served at once, each at an equal part of the speed.
//!
//! The limit of a reactor whose requests are cut into ever smaller slices; here as a check on that limit. Virtual time counts
//! the service each one present has had; whoever came at virtual time v with work w leaves at v + w.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::time::{Span, Time};

/// The shared server. Tickets are numbers of the caller's.
#[derive(Debug, Clone, Default)]
pub struct Sharing {
    /// Service per head since the server was last empty, ns.
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

impl Sharing {
    /// Somebody comes. Returns when the next one leaves unless somebody comes before; schedule a call of
    /// [`leave`](Self::leave) for then (earlier ones may stay scheduled: they are recognised).
    pub fn enter(&mut self, now: Time, work: Span, ticket: u32) -> Time {
        self.advance(now);
        if self.present.is_empty() {
            self.virtual_now = 0.0;
        }
        self.present.push(Reverse((VirtualTime(self.virtual_now + work.nanos() as f64), ticket)));
        self.next_due()
    }

    /// Somebody leaves now, if that is still so: its ticket, and when the next one leaves.
    pub fn leave(&mut self, now: Time) -> Option<(u32, Option<Time>)> {
        if self.due != Some(now) {
            return None;
        }
        self.advance(now);
        let Reverse((VirtualTime(left_at), ticket)) = self.present.pop()?;
        // The instant was rounded to a nanosecond; the service was exact.
        self.virtual_now = left_at;
        self.due = None;
        let next = (!self.present.is_empty()).then(|| self.next_due());
        Some((ticket, next))
    }

    /// How many are present.
    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// Whether nobody is.
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
        let mut server = Sharing::default();
        assert_eq!(server.enter(at(0), Span::from_nanos(100), 1), at(100));
        // The first has had 50 of 100; the second brings 20, which take 40 of the clock.
        assert_eq!(server.enter(at(50), Span::from_nanos(20), 2), at(90));
        assert_eq!(server.leave(at(100)), None, "the first does not leave when it thought");
        assert_eq!(server.len(), 2);
    }

    #[test]
    fn everybody_leaves_with_the_service_they_came_for() {
        let at = Time::from_nanos;
        let mut server = Sharing::default();
        server.enter(at(0), Span::from_nanos(100), 1);
        server.enter(at(50), Span::from_nanos(20), 2);
        assert_eq!(server.leave(at(90)), Some((2, Some(at(120)))));
        assert_eq!(server.leave(at(120)), Some((1, None)));
        assert!(server.is_empty());
    }
}
