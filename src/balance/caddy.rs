//! Caddy: the selection policies of `reverse_proxy`.
//!
//! `modules/caddyhttp/reverseproxy/selectionpolicies.go`; compared with 2.6.2. A keyed policy without its key is random, the
//! default `fallback`.

use rand_xoshiro::Xoshiro256PlusPlus;
use xxhash_rust::xxh64::Xxh64;

use super::choice::{PickContext, index_below};
use super::hashes::fnv1a_32;
use super::load::Load;
use super::rendezvous;
use super::rule::{Choose, Decision};
use super::server::Server;

/// A policy of Caddy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caddy {
    /// `random`, the default.
    Random,
    /// `round_robin`: the first request goes to the second upstream.
    RoundRobin,
    /// `weighted_round_robin`, since 2.7: all turns of a server in a row. The rotation begins one turn late, so 2:1 gives `a b`,
    /// then `a a b`.
    WeightedRoundRobin,
    /// `least_conn`: fewest active requests, ties at random.
    LeastConnections,
    /// `random_choose N`: a sample, then fewest active requests.
    RandomChoose {
        /// Size of the sample, at least 2.
        sample: u32,
    },
    /// `first`: the first that is available.
    First,
    /// `ip_hash`, `client_ip_hash`, `uri_hash`, `query`, `header`: rendezvous hashing of the key.
    Hash(HashEra),
}

/// The releases that hash in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashEra {
    /// 2.5.1 to 2.6.2: FNV-1a 32 of key, then upstream.
    KeyFirst,
    /// 2.6.3 to 2.7: FNV-1a 32 of upstream, then key.
    UpstreamFirst,
    /// Since 2.8: xxHash64 of upstream, then key.
    XxHash,
}

/// A policy with its state.
#[derive(Debug, Clone)]
pub(super) struct State {
    policy: Caddy,
    names: Vec<Box<[u8]>>,
    /// Requests so far; wraps as Caddy's does.
    turn: u32,
}

impl State {
    pub(super) fn new(policy: Caddy, servers: &[Server]) -> Self {
        Self { policy, names: servers.iter().map(|server| server.name.as_bytes().into()).collect(), turn: 0 }
    }

    fn round_robin(&mut self, load: &Load) -> Option<usize> {
        for _ in 0..load.len() {
            self.turn = self.turn.wrapping_add(1);
            let server = self.turn as usize % load.len();
            if load.is_free(server) {
                return Some(server);
            }
        }
        None
    }

    /// The turn selects a server by weight; the index of that server then counts among the available upstreams only.
    fn weighted_round_robin(&mut self, load: &Load) -> Option<usize> {
        self.turn = self.turn.wrapping_add(1);
        let selected = load.at_weight(u64::from(self.turn) % load.weight);
        let available = load.free().count();
        let (server, _) = load.free().nth(selected.checked_rem(available)?)?;
        Some(server)
    }

    fn hash(&self, load: &Load, era: HashEra, key: &[u8]) -> Option<usize> {
        rendezvous::highest(load, 0, |server| bid(era, &self.names[server], key))
    }
}

impl Choose for State {
    fn choose(&mut self, load: &Load, context: &mut PickContext<'_>) -> Decision {
        match self.policy {
            Caddy::Random => random(load, context.random),
            Caddy::RoundRobin => self.round_robin(load),
            Caddy::WeightedRoundRobin => self.weighted_round_robin(load),
            Caddy::LeastConnections => least_connections(load, context.random),
            Caddy::RandomChoose { sample } => random_choose(load, sample as usize, context.random),
            Caddy::First => load.free().next().map(|(server, _)| server),
            Caddy::Hash(era) => match (context.non_empty_key(), context.address) {
                (Some(key), _) => self.hash(load, era, key),
                (None, Some(address)) => self.hash(load, era, address.to_string().as_bytes()),
                (None, None) => random(load, context.random),
            },
        }
        .into()
    }

    fn server_of_key(&self, load: &Load, key: &[u8]) -> Option<usize> {
        match self.policy {
            Caddy::Hash(era) if !key.is_empty() => self.hash(load, era, key),
            _ => None,
        }
    }
}

fn bid(era: HashEra, upstream: &[u8], key: &[u8]) -> u64 {
    match era {
        HashEra::KeyFirst => u64::from(fnv1a_32([key, upstream])),
        HashEra::UpstreamFirst => u64::from(fnv1a_32([upstream, key])),
        HashEra::XxHash => {
            let mut hash = Xxh64::new(0);
            hash.update(upstream);
            hash.update(key);
            hash.digest()
        }
    }
}

/// Reservoir sampling: every available upstream is equally likely.
pub(super) fn random(load: &Load, random: &mut Xoshiro256PlusPlus) -> Option<usize> {
    let mut chosen = None;
    for (seen, (server, _)) in load.free().enumerate() {
        if index_below(random, seen + 1) == 0 {
            chosen = Some(server);
        }
    }
    chosen
}

fn least_connections(load: &Load, random: &mut Xoshiro256PlusPlus) -> Option<usize> {
    let fewest = load.free().map(|(_, member)| member.in_flight).min()?;
    let tied = || load.free().filter(|(_, member)| member.in_flight == fewest);
    let chosen = match tied().count() {
        1 => 0,
        count => index_below(random, count),
    };
    tied().nth(chosen).map(|(server, _)| server)
}

/// The sample of all releases so far: a later upstream may replace the only one in the sample, so the sample can be smaller than
/// configured. An idle upstream wins at once; otherwise one of those that were no busier than the best before them, at random.
fn random_choose(load: &Load, sample: usize, random: &mut Xoshiro256PlusPlus) -> Option<usize> {
    let sample = sample.min(load.len()).min(SAMPLE_MAX);
    let mut choices = [None; SAMPLE_MAX];
    for (server, _) in load.free() {
        let index = index_below(random, server + 1);
        if index < sample {
            choices[index] = Some(server);
        }
    }
    let mut list = [0; SAMPLE_MAX];
    let mut listed = 0;
    let mut fewest = u32::MAX;
    for server in choices.into_iter().flatten() {
        let in_flight = load.members[server].in_flight;
        if in_flight == 0 {
            return Some(server);
        }
        if in_flight <= fewest {
            fewest = in_flight;
            list[listed] = server;
            listed += 1;
        }
    }
    (listed > 0).then(|| list[index_below(random, listed)])
}

/// A sample larger than this is cut: beyond it the rule is `least_conn`.
const SAMPLE_MAX: usize = 64;
