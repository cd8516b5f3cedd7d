//! Learns from responses: sync and pagination tokens, and new events in rooms.
//!
//! Takes only the needed fields out of a body and skips all others while parsing. Ignores a body that cannot be parsed.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::request_builder::bearer;
use super::state::{CopyState, State};
use crate::operation::Op;
use wsim_transport::Response;

/// The response of a sync.
#[derive(Deserialize)]
struct Sync<'a> {
    #[serde(borrow)]
    next_batch: Cow<'a, str>,
    #[serde(borrow, default)]
    rooms: Rooms<'a>,
}

#[derive(Deserialize, Default)]
struct Rooms<'a> {
    #[serde(borrow, default)]
    join: HashMap<Cow<'a, str>, Joined<'a>>,
}

#[derive(Deserialize)]
struct Joined<'a> {
    #[serde(borrow, default)]
    timeline: Timeline<'a>,
}

#[derive(Deserialize, Default)]
struct Timeline<'a> {
    #[serde(borrow, default)]
    prev_batch: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    events: Last<'a>,
}

/// The response of a sliding sync.
#[derive(Deserialize)]
struct Sliding<'a> {
    #[serde(borrow)]
    pos: Cow<'a, str>,
    #[serde(borrow, default)]
    rooms: HashMap<Cow<'a, str>, SlidingRoom<'a>>,
    #[serde(borrow, default)]
    extensions: Extensions<'a>,
}

#[derive(Deserialize)]
struct SlidingRoom<'a> {
    #[serde(borrow, default)]
    prev_batch: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    timeline: Last<'a>,
}

#[derive(Deserialize, Default)]
struct Extensions<'a> {
    #[serde(borrow, default)]
    to_device: Option<Batch<'a>>,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    next_batch: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, default)]
    end: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    event_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Login<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    #[serde(borrow)]
    access_token: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Version<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
}

/// The id of the last event in a list of events.
#[derive(Default)]
struct Last<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Last<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Events;
        impl<'de> Visitor<'de> for Events {
            type Value = Last<'de>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a list of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<Last<'de>, A::Error> {
                let mut last = None;
                while let Some(event) = events.next_element::<Event<'de>>()? {
                    last = event.event_id.or(last);
                }
                Ok(Last(last))
            }

            fn visit_unit<E>(self) -> Result<Last<'de>, E> {
                Ok(Last(None))
            }
        }
        deserializer.deserialize_any(Events)
    }
}

impl State {
    /// Takes from a response what later requests need.
    pub(super) fn learn(&mut self, op: Op, device: u32, room: u32, copy: u16, response: &Response) {
        let Some(copy_state) = self.copies.get_mut(usize::from(copy)) else { return };
        if op == Op::SlidingSync && response.status == 400 {
            // The server does not know the position any more: start again.
            if let Some(device) = copy_state.devices.get_mut(device as usize) {
                device.position.clear();
            }
        }
        if !(200..300).contains(&response.status) || response.body.is_empty() {
            return;
        }
        let body = &response.body[..];
        match op {
            Op::Sync => copy_state.on_sync(&self.room_indices, device, body, response.cut),
            Op::SlidingSync => copy_state.on_sliding_sync(&self.room_indices, device, body),
            Op::Messages => {
                if let (Ok(Page { end }), Some(device)) = (serde_json::from_slice(body), copy_state.devices.get_mut(device as usize)) {
                    match end {
                        Some(end) => device.pages.insert(room, end.into_owned()),
                        // The beginning of the room is reached: the next page is the newest again.
                        None => device.pages.remove(&room),
                    };
                }
            }
            Op::Send => {
                if let (Ok(Event { event_id: Some(event) }), Some(room)) =
                    (serde_json::from_slice(body), copy_state.rooms.get_mut(room as usize))
                {
                    room.remember_event(event.into_owned());
                }
            }
            Op::Login => {
                if let Ok(login) = serde_json::from_slice::<Login<'_>>(body) {
                    copy_state.spares.retain(|(user, _)| user != login.user_id.as_ref());
                    copy_state.spares.push((login.user_id.into_owned(), bearer(&login.access_token)));
                }
            }
            Op::BackupVersion => {
                if let (Ok(version), Some(user)) = (serde_json::from_slice::<Version<'_>>(body), copy_state.user_mut(device)) {
                    user.backup = Some(version.version.into_owned());
                }
            }
            _ => {}
        }
    }
}

impl CopyState {
    fn user_mut(&mut self, device: u32) -> Option<&mut super::state::User> {
        let user = self.devices.get(device as usize)?.user;
        self.users.get_mut(user as usize)
    }

    fn on_sync(&mut self, indices: &HashMap<String, u32>, device: u32, body: &[u8], cut: bool) {
        let Some(device) = self.devices.get_mut(device as usize) else { return };
        match serde_json::from_slice::<Sync<'_>>(body) {
            Ok(sync) => {
                if device.since_before.is_empty() {
                    sync.next_batch.as_ref().clone_into(&mut device.since_before);
                }
                sync.next_batch.as_ref().clone_into(&mut device.since);
                for (id, joined) in sync.rooms.join {
                    let Some(room) = indices.get(id.as_ref()).and_then(|&index| self.rooms.get_mut(index as usize)) else { continue };
                    room.learn(joined.timeline.events.0, joined.timeline.prev_batch);
                }
            }
            // A body that is too long to keep still has the token, which Synapse writes first.
            Err(_) if cut => {
                if let Some(token) = first_token(body) {
                    token.clone_into(&mut device.since);
                }
            }
            Err(_) => {}
        }
    }

    fn on_sliding_sync(&mut self, indices: &HashMap<String, u32>, device: u32, body: &[u8]) {
        let Some(device) = self.devices.get_mut(device as usize) else { return };
        let Ok(sync) = serde_json::from_slice::<Sliding<'_>>(body) else { return };
        sync.pos.as_ref().clone_into(&mut device.position);
        if let Some(batch) = sync.extensions.to_device {
            batch.next_batch.as_ref().clone_into(&mut device.to_device);
        }
        for (id, seen) in sync.rooms {
            let Some(room) = indices.get(id.as_ref()).and_then(|&index| self.rooms.get_mut(index as usize)) else { continue };
            room.learn(seen.timeline.0, seen.prev_batch);
        }
    }
}

impl super::state::Room {
    fn learn(&mut self, event: Option<Cow<'_, str>>, prev_batch: Option<Cow<'_, str>>) {
        if let Some(event) = event.filter(|event| self.recent.back().is_none_or(|known| known != event)) {
            self.remember_event(event.into_owned());
        }
        if let Some(token) = prev_batch {
            token.as_ref().clone_into(&mut self.prev_batch);
        }
    }
}

/// The value of the first `next_batch` in a text that may be truncated JSON.
fn first_token(body: &[u8]) -> Option<&str> {
    let at = memchr::memmem::find(body, b"\"next_batch\":\"")? + b"\"next_batch\":\"".len();
    let end = memchr::memchr(b'"', &body[at..])?;
    std::str::from_utf8(&body[at..at + end]).ok().filter(|token| !token.contains('\\'))
}
