//! A server that serves its queues in batches, one batch at a time: everything of one queue that waits when its turn comes is a batch.
//!
//! Synapse's event persister keeps one queue per room and merges what waits there. Across rooms a persister is nearly serial (measured: an
//! event takes it 26 ms alone and 55 ms beside one of another room), so the queues share one server, and take turns in the order in which
//! their first customer came.
//!
//! With one queue, Poisson arrivals λ and exponential batch times of mean 1/µ, independent of the batch's size, the server never saturates:
//! with x = λ(λ+µ)/µ², P(busy) = x/(1+x) and the mean response time is (1 + P(busy))/µ. With a queue for each customer it is M/G/1, and saturates
//! at µ.

use std::collections::VecDeque;

use super::lock::{END_OF_LIST, LinkedQueue, Links};
use wsim_stats::hashing::NumberMap;

/// The server and its queues by key. Only queues in which somebody waits take memory.
#[derive(Debug, Clone, Default)]
pub struct MergingServer {
    is_busy: bool,
    /// Keys of the queues that wait for their turn.
    turns: VecDeque<u64>,
    waiting: NumberMap<u64, LinkedQueue>,
}

/// Ids that are served together: `leader`, then each one's [`Links::next_of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The first id.
    pub leader: u32,
    /// Number of ids.
    pub count: u32,
}

impl MergingServer {
    /// Adds an id; returns a batch that starts now if the server was idle.
    pub fn enter(&mut self, key: u64, id: u32, links: &mut Links) -> Option<Batch> {
        if !self.is_busy {
            self.is_busy = true;
            links.set(id, END_OF_LIST);
            return Some(Batch { leader: id, count: 1 });
        }
        let turns = &mut self.turns;
        let queue = self.waiting.entry(key).or_insert_with(|| {
            turns.push_back(key);
            LinkedQueue::EMPTY
        });
        queue.push(id, links);
        None
    }

    /// Ends the running batch; returns the next one, which starts now.
    pub fn finish(&mut self) -> Option<Batch> {
        let next = self.turns.pop_front().and_then(|key| self.waiting.remove(&key));
        self.is_busy = next.is_some();
        next.map(|queue| Batch { leader: queue.head, count: queue.count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_when_a_batch_ends_is_the_next_batch() {
        let (mut server, mut links) = (MergingServer::default(), Links::default());
        assert_eq!(server.enter(1, 0, &mut links), Some(Batch { leader: 0, count: 1 }));
        assert_eq!(server.enter(1, 5, &mut links), None);
        assert_eq!(server.enter(1, 6, &mut links), None);
        assert_eq!(server.finish(), Some(Batch { leader: 5, count: 2 }));
        assert_eq!(links.next_of(5), 6);
        assert_eq!(server.enter(1, 7, &mut links), None);
        assert_eq!(server.finish(), Some(Batch { leader: 7, count: 1 }));
        assert_eq!(server.finish(), None);
        assert_eq!(server.enter(1, 8, &mut links), Some(Batch { leader: 8, count: 1 }), "idle again");
    }

    #[test]
    fn queues_take_turns_in_the_order_in_which_somebody_began_to_wait() {
        let (mut server, mut links) = (MergingServer::default(), Links::default());
        assert_eq!(server.enter(1, 0, &mut links), Some(Batch { leader: 0, count: 1 }));
        for (room, id) in [(2, 1), (1, 2), (2, 3), (3, 4), (1, 5)] {
            assert_eq!(server.enter(room, id, &mut links), None, "one batch at a time, whatever its queue");
        }
        let batches: Vec<(u32, u32)> = std::iter::from_fn(|| server.finish()).map(|batch| (batch.leader, batch.count)).collect();
        assert_eq!(batches, [(1, 2), (2, 2), (4, 1)]);
        assert_eq!((links.next_of(1), links.next_of(2)), (3, 5));
    }
}
