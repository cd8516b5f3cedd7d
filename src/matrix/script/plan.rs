//! Decisions that need no answer, made once for every row: who, where, and whether at all.

use std::collections::{HashMap, HashSet};

use super::state::State;
use super::{Lane, LaneKind, Settings};
use crate::operation::{Op, Shape, Shapes, Tier, is_dangerous_state, is_made_up_state};
use crate::twins::{self, Twins};
use crate::{Manifest, Skip};
use wsim_endpoints::Method;
use wsim_trace::{NameId, Names, Request, flag};

/// All rows.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) rows: Vec<Planned>,
    pub(super) shapes: Shapes,
    /// Devices, then addresses of those without a token.
    pub(super) lanes: u32,
    /// Which devices sync.
    pub(super) syncs: Vec<bool>,
}

/// One row: 28 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned {
    /// Place among the shapes.
    pub(super) shape: u32,
    /// Place among a copy's devices; `u32::MAX` for nobody.
    pub(super) device: u32,
    pub(super) lane: u32,
    /// Place among a copy's rooms; `u32::MAX` for none.
    pub(super) room: u32,
    /// Logged size that matters: of the answer for a download, else of the request. 0 if unknown.
    pub(super) size: u32,
    /// How long a long poll waited for news in the log, ms; `u32::MAX` if that is not known. It waits no longer here: what woke it may be
    /// missing, and every sync of the device behind it would be late or lost.
    pub(super) wait_ms: u32,
    pub(super) sync: bool,
    /// Succeeded in the log.
    pub(super) succeeded: bool,
    pub(super) skip: Option<Skip>,
}

impl Plan {
    pub(super) fn new(
        manifest: &Manifest,
        state: &State,
        names: &Names,
        rows: impl IntoIterator<Item = Request>,
        settings: &Settings,
    ) -> Self {
        let mut planner = Planner::new(manifest, state, names, settings);
        let rows = rows.into_iter().map(|request| planner.row(&request)).collect();
        let lanes = planner.devices + u32::try_from(planner.strangers.len()).unwrap_or(0);
        Self { rows, lanes, syncs: planner.syncs, shapes: planner.shapes }
    }

    pub(super) fn row(&self, row: u32) -> Result<&Planned, Skip> {
        let planned = self.rows.get(row as usize).ok_or(Skip::Invalid)?;
        planned.skip.map_or(Ok(planned), Err)
    }

    pub(super) fn lane(&self, row: u32) -> Lane {
        let planned = self.rows.get(row as usize);
        let kind = if planned.is_some_and(|planned| planned.sync) { LaneKind::Sync } else { LaneKind::Plain };
        Lane { user: planned.map_or(0, |planned| planned.lane), kind }
    }
}

/// Looks up who and where.
struct Planner<'a> {
    manifest: &'a Manifest,
    state: &'a State,
    names: &'a Names,
    settings: &'a Settings,
    shapes: Shapes,
    users_by_key: HashMap<&'a str, u32>,
    rooms_by_key: HashMap<&'a str, u32>,
    /// Logged names already looked up.
    users: HashMap<NameId, Option<u32>>,
    device_of: HashMap<(NameId, NameId, u8), Option<u32>>,
    twins: Twins,
    rooms: HashMap<NameId, Option<u32>>,
    /// Lanes of those without a token.
    strangers: HashMap<NameId, u32>,
    devices: u32,
    syncs: Vec<bool>,
    /// Whether a user is in a room now, where that changed since the beginning.
    moved: HashMap<(u32, u32), bool>,
    initially: HashSet<(u32, u32)>,
}

impl<'a> Planner<'a> {
    fn new(manifest: &'a Manifest, state: &'a State, names: &'a Names, settings: &'a Settings) -> Self {
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let first = manifest.copies.first();
        let users = first.map_or(&[][..], |copy| &copy.users);
        let rooms = first.map_or(&[][..], |copy| &copy.rooms);
        let devices = state.copies.first().map_or(0, |copy| copy.devices.len());
        let joined = |(place, room): (usize, &'a crate::Room)| {
            room.members.iter().take(room.joined as usize).map(move |&user| (user, number(place)))
        };
        Self {
            manifest,
            state,
            names,
            settings,
            shapes: Shapes::default(),
            users_by_key: users.iter().enumerate().map(|(place, user)| (user.key.as_str(), number(place))).collect(),
            rooms_by_key: rooms.iter().enumerate().map(|(place, room)| (room.key.as_str(), number(place))).collect(),
            users: HashMap::new(),
            device_of: HashMap::new(),
            twins: Twins::default(),
            rooms: HashMap::new(),
            strangers: HashMap::new(),
            devices: number(devices),
            syncs: vec![false; devices],
            moved: HashMap::new(),
            initially: rooms.iter().enumerate().flat_map(joined).collect(),
        }
    }

    fn row(&mut self, request: &Request) -> Planned {
        let shape = self.shapes.of(request, self.names);
        let op = shape.as_ref().ok().map(|&shape| self.shapes.all()[shape as usize].entry.op);
        let number = op.map_or(0, |op| self.twins.of(request, op));
        let device = self.device(request, number);
        let lane = device.unwrap_or_else(|| self.stranger(request));
        let mut planned = Planned {
            shape: shape.unwrap_or(0),
            device: device.unwrap_or(u32::MAX),
            lane,
            room: self.room(request.room).unwrap_or(u32::MAX),
            size: request.bytes_received,
            wait_ms: wait_ms(request),
            sync: false,
            succeeded: request.status == 0 || request.status == 499 || (200..400).contains(&request.status),
            skip: None,
        };
        match shape {
            Err(skip) => planned.skip = Some(skip),
            Ok(shape) => {
                let shape = self.shapes.all()[shape as usize].clone();
                let op = shape.entry.op;
                planned.sync = matches!(op, Op::Sync | Op::SlidingSync) && shape.method != Method::Options;
                if matches!(op, Op::Download | Op::Thumbnail) {
                    planned.size = request.bytes_sent;
                }
                planned.skip = self.fits(&shape, request, &planned).err();
                if planned.skip.is_none() {
                    self.happens(op, &planned);
                }
            }
        }
        planned
    }

    /// Whether the row can be made.
    fn fits(&mut self, shape: &Shape, request: &Request, planned: &Planned) -> Result<(), Skip> {
        let entry = shape.entry;
        if shape.method == Method::Options {
            return Ok(());
        }
        if entry.tier > self.settings.allowed {
            return Err(if entry.tier == Tier::Dangerous { Skip::Dangerous } else { Skip::Write });
        }
        let dangerous = entry.op == Op::State && is_dangerous_state(&shape.word);
        if dangerous && self.settings.allowed < Tier::Dangerous {
            return Err(Skip::Dangerous);
        }
        if entry.op == Op::Unmade || (dangerous && !is_made_up_state(&shape.word)) {
            return Err(Skip::NotProvisioned);
        }
        if matches!(entry.op, Op::Open | Op::NameFree) {
            return Ok(());
        }
        if matches!(entry.op, Op::Anyone | Op::Download | Op::Thumbnail | Op::Login) && !request.user.is_some() {
            let able = self.has_account(0) && (entry.op != Op::Login || !self.password_of(0).is_empty());
            return if able { self.has_files(entry.op) } else { Err(Skip::NotProvisioned) };
        }
        if !request.user.is_some() {
            return Err(Skip::NoUser);
        }
        if planned.device == u32::MAX || !self.has_account(planned.device) {
            return Err(Skip::NotProvisioned);
        }
        self.has_files(entry.op)?;
        if entry.op == Op::Login && self.password_of(planned.device).is_empty() {
            return Err(Skip::NotProvisioned);
        }
        if (matches!(entry.op, Op::BackupRead | Op::BackupWrite)) && !self.has_backup(planned.device) {
            return Err(Skip::NotProvisioned);
        }
        if entry.pattern.contains("{alias}") && self.state.alias.is_none() {
            return Err(Skip::NotProvisioned);
        }
        if entry.pattern.contains("{room}") { self.fits_room(shape, planned) } else { Ok(()) }
    }

    /// The room is there, with an event if one is needed, and its user in it if the log says so.
    fn fits_room(&self, shape: &Shape, planned: &Planned) -> Result<(), Skip> {
        let rooms = self.state.copies.first().map_or(&[][..], |copy| &copy.rooms);
        let room = rooms.get(planned.room as usize).filter(|room| !room.id.is_empty()).ok_or(Skip::NotProvisioned)?;
        let op = shape.entry.op;
        let needs_event = shape.entry.pattern.contains("{event}") || matches!(op, Op::ReadMarkers);
        if needs_event && room.recent.is_empty() {
            return Err(Skip::NotProvisioned);
        }
        let inside = self.is_in(planned);
        match op {
            Op::Join | Op::BackupRead | Op::BackupWrite => Ok(()),
            Op::Forget if inside => Err(Skip::NotProvisioned),
            Op::Forget => Ok(()),
            Op::Leave if !inside => Err(Skip::NotProvisioned),
            Op::Invite if self.state.copies.first().is_none_or(|copy| copy.guest.is_none()) => Err(Skip::NotProvisioned),
            _ if planned.succeeded && !inside => Err(Skip::NotProvisioned),
            _ => Ok(()),
        }
    }

    /// What the row changes for later ones.
    fn happens(&mut self, op: Op, planned: &Planned) {
        if planned.sync
            && let Some(syncs) = self.syncs.get_mut(planned.device as usize)
        {
            *syncs = true;
        }
        if let (Op::Join | Op::Leave, Some(user)) = (op, self.user_of(planned.device)) {
            self.moved.insert((user, planned.room), op == Op::Join);
        }
    }

    fn is_in(&self, planned: &Planned) -> bool {
        let Some(user) = self.user_of(planned.device) else { return false };
        let key = (user, planned.room);
        self.moved.get(&key).copied().unwrap_or_else(|| self.initially.contains(&key))
    }

    fn user_of(&self, device: u32) -> Option<u32> {
        self.state.copies.first()?.devices.get(device as usize).map(|device| device.user)
    }

    fn has_account(&self, device: u32) -> bool {
        self.state.copies.first().and_then(|copy| copy.devices.get(device as usize)).is_some_and(|device| device.authorization.is_some())
    }

    fn has_backup(&self, device: u32) -> bool {
        let user = self.user_of(device).and_then(|user| self.state.copies.first()?.users.get(user as usize));
        user.is_some_and(|user| user.backup.is_some())
    }

    fn password_of(&self, device: u32) -> &str {
        let user = self.user_of(device).and_then(|user| self.state.copies.first()?.users.get(user as usize));
        user.map_or("", |user| user.password.as_str())
    }

    fn has_files(&self, op: Op) -> Result<(), Skip> {
        match op {
            Op::Download if self.state.files.is_empty() => Err(Skip::NotProvisioned),
            Op::Thumbnail if self.state.pictures.is_empty() => Err(Skip::NotProvisioned),
            _ => Ok(()),
        }
    }

    /// The device of the logged user and agent; the user's first where the agent is not known.
    fn device(&mut self, request: &Request, number: u8) -> Option<u32> {
        if !request.user.is_some() {
            return None;
        }
        let key = (request.user, request.agent, number);
        if let Some(&known) = self.device_of.get(&key) {
            return known;
        }
        let found = self.find_device(request, number);
        self.device_of.insert(key, found);
        found
    }

    fn find_device(&mut self, request: &Request, number: u8) -> Option<u32> {
        let (manifest, names, by_key) = (self.manifest, self.names, &self.users_by_key);
        let user =
            *self.users.entry(request.user).or_insert_with(|| by_key.get(manifest.key("user", names.text(request.user)).as_str()).copied());
        let user = user?;
        let first = *self.state.first_device.get(user as usize)?;
        let devices = &manifest.copies.first()?.users.get(user as usize)?.devices;
        let agent = manifest.key("agent", &twins::name(names.text(request.agent), number));
        let place = devices.iter().position(|device| device.key == agent).unwrap_or(0);
        Some(first + u32::try_from(place).unwrap_or(0))
    }

    fn room(&mut self, name: NameId) -> Option<u32> {
        if !name.is_some() {
            return None;
        }
        let (manifest, names, by_key) = (self.manifest, self.names, &self.rooms_by_key);
        *self.rooms.entry(name).or_insert_with(|| by_key.get(manifest.key("room", names.text(name)).as_str()).copied())
    }

    /// The lane of somebody who has no device: by user if that is known, else by address.
    fn stranger(&mut self, request: &Request) -> u32 {
        let who = if request.user.is_some() { request.user } else { request.peer };
        let next = self.devices + u32::try_from(self.strangers.len()).unwrap_or(0);
        *self.strangers.entry(who).or_insert(next)
    }
}

/// See [`Planned::wait_ms`].
fn wait_ms(request: &Request) -> u32 {
    if !request.has(flag::LONG_POLL) || !request.has(flag::WALL) {
        return u32::MAX;
    }
    // A proxy's time is wait and work together; the target's work comes on top of the wait here, too.
    let work_us = if request.has(flag::COST) { 0 } else { TYPICAL_WORK_US };
    request.park_us().saturating_sub(work_us) / 1000
}

/// Work of a sync that brings little, where only a proxy's time is known.
const TYPICAL_WORK_US: u32 = 10_000;
