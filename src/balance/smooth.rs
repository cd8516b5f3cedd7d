//! Smooth weighted round robin: the turns of a heavy server are spread out (5:1:1 gives `a a b a c a a`).
//!
//! nginx `src/http/ngx_http_upstream_round_robin.c`, Apache httpd `mod_lbmethod_byrequests.c`: the same recurrence.

use super::load::Load;

/// The servers' current weights; they sum to 0 after every pick.
#[derive(Debug, Clone)]
pub(super) struct Smooth {
    current: Vec<i64>,
}

impl Smooth {
    pub(super) fn new(servers: usize) -> Self {
        Self { current: vec![0; servers] }
    }

    /// Every free server gains its weight; the first with the most is chosen and loses the sum of the gains.
    pub(super) fn pick(&mut self, load: &Load) -> Option<usize> {
        let mut best: Option<(usize, i64)> = None;
        let mut total = 0;
        for (server, (member, current)) in load.members.iter().zip(&mut self.current).enumerate() {
            if !member.is_free() {
                continue;
            }
            *current += i64::from(member.weight);
            total += i64::from(member.weight);
            if best.is_none_or(|(_, most)| *current > most) {
                best = Some((server, *current));
            }
        }
        let (best, _) = best?;
        self.current[best] -= total;
        Some(best)
    }

    /// [`pick`](Self::pick) among the servers for which `takes_part` is true.
    pub(super) fn pick_among(&mut self, load: &Load, takes_part: impl Fn(usize) -> bool) -> Option<usize> {
        let mut best: Option<(usize, i64)> = None;
        let mut total = 0;
        for (server, member) in load.free().filter(|(server, _)| takes_part(*server)) {
            let current = &mut self.current[server];
            *current += i64::from(member.weight);
            total += i64::from(member.weight);
            if best.is_none_or(|(_, most)| *current > most) {
                best = Some((server, *current));
            }
        }
        let (best, _) = best?;
        self.current[best] -= total;
        Some(best)
    }

    /// Every free server gains its weight, but the one with the fewest requests in flight is chosen; the gains only break ties
    /// (Apache `bybusyness`).
    pub(super) fn pick_least(&mut self, load: &Load) -> Option<usize> {
        let mut best: Option<(usize, u32, i64)> = None;
        let mut total = 0;
        for (server, member) in load.free() {
            let current = &mut self.current[server];
            *current += i64::from(member.weight);
            total += i64::from(member.weight);
            let better =
                |(_, fewest, most): (usize, u32, i64)| member.in_flight < fewest || (member.in_flight == fewest && *current > most);
            if best.is_none_or(better) {
                best = Some((server, member.in_flight, *current));
            }
        }
        let (best, _, _) = best?;
        self.current[best] -= total;
        Some(best)
    }
}
