//! `leastconn`: `src/lb_fwlc.c`.

use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::choice::index_below;
use super::{Load, WEIGHT_SCALE};

/// The rank of each server: a key made of its load and weight, and the number of the change that gave the server this key.
#[derive(Debug, Clone)]
pub(super) struct LeastConnections {
    ranks: Vec<(u64, u64)>,
    changes: u64,
    random_ties: bool,
}

impl LeastConnections {
    pub(super) fn new(load: &Load, random_ties: bool) -> Self {
        let mut least = Self { ranks: vec![(0, 0); load.len()], changes: 0, random_ties };
        for server in 0..load.len() {
            least.on_load_change(load, server);
        }
        least
    }

    /// The free server with the smallest key; of equal keys the oldest, or any of them where ties are random.
    pub(super) fn next(&self, load: &Load, random: &mut Xoshiro256PlusPlus) -> Option<usize> {
        let (first, _) = load.free().min_by_key(|(server, _)| self.ranks[*server])?;
        if !self.random_ties {
            return Some(first);
        }
        let tied = || load.free().filter(|(server, _)| self.ranks[*server].0 == self.ranks[first].0);
        match tied().count() {
            1 => Some(first),
            count => tied().nth(index_below(random, count)).map(|(server, _)| server),
        }
    }

    /// A server whose key changes is ranked behind the servers that already have the new key.
    pub(super) fn on_load_change(&mut self, load: &Load, server: usize) {
        let member = &load.members[server];
        let requests = u64::from(member.in_flight) + u64::from(member.waiting);
        let weight = u64::from(member.weight) * u64::from(WEIGHT_SCALE);
        let key = if requests == 0 { 0 } else { (requests + 1) * KEY_SCALE / weight };
        if self.ranks[server].0 != key || self.ranks[server].1 == 0 {
            self.changes += 1;
            self.ranks[server] = (key, self.changes);
        }
    }
}

const KEY_SCALE: u64 = 4096;
