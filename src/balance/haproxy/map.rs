//! The static table of `static-rr` and of map-based hashing: `src/lb_map.c`.

use super::Load;

/// A table with as many slots as the sum of the reduced weights; each slot belongs to a server.
#[derive(Debug, Clone)]
pub(super) struct SlotTable {
    slots: Vec<u32>,
    /// The slot that `static-rr` reads next.
    next: usize,
}

impl SlotTable {
    /// The weights are divided by their greatest common divisor. Then, slot by slot, every server gains its weight; the slot goes
    /// to the first server with the highest score, rounded down to whole turns, which loses the sum of the weights.
    pub(super) fn new(load: &Load) -> Self {
        let common = load.members.iter().fold(0, |divisor, member| greatest_common_divisor(divisor, member.weight)).max(1);
        let weight = |server: usize| i64::from(load.members[server].weight / common);
        let total: i64 = (0..load.len()).map(weight).sum();
        let mut scores = vec![0; load.len()];
        let mut slots = Vec::with_capacity(usize::try_from(total).unwrap_or(0));
        for _ in 0..total {
            let mut best: Option<(usize, i64)> = None;
            for (server, score) in scores.iter_mut().enumerate() {
                *score += weight(server);
                let turns = (*score + total) / total;
                if best.is_none_or(|(_, most)| turns > most) {
                    best = Some((server, turns));
                }
            }
            if let Some((server, _)) = best {
                scores[server] -= total;
                slots.push(u32::try_from(server).unwrap_or(u32::MAX));
            }
        }
        Self { slots, next: 0 }
    }

    /// The server of a hash.
    pub(super) fn at(&self, hash: u32) -> Option<usize> {
        let slot = (hash as usize).checked_rem(self.slots.len())?;
        Some(self.slots[slot] as usize)
    }

    /// The next server around the table that is not full.
    pub(super) fn next(&mut self, load: &Load) -> Option<usize> {
        for _ in 0..self.slots.len() {
            let server = self.slots[self.next] as usize;
            self.next = if self.next + 1 == self.slots.len() { 0 } else { self.next + 1 };
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
