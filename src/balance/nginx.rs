//! nginx: round robin, `least_conn`, `hash`, `hash … consistent`, `ip_hash`, `random`, `random two least_conn`.
//!
//! `src/http/ngx_http_upstream_round_robin.c` and `src/http/modules/ngx_http_upstream_{hash,ip_hash,least_conn,random}_module.c`,
//! mainline 1.31; compared with 1.22.1. Servers at `max_conns` are skipped; where none is left nginx responds with 502.

use std::net::IpAddr;

use super::choice::{PickContext, below, parse_address};
use super::hashes::{Crc32, crc32};
use super::ketama;
use super::load::Load;
use super::ring::Ring;
use super::rule::{Choose, Decision};
use super::server::Server;
use super::smooth::Smooth;

/// A rule of nginx.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nginx {
    /// No directive: smooth weighted round robin.
    RoundRobin,
    /// `least_conn`: fewest in flight per weight, ties by smooth round robin among the tied.
    LeastConnections,
    /// `hash KEY`: a 15-bit hash modulo the total weight. Requests without a key go round robin.
    Hash,
    /// `hash KEY consistent`: a ring. Requests without a key go round robin.
    Consistent,
    /// `ip_hash`: the first three octets of an IPv4 address, all of an IPv6 address.
    IpHash,
    /// `random`: by weight.
    Random,
    /// `random two least_conn`: two different draws, the second wins a tie.
    RandomTwo,
}

/// A rule with its state. All other rules fall back to round robin.
#[derive(Debug, Clone)]
pub(super) struct State {
    rule: Nginx,
    smooth: Smooth,
    ring: Ring<u32>,
}

impl State {
    pub(super) fn new(rule: Nginx, servers: &[Server]) -> Self {
        let ring = if rule == Nginx::Consistent { ketama::ring(servers) } else { Ring::new([]) };
        Self { rule, smooth: Smooth::new(servers.len()), ring }
    }

    pub(super) fn hashes_addresses(&self) -> bool {
        self.rule == Nginx::IpHash
    }

    fn least_connections(&mut self, load: &Load) -> Option<usize> {
        let mut best: Option<usize> = None;
        let mut tied = false;
        for (server, _) in load.free() {
            match best {
                Some(least) if !load.is_lighter(server, least) => tied |= !load.is_lighter(least, server),
                _ => (best, tied) = (Some(server), false),
            }
        }
        let best = best?;
        if !tied {
            return Some(best);
        }
        self.smooth.pick_among(load, |server| !load.is_lighter(best, server))
    }

    /// If the server is not free, the key is hashed again with the number of the attempt in front.
    fn hash(&mut self, load: &Load, key: &[u8]) -> Option<usize> {
        let mut sum = 0_u32;
        for attempt in 0..=ATTEMPTS_MAX {
            sum = sum.wrapping_add(fifteen_bits(attempt, key));
            let server = load.at_weight(u64::from(sum) % load.weight);
            if load.is_free(server) {
                return Some(server);
            }
        }
        self.smooth.pick(load)
    }

    fn consistent(&mut self, load: &Load, key: &[u8]) -> Option<usize> {
        let mut index = self.ring.at_or_after(crc32(key));
        for _ in 0..=ATTEMPTS_MAX {
            let (_, server) = self.ring.point(index)?;
            if load.is_free(server) {
                return Some(server);
            }
            index = self.ring.next(index);
        }
        self.smooth.pick(load)
    }

    fn ip_hash(&mut self, load: &Load, address: Option<IpAddr>) -> Option<usize> {
        let mut hash = IP_HASH_START;
        for _ in 0..=ATTEMPTS_MAX {
            hash = ip_hash(hash, address);
            let server = load.at_weight(u64::from(hash) % load.weight);
            if load.is_free(server) {
                return Some(server);
            }
        }
        self.smooth.pick(load)
    }

    fn random(&mut self, load: &Load, context: &mut PickContext<'_>) -> Option<usize> {
        for _ in 0..=ATTEMPTS_MAX {
            let server = load.at_weight(below(context.random, load.weight));
            if load.is_free(server) {
                return Some(server);
            }
        }
        self.smooth.pick(load)
    }

    fn random_two(&mut self, load: &Load, context: &mut PickContext<'_>) -> Option<usize> {
        let mut first: Option<usize> = None;
        let mut failures = 0;
        while failures <= ATTEMPTS_MAX {
            let server = load.at_weight(below(context.random, load.weight));
            match first {
                _ if !load.is_free(server) => failures += 1,
                Some(first) if first == server => failures += 1,
                Some(first) => return Some(if load.is_lighter(first, server) { first } else { server }),
                None => first = Some(server),
            }
        }
        self.smooth.pick(load)
    }
}

impl Choose for State {
    fn choose(&mut self, load: &Load, context: &mut PickContext<'_>) -> Decision {
        if load.len() == 1 {
            return Some(0).filter(|server| load.is_free(*server)).into();
        }
        match (self.rule, context.non_empty_key()) {
            (Nginx::RoundRobin, _) | (Nginx::Hash | Nginx::Consistent, None) => self.smooth.pick(load),
            (Nginx::LeastConnections, _) => self.least_connections(load),
            (Nginx::Hash, Some(key)) => self.hash(load, key),
            (Nginx::Consistent, Some(key)) => self.consistent(load, key),
            (Nginx::IpHash, _) => self.ip_hash(load, context.client_address()),
            (Nginx::Random, _) => self.random(load, context),
            (Nginx::RandomTwo, _) => self.random_two(load, context),
        }
        .into()
    }

    fn server_of_key(&self, load: &Load, key: &[u8]) -> Option<usize> {
        match self.rule {
            Nginx::Hash if !key.is_empty() => Some(load.at_weight(u64::from(fifteen_bits(0, key)) % load.weight)),
            Nginx::Consistent if !key.is_empty() => self.ring.point(self.ring.at_or_after(crc32(key))).map(|(_, server)| server),
            Nginx::IpHash => Some(load.at_weight(u64::from(ip_hash(IP_HASH_START, parse_address(key))) % load.weight)),
            _ => None,
        }
    }
}

/// The hash of Cache::Memcached: bits 16 to 30 of a CRC-32, from the second attempt on with the attempt's number before the key.
fn fifteen_bits(attempt: u32, key: &[u8]) -> u32 {
    let mut state = Crc32::new();
    if attempt > 0 {
        state.update(attempt.to_string().as_bytes());
    }
    state.update(key);
    (state.finalize() >> 16) & 0x7FFF
}

/// One round of `ip_hash`, modulo 6271. A client without an address counts as 0.0.0.
fn ip_hash(start: u32, address: Option<IpAddr>) -> u32 {
    let step = |hash: u32, byte: &u8| (hash * 113 + u32::from(*byte)) % 6271;
    match address {
        Some(IpAddr::V4(address)) => address.octets()[..3].iter().fold(start, step),
        Some(IpAddr::V6(address)) => address.octets().iter().fold(start, step),
        None => [0; 3].iter().fold(start, step),
    }
}

/// After this many servers that are not free nginx goes round robin.
const ATTEMPTS_MAX: u32 = 20;
const IP_HASH_START: u32 = 89;
