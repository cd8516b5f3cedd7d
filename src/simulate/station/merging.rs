//! Queues that are served in batches: everything that waits when a batch ends is the next batch.
//!
//! Synapse's event persister keeps one such queue per room. With Poisson arrivals λ and exponential batch times of mean 1/µ, independent of
//! the batch's size, the queue never saturates: with x = λ(λ+µ)/µ², P(busy) = x/(1+x) and the mean response time is (1 + P(busy))/µ.

use super::lock::{LinkedQueue, Links};
use wsim_stats::hashing::NumberMap;

/// Queues by key. Only busy queues take memory.
#[derive(Debug, Clone, Default)]
pub struct MergingQueues(NumberMap<u64, LinkedQueue>);

/// Ids that are served together: `leader`, then each one's [`Links::next_of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The first id.
    pub leader: u32,
    /// Number of ids.
    pub count: u32,
}

impl MergingQueues {
    /// Adds an id; returns a batch that starts now if the queue was idle.
    pub fn enter(&mut self, key: u64, id: u32, links: &mut Links) -> Option<Batch> {
        match self.0.get_mut(&key) {
            Some(waiting) => {
                waiting.push(id, links);
                None
            }
            None => {
                self.0.insert(key, LinkedQueue::EMPTY);
                let mut single = LinkedQueue::EMPTY;
                single.push(id, links);
                Some(Batch { leader: single.head, count: 1 })
            }
        }
    }

    /// Ends the running batch; returns the next one, which starts now.
    pub fn finish(&mut self, key: u64) -> Option<Batch> {
        let waiting = self.0.get_mut(&key)?;
        if waiting.count == 0 {
            self.0.remove(&key);
            return None;
        }
        let batch = std::mem::replace(waiting, LinkedQueue::EMPTY);
        Some(Batch { leader: batch.head, count: batch.count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_when_a_batch_ends_is_the_next_batch() {
        let (mut queues, mut links) = (MergingQueues::default(), Links::default());
        assert_eq!(queues.enter(1, 0, &mut links), Some(Batch { leader: 0, count: 1 }));
        assert_eq!(queues.enter(1, 5, &mut links), None);
        assert_eq!(queues.enter(1, 6, &mut links), None);
        assert_eq!(queues.finish(1), Some(Batch { leader: 5, count: 2 }));
        assert_eq!(links.next_of(5), 6);
        assert_eq!(queues.enter(1, 7, &mut links), None);
        assert_eq!(queues.finish(1), Some(Batch { leader: 7, count: 1 }));
        assert_eq!(queues.finish(1), None);
        assert_eq!(queues.enter(1, 8, &mut links), Some(Batch { leader: 8, count: 1 }), "idle again");
    }
}
