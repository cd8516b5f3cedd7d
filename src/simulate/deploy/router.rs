//! Balancers as routers of the simulation.

use std::sync::{Arc, Mutex, PoisonError};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::super::prepare::Prepared;
use super::super::record::Record;
use super::super::router::{Answer, Arriving, Ended, Router, Routers, Sent, ServerLoad};
use super::super::topology::Topology;
use super::PoolSetup;
use super::keys::Source;
use wsim_balance::{Algorithm, Apache, Balancer, Choice, Observation, Pick, Place, Traefik, Waiting};
use wsim_trace::Names;

/// The balancing rules of a deployment.
#[derive(Debug)]
pub struct PlanRouters {
    pools: Vec<PoolRule>,
    names: Arc<Names>,
    told: Option<Told>,
}

/// The key of the request that comes next, for requests from outside whose identities are no names of the trace: set just before it
/// comes, and taken by the rule that it comes to.
#[derive(Debug, Clone, Default)]
pub struct Told(Arc<Mutex<Option<Vec<u8>>>>);

impl Told {
    /// What the proxy would hash of the request that comes next; empty if it has no such thing. `None`: the record says.
    pub fn set(&self, key: Option<Vec<u8>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = key;
    }

    fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A pool's rule, shared by all runs.
#[derive(Debug)]
struct PoolRule {
    balancer: Balancer,
    source: Source,
    observes: Observes,
    /// Server of each name, where it depends on the name alone.
    servers: Arc<[u16]>,
}

/// What a rule wants to know besides the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Observes {
    Nothing,
    Busy,
    FirstByte,
    Bytes,
}

impl PlanRouters {
    pub(super) fn new(setups: Vec<PoolSetup>, topology: &Topology, prepared: &Prepared) -> Self {
        let names = Arc::new(prepared.names.clone());
        let rule = |(number, setup): (usize, PoolSetup)| {
            let balancer = Balancer::new(&setup.setup);
            let source = Source::of(setup.key.as_ref());
            let mine = prepared
                .workload
                .records
                .iter()
                .filter(|record| usize::from(topology.routes.get(usize::from(record.endpoint)).copied().unwrap_or(0)) == number);
            let servers = servers_of_names(&balancer, source, mine, &names);
            PoolRule { balancer, source, observes: observes(&setup.setup.algorithm), servers }
        };
        Self { pools: setups.into_iter().enumerate().map(rule).collect(), names, told: None }
    }

    /// Rules that look at what they are told of a request before they look at its record.
    #[must_use]
    pub fn with_keys(self, told: Told) -> Self {
        Self { told: Some(told), ..self }
    }
}

impl Routers for PlanRouters {
    fn router(&self, pool: usize, servers: usize, _: u64) -> Box<dyn Router> {
        let Some(rule) = self.pools.get(pool).filter(|rule| rule.balancer.servers().len() > 1) else { return Box::new(Only) };
        let exact = Exact {
            balancer: rule.balancer.clone(),
            source: rule.source,
            observes: rule.observes,
            servers: Arc::clone(&rule.servers),
            names: Arc::clone(&self.names),
            waiting: Waiting::new(servers),
            text: String::new(),
        };
        match &self.told {
            None => Box::new(exact),
            Some(told) => Box::new(FromOutside { exact, told: told.clone() }),
        }
    }
}

/// A pool of one.
struct Only;

impl Router for Only {
    fn pick(&mut self, _: &Arriving<'_>, _: &[ServerLoad]) -> Answer {
        Answer::Sent(Sent::to(0))
    }
}

/// The proxy's exact rule.
struct Exact {
    balancer: Balancer,
    source: Source,
    observes: Observes,
    servers: Arc<[u16]>,
    names: Arc<Names>,
    waiting: Waiting<u32>,
    text: String,
}

impl Exact {
    fn known(&mut self, request: &Arriving<'_>) -> Option<Place> {
        if request.copy > 0 {
            return None;
        }
        let name = self.source.name(request.record);
        let server = *self.servers.get(name.0 as usize).filter(|&&server| server != UNKNOWN)?;
        self.balancer.take(usize::from(server))
    }
}

impl Exact {
    fn look(&mut self, loads: &[ServerLoad]) {
        if self.observes == Observes::Busy {
            for (server, load) in loads.iter().enumerate() {
                self.balancer.observe(server, Observation::Busy(load.busy));
            }
        }
    }

    fn choose(&mut self, key: &[u8], request: &Arriving<'_>) -> Answer {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(request.random);
        let key = (!key.is_empty()).then_some(key);
        match self.balancer.pick(&mut Choice { key, address: None, random: &mut random }) {
            Pick::Server(place) => Answer::Sent(sent(place)),
            Pick::Queue(line) => {
                self.waiting.join(line, request.ticket);
                Answer::Waits
            }
            Pick::Unavailable => Answer::Refused,
        }
    }
}

impl Router for Exact {
    fn pick(&mut self, request: &Arriving<'_>, loads: &[ServerLoad]) -> Answer {
        self.look(loads);
        if let Some(place) = self.known(request) {
            return Answer::Sent(sent(place));
        }
        let mut text = std::mem::take(&mut self.text);
        self.source.write(request.record, request.copy, &self.names, &mut text);
        let answer = self.choose(text.as_bytes(), request);
        self.text = text;
        answer
    }

    fn done(&mut self, ended: &Ended<'_>, _: &[ServerLoad]) -> Option<(u32, Sent)> {
        let server = ended.sent.server as usize;
        self.balancer.done(Place::new(ended.sent.server, ended.sent.token));
        match self.observes {
            Observes::FirstByte => {
                let milliseconds = u32::try_from(ended.response.nanos() / 1_000_000).unwrap_or(u32::MAX);
                self.balancer.observe(server, Observation::FirstByte(milliseconds));
            }
            Observes::Bytes => self.balancer.observe(server, Observation::Bytes(u64::from(ended.record.bytes))),
            Observes::Nothing | Observes::Busy => {}
        }
        if self.waiting.is_empty() {
            return None;
        }
        let (line, ticket) = self.waiting.next(server)?;
        Some((ticket, sent(self.balancer.admit(line, server))))
    }
}

/// The proxy's exact rule over the keys of requests from outside.
struct FromOutside {
    exact: Exact,
    told: Told,
}

impl Router for FromOutside {
    fn pick(&mut self, request: &Arriving<'_>, loads: &[ServerLoad]) -> Answer {
        let Some(key) = self.told.take() else { return self.exact.pick(request, loads) };
        self.exact.look(loads);
        self.exact.choose(&key, request)
    }

    fn done(&mut self, ended: &Ended<'_>, loads: &[ServerLoad]) -> Option<(u32, Sent)> {
        self.exact.done(ended, loads)
    }
}

fn sent(place: Place) -> Sent {
    let narrow = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    Sent { server: narrow(place.server()), token: narrow(place.process()) }
}

fn observes(algorithm: &Algorithm) -> Observes {
    match algorithm {
        Algorithm::Comparator(_) => Observes::Busy,
        Algorithm::Traefik(Traefik::LeastTime) => Observes::FirstByte,
        Algorithm::Apache(Apache::ByTraffic) => Observes::Bytes,
        _ => Observes::Nothing,
    }
}

/// Hashing every name once is cheaper than hashing it at every request.
fn servers_of_names<'r>(balancer: &Balancer, source: Source, records: impl Iterator<Item = &'r Record>, names: &Names) -> Arc<[u16]> {
    if matches!(source, Source::Uri | Source::Missing)
        || balancer.server_of_key(b"a").is_none() && balancer.server_of_key(b"10.0.0.1").is_none()
    {
        return Arc::from([]);
    }
    let mut servers: Vec<u16> = Vec::new();
    let mut text = String::new();
    for record in records {
        let name = source.name(record);
        let place = name.0 as usize;
        if !name.is_some() || servers.get(place).is_some_and(|&server| server != UNKNOWN) {
            continue;
        }
        if place >= servers.len() {
            servers.resize(place + 1, UNKNOWN);
        }
        source.write(record, 0, names, &mut text);
        servers[place] = balancer.server_of_key(text.as_bytes()).and_then(|server| u16::try_from(server).ok()).unwrap_or(UNKNOWN);
    }
    servers.into()
}

const UNKNOWN: u16 = u16::MAX;
