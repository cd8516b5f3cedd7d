//! Traefik: `wrr`, `p2c`, `hrw`, `leasttime`.
//!
//! `pkg/server/service/loadbalancer/{wrr,p2c,hrw,leasttime}`, 3.7; from the source only. Traefik shuffles the servers when it builds
//! its configuration, so the start of a rotation cannot be known; here it starts with the first server. `hrw` does not depend on
//! the order.

use super::choice::{PickContext, index_below};
use super::deadlines::Deadlines;
use super::hashes::fnv1a_64;
use super::load::Load;
use super::rendezvous;
use super::rule::{Choose, Decision};
use super::server::Server;

/// A strategy of Traefik.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Traefik {
    /// `wrr`, the default: earliest deadline first.
    WeightedRoundRobin,
    /// `p2c`: two draws, the second only if it has strictly fewer in flight. Weights are ignored.
    TwoChoices,
    /// `hrw`: rendezvous hashing of the client's address, weighted.
    HighestRandomWeight,
    /// `leasttime`: mean time to first byte times requests in flight and this one, over weight.
    LeastTime,
}

/// A strategy with its state.
#[derive(Debug, Clone)]
pub(super) struct State {
    strategy: Traefik,
    urls: Vec<Box<[u8]>>,
    rotation: Deadlines,
    times: Vec<FirstBytes>,
    /// The deadlines by which `leasttime` breaks ties.
    deadlines: Vec<f64>,
}

impl State {
    pub(super) fn new(strategy: Traefik, servers: &[Server]) -> Self {
        // Each server's first deadline is one over its weight after the deadline of the server before.
        let deadlines = servers.iter().scan(0.0, |deadline, server| {
            *deadline += 1.0 / f64::from(server.weight);
            Some(*deadline)
        });
        Self {
            strategy,
            urls: servers.iter().map(|server| server.url.as_bytes().into()).collect(),
            rotation: Deadlines::new(servers.iter().map(|server| server.weight)),
            times: vec![FirstBytes::default(); servers.len()],
            deadlines: deadlines.collect(),
        }
    }

    /// Records the time to a response's first byte, in whole milliseconds.
    pub(super) fn record_first_byte(&mut self, server: usize, milliseconds: u32) {
        self.times[server].add(milliseconds);
    }

    fn highest(&self, load: &Load, key: &[u8]) -> Option<usize> {
        rendezvous::highest(load, 0.0, |server| {
            #[expect(clippy::cast_precision_loss, reason = "Traefik loses the same bits")]
            let share = fnv1a_64([key, &self.urls[server]]) as f64 / TWO_TO_64;
            1.0 / -share.ln() * f64::from(load.members[server].weight)
        })
    }

    fn least_time(&mut self, load: &Load) -> Option<usize> {
        let score = |server: usize| {
            let member = &load.members[server];
            self.times[server].mean() * (1.0 + f64::from(member.in_flight)) / f64::from(member.weight)
        };
        let least = load.free().map(|(server, _)| score(server)).min_by(f64::total_cmp)?;
        let tied = || load.free().map(|(server, _)| server).filter(|server| score(*server) <= least);
        let mut candidates = tied();
        let (first, second) = (candidates.next()?, candidates.next());
        if second.is_none() {
            return Some(first);
        }
        let chosen = tied().min_by(|a, b| self.deadlines[*a].total_cmp(&self.deadlines[*b]))?;
        self.deadlines[chosen] += 1.0 / f64::from(load.members[chosen].weight);
        Some(chosen)
    }
}

impl Choose for State {
    fn choose(&mut self, load: &Load, context: &mut PickContext<'_>) -> Decision {
        match self.strategy {
            Traefik::WeightedRoundRobin => self.rotation.pick(|server| load.is_free(server)),
            Traefik::TwoChoices => two_choices(load, context),
            Traefik::HighestRandomWeight => match (context.non_empty_key(), context.address) {
                (Some(key), _) => self.highest(load, key),
                (None, Some(address)) => self.highest(load, address.to_string().as_bytes()),
                (None, None) => self.highest(load, b""),
            },
            Traefik::LeastTime => self.least_time(load),
        }
        .into()
    }

    fn server_of_key(&self, load: &Load, key: &[u8]) -> Option<usize> {
        (self.strategy == Traefik::HighestRandomWeight).then(|| self.highest(load, key)).flatten()
    }
}

/// Two independent draws; if both give the same server, the second becomes the next server.
fn two_choices(load: &Load, context: &mut PickContext<'_>) -> Option<usize> {
    let count = load.free().count();
    let nth = |index: usize| load.free().nth(index);
    if count < 2 {
        return nth(0).map(|(server, _)| server);
    }
    let first = index_below(context.random, count);
    let mut second = index_below(context.random, count);
    if second == first {
        second = (second + 1) % count;
    }
    let ((first, one), (second, other)) = (nth(first)?, nth(second)?);
    Some(if other.in_flight < one.in_flight { second } else { first })
}

/// The last hundred times to first byte, in whole milliseconds. Without any the mean is 0, so servers without requests so far
/// are filled first.
#[derive(Debug, Clone, Default)]
struct FirstBytes {
    samples: Vec<u32>,
    next: usize,
    sum: u64,
}

impl FirstBytes {
    fn add(&mut self, milliseconds: u32) {
        self.sum += u64::from(milliseconds);
        if self.samples.len() < SAMPLES {
            self.samples.push(milliseconds);
        } else {
            self.sum -= u64::from(std::mem::replace(&mut self.samples[self.next], milliseconds));
        }
        self.next = (self.next + 1) % SAMPLES;
    }

    fn mean(&self) -> f64 {
        if self.samples.is_empty() { 0.0 } else { self.sum as f64 / self.samples.len() as f64 }
    }
}

const SAMPLES: usize = 100;
const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;
