//! The static table of `static-rr` and of map-based hashing: `src/lb_map.c`.

use super::Load;

/// Slots, each of a server; as many as the reduced weights sum to.
#[derive(Debug, Clone)]
pub(super) struct Map {
    slots: Vec<u32>,
    /// The slot that `static-rr` reads next.
    turn: usize,
}

impl Map {
    /// Weights are divided by what they have in common; then, slot by slot, every server gains its weight and the first of
    /// those whose score, rounded down to whole turns, is highest takes the slot and pays the sum.
    pub(super) fn new(load: &Load) -> Self {
        let up: Vec<usize> = (0..load.len()).filter(|server| load.members[*server].up).collect();
        let common = up.iter().fold(0, |divisor, server| greatest_common_divisor(divisor, load.members[*server].weight)).max(1);
        let weight = |server: usize| i64::from(load.members[server].weight / common);
        let total: i64 = up.iter().map(|server| weight(*server)).sum();
        let mut scores = vec![0; load.len()];
        let mut slots = Vec::with_capacity(usize::try_from(total).unwrap_or(0));
        for _ in 0..total {
            let mut best: Option<(usize, i64)> = None;
            for &server in &up {
                scores[server] += weight(server);
                let turns = (scores[server] + total) / total;
                if best.is_none_or(|(_, most)| turns > most) {
                    best = Some((server, turns));
                }
            }
            if let Some((server, _)) = best {
                scores[server] -= total;
                slots.push(u32::try_from(server).unwrap_or(u32::MAX));
            }
        }
        Self { slots, turn: 0 }
    }

    /// The server of a hash.
    pub(super) fn at(&self, hash: u32) -> Option<usize> {
        let slot = (hash as usize).checked_rem(self.slots.len())?;
        Some(self.slots[slot] as usize)
    }

    /// The next server round the table that is not full.
    pub(super) fn next(&mut self, load: &Load) -> Option<usize> {
        for _ in 0..self.slots.len() {
            let server = self.slots[self.turn] as usize;
            self.turn = if self.turn + 1 == self.slots.len() { 0 } else { self.turn + 1 };
            if load.is_free(server) {
                return Some(server);
            }
        }
        None
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
