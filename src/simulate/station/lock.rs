//! Locks that pass from one to the next in the order of asking.
//!
//! Those who wait are linked lists through one table, so that a lock costs no allocation of its own.

use wsim_stats::hashing::NumberMap;

/// No ticket: the end of a list.
pub const NO_TICKET: u32 = u32::MAX;

/// For each ticket the one behind it. A ticket is in at most one list at a time.
#[derive(Debug, Clone, Default)]
pub struct Links(Vec<u32>);

impl Links {
    /// The ticket behind this one, or [`NO_TICKET`].
    pub fn after(&self, ticket: u32) -> u32 {
        self.0.get(ticket as usize).copied().unwrap_or(NO_TICKET)
    }

    pub(super) fn set(&mut self, ticket: u32, next: u32) {
        let place = ticket as usize;
        if place >= self.0.len() {
            self.0.resize(place + 1, NO_TICKET);
        }
        self.0[place] = next;
    }
}

/// A list of tickets, first in first out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) head: u32,
    tail: u32,
    pub(super) count: u32,
}

impl Line {
    pub(super) const EMPTY: Self = Self { head: NO_TICKET, tail: NO_TICKET, count: 0 };

    pub(super) fn push(&mut self, ticket: u32, links: &mut Links) {
        links.set(ticket, NO_TICKET);
        if self.head == NO_TICKET {
            self.head = ticket;
        } else {
            links.set(self.tail, ticket);
        }
        self.tail = ticket;
        self.count += 1;
    }

    fn pop(&mut self, links: &Links) -> Option<u32> {
        if self.head == NO_TICKET {
            return None;
        }
        let first = self.head;
        self.head = links.after(first);
        self.count -= 1;
        Some(first)
    }
}

/// Locks by key; only those that are held take memory.
#[derive(Debug, Clone, Default)]
pub struct Locks(NumberMap<u64, Line>);

impl Locks {
    /// Takes the lock, or waits for it: whether it is held now.
    pub fn acquire(&mut self, key: u64, ticket: u32, links: &mut Links) -> bool {
        match self.0.get_mut(&key) {
            Some(line) => {
                line.push(ticket, links);
                false
            }
            None => {
                self.0.insert(key, Line::EMPTY);
                true
            }
        }
    }

    /// Gives the lock back: who holds it next.
    pub fn release(&mut self, key: u64, links: &Links) -> Option<u32> {
        let next = self.0.get_mut(&key)?.pop(links);
        if next.is_none() {
            self.0.remove(&key);
        }
        next
    }

    /// How many are held.
    pub fn held(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_passes_in_the_order_of_asking() {
        let (mut locks, mut links) = (Locks::default(), Links::default());
        assert!(locks.acquire(7, 0, &mut links));
        assert!(!locks.acquire(7, 3, &mut links));
        assert!(!locks.acquire(7, 1, &mut links));
        assert!(locks.acquire(8, 2, &mut links), "another key is another lock");
        assert_eq!(locks.release(7, &links), Some(3));
        assert_eq!(locks.release(7, &links), Some(1));
        assert_eq!(locks.release(7, &links), None);
        assert_eq!(locks.held(), 1);
        assert!(locks.acquire(7, 4, &mut links));
    }
}
