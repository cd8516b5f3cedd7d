//! Who serves a request: the door to balancing rules, and simple ones for checks.
//!
//! Knows nothing of proxies. A rule sees what a proxy sees: the request's identities and what it has in flight with each
//! server of its pool.

use super::random::{Purpose, below, draw};
use super::record::Record;
use super::time::Span;

/// A balancing rule with its state, for one pool in one run.
pub trait Router {
    /// Who serves a request. `loads` has one entry per server of the pool and does not count the request yet.
    fn pick(&mut self, request: &Arriving<'_>, loads: &[ServerLoad]) -> Answer;

    /// A request that was sent has been answered; `loads` no longer counts it. A request that was told to wait may be sent now:
    /// its ticket, and where to.
    fn done(&mut self, ended: &Ended<'_>, loads: &[ServerLoad]) -> Option<(u32, Sent)> {
        let _ = (ended, loads);
        None
    }
}

/// What a rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Sent to a server.
    Sent(Sent),
    /// It waits in the proxy; the rule keeps its ticket and gives it back from [`Router::done`].
    Waits,
    /// The proxy answers with an error.
    Refused,
}

/// Where a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Place in the pool.
    pub server: u32,
    /// What the rule wants back at the end (which of several proxy processes chose).
    pub token: u32,
}

impl Sent {
    /// To a server, with nothing to remember.
    pub fn to(server: usize) -> Self {
        Self { server: u32::try_from(server).unwrap_or(u32::MAX), token: 0 }
    }
}

/// A request that has been answered.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The request.
    pub record: &'a Record,
    /// Where it was sent.
    pub sent: Sent,
    /// From its being sent to its answer.
    pub response: Span,
}

/// Makes the routers of a run. The same for every pool and replication gives the same choices.
pub trait Routers: Sync {
    /// The rule of pool number `pool`, fresh, for a run with this seed (hash salts, starting points).
    fn router(&self, pool: usize, servers: usize, seed: u64) -> Box<dyn Router + '_>;
}

impl<F: Fn(usize, usize, u64) -> Box<dyn Router> + Sync> Routers for F {
    fn router(&self, pool: usize, servers: usize, seed: u64) -> Box<dyn Router + '_> {
        self(pool, servers, seed)
    }
}

/// A request before it is sent to a server.
#[derive(Debug, Clone, Copy)]
pub struct Arriving<'a> {
    /// The request.
    pub record: &'a Record,
    /// 0: the observed user; others are clones with names of their own.
    pub copy: u32,
    /// Random bits that belong to this request: a rule that tosses coins uses these, so that runs can be compared.
    pub random: u64,
    /// Names the request while it waits in the proxy.
    pub ticket: u32,
}

/// What is under way at one server of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerLoad {
    /// Requests not yet answered, parked long polls included: what proxies count.
    pub in_flight: u32,
    /// Requests at work: what no proxy can see.
    pub busy: u32,
}

/// Each in turn.
#[derive(Debug, Clone, Default)]
pub struct RoundRobin(usize);

impl Router for RoundRobin {
    fn pick(&mut self, _: &Arriving<'_>, loads: &[ServerLoad]) -> Answer {
        let server = self.0 % loads.len().max(1);
        self.0 = server + 1;
        send(server)
    }
}

/// Independently at random.
#[derive(Debug, Clone, Default)]
pub struct AtRandom;

impl Router for AtRandom {
    fn pick(&mut self, request: &Arriving<'_>, loads: &[ServerLoad]) -> Answer {
        send(below(request.random, loads.len()))
    }
}

/// Always the same server for a user (or peer), evenly.
#[derive(Debug, Clone, Default)]
pub struct ByActor;

impl Router for ByActor {
    fn pick(&mut self, request: &Arriving<'_>, loads: &[ServerLoad]) -> Answer {
        let who = request.record.actor(0) ^ u64::from(request.copy) << 40;
        send(below(draw(0, Purpose::Routing, who), loads.len()))
    }
}

/// Fewest requests at work; the first of equals.
#[derive(Debug, Clone, Default)]
pub struct ShortestBusyQueue;

impl Router for ShortestBusyQueue {
    fn pick(&mut self, _: &Arriving<'_>, loads: &[ServerLoad]) -> Answer {
        send((0..loads.len()).min_by_key(|&server| loads[server].busy).unwrap_or(0))
    }
}

/// Fewest requests in flight; the first of equals.
#[derive(Debug, Clone, Default)]
pub struct LeastInFlight;

impl Router for LeastInFlight {
    fn pick(&mut self, _: &Arriving<'_>, loads: &[ServerLoad]) -> Answer {
        send((0..loads.len()).min_by_key(|&server| loads[server].in_flight).unwrap_or(0))
    }
}

fn send(server: usize) -> Answer {
    Answer::Sent(Sent::to(server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_each_other_and_queues_are_compared() {
        let record = Record::at(0);
        let request = Arriving { record: &record, copy: 0, random: u64::MAX, ticket: 0 };
        let load = |in_flight, busy| ServerLoad { in_flight, busy };
        let loads = [load(3, 0), load(1, 1), load(1, 2)];
        let mut turn = RoundRobin::default();
        let turns: Vec<Answer> = (0..4).map(|_| turn.pick(&request, &loads)).collect();
        assert_eq!(turns, [0, 1, 2, 0].map(send));
        assert_eq!(ShortestBusyQueue.pick(&request, &loads), send(0));
        assert_eq!(LeastInFlight.pick(&request, &loads), send(1));
        assert_eq!(AtRandom.pick(&request, &loads), send(2));
        assert_eq!(ByActor.pick(&request, &loads), ByActor.pick(&Arriving { random: 5, ..request }, &loads));
    }
}
