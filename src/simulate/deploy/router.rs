//! The proxies' exact balancing rules as routers of the simulation.

use std::fmt::Write as _;
use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::PoolConfig;
use super::keys::KeySource;
use crate::calibrate::prepare::PreparedWorkload;
use crate::synapse::record::Record;
use crate::synapse::router::{Arrival, Response, Router, Routers, RoutingDecision, ServerLoad};
use crate::synapse::topology::Topology;
use wsim_balance::{Algorithm, Apache, Balancer, Observation, Pick, PickContext, ServerSlot, Traefik, WaitingQueues};
use wsim_stats::hashing::NumberMap;
use wsim_trace::Names;

/// The balancing rules of a deployment.
#[derive(Debug)]
pub struct PlanRouters {
    pools: Vec<PoolRule>,
    names: Arc<Names>,
}

/// A pool's rule, shared by all runs.
#[derive(Debug)]
struct PoolRule {
    balancer: Balancer,
    key_source: KeySource,
    feedback: Feedback,
    /// Server of each name, where the server depends on the name alone.
    servers: Arc<[u16]>,
}

/// Feedback that a rule needs in addition to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feedback {
    None,
    ActiveRequests,
    FirstByte,
    Bytes,
}

impl PlanRouters {
    pub(super) fn new(pools: Vec<PoolConfig>, topology: &Topology, prepared: &PreparedWorkload) -> Self {
        let names = Arc::clone(&prepared.names);
        let rule = |(index, pool): (usize, PoolConfig)| {
            let balancer = Balancer::new(&pool.balancer);
            let key_source = KeySource::of(pool.key.as_ref()).escaping_rooms(prepared.escaped_rooms);
            let records = prepared.workload.records.iter().zip(0..);
            let records =
                records.filter(|(record, number)| usize::from(topology.pool_of(*number, record)) == index).map(|(record, _)| record);
            let servers = servers_of_names(&balancer, key_source, records, &names);
            PoolRule { balancer, key_source, feedback: feedback(&pool.balancer.algorithm), servers }
        };
        Self { pools: pools.into_iter().enumerate().map(rule).collect(), names }
    }
}

impl Routers for PlanRouters {
    fn router(&self, pool: usize, servers: usize, seed: u64) -> Box<dyn Router> {
        let Some(rule) = self.pools.get(pool).filter(|rule| rule.balancer.servers().len() > 1) else { return Box::new(SingleServer) };
        Box::new(PoolRouter {
            balancer: rule.balancer.clone(),
            key_source: rule.key_source,
            feedback: rule.feedback,
            servers: Arc::clone(&rule.servers),
            servers_of_clones: NumberMap::default(),
            names: Arc::clone(&self.names),
            waiting: WaitingQueues::new(servers),
            text: String::new(),
            salt: seed,
        })
    }
}

/// The router of a pool of one server.
struct SingleServer;

impl Router for SingleServer {
    fn route(&mut self, _: &Arrival<'_>, _: &[ServerLoad]) -> RoutingDecision {
        RoutingDecision::Server(ServerSlot::new(0, 0))
    }
}

/// A proxy's exact rule for one pool in one run.
struct PoolRouter {
    balancer: Balancer,
    key_source: KeySource,
    feedback: Feedback,
    servers: Arc<[u16]>,
    /// The same of clones, by name and copy, as they come.
    servers_of_clones: NumberMap<u64, u16>,
    names: Arc<Names>,
    waiting: WaitingQueues<u32>,
    /// Buffer for keys.
    text: String,
    /// Distinguishes the names of clones from those of other replications.
    salt: u64,
}

impl PoolRouter {
    /// Which copy of its user or room a request belongs to; 0 for those of the log.
    fn copy(&self, arrival: &Arrival<'_>) -> u16 {
        if self.key_source.is_room() { arrival.room_copy } else { arrival.copy }
    }

    /// A free slot at the server of the request's name, if the server depends on the name alone.
    fn slot_by_name(&mut self, arrival: &Arrival<'_>) -> Option<ServerSlot> {
        if self.servers.is_empty() {
            return None;
        }
        let (name, copy) = (self.key_source.name(arrival.record), self.copy(arrival));
        let server = if copy == 0 {
            *self.servers.get(name.0 as usize)?
        } else if name.is_some() {
            // Most clones come more than once, and writing and hashing a name takes longer than everything else here.
            let clone = u64::from(name.0) << 16 | u64::from(copy);
            match self.servers_of_clones.get(&clone) {
                Some(server) => *server,
                None => {
                    self.write_key(arrival);
                    let server = self.balancer.server_of_key(self.text.as_bytes()).and_then(|server| u16::try_from(server).ok());
                    *self.servers_of_clones.entry(clone).or_insert(server.unwrap_or(UNKNOWN))
                }
            }
        } else {
            UNKNOWN
        };
        if server == UNKNOWN { None } else { self.balancer.assign(usize::from(server)) }
    }

    fn write_key(&mut self, arrival: &Arrival<'_>) {
        self.key_source.write(arrival.record, (arrival.copy, arrival.room_copy), &self.names, &mut self.text);
        if self.copy(arrival) > 0 && (self.key_source == KeySource::User || self.key_source.is_room()) {
            // Nobody knows the names of clones, so each replication has others.
            let _ = write!(self.text, "{:x}", self.salt);
        }
    }

    fn report_active_requests(&mut self, loads: &[ServerLoad]) {
        if self.feedback == Feedback::ActiveRequests {
            for (server, load) in loads.iter().enumerate() {
                self.balancer.observe(server, Observation::Busy(load.active));
            }
        }
    }

    fn pick(&mut self, key: &[u8], arrival: &Arrival<'_>) -> RoutingDecision {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(arrival.random);
        let key = (!key.is_empty()).then_some(key);
        match self.balancer.pick(&mut PickContext { key, address: None, random: &mut random }) {
            Pick::Server(slot) => RoutingDecision::Server(slot),
            Pick::Queue(queue) => {
                self.waiting.push(queue, arrival.pending_id);
                RoutingDecision::Queue
            }
            Pick::Unavailable => RoutingDecision::Reject,
        }
    }
}

impl Router for PoolRouter {
    fn route(&mut self, arrival: &Arrival<'_>, loads: &[ServerLoad]) -> RoutingDecision {
        self.report_active_requests(loads);
        if let Some(key) = arrival.key {
            return self.pick(key, arrival);
        }
        if let Some(slot) = self.slot_by_name(arrival) {
            return RoutingDecision::Server(slot);
        }
        self.write_key(arrival);
        let text = std::mem::take(&mut self.text);
        let decision = self.pick(text.as_bytes(), arrival);
        self.text = text;
        decision
    }

    fn on_response(&mut self, response: &Response<'_>, _: &[ServerLoad]) -> Option<(u32, ServerSlot)> {
        let server = response.server.server();
        self.balancer.release(response.server);
        match self.feedback {
            Feedback::FirstByte => {
                let milliseconds = u32::try_from(response.time.nanos() / 1_000_000).unwrap_or(u32::MAX);
                self.balancer.observe(server, Observation::FirstByte(milliseconds));
            }
            Feedback::Bytes => self.balancer.observe(server, Observation::Bytes(u64::from(response.record.bytes))),
            Feedback::None | Feedback::ActiveRequests => {}
        }
        if self.waiting.is_empty() {
            return None;
        }
        let (queue, pending_id) = self.waiting.pop_for(server)?;
        Some((pending_id, self.balancer.start_queued(queue, server)))
    }
}

fn feedback(algorithm: &Algorithm) -> Feedback {
    match algorithm {
        Algorithm::Comparator(_) => Feedback::ActiveRequests,
        Algorithm::Traefik(Traefik::LeastTime) => Feedback::FirstByte,
        Algorithm::Apache(Apache::ByTraffic) => Feedback::Bytes,
        _ => Feedback::None,
    }
}

/// The server of each name in `records`. Hashing every name once is cheaper than hashing it at every request.
fn servers_of_names<'r>(
    balancer: &Balancer,
    key_source: KeySource,
    records: impl Iterator<Item = &'r Record>,
    names: &Names,
) -> Arc<[u16]> {
    if matches!(key_source, KeySource::Uri | KeySource::Missing)
        || balancer.server_of_key(b"a").is_none() && balancer.server_of_key(b"10.0.0.1").is_none()
    {
        return Arc::from([]);
    }
    let mut servers: Vec<u16> = Vec::new();
    let mut text = String::new();
    for record in records {
        let name = key_source.name(record);
        let index = name.0 as usize;
        if !name.is_some() || servers.get(index).is_some_and(|&server| server != UNKNOWN) {
            continue;
        }
        if index >= servers.len() {
            servers.resize(index + 1, UNKNOWN);
        }
        key_source.write(record, (0, 0), names, &mut text);
        servers[index] = balancer.server_of_key(text.as_bytes()).and_then(|server| u16::try_from(server).ok()).unwrap_or(UNKNOWN);
    }
    servers.into()
}

const UNKNOWN: u16 = u16::MAX;
