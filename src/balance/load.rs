//! The servers of a pool as one balancing state counts them: weights, limits, requests in flight.

use super::server::Server;

/// The counts of one server.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub weight: u32,
    pub in_flight: u32,
    /// Requests in the server's own queue.
    pub waiting: u32,
    /// Most requests in flight.
    pub limit: u32,
    /// Requests that use a processor now, a number that no proxy knows.
    pub busy: u32,
}

impl Member {
    /// Whether another request may start at once.
    pub(super) fn is_free(&self) -> bool {
        self.in_flight < self.limit && self.waiting == 0
    }
}

/// All servers of a pool as one balancing state sees them.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub members: Vec<Member>,
    /// Requests in flight over all servers.
    pub in_flight: u64,
    /// Sum of the weights.
    pub weight: u64,
}

impl Load {
    pub(super) fn new(servers: &[Server]) -> Self {
        let members = servers.iter().map(|server| Member {
            weight: server.weight.max(1),
            in_flight: 0,
            waiting: 0,
            limit: server.limit.unwrap_or(u32::MAX),
            busy: 0,
        });
        let members: Vec<Member> = members.collect();
        let weight = members.iter().map(|member| u64::from(member.weight)).sum();
        Self { members, in_flight: 0, weight }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether a server may take another request at once.
    pub(super) fn is_free(&self, server: usize) -> bool {
        self.members[server].is_free()
    }

    /// The servers that may take another request at once, in order.
    pub(super) fn free(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.members.iter().enumerate().filter(|(_, member)| member.is_free())
    }

    /// The server at a position of the list that contains each server as many times as its weight.
    pub(super) fn at_weight(&self, mut position: u64) -> usize {
        for (index, member) in self.members.iter().enumerate() {
            let weight = u64::from(member.weight);
            if position < weight {
                return index;
            }
            position -= weight;
        }
        self.members.len().saturating_sub(1)
    }

    pub(super) fn start(&mut self, server: usize) {
        self.members[server].in_flight += 1;
        self.in_flight += 1;
    }

    pub(super) fn finish(&mut self, server: usize) {
        let member = &mut self.members[server];
        if member.in_flight > 0 {
            member.in_flight -= 1;
            self.in_flight -= 1;
        }
    }

    /// Whether a request at `a` would find fewer in flight per unit of weight than at `b`.
    pub(super) fn is_lighter(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.members[a], &self.members[b]);
        u64::from(a.in_flight) * u64::from(b.weight) < u64::from(b.in_flight) * u64::from(a.weight)
    }
}
