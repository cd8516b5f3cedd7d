//! A pool behind a proxy: one balancing state for each proxy process, which counts only the requests that it chose for.

use super::apache::{self, Apache};
use super::caddy::{self, Caddy};
use super::choice::{Pick, PickContext, QueueId, ServerSlot, index_below};
use super::comparators::{self, Comparator};
use super::envoy::{self, Envoy};
use super::haproxy::{self, Haproxy};
use super::load::Load;
use super::nginx::{self, Nginx};
use super::rule::{Choose, Decision};
use super::server::Server;
use super::synapse;
use super::traefik::{self, Traefik};

/// A rule of one of the known proxies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// nginx
    Nginx(Nginx),
    /// HAProxy
    Haproxy(Haproxy),
    /// Caddy
    Caddy(Caddy),
    /// Traefik
    Traefik(Traefik),
    /// Apache httpd
    Apache(Apache),
    /// Envoy
    Envoy(Envoy),
    /// Synapse's sharding of event persisters, federation senders and pushers: [`super::shard`].
    SynapseShards,
    /// A rule that no proxy has, for comparison.
    Comparator(Comparator),
}

/// The configuration of a pool's balancer.
#[derive(Debug, Clone)]
pub struct BalancerConfig {
    /// The rule by which the proxy chooses.
    pub algorithm: Algorithm,
    /// The servers in configured order, at least one.
    pub servers: Vec<Server>,
    /// Proxy processes with a balancing state each, as in nginx without a `zone`. Each request reaches one of them at random.
    pub processes: u32,
}

/// An event at a server that only some rules take into account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// This many requests use a processor there now ([`Comparator`]).
    Busy(u32),
    /// The first byte of a response came after this many milliseconds, rounded down (Traefik `leasttime`).
    FirstByte(u32),
    /// A request and its response had this many bytes together (Apache `bytraffic`).
    Bytes(u64),
}

/// A pool's balancer.
///
/// Life cycle of a request: [`pick`](Self::pick) or, where the key's server is known already, [`assign`](Self::assign); then
/// [`release`](Self::release). A queued request waits until [`start_queued`](Self::start_queued) or
/// [`leave_queue`](Self::leave_queue).
#[derive(Debug, Clone)]
pub struct Balancer {
    servers: Vec<Server>,
    processes: Vec<Process>,
}

#[derive(Debug, Clone)]
struct Process {
    load: Load,
    rule: Rule,
}

/// Dispatch by `match`: picks are too frequent for a virtual call each.
#[derive(Debug, Clone)]
enum Rule {
    Nginx(nginx::State),
    Haproxy(haproxy::State),
    Caddy(caddy::State),
    Traefik(traefik::State),
    Apache(apache::State),
    Envoy(envoy::State),
    Synapse(synapse::State),
    Comparator(comparators::State),
}

impl Balancer {
    /// A balancer with nothing in flight. Without servers every pick is [`Pick::Unavailable`].
    pub fn new(config: &BalancerConfig) -> Self {
        let load = Load::new(&config.servers);
        let rule = Rule::new(&config.algorithm, &config.servers, &load);
        let processes = vec![Process { load, rule }; config.processes.max(1) as usize];
        Self { servers: config.servers.clone(), processes }
    }

    /// The servers, in configured order.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Whether the rule hashes the client's address as a number, so that a key must be an address.
    pub fn hashes_addresses(&self) -> bool {
        match self.processes.first().map(|state| &state.rule) {
            Some(Rule::Nginx(rule)) => rule.hashes_addresses(),
            Some(Rule::Haproxy(rule)) => rule.hashes_addresses(),
            _ => false,
        }
    }

    /// Chooses a server for a request and counts it in flight there.
    pub fn pick(&mut self, context: &mut PickContext<'_>) -> Pick {
        let process = match self.processes.len() {
            1 => 0,
            count => index_below(context.random, count),
        };
        let state = &mut self.processes[process];
        if state.load.members.is_empty() {
            return Pick::Unavailable;
        }
        match state.rule.choose(&state.load, context) {
            Decision::Server(server) => {
                state.start(server);
                Pick::Server(ServerSlot::from_indices(server, process))
            }
            Decision::Queue(queue) => {
                if let QueueId::Server(server) = queue {
                    state.load.members[server].waiting += 1;
                    state.rule.on_load_change(&state.load, server);
                }
                Pick::Queue(queue)
            }
            Decision::Unavailable => Pick::Unavailable,
        }
    }

    /// The server of a key, if the rule decides by the key alone and every server is free; else `None`.
    ///
    /// For rules that hash the client's address, the key is the address as text. The result never changes, so callers may cache
    /// it.
    pub fn server_of_key(&self, key: &[u8]) -> Option<usize> {
        let state = self.processes.first()?;
        if state.load.members.is_empty() { None } else { state.rule.server_of_key(&state.load, key) }
    }

    /// Counts a request in flight at a server that the caller knows from [`server_of_key`](Self::server_of_key). `None` if the
    /// server is not free: then [`pick`](Self::pick) decides.
    pub fn assign(&mut self, server: usize) -> Option<ServerSlot> {
        let state = self.processes.first_mut()?;
        if !state.load.members.get(server)?.is_free() {
            return None;
        }
        state.start(server);
        Some(ServerSlot::from_indices(server, 0))
    }

    /// Ends a request: its slot is free again.
    pub fn release(&mut self, slot: ServerSlot) {
        let state = &mut self.processes[slot.process()];
        state.load.finish(slot.server());
        state.rule.on_load_change(&state.load, slot.server());
    }

    /// Starts a request that waited in a queue. All processes of the proxy share the queues, so the first process counts the
    /// request.
    pub fn start_queued(&mut self, queue: QueueId, server: usize) -> ServerSlot {
        self.leave_queue(queue);
        self.processes[0].start(server);
        ServerSlot::from_indices(server, 0)
    }

    /// Removes a request from the length of a queue, because it stopped waiting.
    pub fn leave_queue(&mut self, queue: QueueId) {
        if let QueueId::Server(server) = queue {
            for state in &mut self.processes {
                let member = &mut state.load.members[server];
                if member.waiting > 0 {
                    member.waiting -= 1;
                    state.rule.on_load_change(&state.load, server);
                    return;
                }
            }
        }
    }

    /// Passes an event at a server to the rules that take it into account.
    pub fn observe(&mut self, server: usize, observation: Observation) {
        for state in &mut self.processes {
            match (observation, &mut state.rule) {
                (Observation::Busy(busy), _) => state.load.members[server].busy = busy,
                (Observation::FirstByte(milliseconds), Rule::Traefik(rule)) => rule.record_first_byte(server, milliseconds),
                (Observation::Bytes(bytes), Rule::Apache(rule)) => rule.record_bytes(server, bytes),
                _ => {}
            }
        }
    }

    /// Requests in flight at a server, over all processes.
    pub fn in_flight(&self, server: usize) -> u64 {
        self.processes.iter().map(|state| u64::from(state.load.members[server].in_flight)).sum()
    }
}

impl Process {
    fn start(&mut self, server: usize) {
        self.load.start(server);
        self.rule.on_load_change(&self.load, server);
    }
}

impl Rule {
    fn new(algorithm: &Algorithm, servers: &[Server], load: &Load) -> Self {
        match algorithm {
            Algorithm::Nginx(rule) => Self::Nginx(nginx::State::new(*rule, servers)),
            Algorithm::Haproxy(rule) => Self::Haproxy(haproxy::State::new(rule.clone(), servers, load)),
            Algorithm::Caddy(rule) => Self::Caddy(caddy::State::new(*rule, servers)),
            Algorithm::Traefik(rule) => Self::Traefik(traefik::State::new(*rule, servers)),
            Algorithm::Apache(rule) => Self::Apache(apache::State::new(*rule, servers)),
            Algorithm::Envoy(rule) => Self::Envoy(envoy::State::new(*rule, servers)),
            Algorithm::SynapseShards => Self::Synapse(synapse::State),
            Algorithm::Comparator(rule) => Self::Comparator(comparators::State(*rule)),
        }
    }
}

impl Choose for Rule {
    fn choose(&mut self, load: &Load, context: &mut PickContext<'_>) -> Decision {
        match self {
            Self::Nginx(rule) => rule.choose(load, context),
            Self::Haproxy(rule) => rule.choose(load, context),
            Self::Caddy(rule) => rule.choose(load, context),
            Self::Traefik(rule) => rule.choose(load, context),
            Self::Apache(rule) => rule.choose(load, context),
            Self::Envoy(rule) => rule.choose(load, context),
            Self::Synapse(rule) => rule.choose(load, context),
            Self::Comparator(rule) => rule.choose(load, context),
        }
    }

    fn server_of_key(&self, load: &Load, key: &[u8]) -> Option<usize> {
        match self {
            Self::Nginx(rule) => rule.server_of_key(load, key),
            Self::Haproxy(rule) => rule.server_of_key(load, key),
            Self::Caddy(rule) => rule.server_of_key(load, key),
            Self::Traefik(rule) => rule.server_of_key(load, key),
            Self::Envoy(rule) => rule.server_of_key(load, key),
            Self::Synapse(rule) => rule.server_of_key(load, key),
            Self::Apache(_) | Self::Comparator(_) => None,
        }
    }

    fn on_load_change(&mut self, load: &Load, server: usize) {
        if let Self::Haproxy(rule) = self {
            rule.on_load_change(load, server);
        }
    }
}
