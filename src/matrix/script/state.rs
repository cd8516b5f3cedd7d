//! What the script knows about the target: identifiers, tokens, and what it learnt from responses.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;

use crate::{Manifest, manifest};
use wsim_http::percent::encoded;
use wsim_transport::{ClientHeaders, Keep, OutgoingRequest};

/// All copies of the logged users and rooms, and what they share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) copies: Vec<CopyState>,
    /// Files other than pictures: (size, `SERVER/ID`).
    pub(super) files: Vec<(u64, String)>,
    pub(super) pictures: Vec<(u64, String)>,
    /// An existing room alias, percent-encoded.
    pub(super) alias: Option<String>,
    /// Random bytes for uploads.
    pub(super) noise: Bytes,
    /// Index of each user's first device.
    pub(super) first_device: Vec<u32>,
    /// Index of each room within its copy, by id. A room is in one copy only.
    pub(super) room_indices: HashMap<String, u32>,
}

/// One copy of the logged users and rooms.
#[derive(Debug)]
pub(super) struct CopyState {
    pub(super) users: Vec<User>,
    pub(super) devices: Vec<Device>,
    pub(super) rooms: Vec<Room>,
    pub(super) guest: Option<String>,
    /// Logins of the run, for logouts: user id and token. At most one for each user, because a second login ends the first.
    pub(super) spares: Vec<(String, Arc<str>)>,
}

#[derive(Debug)]
pub(super) struct User {
    /// Empty without an account.
    pub(super) id: String,
    pub(super) encoded: String,
    pub(super) password: String,
    pub(super) filter: Option<String>,
    pub(super) backup: Option<String>,
    /// Indices of the user's rooms.
    pub(super) rooms: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct Device {
    pub(super) user: u32,
    pub(super) id: String,
    /// `Bearer …`; `None` without an account.
    pub(super) authorization: Option<Arc<str>>,
    pub(super) since: String,
    /// `since` when the run began.
    pub(super) since_before: String,
    pub(super) position: String,
    /// `since` of sliding sync's to-device messages.
    pub(super) to_device: String,
    /// `from` of the next `/messages`, by room.
    pub(super) pages: HashMap<u32, String>,
}

#[derive(Debug)]
pub(super) struct Room {
    /// Empty if the room was not created.
    pub(super) id: String,
    pub(super) encoded: String,
    pub(super) members: Vec<u32>,
    /// The newest events, the newest last.
    pub(super) recent: VecDeque<String>,
    pub(super) prev_batch: String,
}

/// Events of a room that are remembered.
pub(super) const RECENT: usize = 16;

impl State {
    pub(super) fn new(manifest: &Manifest) -> Self {
        let files = |image| {
            let chosen = manifest.media.iter().filter(move |media| media.image == image);
            let mut files: Vec<_> = chosen.filter_map(|media| Some((media.bytes, media.id.clone()?))).collect();
            files.sort();
            files
        };
        let mut first_device = Vec::new();
        if let Some(copy) = manifest.copies.first() {
            let mut next = 0_u32;
            for user in &copy.users {
                first_device.push(next);
                next += u32::try_from(user.devices.len()).unwrap_or(0);
            }
        }
        Self {
            copies: manifest.copies.iter().map(|copy| CopyState::new(manifest, copy)).collect(),
            files: files(false),
            pictures: files(true),
            alias: manifest.marker.as_ref().and_then(|marker| marker.alias.as_deref()).map(encoded),
            noise: Bytes::new(),
            first_device,
            room_indices: room_indices(manifest),
        }
    }

    /// Replaces values that are known only at run time by placeholders.
    pub(super) fn set_placeholders(&mut self, words: &super::Placeholders) {
        for copy_state in &mut self.copies {
            for device in &mut copy_state.devices {
                words.since.clone_into(&mut device.since);
                words.since.clone_into(&mut device.since_before);
                words.position.clone_into(&mut device.position);
            }
            for room in &mut copy_state.rooms {
                words.from.clone_into(&mut room.prev_batch);
            }
        }
    }

    /// A sync from the device's last position, or an initial sync, that does not wait.
    pub(super) fn prime(&self, device: u32, copy: u16) -> Option<OutgoingRequest> {
        let copy_state = self.copies.get(usize::from(copy))?;
        let device = copy_state.devices.get(device as usize)?;
        let user = copy_state.users.get(device.user as usize)?;
        let mut target = String::from("/_matrix/client/v3/sync?timeout=0");
        for (name, value) in [("filter", user.filter.as_deref().unwrap_or("")), ("since", device.since.as_str())] {
            if !value.is_empty() {
                target.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        let authorization = Some(device.authorization.clone()?);
        Some(OutgoingRequest {
            method: Method::GET,
            target,
            authorization,
            content_type: None,
            body: Bytes::new(),
            keep: Keep::Body,
            client: ClientHeaders::default(),
        })
    }
}

fn room_indices(manifest: &Manifest) -> HashMap<String, u32> {
    let rooms = manifest.copies.iter().flat_map(|copy| copy.rooms.iter().zip(0_u32..));
    rooms.filter_map(|(room, index)| Some((room.room_id.clone()?, index))).collect()
}

impl CopyState {
    fn new(manifest: &Manifest, copy: &manifest::PopulationCopy) -> Self {
        let (mut users, mut devices) = (Vec::with_capacity(copy.users.len()), Vec::new());
        for (index, user) in copy.users.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let first = user.devices.first().and_then(|device| device.token.as_deref());
            for device in &user.devices {
                // A device that could not be created uses the token of the user's first.
                let token = device.token.as_deref().or(first).filter(|_| user.user_id.is_some());
                let since = device.next_batch.clone().unwrap_or_default();
                devices.push(Device {
                    user: index,
                    id: device.device_id.clone().unwrap_or_default(),
                    authorization: token.map(|token| format!("Bearer {token}").into()),
                    since_before: since.clone(),
                    since,
                    position: String::new(),
                    to_device: String::new(),
                    pages: HashMap::new(),
                });
            }
            let id = user.user_id.clone().unwrap_or_default();
            users.push(User {
                encoded: encoded(&id),
                id,
                password: if user.localpart.is_empty() { String::new() } else { manifest.password(&user.localpart) },
                filter: user.filter.clone(),
                backup: user.backup.clone(),
                rooms: Vec::new(),
            });
        }
        let mut rooms = Vec::with_capacity(copy.rooms.len());
        for (index, room) in copy.rooms.iter().enumerate() {
            let members: Vec<u32> = room.members.iter().take(room.joined as usize).copied().collect();
            for &member in &members {
                if let Some(user) = users.get_mut(member as usize) {
                    user.rooms.push(u32::try_from(index).unwrap_or(u32::MAX));
                }
            }
            let id = room.room_id.clone().unwrap_or_default();
            rooms.push(Room {
                encoded: encoded(&id),
                id,
                members,
                recent: room.events.iter().skip(room.events.len().saturating_sub(RECENT)).cloned().collect(),
                prev_batch: room.prev_batch.clone().unwrap_or_default(),
            });
        }
        Self { users, devices, rooms, guest: copy.guest.clone(), spares: Vec::new() }
    }
}

impl Room {
    /// Remembers a new event.
    pub(super) fn remember_event(&mut self, event: String) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(event);
    }
}
