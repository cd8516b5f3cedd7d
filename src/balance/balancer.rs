//! A pool behind a proxy: one balancing state per proxy process, each with its own books.

use super::apache::{self, Apache};
use super::caddy::{self, Caddy};
use super::choice::{Choice, Line, Pick, Place, index_below};
use super::comparators::{self, Comparator};
use super::envoy::{self, Envoy};
use super::haproxy::{self, Haproxy};
use super::load::Load;
use super::nginx::{self, Nginx};
use super::rule::{Choose, Decision};
use super::server::Server;
use super::synapse;
use super::traefik::{self, Traefik};

/// Every rule known here.
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
    /// No proxy has it.
    Comparator(Comparator),
}

/// What a balancer is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The rule.
    pub algorithm: Algorithm,
    /// The servers in configured order, at least one.
    pub servers: Vec<Server>,
    /// Processes of the proxy with a state each: nginx without a `zone`. Each request comes to one of them at random.
    pub processes: u32,
}

/// What only some rules want to know of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// So many requests use a processor there now ([`Comparator`]).
    Busy(u32),
    /// A request's first byte came after so many milliseconds, rounded down (Traefik `leasttime`).
    FirstByte(u32),
    /// A response ended; with its request it had so many bytes (Apache `bytraffic`).
    Bytes(u64),
}

/// A pool's balancer.
///
/// Life cycle of a request: [`pick`](Self::pick) or, where the key's server is known already, [`take`](Self::take); then
/// [`done`](Self::done). A request that is told to queue waits until [`admit`](Self::admit) or [`give_up`](Self::give_up).
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
    /// Starts with nothing in flight. Without servers every pick is [`Pick::Unavailable`].
    pub fn new(setup: &Setup) -> Self {
        let load = Load::new(&setup.servers);
        let rule = Rule::new(&setup.algorithm, &setup.servers, &load);
        let processes = vec![Process { load, rule }; setup.processes.max(1) as usize];
        Self { servers: setup.servers.clone(), processes }
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
    pub fn pick(&mut self, choice: &mut Choice<'_>) -> Pick {
        let process = match self.processes.len() {
            1 => 0,
            count => index_below(choice.random, count),
        };
        let state = &mut self.processes[process];
        if state.load.members.is_empty() {
            return Pick::Unavailable;
        }
        match state.rule.choose(&state.load, choice) {
            Decision::Server(server) => {
                state.start(server);
                Pick::Server(place(server, process))
            }
            Decision::Queue(line) => {
                if let Line::Server(server) = line {
                    state.load.members[server].waiting += 1;
                    state.rule.moved(&state.load, server);
                }
                Pick::Queue(line)
            }
            Decision::Unavailable => Pick::Unavailable,
        }
    }

    /// The server of a key, for rules where it depends on the key alone and every server is free; else `None`.
    ///
    /// For rules that hash the client's address the key is the address as text. The answer may be kept as long as no server
    /// goes or comes back.
    pub fn server_of_key(&self, key: &[u8]) -> Option<usize> {
        let state = self.processes.first()?;
        if state.load.members.is_empty() { None } else { state.rule.server_of_key(&state.load, key) }
    }

    /// Counts a request in flight at a server that the caller knows from [`server_of_key`](Self::server_of_key). `None` if the
    /// server is not free: then [`pick`](Self::pick) decides.
    pub fn take(&mut self, server: usize) -> Option<Place> {
        let state = self.processes.first_mut()?;
        if !state.load.members.get(server)?.is_free() {
            return None;
        }
        state.start(server);
        Some(place(server, 0))
    }

    /// A request ended.
    pub fn done(&mut self, place: Place) {
        let state = &mut self.processes[place.process()];
        state.load.finish(place.server());
        state.rule.moved(&state.load, place.server());
    }

    /// A request that waited in a line starts at a server. Queues are the whole proxy's: they stand in the books of the first
    /// process.
    pub fn admit(&mut self, line: Line, server: usize) -> Place {
        self.give_up(line);
        self.processes[0].start(server);
        place(server, 0)
    }

    /// A request waits no longer.
    pub fn give_up(&mut self, line: Line) {
        if let Line::Server(server) = line {
            for state in &mut self.processes {
                let member = &mut state.load.members[server];
                if member.waiting > 0 {
                    member.waiting -= 1;
                    state.rule.moved(&state.load, server);
                    return;
                }
            }
        }
    }

    /// Tells what some rules want to know of a server.
    pub fn observe(&mut self, server: usize, observation: Observation) {
        for state in &mut self.processes {
            match (observation, &mut state.rule) {
                (Observation::Busy(busy), _) => state.load.members[server].busy = busy,
                (Observation::FirstByte(milliseconds), Rule::Traefik(rule)) => rule.answered(server, milliseconds),
                (Observation::Bytes(bytes), Rule::Apache(rule)) => rule.carried(server, bytes),
                _ => {}
            }
        }
    }

    /// A server went or came back, as seen by every process at once.
    pub fn set_up(&mut self, server: usize, up: bool) {
        for state in &mut self.processes {
            state.load.members[server].up = up;
            state.rule.changed(&self.servers, &state.load);
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
        self.rule.moved(&self.load, server);
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
            Algorithm::Envoy(rule) => Self::Envoy(envoy::State::new(*rule, servers, load)),
            Algorithm::SynapseShards => Self::Synapse(synapse::State),
            Algorithm::Comparator(rule) => Self::Comparator(comparators::State(*rule)),
        }
    }
}

impl Choose for Rule {
    fn choose(&mut self, load: &Load, choice: &mut Choice<'_>) -> Decision {
        match self {
            Self::Nginx(rule) => rule.choose(load, choice),
            Self::Haproxy(rule) => rule.choose(load, choice),
            Self::Caddy(rule) => rule.choose(load, choice),
            Self::Traefik(rule) => rule.choose(load, choice),
            Self::Apache(rule) => rule.choose(load, choice),
            Self::Envoy(rule) => rule.choose(load, choice),
            Self::Synapse(rule) => rule.choose(load, choice),
            Self::Comparator(rule) => rule.choose(load, choice),
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

    fn moved(&mut self, load: &Load, server: usize) {
        if let Self::Haproxy(rule) = self {
            rule.moved(load, server);
        }
    }

    fn changed(&mut self, servers: &[Server], load: &Load) {
        match self {
            Self::Haproxy(rule) => rule.changed(servers, load),
            Self::Envoy(rule) => rule.changed(servers, load),
            _ => {}
        }
    }
}

fn place(server: usize, process: usize) -> Place {
    let narrow = |index| u32::try_from(index).unwrap_or(u32::MAX);
    Place { server: narrow(server), process: narrow(process) }
}
