//! Queues served in batches: whatever waits when a batch ends is the next batch.
//!
//! Synapse's event persister keeps one such queue per room. With Poisson arrivals λ and exponential batch times of mean 1/µ,
//! independent of the batch's size, it never saturates: with x = λ(λ+µ)/µ², P(busy) = x/(1+x) and the mean time in it is
//! (1 + P(busy))/µ.

use super::lock::{Line, Links};
use wsim_stats::hashing::NumberMap;

/// Queues by key; only busy ones take memory.
#[derive(Debug, Clone, Default)]
pub struct MergingQueues(NumberMap<u64, Line>);

/// Tickets served together: `leader`, then each one's [`Links::after`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The first ticket.
    pub leader: u32,
    /// How many tickets.
    pub count: u32,
}

impl MergingQueues {
    /// Somebody comes: a batch that starts at once if the queue was idle.
    pub fn enter(&mut self, key: u64, ticket: u32, links: &mut Links) -> Option<Batch> {
        match self.0.get_mut(&key) {
            Some(waiting) => {
                waiting.push(ticket, links);
                None
            }
            None => {
                self.0.insert(key, Line::EMPTY);
                let mut alone = Line::EMPTY;
                alone.push(ticket, links);
                Some(Batch { leader: alone.head, count: 1 })
            }
        }
    }

    /// A batch has ended: the next one, which starts at once.
    pub fn finish(&mut self, key: u64) -> Option<Batch> {
        let waiting = self.0.get_mut(&key)?;
        if waiting.count == 0 {
            self.0.remove(&key);
            return None;
        }
        let batch = std::mem::replace(waiting, Line::EMPTY);
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
        assert_eq!(links.after(5), 6);
        assert_eq!(queues.enter(1, 7, &mut links), None);
        assert_eq!(queues.finish(1), Some(Batch { leader: 7, count: 1 }));
        assert_eq!(queues.finish(1), None);
        assert_eq!(queues.enter(1, 8, &mut links), Some(Batch { leader: 8, count: 1 }), "idle again");
    }
}
