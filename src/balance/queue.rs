//! Requests that wait for a place, where servers have limits: HAProxy `src/queue.c`.
//!
//! Invariant: requests of one line leave in the order in which they came.

use std::collections::VecDeque;

use super::choice::Line;

/// The lines before a pool's servers: one per server, and one for the whole pool.
#[derive(Debug, Clone)]
pub struct Waiting<T> {
    servers: Vec<VecDeque<(u64, T)>>,
    pool: VecDeque<(u64, T)>,
    arrivals: u64,
}

impl<T> Waiting<T> {
    /// Nobody waits.
    pub fn new(servers: usize) -> Self {
        Self { servers: (0..servers).map(|_| VecDeque::new()).collect(), pool: VecDeque::new(), arrivals: 0 }
    }

    /// A request joins a line.
    pub fn join(&mut self, line: Line, request: T) {
        self.arrivals += 1;
        let entry = (self.arrivals, request);
        self.line_mut(line).push_back(entry);
    }

    /// Who gets a place that fell free at a server: of the server's line and the pool's line, the one who came first.
    ///
    /// The caller tells the balancer by [`super::Balancer::admit`] with the line that is returned.
    pub fn next(&mut self, server: usize) -> Option<(Line, T)> {
        let own = self.servers[server].front().map(|(arrival, _)| *arrival);
        let pool = self.pool.front().map(|(arrival, _)| *arrival);
        let line = match (own, pool) {
            (Some(own), Some(pool)) if own < pool => Line::Server(server),
            (Some(_), None) => Line::Server(server),
            (_, Some(_)) => Line::Pool,
            (None, None) => return None,
        };
        self.line_mut(line).pop_front().map(|(_, request)| (line, request))
    }

    /// Takes out a request that waits no longer (`timeout queue`, or its client went); `None` if it waits nowhere.
    ///
    /// The caller tells the balancer by [`super::Balancer::give_up`].
    pub fn leave(&mut self, line: Line, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let line = self.line_mut(line);
        let place = line.iter().position(|(_, request)| is_it(request))?;
        line.remove(place).map(|(_, request)| request)
    }

    /// How many wait, in all lines.
    pub fn len(&self) -> usize {
        self.pool.len() + self.servers.iter().map(VecDeque::len).sum::<usize>()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn line_mut(&mut self, line: Line) -> &mut VecDeque<(u64, T)> {
        match line {
            Line::Server(server) => &mut self.servers[server],
            Line::Pool => &mut self.pool,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_goes_to_whoever_came_first_and_may_use_it() {
        let mut waiting = Waiting::new(2);
        waiting.join(Line::Server(0), "a");
        waiting.join(Line::Pool, "b");
        waiting.join(Line::Server(1), "c");
        waiting.join(Line::Server(1), "d");
        assert_eq!(waiting.next(1), Some((Line::Pool, "b")));
        assert_eq!(waiting.leave(Line::Server(1), |request| *request == "c"), Some("c"));
        assert_eq!(waiting.leave(Line::Server(1), |request| *request == "c"), None);
        assert_eq!(waiting.next(1), Some((Line::Server(1), "d")));
        assert_eq!(waiting.next(1), None);
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting.next(0), Some((Line::Server(0), "a")));
        assert!(waiting.is_empty());
    }
}
