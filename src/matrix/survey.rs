//! What a log needs of a test homeserver: its users and their devices, its rooms and who is in them, sizes of files.
//!
//! Reads rows once. Knows nothing of any target.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use super::operation::{Op, Shapes, Tier};
use crate::endpoints::Method;
use crate::trace::{NameId, Names, Request, Trace};

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// Users with at least one request that could be sent, in the order of their first.
    pub users: Vec<SeenUser>,
    /// Rooms with at least one request that succeeded.
    pub rooms: Vec<SeenRoom>,
    /// Downloads by the power of two below their size.
    pub downloads: BTreeMap<u32, u64>,
    /// Whether there were thumbnails.
    pub pictures: bool,
    /// Whether there were requests about keys.
    pub keys: bool,
    /// All rows.
    pub requests: u64,
}

/// A user of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenUser {
    /// As the log names them.
    pub name: NameId,
    /// One for each device that can be told apart: by the family of their agents. At most [`DEVICES_MAX`].
    pub agents: Vec<NameId>,
    /// Whether there is a key backup.
    pub backup: bool,
}

/// A room of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRoom {
    /// As the log names it: an id or an alias.
    pub name: NameId,
    /// Places in [`Survey::users`] of those who were in it from the beginning.
    pub members: Vec<u32>,
    /// Of those whose first request about it was a join.
    pub outside: Vec<u32>,
    /// Messages asked for, all pages together.
    pub paged: u32,
}

/// Devices of one user that are kept apart. A script with a thousand agents is still one user.
pub const DEVICES_MAX: usize = 8;

impl Survey {
    /// Reads rows in the order of their arrival.
    pub fn of(names: &Names, rows: impl IntoIterator<Item = Request>) -> Self {
        let mut surveyor = Surveyor::default();
        for request in rows {
            surveyor.observe(&request, names);
        }
        surveyor.survey
    }

    /// Devices of all users.
    pub fn devices(&self) -> usize {
        self.users.iter().map(|user| user.agents.len()).sum()
    }
}

#[derive(Debug, Default)]
struct Surveyor {
    survey: Survey,
    shapes: Shapes,
    users: HashMap<NameId, u32>,
    rooms: HashMap<NameId, u32>,
    /// Users already placed in a room.
    placed: HashSet<(u32, u32)>,
}

impl Surveyor {
    fn observe(&mut self, request: &Request, names: &Names) {
        self.survey.requests += 1;
        let Ok(shape) = self.shapes.of(request, names) else { return };
        let shape = &self.shapes.all()[shape as usize];
        let (op, pattern) = (shape.entry.op, shape.entry.pattern);
        if shape.entry.tier >= Tier::Dangerous || shape.method == Method::Options || matches!(op, Op::Open | Op::NameFree) {
            return;
        }
        let limit = shape.query.limit.unwrap_or(10);
        let succeeded = request.status == 0 || request.status == 499 || (200..400).contains(&request.status);
        match op {
            Op::Download if succeeded => *self.survey.downloads.entry(request.bytes_sent.max(1).ilog2()).or_default() += 1,
            Op::Thumbnail => self.survey.pictures = true,
            Op::KeysQuery | Op::KeysUpload | Op::KeysClaim | Op::ToDevice => self.survey.keys = true,
            _ => {}
        }
        if !request.user.is_some() {
            return;
        }
        let user = self.user(request);
        if succeeded
            && (pattern.starts_with("room_keys/") && op != Op::BackupVersion)
            && let Some(user) = self.survey.users.get_mut(user as usize)
        {
            user.backup = true;
        }
        let about_a_room = pattern.contains("{room}") && !pattern.starts_with("room_keys/");
        if about_a_room && succeeded && request.room.is_some() {
            let room = self.room(request.room);
            let outside = op == Op::Join;
            let Some(seen) = self.survey.rooms.get_mut(room as usize) else { return };
            if op == Op::Messages {
                seen.paged = seen.paged.saturating_add(limit);
            }
            if self.placed.insert((user, room)) {
                if outside { seen.outside.push(user) } else { seen.members.push(user) }
            }
        }
    }

    fn user(&mut self, request: &Request) -> u32 {
        let users = &mut self.survey.users;
        let place = *self.users.entry(request.user).or_insert_with(|| {
            users.push(SeenUser { name: request.user, agents: Vec::new(), backup: false });
            u32::try_from(users.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(user) = users.get_mut(place as usize)
            && !user.agents.contains(&request.agent)
            && user.agents.len() < DEVICES_MAX
        {
            user.agents.push(request.agent);
        }
        place
    }

    fn room(&mut self, name: NameId) -> u32 {
        let rooms = &mut self.survey.rooms;
        *self.rooms.entry(name).or_insert_with(|| {
            rooms.push(SeenRoom { name, members: Vec::new(), outside: Vec::new(), paged: 0 });
            u32::try_from(rooms.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

/// Server names in a trace: of users, rooms, aliases, and of servers that sent requests. Addresses are left out: they are
/// clients'. A target with one of these names is not to be replayed at.
pub fn domains(trace: &Trace) -> BTreeSet<String> {
    let names = &trace.names;
    let mut found = BTreeSet::new();
    let mut seen = HashSet::new();
    for request in trace.requests() {
        for id in [request.user, request.room] {
            if seen.insert(id)
                && let Some((_, domain)) = names.text(id).split_once(':')
                && matches!(names.text(id).as_bytes().first(), Some(b'@' | b'!' | b'#'))
            {
                add(&mut found, domain);
            }
        }
        if !request.user.is_some() && seen.insert(request.peer) {
            add(&mut found, names.text(request.peer));
        }
    }
    found
}

/// Adds a server name without its port, unless it is an address.
fn add(found: &mut BTreeSet<String>, name: &str) {
    let host = match name.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => name,
    };
    let address = name.parse::<IpAddr>().is_ok() || host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    if !address && host.contains('.') {
        found.insert(host.to_ascii_lowercase());
    }
}
