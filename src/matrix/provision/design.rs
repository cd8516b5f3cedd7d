//! From a survey of a log to the manifest's entries, which have no ids yet.
//!
//! Only adds entries: those of an earlier log stay. Every copy has the same users and rooms in the same order.

use std::collections::{HashMap, HashSet};

use super::super::device_split;
use super::super::manifest::{Device, Manifest, Media, PopulationCopy, Room, User};
use super::super::random::Random;
use super::super::survey::Survey;
use wsim_trace::Names;

/// Size of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorldConfig {
    /// Copies of the logged users, at least 1.
    pub copies: u16,
    /// Messages in each room; rooms in which the log pages further back get more, up to 100.
    pub history: u32,
    /// Largest file, bytes.
    pub media_bytes_max: u64,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self { copies: 1, history: 20, media_bytes_max: 4 << 20 }
    }
}

/// Most messages in a room.
const HISTORY_MAX: u32 = 100;

/// Adds to the manifest what the survey needs and the manifest does not have yet.
pub fn design(manifest: &mut Manifest, survey: &Survey, names: &Names, config: &WorldConfig) {
    let mut first = if manifest.copies.is_empty() { PopulationCopy::default() } else { manifest.copies.remove(0) };
    let users = add_users(manifest, &mut first, survey, names);
    add_rooms(manifest, &mut first, survey, names, &users, config.history);
    add_users_without_rooms(&mut first, config.history);
    name_users(manifest, &mut first, 0);
    manifest.copies.insert(0, first);
    for copy in 1..config.copies.max(1) {
        if manifest.copies.len() <= usize::from(copy) {
            manifest.copies.push(PopulationCopy::default());
        }
    }
    for copy in 1..manifest.copies.len() {
        let mut mirrored = std::mem::take(&mut manifest.copies[copy]);
        mirror(&manifest.copies[0], &mut mirrored);
        name_users(manifest, &mut mirrored, copy);
        manifest.copies[copy] = mirrored;
    }
    add_media(manifest, survey, config.media_bytes_max);
}

/// Adds users. Returns the index in the manifest of each user of the survey.
fn add_users(manifest: &Manifest, copy: &mut PopulationCopy, survey: &Survey, names: &Names) -> Vec<u32> {
    let mut known: HashMap<String, u32> = copy.users.iter().zip(0..).map(|(user, index)| (user.key.clone(), index)).collect();
    let mut indices = Vec::with_capacity(survey.users.len());
    for seen in &survey.users {
        let key = manifest.key("user", names.text(seen.name));
        let index = *known.entry(key.clone()).or_insert_with(|| {
            copy.users.push(User { key, ..User::default() });
            number(copy.users.len() - 1)
        });
        indices.push(index);
        let Some(user) = copy.users.get_mut(index as usize) else { continue };
        user.wants_backup |= seen.backup;
        for &(agent, number) in &seen.devices {
            let key = manifest.key("agent", &device_split::name(names.text(agent), number));
            if !user.devices.iter().any(|device| device.key == key) {
                user.devices.push(Device { key, ..Device::default() });
            }
        }
    }
    indices
}

fn add_rooms(manifest: &Manifest, copy: &mut PopulationCopy, survey: &Survey, names: &Names, users: &[u32], history: u32) {
    let mut known: HashMap<String, u32> = copy.rooms.iter().zip(0..).map(|(room, index)| (room.key.clone(), index)).collect();
    let index_of = |seen: &u32| users.get(*seen as usize).copied();
    for seen in &survey.rooms {
        let key = manifest.key("room", names.text(seen.name));
        let index = *known.entry(key.clone()).or_insert_with(|| {
            copy.rooms.push(Room { key, ..Room::default() });
            number(copy.rooms.len() - 1)
        });
        let Some(room) = copy.rooms.get_mut(index as usize) else { continue };
        room.history = room.history.max(seen.messages_requested.max(history).min(HISTORY_MAX));
        for user in seen.members.iter().filter_map(index_of) {
            // A user who joins in one log and is a member from the beginning in another is a member.
            room.joins_later.retain(|&other| other != user);
            if !room.members.contains(&user) {
                room.members.push(user);
            }
        }
        for user in seen.joins_later.iter().filter_map(index_of) {
            if !room.members.contains(&user) && !room.joins_later.contains(&user) {
                room.joins_later.push(user);
            }
        }
    }
}

/// Adds each user without a room to one, because otherwise no event would ever wake their syncs. Rooms are drawn with weights 1, 1/2, 1/3, …,
/// those with most members first: few rooms have many members, many have few.
fn add_users_without_rooms(copy: &mut PopulationCopy, history: u32) {
    let placed: HashSet<u32> = copy.rooms.iter().flat_map(|room| &room.members).copied().collect();
    let roomless: Vec<u32> = (0..number(copy.users.len())).filter(|user| !placed.contains(user)).collect();
    if roomless.is_empty() {
        return;
    }
    if copy.rooms.iter().all(|room| room.members.is_empty()) {
        for background in 0..roomless.len().div_ceil(MEMBERS_TYPICAL) {
            copy.rooms.push(Room { key: format!("background {background}"), history, ..Room::default() });
        }
    }
    let mut order: Vec<usize> = (0..copy.rooms.len()).collect();
    order.sort_by_key(|&room| std::cmp::Reverse(copy.rooms[room].members.len()));
    let mut sums = Vec::with_capacity(order.len());
    let total = order.iter().zip(1_u32..).fold(0.0, |sum, (_, rank)| {
        sums.push(sum + 1.0 / f64::from(rank));
        sum + 1.0 / f64::from(rank)
    });
    for user in roomless {
        let mut random = Random::new(1, "lonely", u64::from(user));
        let at = random.below(1 << 20) as f64 / f64::from(1 << 20) * total;
        let rank = sums.partition_point(|&sum| sum <= at).min(order.len() - 1);
        // Not a room that the user joins later in the log.
        let room = order[rank..].iter().chain(&order[..rank]).find(|&&room| !copy.rooms[room].joins_later.contains(&user));
        if let Some(&room) = room {
            copy.rooms[room].members.push(user);
        }
    }
}

/// Makes a further copy equal to the first.
fn mirror(first: &PopulationCopy, copy: &mut PopulationCopy) {
    for (index, user) in first.users.iter().enumerate() {
        if copy.users.len() <= index {
            copy.users.push(User { key: user.key.clone(), ..User::default() });
        }
        let mirrored = &mut copy.users[index];
        mirrored.wants_backup = user.wants_backup;
        for device in user.devices.iter().skip(mirrored.devices.len()) {
            mirrored.devices.push(Device { key: device.key.clone(), ..Device::default() });
        }
    }
    for (index, room) in first.rooms.iter().enumerate() {
        if copy.rooms.len() <= index {
            copy.rooms.push(Room { key: room.key.clone(), ..Room::default() });
        }
        let mirrored = &mut copy.rooms[index];
        mirrored.history = room.history;
        mirrored.joins_later.clone_from(&room.joins_later);
        // Members are only added at the end.
        mirrored.members.extend(room.members.iter().skip(mirrored.members.len()));
    }
}

fn name_users(manifest: &Manifest, copy: &mut PopulationCopy, number: usize) {
    for (index, user) in copy.users.iter_mut().enumerate() {
        if user.user_id.is_none() && user.localpart.is_empty() {
            user.localpart = format!("wsim-{}-{number}-{index}", manifest.name);
        }
    }
}

fn add_media(manifest: &mut Manifest, survey: &Survey, bytes_max: u64) {
    let mut wanted: Vec<(u64, bool)> = Vec::new();
    for &bucket in survey.downloads.keys() {
        // The middle of the bucket.
        let bytes = (1_u64 << bucket) + (1_u64 << bucket) / 2;
        wanted.push((bytes.min(bytes_max.max(1)), false));
    }
    if survey.has_thumbnails {
        wanted.push((0, true));
    }
    for (bytes, image) in wanted {
        if !manifest.media.iter().any(|media| media.image == image && (image || media.bytes == bytes)) {
            manifest.media.push(Media { bytes, image, id: None });
        }
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Members of a room if the log has no rooms.
const MEMBERS_TYPICAL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_endpoints::Method;
    use wsim_trace::{NameId, Request};

    fn log(users: &[(&str, bool)]) -> (Survey, Names) {
        let mut names = Names::new();
        let template = names.intern(b"/_matrix/client/v3/rooms/{room}/messages?limit=100");
        let sync = names.intern(b"/_matrix/client/v3/sync");
        let room = names.intern(b"!r:old");
        let rows: Vec<_> = users
            .iter()
            .map(|&(user, inside)| {
                let (template, room) = if inside { (template, room) } else { (sync, NameId::NONE) };
                Request { user: names.intern(user.as_bytes()), template, room, method: Method::Get, status: 200, ..Request::default() }
            })
            .collect();
        (Survey::from_rows(&names, rows), names)
    }

    fn designed(manifest: &mut Manifest, users: &[(&str, bool)], copies: u16) {
        let (survey, names) = log(users);
        design(manifest, &survey, &names, &WorldConfig { copies, ..WorldConfig::default() });
    }

    #[test]
    fn a_second_design_of_the_same_log_changes_nothing() {
        let mut manifest = Manifest::new("http://x", [1; 16]);
        designed(&mut manifest, &[("@a:old", true), ("@b:old", false)], 1);
        let before = manifest.clone();
        designed(&mut manifest, &[("@a:old", true), ("@b:old", false)], 1);
        assert_eq!(manifest, before);
        assert_eq!((before.copies[0].rooms[0].history, before.copies[0].rooms[0].members.len()), (100, 2));
        assert!(!serde_json::to_string(&before).unwrap().contains(":old"));
    }

    #[test]
    fn copies_are_equal_except_for_names_even_if_added_later() {
        let mut manifest = Manifest::new("http://x", [1; 16]);
        designed(&mut manifest, &[("@a:old", true)], 1);
        manifest.copies[0].users[0].user_id = Some("@made:x".to_owned());
        designed(&mut manifest, &[("@a:old", true), ("@c:old", true), ("@d:old", false)], 3);
        let [first, others @ ..] = &manifest.copies[..] else { panic!("no copy") };
        assert_eq!(others.len(), 2);
        let mut localparts: HashSet<&str> = first.users.iter().map(|user| user.localpart.as_str()).collect();
        for copy in others {
            assert!(copy.users.iter().zip(&first.users).all(|(a, b)| a.key == b.key && a.devices.len() == b.devices.len()));
            assert!(copy.rooms.iter().zip(&first.rooms).all(|(a, b)| a.key == b.key && a.members == b.members));
            assert_eq!((copy.users.len(), copy.rooms.len()), (first.users.len(), first.rooms.len()));
            assert!(copy.users.iter().all(|user| localparts.insert(&user.localpart) && user.user_id.is_none()));
        }
        // An existing account stays as it was.
        assert_eq!(first.users[0].user_id.as_deref(), Some("@made:x"));
    }

    #[test]
    fn every_user_is_in_a_room() {
        let names: Vec<String> = (0..100).map(|number| format!("@u{number}:old")).collect();
        let users: Vec<_> = names.iter().map(|name| (name.as_str(), false)).collect();
        let mut manifest = Manifest::new("http://x", [1; 16]);
        designed(&mut manifest, &users, 1);
        let rooms = &manifest.copies[0].rooms;
        assert_eq!(rooms.iter().map(|room| room.members.len()).sum::<usize>(), 100);
        assert!(rooms.len() > 5 && rooms[0].members.len() > rooms[5].members.len());
    }
}
