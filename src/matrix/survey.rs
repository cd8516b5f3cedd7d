//! What the replay of a log needs on a test homeserver: users and their devices, rooms and their members, sizes of files.
//!
//! [`Survey::from_rows`] reads the rows once. Knows nothing of the target.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::device_split::DeviceNumbering;
use super::operation::{Op, RequestKinds, Tier};
use wsim_endpoints::Method;
use wsim_trace::{NameId, Names, Request};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// Users with at least one request that could be sent, in the order of their first request.
    pub users: Vec<SurveyedUser>,
    /// Rooms with at least one request that succeeded.
    pub rooms: Vec<SurveyedRoom>,
    /// Number of downloads by the binary logarithm of their size in bytes.
    pub downloads: BTreeMap<u32, u64>,
    pub has_thumbnails: bool,
    /// Whether the log has requests about encryption keys.
    pub keys: bool,
    /// Number of rows.
    pub requests: u64,
}

/// A user of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedUser {
    pub name: NameId,
    /// Devices that can be distinguished: by the user agent's family, and by a number if syncs of one agent overlap. At most
    /// [`DEVICES_MAX`].
    pub devices: Vec<(NameId, u8)>,
    /// Whether the user has a key backup.
    pub backup: bool,
}

/// A room of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedRoom {
    /// Room id or alias.
    pub name: NameId,
    /// Users who are in the room from the beginning: indices into [`Survey::users`].
    pub members: Vec<u32>,
    /// Users whose first request about the room is a join: indices into [`Survey::users`].
    pub joins_later: Vec<u32>,
    /// All pages together.
    pub messages_requested: u32,
}

/// Most devices of one user. A bot with a thousand user agents does not need a thousand devices.
pub const DEVICES_MAX: usize = 8;

impl Survey {
    /// Reads rows in arrival order.
    pub fn from_rows(names: &Names, rows: impl IntoIterator<Item = Request>) -> Self {
        let mut surveyor = Surveyor::default();
        for request in rows {
            surveyor.observe(&request, names);
        }
        surveyor.survey
    }

    /// Number of devices of all users.
    pub fn devices(&self) -> usize {
        self.users.iter().map(|user| user.devices.len()).sum()
    }
}

#[derive(Debug, Default)]
struct Surveyor {
    survey: Survey,
    kinds: RequestKinds,
    numbering: DeviceNumbering,
    users: HashMap<NameId, u32>,
    rooms: HashMap<NameId, u32>,
    /// (user, room) pairs that are already in a room's lists.
    placed: HashSet<(u32, u32)>,
}

impl Surveyor {
    fn observe(&mut self, request: &Request, names: &Names) {
        self.survey.requests += 1;
        let Ok(kind) = self.kinds.of(request, names) else { return };
        let kind = &self.kinds.all()[kind as usize];
        let (op, pattern) = (kind.entry.op, kind.entry.pattern);
        if kind.entry.tier >= Tier::Dangerous || kind.method == Method::Options || matches!(op, Op::Open | Op::UsernameAvailable) {
            return;
        }
        let limit = kind.query.limit.unwrap_or(10);
        let succeeded = request.status == 0 || request.status == 499 || (200..400).contains(&request.status);
        match op {
            Op::Download if succeeded => *self.survey.downloads.entry(request.bytes_sent.max(1).ilog2()).or_default() += 1,
            Op::Thumbnail => self.survey.has_thumbnails = true,
            Op::KeysQuery | Op::KeysUpload | Op::KeysClaim | Op::ToDevice => self.survey.keys = true,
            _ => {}
        }
        if !request.user.is_some() {
            return;
        }
        let user = self.user(request, op);
        if succeeded
            && (pattern.starts_with("room_keys/") && op != Op::BackupVersion)
            && let Some(user) = self.survey.users.get_mut(user as usize)
        {
            user.backup = true;
        }
        let about_a_room = pattern.contains("{room}") && !pattern.starts_with("room_keys/");
        if about_a_room && succeeded && request.room.is_some() {
            let room = self.room(request.room);
            let joins_later = op == Op::Join;
            let Some(surveyed) = self.survey.rooms.get_mut(room as usize) else { return };
            if op == Op::Messages {
                surveyed.messages_requested = surveyed.messages_requested.saturating_add(limit);
            }
            if self.placed.insert((user, room)) {
                if joins_later { surveyed.joins_later.push(user) } else { surveyed.members.push(user) }
            }
        }
    }

    fn user(&mut self, request: &Request, op: Op) -> u32 {
        let device = (request.agent, self.numbering.of(request, op));
        let users = &mut self.survey.users;
        let index = *self.users.entry(request.user).or_insert_with(|| {
            users.push(SurveyedUser { name: request.user, devices: Vec::new(), backup: false });
            u32::try_from(users.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(user) = users.get_mut(index as usize)
            && !user.devices.contains(&device)
            && user.devices.len() < DEVICES_MAX
        {
            user.devices.push(device);
        }
        index
    }

    fn room(&mut self, name: NameId) -> u32 {
        let rooms = &mut self.survey.rooms;
        *self.rooms.entry(name).or_insert_with(|| {
            rooms.push(SurveyedRoom { name, members: Vec::new(), joins_later: Vec::new(), messages_requested: 0 });
            u32::try_from(rooms.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(rows: &[(&str, &str, &str, u16)]) -> (Survey, Names) {
        let mut names = Names::new();
        let requests: Vec<Request> = rows
            .iter()
            .map(|&(user, agent, template, status)| Request {
                user: names.intern(user.as_bytes()),
                agent: names.intern(agent.as_bytes()),
                room: if template.contains("{room}") { names.intern(b"!r:old.example") } else { NameId::NONE },
                template: names.intern(template.as_bytes()),
                method: if template.contains("join/") { Method::Post } else { Method::Get },
                bytes_sent: 5_000,
                status,
                ..Request::default()
            })
            .collect();
        let survey = Survey::from_rows(&names, requests);
        (survey, names)
    }

    const MESSAGES: &str = "/_matrix/client/v3/rooms/{room}/messages?limit=50";

    #[test]
    fn users_are_members_by_their_first_successful_request() {
        let rows = [
            ("@a:old", "Element", MESSAGES, 200),
            ("@b:old", "Element", "/_matrix/client/v3/join/{room}", 200),
            ("@b:old", "Element", MESSAGES, 200),
            ("@c:old", "Element", MESSAGES, 403),
            ("@a:old", "FluffyChat", MESSAGES, 200),
            ("@d:old", "curl", "/_synapse/admin/v1/rooms", 200),
            ("", "curl", "/_matrix/client/versions", 200),
        ];
        let (survey, names) = seen(&rows);
        let users: Vec<_> = survey.users.iter().map(|user| (names.text(user.name), user.devices.len())).collect();
        assert_eq!(users, [("@a:old", 2), ("@b:old", 1), ("@c:old", 1)]);
        assert_eq!((survey.devices(), survey.requests), (4, 7));
        assert_eq!(survey.rooms.len(), 1);
        assert_eq!(
            (&survey.rooms[0].members[..], &survey.rooms[0].joins_later[..], survey.rooms[0].messages_requested),
            (&[0][..], &[1][..], 150)
        );
    }

    #[test]
    fn files_are_counted_by_size_and_backups_by_use() {
        let rows = [
            ("@a:old", "", "/_matrix/client/v1/media/download/{server}/{media}", 200),
            ("@a:old", "", "/_matrix/client/v1/media/thumbnail/{server}/{media}", 200),
            ("@a:old", "", "/_matrix/client/v3/room_keys/version", 404),
            ("@b:old", "", "/_matrix/client/v3/room_keys/version", 200),
        ];
        let (survey, _) = seen(&rows);
        assert_eq!((survey.downloads, survey.has_thumbnails), ([(12, 1)].into(), true));
        assert_eq!(survey.users.iter().map(|user| user.backup).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn the_number_of_devices_is_limited() {
        let agents: Vec<String> = (0..1000).map(|number| format!("agent{number}")).collect();
        let rows: Vec<_> = agents.iter().map(|agent| ("@a:old", agent.as_str(), MESSAGES, 200)).collect();
        assert_eq!(seen(&rows).0.devices(), DEVICES_MAX);
    }
}
