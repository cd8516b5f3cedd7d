//! The long polls of a trace with the positions before and after them.

use prefetch_index::prefetch_index;

use super::token::{Positions, TokenTable, beyond};
use crate::request::{Request, flag};
use wsim_stats::hashing::NumberMap;

/// A long poll that was answered because of news: neither timed out nor given up.
#[derive(Debug)]
pub(super) struct Poll {
    pub arrival_us: i64,
    pub row: u32,
    wall_us: u32,
    wait_us: u32,
    /// Number of the token that it starts from.
    old: u32,
    /// Number of the token of its answer: where the device's next sync starts. 0 if there is none.
    new: u32,
}

impl Poll {
    pub(super) fn end_us(&self) -> i64 {
        self.arrival_us.saturating_add(self.wall_us.into())
    }

    /// When its work began, as far as its line tells.
    pub(super) fn wakeup_us(&self) -> i64 {
        self.arrival_us.saturating_add(self.wait_us.into())
    }

    /// The positions before and after the poll of every stream, in their order; none if no sync follows.
    pub(super) fn steps(&self, tokens: &TokenTable) -> impl Iterator<Item = (u32, u32)> {
        let ends = tokens.get(self.old).copied().zip(tokens.get(self.new).copied());
        ends.into_iter().flat_map(|(old, new)| old.into_iter().zip(new))
    }

    /// Lets the memory of the tokens arrive that [`Self::steps`] looks at a little later.
    #[inline]
    pub(super) fn prefetch_steps(&self, tokens: &TokenTable) {
        tokens.prefetch(self.old);
        tokens.prefetch(self.new);
    }

    #[cfg(test)]
    pub(super) fn between(old: u32, new: u32, wakeup_us: u32) -> Self {
        Self { arrival_us: 0, row: 0, wall_us: wakeup_us, wait_us: wakeup_us, old, new }
    }
}

/// Finds polls and their successors.
///
/// A device has one sync at a time, so that its syncs follow each other in the order of their ends, which is that of the lines even where
/// the sub-second parts of stamps were drawn.
pub(super) struct PollFinder<'t> {
    tokens: &'t TokenTable,
    syncs: Vec<Sync>,
    /// By the ids of actor and agent, and whether the actor is a user.
    devices: NumberMap<(u64, bool), u32>,
}

/// A sync with a token.
struct Sync {
    device: u32,
    poll: Poll,
    is_woken: bool,
    slack_us: i64,
}

impl<'t> PollFinder<'t> {
    pub(super) fn new(tokens: &'t TokenTable) -> Self {
        Self { tokens, syncs: Vec::new(), devices: NumberMap::default() }
    }

    pub(super) fn observe(&mut self, request: &Request, row: u32) {
        if self.tokens.get(request.since).is_none() {
            return;
        }
        let is_user = request.user.is_some();
        let actor = if is_user { request.user } else { request.peer };
        let next = u32::try_from(self.devices.len()).unwrap_or(u32::MAX);
        let device = *self.devices.entry((u64::from(actor.0) << 32 | u64::from(request.agent.0), is_user)).or_insert(next);
        let is_answered = !request.has(flag::ABORTED) && (200..300).contains(&request.status);
        let is_woken = request.has(flag::LONG_POLL) && is_answered && !request.timed_out();
        let slack_us = if request.has(flag::DRAWN) { DRAWN_SLACK_US } else { SLACK_US };
        let Request { arrival_us, wall_us, since, .. } = *request;
        let poll = Poll { arrival_us, row, wall_us, wait_us: request.long_poll_wait_us(), old: since, new: 0 };
        self.syncs.push(Sync { device, poll, is_woken, slack_us });
    }

    /// The polls in the order in which they were observed, so that what is looked up for neighbours lies close together.
    pub(super) fn finish(self) -> Vec<Poll> {
        let order = by_device(&self.syncs, self.devices.len());
        let (mut syncs, tokens) = (self.syncs, self.tokens);
        // The last syncs of a device that have no successor yet: a user may have several devices with equal agents.
        let mut open: Vec<usize> = Vec::new();
        for (at, ordered) in order.iter().enumerate() {
            if let Some(later) = order.get(at + AHEAD) {
                prefetch_index(&syncs, later.index as usize);
                tokens.prefetch(later.token);
            }
            let index = ordered.index as usize;
            let Sync { device, slack_us, poll: Poll { arrival_us, old: token, .. }, .. } = syncs[index];
            open.retain(|before| syncs[*before].device == device);
            let is_before = |before: &usize| {
                let Poll { old, .. } = syncs[*before].poll;
                let ends_before = arrival_us >= syncs[*before].poll.end_us() - slack_us;
                ends_before && tokens.get(old).zip(tokens.get(token)).is_some_and(|(old, new)| !is_behind(old, new))
            };
            if let Some(at) = open.iter().rposition(is_before) {
                syncs[open.remove(at)].poll.new = token;
            }
            if open.len() >= OPEN_MAX {
                open.remove(0);
            }
            open.push(index);
        }
        syncs.into_iter().filter(|sync| sync.is_woken).map(|sync| sync.poll).collect()
    }
}

/// A sync in the order of its device's syncs.
#[derive(Clone, Copy, Default)]
struct Ordered {
    end_us: i64,
    index: u32,
    token: u32,
}

/// The syncs of each device one after another, by their ends. They come nearly in that order, so that little is left to sort once they are
/// distributed.
fn by_device(syncs: &[Sync], devices: usize) -> Vec<Ordered> {
    let mut starts = vec![0usize; devices + 1];
    syncs.iter().for_each(|sync| starts[sync.device as usize + 1] += 1);
    for device in 1..starts.len() {
        starts[device] += starts[device - 1];
    }
    let mut next = starts.clone();
    let mut order = vec![Ordered::default(); syncs.len()];
    for (index, sync) in (0u32..).zip(syncs) {
        let place = &mut next[sync.device as usize];
        order[*place] = Ordered { end_us: sync.poll.end_us(), index, token: sync.poll.old };
        *place += 1;
    }
    for device in starts.windows(2) {
        order[device[0]..device[1]].sort_by_key(|ordered| ordered.end_us);
    }
    order
}

/// Whether a token is older than another in any stream, so that it cannot follow it. (The typing stream starts anew with its writer.)
fn is_behind(old: &Positions, new: &Positions) -> bool {
    old.iter().zip(new).enumerate().any(|(stream, (old, new))| stream != TYPING && beyond(*new, *old).is_some())
}

const TYPING: usize = 2;
/// How far ahead of the polls that are looked at the memory of later ones is asked for.
pub(super) const AHEAD: usize = 8;
/// Syncs of one device that wait for a successor.
const OPEN_MAX: usize = 4;
/// The next sync may arrive this much before the end of the one before, by rounded stamps.
const SLACK_US: i64 = 15_000;
/// The same where the sub-second parts of stamps were drawn.
const DRAWN_SLACK_US: i64 = 1_000_000;
