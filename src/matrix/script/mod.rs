//! The script of a replay: makes each row's request when it is due, and learns from responses.
//!
//! ```text
//! rows ─▶ RowDecisions (once: what may be sent, which user and room) ─▶ RequestBuilder (when due) ─▶ learn (from the response)
//!                                                                           ▲                          │
//!                                                                           └──────── State ◀──────────┘
//! ```
//!
//! Invariant: `since`, `pos`, pagination tokens, event ids and access tokens in a request are the target's own; transaction ids are new in every
//! run and every row.

mod clients;
mod content;
mod decisions;
mod learn;
mod query;
mod request_builder;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::Manifest;
use super::operation::{Op, Tier};
use super::random::Random;
pub(super) use content::device_random;
use decisions::RowDecisions;
use state::State;
use wsim_replay::{Position, RowInfo, SkipReason, Unsendable};
use wsim_trace::{Names, Request};
use wsim_transport::{OutgoingRequest, Response};

/// What a script may send, and how.
#[derive(Debug, Clone)]
pub struct ScriptConfig {
    /// The highest tier that is sent: [`Tier::Read`], [`Tier::Write`] or [`Tier::Dangerous`].
    pub allowed: Tier,
    /// Random seed.
    pub seed: u64,
    /// Letters and digits, never used before with this target: transaction ids start with it.
    pub run: String,
    /// Most rooms that a run creates, over all copies.
    pub rooms_max: u32,
    /// Longest upload, bytes.
    pub upload_bytes_max: u32,
    /// Placeholders for values known only at run time; set when exporting to another load generator (Locust).
    pub placeholders: Option<Placeholders>,
}

/// Words in place of values known only at run time. They are not percent-encoded in targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placeholders {
    /// A new transaction id.
    pub transaction: &'static str,
    /// The device's last `next_batch`.
    pub since: &'static str,
    /// The device's last sliding sync position.
    pub position: &'static str,
    /// Where pagination of the room starts.
    pub from: &'static str,
    /// The newest event of the room.
    pub event: &'static str,
}

impl Default for ScriptConfig {
    fn default() -> Self {
        Self { allowed: Tier::Read, seed: 1, run: String::new(), rooms_max: 1_000, upload_bytes_max: 4 << 20, placeholders: None }
    }
}

/// Identifies the requests that must keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lane {
    /// A device, or an address that sends requests without a token; below [`Script::lanes`]. Each copy has lanes of its own.
    pub user: u32,
    /// Syncs wait for syncs, other requests for other requests.
    pub kind: LaneKind,
}

/// Which of a device's two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaneKind {
    /// `/sync` and sliding sync.
    Sync,
    /// Everything else.
    Plain,
}

/// Makes requests; see the [module](self).
#[derive(Debug)]
pub struct Script {
    config: ScriptConfig,
    decisions: RowDecisions,
    state: State,
    rooms_left: u32,
}

impl Script {
    /// Reads the rows once, in arrival order, and decides for each whether it can be sent.
    pub fn new(manifest: &Manifest, names: &Names, rows: impl IntoIterator<Item = Request>, config: ScriptConfig) -> Self {
        let mut state = State::new(manifest);
        if let Some(words) = &config.placeholders {
            state.set_placeholders(words);
        }
        let decisions = RowDecisions::new(manifest, &state, names, rows, &config);
        if decisions.kinds.all().iter().any(|kind| kind.entry.op == Op::Upload) {
            state.noise = Random::new(config.seed, "noise", 0).bytes(config.upload_bytes_max as usize).into();
        }
        Self { rooms_left: config.rooms_max, config, decisions, state }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.decisions.rows.len()
    }

    /// Number of users with lanes: [`Lane::user`] is below it.
    pub fn lanes(&self) -> u32 {
        self.decisions.lanes
    }

    /// Provisioned copies of the logged users.
    pub fn copies(&self) -> u16 {
        u16::try_from(self.state.copies.len()).unwrap_or(u16::MAX)
    }

    /// Whether a row will be sent.
    ///
    /// # Errors
    /// Why it will not; [`Unsendable::Invalid`] for a row that does not exist.
    pub fn decide(&self, row: u32) -> Result<(), Unsendable> {
        self.decisions.row(row).map(|_| ())
    }

    /// The lane of a row; a row that does not exist has lane 0.
    pub fn lane(&self, row: u32) -> Lane {
        self.decisions.lane(row)
    }

    /// The user of a schedule's lane, as in [`Lane::user`].
    pub fn lane_user(schedule_lane: u32) -> u32 {
        schedule_lane / 2
    }

    /// The request of a row for a copy of its user, made when it is due.
    ///
    /// # Errors
    /// As [`Self::decide`], and [`Unsendable::NotProvisioned`] for what is known only during the run.
    pub fn request(&mut self, row: u32, copy: u16) -> Result<OutgoingRequest, Unsendable> {
        let decision = self.decisions.row(row)?;
        let kind = &self.decisions.kinds.all()[decision.kind as usize];
        if kind.entry.op == Op::CreateRoom {
            self.rooms_left = self.rooms_left.checked_sub(1).ok_or(Unsendable::NotProvisioned)?;
        }
        let identity = (u64::from(row) << 16) | u64::from(copy);
        let random = Random::new(self.config.seed, &self.config.run, identity);
        let client = self.decisions.clients.headers(decision.client, copy);
        let context = request_builder::RowContext { row, copy, decision, kind, client };
        let request = request_builder::RequestBuilder::new(&self.config, &self.state, context, random)?.request()?;
        if kind.entry.op == Op::Logout
            && let Some(copy_state) = self.state.copies.get_mut(usize::from(copy))
        {
            copy_state.spares.pop();
        }
        Ok(request)
    }

    /// Takes in the response of a row's request.
    pub fn learn(&mut self, row: u32, copy: u16, response: &Response) {
        let Ok(&decision) = self.decisions.row(row) else { return };
        let kind = &self.decisions.kinds.all()[decision.kind as usize];
        self.state.learn(kind.entry.op, decision.device, decision.room, copy, response);
    }

    /// The sync that brings a device up to date before the run; `user` is that of the [`Lane`]. `None` if the device has no syncs in the run.
    /// Pass the response to [`Self::primed`].
    pub fn prime(&self, user: u32, copy: u16) -> Option<OutgoingRequest> {
        self.decisions.syncs.get(user as usize).copied().filter(|&syncs| syncs)?;
        self.state.prime(user, copy)
    }

    /// Takes in the response to the request of [`Self::prime`].
    pub fn primed(&mut self, user: u32, copy: u16, response: &Response) {
        self.state.learn(Op::Sync, user, u32::MAX, copy, response);
    }

    /// Ids of a row's room in a copy and of an event in it, for exported schedules.
    pub fn room(&self, row: u32, copy: u16) -> Option<(&str, Option<&str>)> {
        let decision = self.decisions.row(row).ok()?;
        let room = self.state.copies.get(usize::from(copy))?.rooms.get(decision.room as usize).filter(|room| !room.id.is_empty())?;
        Some((&room.id, room.recent.back().map(String::as_str)))
    }

    /// Number of devices of a copy; lanes from this number on have no token.
    pub fn devices(&self) -> u32 {
        u32::try_from(self.decisions.syncs.len()).unwrap_or(u32::MAX)
    }

    /// Access token of a device. Secret.
    pub fn token(&self, user: u32, copy: u16) -> Option<&str> {
        let device = self.state.copies.get(usize::from(copy))?.devices.get(user as usize)?;
        device.authorization.as_deref()?.strip_prefix("Bearer ")
    }

    /// Number of rows that will be sent (`None`), and that will not be, by reason.
    pub fn counts(&self) -> BTreeMap<Option<Unsendable>, u64> {
        let mut counts = BTreeMap::new();
        for row in &self.decisions.rows {
            *counts.entry(row.skip).or_default() += 1;
        }
        counts
    }
}

/// Makes the rows' requests during a replay.
impl wsim_replay::Script for Script {
    fn request(&mut self, at: Position) -> Result<OutgoingRequest, Unsendable> {
        Self::request(self, at.row, at.copy)
    }

    fn learn(&mut self, at: Position, response: &Response) {
        Self::learn(self, at.row, at.copy, response);
    }
}

/// Each user has two lanes of the schedule: an even one, and an odd one for syncs.
impl RowInfo for Script {
    fn lane(&self, row: u32) -> Option<wsim_replay::Lane> {
        let lane = Self::lane(self, row);
        let sync = lane.kind == LaneKind::Sync;
        Some(wsim_replay::Lane { number: 2 * lane.user + u32::from(sync), sync })
    }

    fn skip(&self, row: u32) -> Option<SkipReason> {
        self.decide(row).err().map(SkipReason::Content)
    }
}
