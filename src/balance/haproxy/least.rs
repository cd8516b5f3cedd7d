//! `leastconn`: `src/lb_fwlc.c`.

use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::choice::index_below;
use super::{Load, WEIGHT_SCALE};

/// Each server's rank: a key from its load and weight, and when it got that key.
#[derive(Debug, Clone)]
pub(super) struct Least {
    ranks: Vec<(u64, u64)>,
    moves: u64,
    random_ties: bool,
}

impl Least {
    pub(super) fn new(load: &Load, random_ties: bool) -> Self {
        let mut least = Self { ranks: vec![(0, 0); load.len()], moves: 0, random_ties };
        for server in 0..load.len() {
            least.moved(load, server);
        }
        least
    }

    /// The server with the smallest key that is not full; of equal ones the one that has had it longest, or any.
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

    /// A server with another key goes behind those that have it already.
    pub(super) fn moved(&mut self, load: &Load, server: usize) {
        let member = &load.members[server];
        let requests = u64::from(member.in_flight) + u64::from(member.waiting);
        let weight = u64::from(member.weight) * u64::from(WEIGHT_SCALE);
        let key = if requests == 0 { 0 } else { (requests + 1) * KEY_SCALE / weight };
        if self.ranks[server].0 != key || self.ranks[server].1 == 0 {
            self.moves += 1;
            self.ranks[server] = (key, self.moves);
        }
    }
}

const KEY_SCALE: u64 = 4096;
