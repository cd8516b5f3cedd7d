//! Decisions made once for every row, before the run: which user and room, and whether the row can be sent.

use std::collections::{HashMap, HashSet};

use super::clients::Clients;
use super::state::State;
use super::{Lane, LaneKind, ScriptConfig};
use crate::Manifest;
use crate::device_split::{self, DeviceNumbering};
use crate::operation::{Op, RequestKind, RequestKinds, Tier, is_dangerous_state, is_made_up_state};
use wsim_endpoints::Method;
use wsim_replay::Unsendable;
use wsim_trace::{NameId, Names, Request, flag};

/// The decisions on all rows.
#[derive(Debug)]
pub(super) struct RowDecisions {
    pub(super) rows: Vec<RowDecision>,
    pub(super) kinds: RequestKinds,
    /// Number of lanes: of devices, then of senders without a device.
    pub(super) lanes: u32,
    /// For each device, whether it syncs.
    pub(super) syncs: Vec<bool>,
    pub(super) clients: Clients,
}

/// The decision on one row: 32 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowDecision {
    /// Index into the kinds.
    pub(super) kind: u32,
    /// Index of the device in a copy; `u32::MAX` for none.
    pub(super) device: u32,
    pub(super) lane: u32,
    /// Index of the room in a copy; `u32::MAX` for none.
    pub(super) room: u32,
    /// Logged size of the response for a download, else of the request. 0 if unknown.
    pub(super) size: u32,
    /// How long a long poll waited in the log, ms; `u32::MAX` if unknown. It waits no longer in the replay, because the event that woke it may be
    /// missing, and then all later syncs of the device would be late or overtaken.
    pub(super) wait_ms: u32,
    /// Number of the client that the request stands for.
    pub(super) client: u32,
    pub(super) sync: bool,
    /// The request succeeded in the log.
    pub(super) succeeded: bool,
    pub(super) skip: Option<Unsendable>,
}

impl RowDecisions {
    pub(super) fn new(
        manifest: &Manifest,
        state: &State,
        names: &Names,
        rows: impl IntoIterator<Item = Request>,
        config: &ScriptConfig,
    ) -> Self {
        let mut decider = RowDecider::new(manifest, state, names, config);
        let rows = rows.into_iter().map(|request| decider.row(&request)).collect();
        let lanes = decider.devices + u32::try_from(decider.address_lanes.len()).unwrap_or(0);
        Self { rows, lanes, syncs: decider.syncs, kinds: decider.kinds, clients: decider.clients }
    }

    pub(super) fn row(&self, row: u32) -> Result<&RowDecision, Unsendable> {
        let decision = self.rows.get(row as usize).ok_or(Unsendable::Invalid)?;
        decision.skip.map_or(Ok(decision), Err)
    }

    pub(super) fn lane(&self, row: u32) -> Lane {
        let decision = self.rows.get(row as usize);
        let kind = if decision.is_some_and(|decision| decision.sync) { LaneKind::Sync } else { LaneKind::Plain };
        Lane { user: decision.map_or(0, |decision| decision.lane), kind }
    }
}

/// Decides row by row.
struct RowDecider<'a> {
    manifest: &'a Manifest,
    state: &'a State,
    names: &'a Names,
    config: &'a ScriptConfig,
    kinds: RequestKinds,
    users_by_key: HashMap<&'a str, u32>,
    rooms_by_key: HashMap<&'a str, u32>,
    /// Users already looked up.
    users: HashMap<NameId, Option<u32>>,
    device_of: HashMap<(NameId, NameId, u8), Option<u32>>,
    numbering: DeviceNumbering,
    rooms: HashMap<NameId, Option<u32>>,
    /// Lanes of senders without a device, by user or address.
    address_lanes: HashMap<NameId, u32>,
    devices: u32,
    syncs: Vec<bool>,
    clients: Clients,
    /// Whether a user is in a room now, for those who joined or left since the beginning: (user, room).
    moved: HashMap<(u32, u32), bool>,
    initially: HashSet<(u32, u32)>,
}

impl<'a> RowDecider<'a> {
    fn new(manifest: &'a Manifest, state: &'a State, names: &'a Names, config: &'a ScriptConfig) -> Self {
        let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let first = manifest.copies.first();
        let users = first.map_or(&[][..], |copy| &copy.users);
        let rooms = first.map_or(&[][..], |copy| &copy.rooms);
        let devices = state.copies.first().map_or(0, |copy| copy.devices.len());
        let joined = |(index, room): (usize, &'a crate::Room)| {
            room.members.iter().take(room.joined as usize).map(move |&user| (user, number(index)))
        };
        Self {
            manifest,
            state,
            names,
            config,
            kinds: RequestKinds::default(),
            users_by_key: users.iter().enumerate().map(|(index, user)| (user.key.as_str(), number(index))).collect(),
            rooms_by_key: rooms.iter().enumerate().map(|(index, room)| (room.key.as_str(), number(index))).collect(),
            users: HashMap::new(),
            device_of: HashMap::new(),
            numbering: DeviceNumbering::default(),
            rooms: HashMap::new(),
            address_lanes: HashMap::new(),
            devices: number(devices),
            syncs: vec![false; devices],
            clients: Clients::default(),
            moved: HashMap::new(),
            initially: rooms.iter().enumerate().flat_map(joined).collect(),
        }
    }

    fn row(&mut self, request: &Request) -> RowDecision {
        let kind = self.kinds.of(request, self.names);
        let op = kind.as_ref().ok().map(|&kind| self.kinds.all()[kind as usize].entry.op);
        let number = op.map_or(0, |op| self.numbering.of(request, op));
        let device = self.device(request, number);
        let lane = device.unwrap_or_else(|| self.address_lane(request));
        let mut decision = RowDecision {
            kind: kind.unwrap_or(0),
            device: device.unwrap_or(u32::MAX),
            lane,
            room: self.room(request.room).unwrap_or(u32::MAX),
            size: request.bytes_received,
            wait_ms: wait_ms(request),
            client: self.clients.number(request, self.names),
            sync: false,
            succeeded: request.status == 0 || request.status == 499 || (200..400).contains(&request.status),
            skip: None,
        };
        match kind {
            Err(skip) => decision.skip = Some(skip),
            Ok(kind) => {
                let kind = self.kinds.all()[kind as usize].clone();
                let op = kind.entry.op;
                decision.sync = matches!(op, Op::Sync | Op::SlidingSync) && kind.method != Method::Options;
                if matches!(op, Op::Download | Op::Thumbnail) {
                    decision.size = request.bytes_sent;
                }
                decision.skip = self.check_feasible(&kind, request, &decision).err();
                if decision.skip.is_none() {
                    self.apply_side_effects(op, &decision);
                }
            }
        }
        decision
    }

    /// Whether the row can be sent.
    fn check_feasible(&mut self, kind: &RequestKind, request: &Request, decision: &RowDecision) -> Result<(), Unsendable> {
        let entry = kind.entry;
        if kind.method == Method::Options {
            return Ok(());
        }
        if entry.tier > self.config.allowed {
            return Err(if entry.tier == Tier::Dangerous { Unsendable::Dangerous } else { Unsendable::Write });
        }
        let dangerous = entry.op == Op::State && is_dangerous_state(&kind.word);
        if dangerous && self.config.allowed < Tier::Dangerous {
            return Err(Unsendable::Dangerous);
        }
        if entry.op == Op::Unsupported || (dangerous && !is_made_up_state(&kind.word)) {
            return Err(Unsendable::NotProvisioned);
        }
        if matches!(entry.op, Op::Open | Op::UsernameAvailable) {
            return Ok(());
        }
        if matches!(entry.op, Op::AnyUser | Op::Download | Op::Thumbnail | Op::Login) && !request.user.is_some() {
            let able = self.has_account(0) && (entry.op != Op::Login || !self.password_of(0).is_empty());
            return if able { self.has_files(entry.op) } else { Err(Unsendable::NotProvisioned) };
        }
        if !request.user.is_some() {
            return Err(Unsendable::NoUser);
        }
        if decision.device == u32::MAX || !self.has_account(decision.device) {
            return Err(Unsendable::NotProvisioned);
        }
        self.has_files(entry.op)?;
        if entry.op == Op::Login && self.password_of(decision.device).is_empty() {
            return Err(Unsendable::NotProvisioned);
        }
        if (matches!(entry.op, Op::BackupRead | Op::BackupWrite)) && !self.has_backup(decision.device) {
            return Err(Unsendable::NotProvisioned);
        }
        if entry.pattern.contains("{alias}") && self.state.alias.is_none() {
            return Err(Unsendable::NotProvisioned);
        }
        if entry.pattern.contains("{room}") { self.check_room(kind, decision) } else { Ok(()) }
    }

    /// Whether the room exists, has an event if one is needed, and has the user as a member if the request succeeded in the log.
    fn check_room(&self, kind: &RequestKind, decision: &RowDecision) -> Result<(), Unsendable> {
        let rooms = self.state.copies.first().map_or(&[][..], |copy| &copy.rooms);
        let room = rooms.get(decision.room as usize).filter(|room| !room.id.is_empty()).ok_or(Unsendable::NotProvisioned)?;
        let op = kind.entry.op;
        let needs_event = kind.entry.pattern.contains("{event}") || matches!(op, Op::ReadMarkers);
        if needs_event && room.recent.is_empty() {
            return Err(Unsendable::NotProvisioned);
        }
        let inside = self.is_in(decision);
        match op {
            Op::Join | Op::BackupRead | Op::BackupWrite => Ok(()),
            Op::Forget if inside => Err(Unsendable::NotProvisioned),
            Op::Forget => Ok(()),
            Op::Leave if !inside => Err(Unsendable::NotProvisioned),
            Op::Invite if self.state.copies.first().is_none_or(|copy| copy.guest.is_none()) => Err(Unsendable::NotProvisioned),
            _ if decision.succeeded && !inside => Err(Unsendable::NotProvisioned),
            _ => Ok(()),
        }
    }

    /// Notes what the row changes for later ones.
    fn apply_side_effects(&mut self, op: Op, decision: &RowDecision) {
        if decision.sync
            && let Some(syncs) = self.syncs.get_mut(decision.device as usize)
        {
            *syncs = true;
        }
        if let (Op::Join | Op::Leave, Some(user)) = (op, self.user_of(decision.device)) {
            self.moved.insert((user, decision.room), op == Op::Join);
        }
    }

    fn is_in(&self, decision: &RowDecision) -> bool {
        let Some(user) = self.user_of(decision.device) else { return false };
        let key = (user, decision.room);
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

    fn has_files(&self, op: Op) -> Result<(), Unsendable> {
        match op {
            Op::Download if self.state.files.is_empty() => Err(Unsendable::NotProvisioned),
            Op::Thumbnail if self.state.pictures.is_empty() => Err(Unsendable::NotProvisioned),
            _ => Ok(()),
        }
    }

    /// The device of the logged user and agent; the user's first if the agent is unknown.
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
        let agent = manifest.key("agent", &device_split::name(names.text(request.agent), number));
        let index = devices.iter().position(|device| device.key == agent).unwrap_or(0);
        Some(first + u32::try_from(index).unwrap_or(0))
    }

    fn room(&mut self, name: NameId) -> Option<u32> {
        if !name.is_some() {
            return None;
        }
        let (manifest, names, by_key) = (self.manifest, self.names, &self.rooms_by_key);
        *self.rooms.entry(name).or_insert_with(|| by_key.get(manifest.key("room", names.text(name)).as_str()).copied())
    }

    /// The lane of a sender without a device: by user if known, else by address.
    fn address_lane(&mut self, request: &Request) -> u32 {
        let who = if request.user.is_some() { request.user } else { request.peer };
        let next = self.devices + u32::try_from(self.address_lanes.len()).unwrap_or(0);
        *self.address_lanes.entry(who).or_insert(next)
    }
}

/// Wait of a long poll, see [`RowDecision::wait_ms`].
fn wait_ms(request: &Request) -> u32 {
    if !request.has(flag::LONG_POLL) || !request.has(flag::WALL) {
        return u32::MAX;
    }
    // A proxy logs wait and work together, and the replay's target adds its own work to the wait.
    let work_us = if request.has(flag::COST) { 0 } else { TYPICAL_WORK_US };
    request.long_poll_wait_us().saturating_sub(work_us) / 1000
}

/// Typical work of a small sync, for logs of proxies.
const TYPICAL_WORK_US: u32 = 10_000;
