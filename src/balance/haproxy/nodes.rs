//! HAProxy's ring of server nodes, with bounded loads: for `hash-type consistent`, and for `random`, which draws its hash. After
//! HAProxy's `src/lb_chash.c`.

use std::net::Ipv4Addr;

use super::super::hashes::avalanche;
use super::super::ring::Ring;
use super::{Load, Server, WEIGHT_SCALE};

/// The ring; a hash belongs to the nearest point on either side.
#[derive(Debug, Clone)]
pub(super) struct NodeRing {
    ring: Ring<u32>,
    /// The node that the last request without a key took.
    last_node: Option<usize>,
    /// The most load of a server in percent of the mean load.
    balance_factor: Option<u32>,
    /// Weight of all servers.
    weight_total: u64,
    /// Weight of the servers before each server.
    weight_before: Vec<u64>,
}

impl NodeRing {
    pub(super) fn new(servers: &[Server], load: &Load, balance_factor: Option<u32>, addresses: Option<&[(Ipv4Addr, u16)]>) -> Self {
        let points = servers.iter().enumerate().flat_map(|(index, server)| {
            let base = match addresses.and_then(|addresses| addresses.get(index)) {
                Some((address, port)) => address_key(*address, *port),
                None => server.id.wrapping_mul(ID_STEP),
            };
            (0..server.weight.saturating_mul(WEIGHT_SCALE)).map(move |node| (avalanche(base.wrapping_add(node)), index))
        });
        let ring = Ring::new(points);
        let mut weight = 0;
        let weight_before = (0..load.len()).map(|server| {
            let before = weight;
            weight += scaled_weight(load, server);
            before
        });
        let weight_before = weight_before.collect();
        Self { ring, last_node: None, balance_factor, weight_total: weight, weight_before }
    }

    /// Whether a server above its share passes keys on, so that the key alone does not decide.
    pub(super) fn is_bounded(&self) -> bool {
        self.balance_factor.is_some()
    }

    /// The server nearest to a hash, at equal distances the one before it. With bounded loads, a server above its share passes the
    /// request on around the ring.
    pub(super) fn nearest(&self, load: &Load, hash: u32) -> Option<usize> {
        let after = self.ring.at_or_after(hash);
        let before = self.ring.previous(after);
        let (after_point, after_server) = self.ring.point(after)?;
        let (before_point, before_server) = self.ring.point(before)?;
        let is_before = after_server != before_server && hash.wrapping_sub(before_point) <= after_point.wrapping_sub(hash);
        let (mut node, mut server) = if is_before { (before, before_server) } else { (after, after_server) };
        let Some(factor) = self.balance_factor else { return Some(server) };
        for _ in 0..self.ring.len() {
            if self.is_eligible(load, server, factor) {
                break;
            }
            node = self.ring.next(node);
            (_, server) = self.ring.point(node)?;
        }
        Some(server)
    }

    /// Bounded loads (Mirrokni, Thorup, Zadimoghaddam, arXiv 1608.01350): the requests in flight and this one, times the balance
    /// factor, give a number of slots, which are dealt by weight; every server has at least one.
    fn is_eligible(&self, load: &Load, server: usize, factor: u32) -> bool {
        let slots = ((load.in_flight + 1) * u64::from(factor)).div_ceil(100);
        let (each, rest) = (slots / self.weight_total, slots % self.weight_total);
        let weight = scaled_weight(load, server);
        let before = self.weight_before[server];
        let dealt = weight * each + (before + weight) * rest / self.weight_total - before * rest / self.weight_total;
        u64::from(load.members[server].in_flight) < dealt.max(1)
    }

    /// The server of the next node that is not full, for requests without a key.
    pub(super) fn next_without_key(&mut self, load: &Load) -> Option<usize> {
        for _ in 0..self.ring.len() {
            let node = self.last_node.map_or(0, |last| self.ring.next(last));
            self.last_node = Some(node);
            let (_, server) = self.ring.point(node)?;
            if load.is_free(server) {
                return Some(server);
            }
        }
        None
    }
}

fn scaled_weight(load: &Load, server: usize) -> u64 {
    u64::from(load.members[server].weight) * u64::from(WEIGHT_SCALE)
}

/// `hash-key addr` (port 0) and `addr-port`, from release 3.0 on.
fn address_key(address: Ipv4Addr, port: u16) -> u32 {
    let start = if port == 0 { 0 } else { avalanche(u32::from(port)) };
    avalanche(start.wrapping_add(u32::from_le_bytes(address.octets())))
}

/// Distance between the hash inputs of two consecutive server ids.
const ID_STEP: u32 = 4096;
