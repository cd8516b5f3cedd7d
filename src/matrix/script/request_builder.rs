//! Builds one request, from its row and the state when it is due.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;

use super::ScriptConfig;
use super::decisions::RowDecision;
use super::state::{CopyState, Device, Room, State, User};
use crate::body;
use crate::operation::{Op, RequestKind, is_event_type};
use crate::random::Random;
use wsim_endpoints::Method as LoggedMethod;
use wsim_http::percent::push_encoded;
use wsim_replay::Unsendable;
use wsim_transport::{ClientHeaders, Keep, OutgoingRequest};

/// The row of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowContext<'a> {
    pub(super) row: u32,
    pub(super) copy: u16,
    pub(super) decision: &'a RowDecision,
    pub(super) kind: &'a RequestKind,
    pub(super) client: ClientHeaders,
}

/// Builds a request: its row, the state, and its device, user and room, if it has them.
pub(super) struct RequestBuilder<'a> {
    pub(super) config: &'a ScriptConfig,
    pub(super) state: &'a State,
    pub(super) context: RowContext<'a>,
    pub(super) copy_state: &'a CopyState,
    pub(super) device: Option<&'a Device>,
    pub(super) user: Option<&'a User>,
    pub(super) room: Option<&'a Room>,
    pub(super) random: Random,
}

impl<'a> RequestBuilder<'a> {
    /// # Errors
    /// [`Unsendable::NotProvisioned`] if this copy lacks what copy 0 has.
    pub(super) fn new(config: &'a ScriptConfig, state: &'a State, context: RowContext<'a>, mut random: Random) -> Result<Self, Unsendable> {
        let copy_state = state.copies.get(usize::from(context.copy)).ok_or(Unsendable::NotProvisioned)?;
        let op = context.kind.entry.op;
        let own = copy_state.devices.get(context.decision.device as usize).filter(|device| device.authorization.is_some());
        let any_user_will_do = matches!(op, Op::AnyUser | Op::Download | Op::Thumbnail | Op::Login);
        let device = own.or_else(|| if any_user_will_do { any_device(copy_state, &mut random) } else { None });
        let user = device.and_then(|device| copy_state.users.get(device.user as usize));
        let room = copy_state.rooms.get(context.decision.room as usize).filter(|room| !room.id.is_empty());
        let open = matches!(op, Op::Open | Op::UsernameAvailable) || context.kind.method == LoggedMethod::Options;
        let needs_room = context.kind.entry.pattern.contains("{room}") && !open;
        if (!open && user.is_none()) || (needs_room && room.is_none()) {
            return Err(Unsendable::NotProvisioned);
        }
        Ok(Self { config, state, context, copy_state, device, user, room, random })
    }

    /// # Errors
    /// [`Unsendable::NotProvisioned`] for what is known only during the run: no event seen yet, no login to end.
    pub(super) fn request(mut self) -> Result<OutgoingRequest, Unsendable> {
        let (kind, op) = (self.context.kind, self.context.kind.entry.op);
        let preflight = kind.method == LoggedMethod::Options;
        let target = self.target()?;
        let authorization = match op {
            _ if preflight => None,
            Op::Open | Op::UsernameAvailable | Op::Login => None,
            Op::Logout => Some(self.copy_state.spares.last().map(|(_, token)| Arc::clone(token)).ok_or(Unsendable::NotProvisioned)?),
            _ => self.device.and_then(|device| device.authorization.clone()),
        };
        let (content_type, body) = if preflight { (None, Bytes::new()) } else { self.content()? };
        let keep = match op {
            Op::Sync | Op::SlidingSync | Op::Messages | Op::Send | Op::Login | Op::BackupVersion if !preflight => Keep::Body,
            _ => Keep::Nothing,
        };
        Ok(OutgoingRequest { method: method(kind.method), target, authorization, content_type, body, keep, client: self.context.client })
    }

    /// Path and query.
    fn target(&mut self) -> Result<String, Unsendable> {
        let kind = self.context.kind;
        let mut out = String::with_capacity(160);
        // Recent uploads are served under the client API only.
        let legacy_media = kind.entry.media && matches!(kind.entry.op, Op::Download | Op::Thumbnail) && self.context.decision.succeeded;
        out.push_str(if legacy_media { "/_matrix/client/v1/media/" } else { kind.prefix });
        // The API no longer has the device in the path.
        let pattern = if kind.entry.op == Op::KeysUpload { "keys/upload" } else { kind.entry.pattern };
        for (index, segment) in pattern.split('/').enumerate() {
            if index > 0 {
                out.push('/');
            }
            if segment.starts_with('{') { self.fill(segment, &mut out)? } else { out.push_str(segment) }
        }
        self.query(&mut out);
        if self.config.placeholders.is_some() {
            return Ok(out.replace("%7B%7B", "{{").replace("%7D%7D", "}}"));
        }
        Ok(out)
    }

    /// Appends the value of a placeholder.
    fn fill(&mut self, placeholder: &str, out: &mut String) -> Result<(), Unsendable> {
        let op = self.context.kind.entry.op;
        match placeholder {
            "{room}" => out.push_str(self.room.map_or("%21none", |room| &room.encoded)),
            "{user}" => {
                let other = matches!(op, Op::Profile | Op::OthersPresence).then(|| self.room_member()).flatten();
                out.push_str(other.or(self.user).map_or("%40nobody", |user| &user.encoded));
            }
            "{event}" => {
                if let Some(words) = &self.config.placeholders {
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
                let size = u64::from(self.context.decision.size);
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

    /// Appends a value for a segment `{any}`, whose logged text was not kept.
    fn fill_any(&mut self, out: &mut String) -> Result<(), Unsendable> {
        let kind = self.context.kind;
        match kind.entry.op {
            Op::PushRule | Op::PushRuleWrite => {
                // The first segment is the kind, the second the rule, the third an attribute. New rules are of kind `content`.
                let makes = kind.entry.op == Op::PushRuleWrite && kind.entry.pattern.ends_with("global/{any}/{any}");
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
                let version = self.user.and_then(|user| user.backup.as_deref()).ok_or(Unsendable::NotProvisioned)?;
                push_encoded(out, version);
            }
            Op::BackupRead | Op::BackupWrite => {
                let session = self.random.below(body::SESSIONS);
                out.push_str(&body::session_id(session));
            }
            Op::TagWrite | Op::TagDelete => out.push_str("u.wsim"),
            Op::Profile => out.push_str("displayname"),
            Op::Page => out.push_str(if kind.word == "m.annotation" { "m.reaction" } else { "m.room.message" }),
            Op::Download => out.push_str("file.bin"),
            _ => out.push_str("wsim"),
        }
        Ok(())
    }

    /// The word for `{type}`: the logged one if it is known.
    pub(super) fn word(&self) -> String {
        let kind = self.context.kind;
        let logged = kind.word.as_str();
        let known = |words: &[&'static str], or: &'static str| words.iter().copied().find(|&word| word == logged).unwrap_or(or).to_owned();
        match kind.entry.op {
            Op::Receipt => known(&["m.read", "m.read.private", "m.fully_read"], "m.read"),
            Op::ProfileWrite => known(&["displayname", "avatar_url"], "displayname"),
            Op::StateEvent if !self.context.decision.succeeded => "m.room.wsim_none".to_owned(),
            Op::StateEvent => known(
                &["m.room.create", "m.room.power_levels", "m.room.join_rules", "m.room.history_visibility", "m.room.member"],
                "m.room.name",
            ),
            // Every user has push rules.
            Op::Plain if self.context.decision.succeeded => "m.push_rules".to_owned(),
            Op::Plain => "m.wsim_none".to_owned(),
            Op::AccountData if matches!(logged, "m.push_rules" | "m.fully_read") => "m.direct".to_owned(),
            // A redaction is an operation of its own.
            Op::Send if logged == "m.room.redaction" => "m.room.message".to_owned(),
            _ if is_event_type(logged) => logged.to_owned(),
            _ => "m.wsim".to_owned(),
        }
    }

    /// A transaction id that is new for every run, row and copy.
    pub(super) fn transaction(&self) -> String {
        match &self.config.placeholders {
            Some(words) => words.transaction.to_owned(),
            None => format!("wsim{}.{}.{}", self.config.run, self.context.row, self.context.copy),
        }
    }

    /// An event of the room: the newest, or a random one of those remembered.
    pub(super) fn event(&mut self, newest: bool) -> Option<String> {
        let recent = &self.room?.recent;
        let index = if newest { recent.len().checked_sub(1)? } else { self.random.below(recent.len()) };
        recent.get(index).cloned()
    }

    /// Index of a random member of a random room of the user; may be the user.
    pub(super) fn room_member_index(&mut self) -> Option<u32> {
        let user = self.user?;
        let room = *user.rooms.get(self.random.below(user.rooms.len()))?;
        let members = &self.copy_state.rooms.get(room as usize)?.members;
        members.get(self.random.below(members.len())).copied()
    }

    /// A random member of a random room of the user; may be the user.
    pub(super) fn room_member(&mut self) -> Option<&'a User> {
        let index = self.room_member_index()?;
        self.copy_state.users.get(index as usize).filter(|user| !user.id.is_empty())
    }

    /// Whether the state key must be the sender.
    fn state_key_is_user(&self) -> bool {
        let word = self.context.kind.word.as_str();
        word == "m.room.member" || word.ends_with("call.member") || word.ends_with("beacon_info")
    }
}

fn method(method: LoggedMethod) -> Method {
    match method {
        LoggedMethod::Head => Method::HEAD,
        LoggedMethod::Post => Method::POST,
        LoggedMethod::Put => Method::PUT,
        LoggedMethod::Delete => Method::DELETE,
        LoggedMethod::Options => Method::OPTIONS,
        LoggedMethod::Patch => Method::PATCH,
        LoggedMethod::Get | LoggedMethod::Other => Method::GET,
    }
}

/// A random device with a token.
fn any_device<'a>(copy_state: &'a CopyState, random: &mut Random) -> Option<&'a Device> {
    let devices = &copy_state.devices;
    let chosen = devices.get(random.below(devices.len())).filter(|device| device.authorization.is_some());
    chosen.or_else(|| devices.iter().find(|device| device.authorization.is_some()))
}

/// The file whose size is nearest by ratio.
fn nearest(files: &[(u64, String)], size: u64) -> Option<&str> {
    let distance = |bytes: u64| ((bytes.max(1) as f64).ln() - (size.max(1) as f64).ln()).abs();
    let found = files.iter().min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)))?;
    Some(&found.1)
}

pub(super) fn bearer(token: &str) -> Arc<str> {
    format!("Bearer {token}").into()
}

/// Content type and body of a JSON value.
pub(super) fn json(value: &serde_json::Value) -> (Option<&'static str>, Bytes) {
    (Some("application/json"), body::bytes(value))
}
