//! The script of a replay: each row's request, made when it is due, and what is learnt from answers.
//!
//! ```text
//! rows ─▶ plan (once: what may be sent, which user and room) ─▶ make (when due) ─▶ learn (when answered)
//!                                                                  ▲                    │
//!                                                                  └──── world state ◀──┘
//! ```
//!
//! Invariant: `since`, `pos`, pagination tokens, event ids and access tokens in a request are the target's own; transaction ids are new in every
//! run and every row.

mod content;
mod learn;
mod make;
mod plan;
mod query;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::operation::{Op, Tier};
use super::random::Random;
use super::{Manifest, Skip};
pub(super) use content::device_random;
use plan::Plan;
use state::State;
use wsim_trace::{Names, Request};
use wsim_transport::{Answer, Outgoing};

/// What is allowed, and what tells runs apart.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The highest tier that is sent: [`Tier::Read`], [`Tier::Write`] or [`Tier::Dangerous`].
    pub allowed: Tier,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Letters and digits, never used before against this target: transaction ids begin with it.
    pub run: String,
    /// Most rooms that may be created in a run, over all copies.
    pub rooms_max: u32,
    /// Longest body of an upload, bytes.
    pub upload_bytes_max: u32,
    /// For a schedule that something else plays: what stands where only the run knows.
    pub placeholders: Option<Placeholders>,
}

/// Words for what only a run knows; in targets they stand as they are, not percent-encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placeholders {
    /// A fresh transaction id.
    pub transaction: &'static str,
    /// The device's last `next_batch`.
    pub since: &'static str,
    /// The device's last sliding sync position.
    pub position: &'static str,
    /// Where pagination of the room begins.
    pub from: &'static str,
    /// The newest event of the room.
    pub event: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self { allowed: Tier::Read, seed: 1, run: String::new(), rooms_max: 1_000, upload_bytes_max: 4 << 20, placeholders: None }
    }
}

/// Which requests must keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lane {
    /// A device, or whoever sends without a token from one address; below [`Script::lanes`]. Each copy has lanes of its own.
    pub user: u32,
    /// Syncs wait for syncs, everything else for everything else.
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

/// Makes up requests. See the module.
#[derive(Debug)]
pub struct Script {
    settings: Settings,
    plan: Plan,
    state: State,
    rooms_left: u32,
}

impl Script {
    /// Reads the rows once, in the order of the schedule, and decides what becomes of each.
    pub fn new(manifest: &Manifest, names: &Names, rows: impl IntoIterator<Item = Request>, settings: Settings) -> Self {
        let mut state = State::new(manifest);
        if let Some(words) = &settings.placeholders {
            state.blank(words);
        }
        let plan = Plan::new(manifest, &state, names, rows, &settings);
        if plan.shapes.all().iter().any(|shape| shape.entry.op == Op::Upload) {
            state.noise = Random::new(settings.seed, "noise", 0).bytes(settings.upload_bytes_max as usize).into();
        }
        Self { rooms_left: settings.rooms_max, settings, plan, state }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.plan.rows.len()
    }

    /// Number of lanes; [`Lane::user`] is below.
    pub fn lanes(&self) -> u32 {
        self.plan.lanes
    }

    /// Copies of the population that were provisioned.
    pub fn copies(&self) -> u16 {
        u16::try_from(self.state.copies.len()).unwrap_or(u16::MAX)
    }

    /// Whether a row is going to be sent.
    ///
    /// # Errors
    /// Why it is not; [`Skip::Invalid`] for a row that does not exist.
    pub fn decide(&self, row: u32) -> Result<(), Skip> {
        self.plan.row(row).map(|_| ())
    }

    /// The lane of a row; a row that does not exist has lane 0.
    pub fn lane(&self, row: u32) -> Lane {
        self.plan.lane(row)
    }

    /// The request of a row for a copy of its user, made when it is due.
    ///
    /// # Errors
    /// Why it is not sent: as [`Self::decide`], and [`Skip::NotProvisioned`] for what only the run shows.
    pub fn request(&mut self, row: u32, copy: u16) -> Result<Outgoing, Skip> {
        let planned = self.plan.row(row)?;
        let shape = &self.plan.shapes.all()[planned.shape as usize];
        if shape.entry.op == Op::CreateRoom {
            self.rooms_left = self.rooms_left.checked_sub(1).ok_or(Skip::NotProvisioned)?;
        }
        let identity = (u64::from(row) << 16) | u64::from(copy);
        let random = Random::new(self.settings.seed, &self.settings.run, identity);
        let place = make::Place { row, copy, planned, shape };
        let outgoing = make::Maker::new(&self.settings, &self.state, place, random)?.request()?;
        if shape.entry.op == Op::Logout
            && let Some(population) = self.state.copies.get_mut(usize::from(copy))
        {
            population.spares.pop();
        }
        Ok(outgoing)
    }

    /// What came back.
    pub fn learn(&mut self, row: u32, copy: u16, answer: &Answer) {
        let Ok(&planned) = self.plan.row(row) else { return };
        let shape = &self.plan.shapes.all()[planned.shape as usize];
        self.state.learn(shape.entry.op, planned.device, planned.room, copy, answer);
    }

    /// The sync that brings a device up to date before the run, for lane `user`; nothing for who does not sync in it.
    /// Its answer belongs into [`Self::primed`].
    pub fn prime(&self, user: u32, copy: u16) -> Option<Outgoing> {
        self.plan.syncs.get(user as usize).copied().filter(|&syncs| syncs)?;
        self.state.prime(user, copy)
    }

    /// The answer to [`Self::prime`].
    pub fn primed(&mut self, user: u32, copy: u16, answer: &Answer) {
        self.state.learn(Op::Sync, user, u32::MAX, copy, answer);
    }

    /// The room of a row in a copy, and an event in it: for a schedule that something else plays.
    pub fn room(&self, row: u32, copy: u16) -> Option<(&str, Option<&str>)> {
        let planned = self.plan.row(row).ok()?;
        let room = self.state.copies.get(usize::from(copy))?.rooms.get(planned.room as usize).filter(|room| !room.id.is_empty())?;
        Some((&room.id, room.recent.back().map(String::as_str)))
    }

    /// Devices of a copy; lanes from here on are of those without a token.
    pub fn devices(&self) -> u32 {
        u32::try_from(self.plan.syncs.len()).unwrap_or(u32::MAX)
    }

    /// The access token of a device. Secret.
    pub fn token(&self, user: u32, copy: u16) -> Option<&str> {
        let device = self.state.copies.get(usize::from(copy))?.devices.get(user as usize)?;
        device.authorization.as_deref()?.strip_prefix("Bearer ")
    }

    /// Rows by what becomes of them: sent (no reason) or not.
    pub fn counts(&self) -> BTreeMap<Option<Skip>, u64> {
        let mut counts = BTreeMap::new();
        for row in &self.plan.rows {
            *counts.entry(row.skip).or_default() += 1;
        }
        counts
    }
}
