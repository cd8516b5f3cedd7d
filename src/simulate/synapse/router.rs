//! Which server gets a request: the interface of balancing rules, and simple rules for checks.
//!
//! Knows nothing of proxies. A rule sees what a proxy sees: the request's identities, and the requests in flight at
//! each server of its pool.

use super::record::Record;
use crate::engine::random::{Purpose, below, draw};
use crate::engine::time::Span;
use wsim_balance::ServerSlot;

/// A balancing rule with its state, for one pool in one run.
pub trait Router {
    /// Chooses a server. `loads` has one entry per server of the pool and does not count the request yet.
    fn route(&mut self, arrival: &Arrival<'_>, loads: &[ServerLoad]) -> RoutingDecision;

    /// Called when a server has responded; `loads` no longer counts the request. Returns the [`Arrival::pending_id`] of a queued request
    /// that can be dispatched now, and its server.
    fn on_response(&mut self, response: &Response<'_>, loads: &[ServerLoad]) -> Option<(u32, ServerSlot)> {
        let _ = (response, loads);
        None
    }
}

/// A rule's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutingDecision {
    /// Dispatch the request to this server.
    Server(ServerSlot),
    /// The request waits in the proxy. The rule keeps its [`Arrival::pending_id`] and returns it from [`Router::on_response`].
    Queue,
    /// No server is usable: the proxy responds with an error.
    Reject,
}

impl RoutingDecision {
    fn server(index: usize) -> Self {
        Self::Server(ServerSlot::new(u32::try_from(index).unwrap_or(u32::MAX), 0))
    }
}

/// A response that a proxy has received.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    pub record: &'a Record,
    /// The server that responded.
    pub server: ServerSlot,
    /// Time from dispatch to response.
    pub time: Span,
}

/// Makes the routers of a run.
pub trait Routers: Sync {
    /// A new router for pool number `pool`. The same seed gives the same choices (hash salts, starting points).
    fn router(&self, pool: usize, servers: usize, seed: u64) -> Box<dyn Router + '_>;
}

impl<F: Fn(usize, usize, u64) -> Box<dyn Router> + Sync> Routers for F {
    fn router(&self, pool: usize, servers: usize, seed: u64) -> Box<dyn Router + '_> {
        self(pool, servers, seed)
    }
}

/// A request at the proxy.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    pub record: &'a Record,
    /// 0 is the observed user; others are clones with names of their own.
    pub copy: u16,
    /// 0 is the observed room; others are rooms of their own.
    pub room_copy: u16,
    /// Random bits that belong to this request. Random rules use these, so that runs with different rules can be compared.
    pub random: u64,
    /// Identifies the request while it waits in the proxy.
    pub pending_id: u32,
    /// The text that a keyed rule hashes, empty if the request has none; `None`: the rule takes the key from the record. For requests from
    /// outside, whose identities are no names of the trace.
    pub key: Option<&'a [u8]>,
}

/// Requests at one server of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerLoad {
    /// Requests without a response yet, waiting long polls included: the number that proxies see.
    pub in_flight: u32,
    /// Active requests, a number that no proxy sees.
    pub active: u32,
}

/// Each server in turn.
#[derive(Debug, Clone, Default)]
pub struct RoundRobin(usize);

impl Router for RoundRobin {
    fn route(&mut self, _: &Arrival<'_>, loads: &[ServerLoad]) -> RoutingDecision {
        let server = self.0 % loads.len().max(1);
        self.0 = server + 1;
        RoutingDecision::server(server)
    }
}

/// A random server, independently for each request.
#[derive(Debug, Clone, Default)]
pub struct RandomServer;

impl Router for RandomServer {
    fn route(&mut self, arrival: &Arrival<'_>, loads: &[ServerLoad]) -> RoutingDecision {
        RoutingDecision::server(below(arrival.random, loads.len()))
    }
}

/// Always the same server for a user (or peer), evenly distributed.
#[derive(Debug, Clone, Default)]
pub struct ByActor;

impl Router for ByActor {
    fn route(&mut self, arrival: &Arrival<'_>, loads: &[ServerLoad]) -> RoutingDecision {
        let actor = arrival.record.actor(0) ^ u64::from(arrival.copy) << 40;
        RoutingDecision::server(below(draw(0, Purpose::Routing, actor), loads.len()))
    }
}

/// The server with the fewest active requests; the first of several.
#[derive(Debug, Clone, Default)]
pub struct FewestActive;

impl Router for FewestActive {
    fn route(&mut self, _: &Arrival<'_>, loads: &[ServerLoad]) -> RoutingDecision {
        RoutingDecision::server((0..loads.len()).min_by_key(|&server| loads[server].active).unwrap_or(0))
    }
}

/// The server with the fewest requests in flight; the first of several.
#[derive(Debug, Clone, Default)]
pub struct LeastInFlight;

impl Router for LeastInFlight {
    fn route(&mut self, _: &Arrival<'_>, loads: &[ServerLoad]) -> RoutingDecision {
        RoutingDecision::server((0..loads.len()).min_by_key(|&server| loads[server].in_flight).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_alternate_and_loads_are_compared() {
        let record = Record::at(0);
        let arrival = Arrival { record: &record, copy: 0, room_copy: 0, random: u64::MAX, pending_id: 0, key: None };
        let load = |in_flight, active| ServerLoad { in_flight, active };
        let loads = [load(3, 0), load(1, 1), load(1, 2)];
        let mut in_turn = RoundRobin::default();
        let decisions: Vec<RoutingDecision> = (0..4).map(|_| in_turn.route(&arrival, &loads)).collect();
        assert_eq!(decisions, [0, 1, 2, 0].map(RoutingDecision::server));
        assert_eq!(FewestActive.route(&arrival, &loads), RoutingDecision::server(0));
        assert_eq!(LeastInFlight.route(&arrival, &loads), RoutingDecision::server(1));
        assert_eq!(RandomServer.route(&arrival, &loads), RoutingDecision::server(2));
        assert_eq!(ByActor.route(&arrival, &loads), ByActor.route(&Arrival { random: 5, ..arrival }, &loads));
    }
}
