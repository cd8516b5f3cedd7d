//! Locks that are granted in the order of request.
//!
//! Waiting queues are linked lists through one shared table, so that a lock needs no allocation of its own.

use wsim_stats::hashing::NumberMap;

/// Marks the end of a linked list.
pub const END_OF_LIST: u32 = u32::MAX;

/// For each id the id behind it. An id is in at most one list at a time.
#[derive(Debug, Clone, Default)]
pub struct Links(Vec<u32>);

impl Links {
    /// The id behind this one, or [`END_OF_LIST`].
    pub fn next_of(&self, id: u32) -> u32 {
        self.0.get(id as usize).copied().unwrap_or(END_OF_LIST)
    }

    pub(super) fn set(&mut self, id: u32, next: u32) {
        let index = id as usize;
        if index >= self.0.len() {
            self.0.resize(index + 1, END_OF_LIST);
        }
        self.0[index] = next;
    }
}

/// A first-in-first-out queue of ids.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkedQueue {
    pub(super) head: u32,
    tail: u32,
    pub(super) count: u32,
}

impl LinkedQueue {
    pub(super) const EMPTY: Self = Self { head: END_OF_LIST, tail: END_OF_LIST, count: 0 };

    pub(super) fn push(&mut self, id: u32, links: &mut Links) {
        links.set(id, END_OF_LIST);
        if self.head == END_OF_LIST {
            self.head = id;
        } else {
            links.set(self.tail, id);
        }
        self.tail = id;
        self.count += 1;
    }

    fn pop(&mut self, links: &Links) -> Option<u32> {
        if self.head == END_OF_LIST {
            return None;
        }
        let first = self.head;
        self.head = links.next_of(first);
        self.count -= 1;
        Some(first)
    }
}

/// Locks by key. Only locks that are held take memory.
#[derive(Debug, Clone, Default)]
pub struct Locks(NumberMap<u64, LinkedQueue>);

impl Locks {
    /// Acquires the lock or joins its queue; returns whether it was acquired.
    pub fn acquire(&mut self, key: u64, id: u32, links: &mut Links) -> bool {
        match self.0.get_mut(&key) {
            Some(waiting) => {
                waiting.push(id, links);
                false
            }
            None => {
                self.0.insert(key, LinkedQueue::EMPTY);
                true
            }
        }
    }

    /// Releases the lock; returns the id that holds it next.
    pub fn release(&mut self, key: u64, links: &Links) -> Option<u32> {
        let next = self.0.get_mut(&key)?.pop(links);
        if next.is_none() {
            self.0.remove(&key);
        }
        next
    }

    /// Number of locks that are held.
    pub fn held(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_granted_in_the_order_of_request() {
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
