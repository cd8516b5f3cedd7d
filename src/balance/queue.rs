//! Requests that wait for a server, where servers have limits: HAProxy `src/queue.c`.
//!
//! Invariant: the requests of one queue leave in the order in which they came.

use std::collections::VecDeque;

use super::choice::QueueId;

/// The queues of a pool: one for each server, and one for the whole pool.
#[derive(Debug, Clone)]
pub struct WaitingQueues<T> {
    servers: Vec<VecDeque<(u64, T)>>,
    pool: VecDeque<(u64, T)>,
    /// Requests so far: the number of a request orders it among all queues.
    arrivals: u64,
}

impl<T> WaitingQueues<T> {
    /// Empty queues.
    pub fn new(servers: usize) -> Self {
        Self { servers: (0..servers).map(|_| VecDeque::new()).collect(), pool: VecDeque::new(), arrivals: 0 }
    }

    /// Adds a request to the end of a queue.
    pub fn push(&mut self, queue: QueueId, request: T) {
        self.arrivals += 1;
        let entry = (self.arrivals, request);
        self.queue_mut(queue).push_back(entry);
    }

    /// Takes the request that a server with a free slot serves next: the older of the first in the server's queue and the first
    /// in the pool's queue.
    ///
    /// The caller then calls [`super::Balancer::start_queued`] with the returned queue.
    pub fn pop_for(&mut self, server: usize) -> Option<(QueueId, T)> {
        let first = self.servers[server].front().map(|(arrival, _)| *arrival);
        let pool = self.pool.front().map(|(arrival, _)| *arrival);
        let queue = match (first, pool) {
            (Some(first), Some(pool)) if first < pool => QueueId::Server(server),
            (Some(_), None) => QueueId::Server(server),
            (_, Some(_)) => QueueId::Pool,
            (None, None) => return None,
        };
        self.queue_mut(queue).pop_front().map(|(_, request)| (queue, request))
    }

    /// Removes a request that stops waiting (`timeout queue`, or its client disconnected); `None` if it is not in this queue.
    ///
    /// The caller then calls [`super::Balancer::leave_queue`].
    pub fn remove(&mut self, queue: QueueId, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let queue = self.queue_mut(queue);
        let index = queue.iter().position(|(_, request)| is_it(request))?;
        queue.remove(index).map(|(_, request)| request)
    }

    /// Number of requests in all queues.
    pub fn len(&self) -> usize {
        self.pool.len() + self.servers.iter().map(VecDeque::len).sum::<usize>()
    }

    /// Whether no request waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn queue_mut(&mut self, queue: QueueId) -> &mut VecDeque<(u64, T)> {
        match queue {
            QueueId::Server(server) => &mut self.servers[server],
            QueueId::Pool => &mut self.pool,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_server_takes_the_oldest_request_that_may_use_it() {
        let mut waiting = WaitingQueues::new(2);
        waiting.push(QueueId::Server(0), "a");
        waiting.push(QueueId::Pool, "b");
        waiting.push(QueueId::Server(1), "c");
        waiting.push(QueueId::Server(1), "d");
        assert_eq!(waiting.pop_for(1), Some((QueueId::Pool, "b")));
        assert_eq!(waiting.remove(QueueId::Server(1), |request| *request == "c"), Some("c"));
        assert_eq!(waiting.remove(QueueId::Server(1), |request| *request == "c"), None);
        assert_eq!(waiting.pop_for(1), Some((QueueId::Server(1), "d")));
        assert_eq!(waiting.pop_for(1), None);
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting.pop_for(0), Some((QueueId::Server(0), "a")));
        assert!(waiting.is_empty());
    }
}
