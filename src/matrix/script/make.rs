//! One request, from its row and what is known when it is due.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;

use super::Settings;
use super::plan::Planned;
use super::state::{Device, Population, Room, State, User};
use crate::operation::{Op, Shape, is_event_type};
use crate::path::push_encoded;
use crate::random::Random;
use crate::{Skip, body};
use wsim_endpoints::Method as Logged;
use wsim_transport::{Keep, Outgoing};

/// Which request is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) row: u32,
    pub(super) copy: u16,
    pub(super) planned: &'a Planned,
    pub(super) shape: &'a Shape,
}

/// What is known of it and its surroundings.
pub(super) struct Maker<'a> {
    pub(super) settings: &'a Settings,
    pub(super) state: &'a State,
    pub(super) place: Place<'a>,
    pub(super) population: &'a Population,
    pub(super) device: Option<&'a Device>,
    pub(super) user: Option<&'a User>,
    pub(super) room: Option<&'a Room>,
    pub(super) random: Random,
}

impl<'a> Maker<'a> {
    /// # Errors
    /// [`Skip::NotProvisioned`] where this copy lacks what copy 0 has.
    pub(super) fn new(settings: &'a Settings, state: &'a State, place: Place<'a>, mut random: Random) -> Result<Self, Skip> {
        let population = state.copies.get(usize::from(place.copy)).ok_or(Skip::NotProvisioned)?;
        let op = place.shape.entry.op;
        let own = population.devices.get(place.planned.device as usize).filter(|device| device.authorization.is_some());
        let for_anybody = matches!(op, Op::Anyone | Op::Download | Op::Thumbnail | Op::Login);
        let device = own.or_else(|| if for_anybody { anybody(population, &mut random) } else { None });
        let user = device.and_then(|device| population.users.get(device.user as usize));
        let room = population.rooms.get(place.planned.room as usize).filter(|room| !room.id.is_empty());
        let open = matches!(op, Op::Open | Op::NameFree) || place.shape.method == Logged::Options;
        let needs_room = place.shape.entry.pattern.contains("{room}") && !open;
        if (!open && user.is_none()) || (needs_room && room.is_none()) {
            return Err(Skip::NotProvisioned);
        }
        Ok(Self { settings, state, place, population, device, user, room, random })
    }

    /// # Errors
    /// [`Skip::NotProvisioned`] for what only the run shows: no event seen yet, no login to end.
    pub(super) fn request(mut self) -> Result<Outgoing, Skip> {
        let (shape, op) = (self.place.shape, self.place.shape.entry.op);
        let preflight = shape.method == Logged::Options;
        let target = self.target()?;
        let authorization = match op {
            _ if preflight => None,
            Op::Open | Op::NameFree | Op::Login => None,
            Op::Logout => Some(self.population.spares.last().map(|(_, token)| Arc::clone(token)).ok_or(Skip::NotProvisioned)?),
            _ => self.device.and_then(|device| device.authorization.clone()),
        };
        let (content_type, body) = if preflight { (None, Bytes::new()) } else { self.content()? };
        let keep = match op {
            Op::Sync | Op::SlidingSync | Op::Messages | Op::Send | Op::Login | Op::BackupVersion if !preflight => Keep::Body,
            _ => Keep::Nothing,
        };
        Ok(Outgoing { method: method(shape.method), target, authorization, content_type, body, keep })
    }

    /// Path and query.
    fn target(&mut self) -> Result<String, Skip> {
        let shape = self.place.shape;
        let mut out = String::with_capacity(160);
        // What was uploaded lately is served below the client API only.
        let legacy_media = shape.entry.media && matches!(shape.entry.op, Op::Download | Op::Thumbnail) && self.place.planned.succeeded;
        out.push_str(if legacy_media { "/_matrix/client/v1/media/" } else { shape.prefix });
        // The device in the path is gone from the API.
        let pattern = if shape.entry.op == Op::KeysUpload { "keys/upload" } else { shape.entry.pattern };
        for (place, segment) in pattern.split('/').enumerate() {
            if place > 0 {
                out.push('/');
            }
            if segment.starts_with('{') { self.fill(segment, &mut out)? } else { out.push_str(segment) }
        }
        self.query(&mut out);
        if self.settings.placeholders.is_some() {
            return Ok(out.replace("%7B%7B", "{{").replace("%7D%7D", "}}"));
        }
        Ok(out)
    }

    /// Writes what stands for a placeholder.
    fn fill(&mut self, placeholder: &str, out: &mut String) -> Result<(), Skip> {
        let op = self.place.shape.entry.op;
        match placeholder {
            "{room}" => out.push_str(self.room.map_or("%21none", |room| &room.encoded)),
            "{user}" => {
                let other = matches!(op, Op::Profile | Op::OthersPresence).then(|| self.somebody()).flatten();
                out.push_str(other.or(self.user).map_or("%40nobody", |user| &user.encoded));
            }
            "{event}" => {
                if let Some(words) = &self.settings.placeholders {
                    out.push_str(words.event);
                    return Ok(());
                }
                let newest = matches!(op, Op::Receipt);
                let event = self.event(newest).unwrap_or_else(|| "$none".to_owned());
                push_encoded(out, &event);
            }
            "{txn}" => out.push_str(&self.transaction()),
            "{alias}" => out.push_str(self.state.alias.as_deref().unwrap_or("%23none")),
            "{key}" => {
                if self.state_key_is_user() {
                    out.push_str(self.user.map_or("", |user| &user.encoded));
                }
            }
            "{id}" if op == Op::FilterRead => push_encoded(out, self.user.and_then(|user| user.filter.as_deref()).unwrap_or("0")),
            "{id}" => push_encoded(out, self.device.map_or("NONE", |device| &device.id)),
            "{server}" | "{media}" => {
                let size = u64::from(self.place.planned.size);
                let files = if op == Op::Thumbnail { &self.state.pictures } else { &self.state.files };
                let id = nearest(files, size).unwrap_or("none/none");
                let (server, media) = id.split_once('/').unwrap_or((id, id));
                push_encoded(out, if placeholder == "{server}" { server } else { media });
            }
            "{type}" => push_encoded(out, &self.word()),
            _ => self.fill_any(out)?,
        }
        Ok(())
    }

    /// What stands for a segment that was not kept.
    fn fill_any(&mut self, out: &mut String) -> Result<(), Skip> {
        let shape = self.place.shape;
        match shape.entry.op {
            Op::PushRule | Op::PushRuleWrite => {
                // The first one is the kind, the second the rule, the third what of it. A rule of one's own where one is made.
                let makes = shape.entry.op == Op::PushRuleWrite && shape.entry.pattern.ends_with("global/{any}/{any}");
                let word = match out.rsplit('/').nth(1) {
                    Some("global") if makes => "content",
                    Some("global") => "override",
                    Some("content") => "wsim",
                    Some("override") => ".m.rule.master",
                    _ => "enabled",
                };
                out.push_str(word);
            }
            Op::BackupRead if out.ends_with("/version/") => {
                let version = self.user.and_then(|user| user.backup.as_deref()).ok_or(Skip::NotProvisioned)?;
                push_encoded(out, version);
            }
            Op::BackupRead | Op::BackupWrite => {
                let session = self.random.below(body::SESSIONS);
                out.push_str(&body::session_id(session));
            }
            Op::TagWrite | Op::TagDelete => out.push_str("u.wsim"),
            Op::Profile => out.push_str("displayname"),
            Op::Page => out.push_str(if shape.word == "m.annotation" { "m.reaction" } else { "m.room.message" }),
            Op::Download => out.push_str("file.bin"),
            _ => out.push_str("wsim"),
        }
        Ok(())
    }

    /// The word for `{type}`.
    pub(super) fn word(&self) -> String {
        let shape = self.place.shape;
        let logged = shape.word.as_str();
        let known = |words: &[&'static str], or: &'static str| words.iter().copied().find(|&word| word == logged).unwrap_or(or).to_owned();
        match shape.entry.op {
            Op::Receipt => known(&["m.read", "m.read.private", "m.fully_read"], "m.read"),
            Op::ProfileWrite => known(&["displayname", "avatar_url"], "displayname"),
            Op::StateEvent if !self.place.planned.succeeded => "m.room.wsim_none".to_owned(),
            Op::StateEvent => known(
                &["m.room.create", "m.room.power_levels", "m.room.join_rules", "m.room.history_visibility", "m.room.member"],
                "m.room.name",
            ),
            // Push rules are there for everybody.
            Op::Plain if self.place.planned.succeeded => "m.push_rules".to_owned(),
            Op::Plain => "m.wsim_none".to_owned(),
            Op::AccountData if matches!(logged, "m.push_rules" | "m.fully_read") => "m.direct".to_owned(),
            // A redaction is an operation of its own.
            Op::Send if logged == "m.room.redaction" => "m.room.message".to_owned(),
            _ if is_event_type(logged) => logged.to_owned(),
            _ => "m.wsim".to_owned(),
        }
    }

    /// A transaction id that no run and no row had before.
    pub(super) fn transaction(&self) -> String {
        match &self.settings.placeholders {
            Some(words) => words.transaction.to_owned(),
            None => format!("wsim{}.{}.{}", self.settings.run, self.place.row, self.place.copy),
        }
    }

    /// An event of the room: the newest, or any of those remembered.
    pub(super) fn event(&mut self, newest: bool) -> Option<String> {
        let recent = &self.room?.recent;
        let place = if newest { recent.len().checked_sub(1)? } else { self.random.below(recent.len()) };
        recent.get(place).cloned()
    }

    /// Somebody in one of the user's rooms, the user included: their place.
    pub(super) fn somebody_place(&mut self) -> Option<u32> {
        let user = self.user?;
        let room = *user.rooms.get(self.random.below(user.rooms.len()))?;
        let members = &self.population.rooms.get(room as usize)?.members;
        members.get(self.random.below(members.len())).copied()
    }

    /// The same, themselves.
    pub(super) fn somebody(&mut self) -> Option<&'a User> {
        let place = self.somebody_place()?;
        self.population.users.get(place as usize).filter(|user| !user.id.is_empty())
    }

    /// Whether the state key is the sender, as it must be for some types.
    fn state_key_is_user(&self) -> bool {
        let word = self.place.shape.word.as_str();
        word == "m.room.member" || word.ends_with("call.member") || word.ends_with("beacon_info")
    }
}

fn method(method: Logged) -> Method {
    match method {
        Logged::Head => Method::HEAD,
        Logged::Post => Method::POST,
        Logged::Put => Method::PUT,
        Logged::Delete => Method::DELETE,
        Logged::Options => Method::OPTIONS,
        Logged::Patch => Method::PATCH,
        Logged::Get | Logged::Other => Method::GET,
    }
}

/// Any device with a token; the first where chance finds none.
fn anybody<'a>(population: &'a Population, random: &mut Random) -> Option<&'a Device> {
    let devices = &population.devices;
    let chosen = devices.get(random.below(devices.len())).filter(|device| device.authorization.is_some());
    chosen.or_else(|| devices.iter().find(|device| device.authorization.is_some()))
}

/// The file whose size is nearest, by ratio.
fn nearest(files: &[(u64, String)], size: u64) -> Option<&str> {
    let distance = |bytes: u64| ((bytes.max(1) as f64).ln() - (size.max(1) as f64).ln()).abs();
    let found = files.iter().min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)))?;
    Some(&found.1)
}

/// `Bearer` and a token.
pub(super) fn bearer(token: &str) -> Arc<str> {
    format!("Bearer {token}").into()
}

/// JSON as content.
pub(super) fn json(value: &serde_json::Value) -> (Option<&'static str>, Bytes) {
    (Some("application/json"), body::bytes(value))
}
