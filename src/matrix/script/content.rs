//! The request body of each operation.

use bytes::Bytes;
use serde_json::{Value, json};

use super::request_builder::{RequestBuilder, json};
use crate::body;
use crate::operation::Op;
use crate::random::Random;
use wsim_endpoints::Method;
use wsim_replay::Unsendable;

impl RequestBuilder<'_> {
    /// Content type and body.
    ///
    /// # Errors
    /// [`Unsendable::NotProvisioned`] for what is known only during the run.
    pub(super) fn content(&mut self) -> Result<(Option<&'static str>, Bytes), Unsendable> {
        let kind = self.context.kind;
        if matches!(kind.method, Method::Get | Method::Head | Method::Delete) {
            return Ok((None, Bytes::new()));
        }
        let value = match kind.entry.op {
            Op::Upload => return Ok((Some("application/octet-stream"), self.upload())),
            Op::SlidingSync => self.sliding_sync(),
            Op::FilterCreate => body::filter(),
            Op::Typing => json!({"typing": true, "timeout": 30_000}),
            Op::ReadMarkers => {
                let event = self.event(true).ok_or(Unsendable::NotProvisioned)?;
                json!({"m.fully_read": event, "m.read": event})
            }
            Op::KeysQuery => self.keys_query(),
            Op::DirectorySearch => json!({"search_term": self.random.word(), "limit": 10}),
            Op::Search => {
                json!({"search_categories": {"room_events": {"search_term": self.random.word(), "filter": {"limit": 10}, "order_by": "recent"}}})
            }
            Op::PublicRooms => json!({"limit": kind.query.limit.unwrap_or(20)}),
            Op::Send => self.message()?,
            Op::Redact => json!({"reason": self.random.word()}),
            Op::State => self.state_content(),
            Op::Presence => json!({"presence": "online"}),
            Op::KeysUpload => self.keys_upload(),
            Op::KeysClaim => self.keys_claim(),
            Op::ToDevice => self.direct_message(),
            Op::BackupVersion => body::backup_version(&mut self.random),
            Op::BackupWrite => self.backup(),
            Op::CreateRoom => {
                json!({"preset": "private_chat", "name": self.random.word(), "creation_content": {"org.wsim.run": self.config.run}})
            }
            Op::Invite => json!({"user_id": self.copy_state.guest.as_deref().ok_or(Unsendable::NotProvisioned)?}),
            Op::ProfileWrite if self.word() == "avatar_url" => json!({"avatar_url": self.picture()}),
            Op::ProfileWrite => json!({"displayname": self.unique_words()}),
            Op::AccountData => json!({"wsim": self.unique_words()}),
            Op::TagWrite => json!({"order": 0.5}),
            Op::PushRuleWrite if kind.entry.pattern.ends_with("{any}/{any}/{any}") => json!({"enabled": false}),
            Op::PushRuleWrite => json!({"pattern": "wsim", "actions": ["notify"]}),
            Op::DeviceRename => json!({"display_name": self.unique_words()}),
            Op::Report => json!({"reason": "wsim"}),
            Op::Login => self.login(),
            _ => json!({}),
        };
        Ok(json(&value))
    }

    /// Random words and the transaction id, so that a new value always differs from the present one.
    fn unique_words(&mut self) -> String {
        let words = self.random.words();
        // A device name may have at most 100 characters.
        let cut = words.char_indices().nth(40).map_or(words.len(), |(index, _)| index);
        format!("{} {}", &words[..cut], self.transaction())
    }

    /// Size of the body between `least` and `most`; `None` if not logged. The logged size includes the request's head.
    fn body_bytes(&self, least: usize, most: usize) -> Option<usize> {
        let size = self.context.decision.size as usize;
        (size > 0).then(|| size.saturating_sub(HEAD_BYTES).clamp(least, most))
    }

    fn message(&mut self) -> Result<Value, Unsendable> {
        let word = self.word();
        Ok(match word.as_str() {
            "m.room.encrypted" => {
                // Such a body has about 300 bytes besides the ciphertext.
                let characters = self.body_bytes(500, 60_000).map_or_else(|| self.typical_ciphertext(), |bytes| bytes - 300);
                body::megolm(&mut self.random, characters)
            }
            "m.reaction" => {
                let event = self.event(false).ok_or(Unsendable::NotProvisioned)?;
                // A user may annotate an event with the same key only once.
                json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": event, "key": self.transaction()}})
            }
            "m.sticker" => json!({"body": self.random.word(), "url": self.picture(), "info": {}}),
            "m.room.message" => body::message(&mut self.random),
            _ => json!({"body": self.random.words()}),
        })
    }

    fn typical_ciphertext(&mut self) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 200 and 20,000")]
        let characters = self.random.log_normal(6.0, 0.7).clamp(200.0, 20_000.0) as usize;
        characters
    }

    fn picture(&self) -> String {
        self.state.pictures.first().or(self.state.files.first()).map_or_else(String::new, |(_, id)| format!("mxc://{id}"))
    }

    fn state_content(&mut self) -> Value {
        match self.word().as_str() {
            "m.room.name" => json!({"name": self.unique_words()}),
            "m.room.topic" => json!({"topic": self.unique_words()}),
            "m.room.avatar" => json!({"url": self.picture()}),
            "m.room.member" => json!({"membership": "join", "displayname": self.unique_words()}),
            "m.room.join_rules" => json!({"join_rule": "public"}),
            "m.room.guest_access" => json!({"guest_access": "forbidden"}),
            "m.room.pinned_events" => {
                let pinned: Vec<String> = self.event(true).into_iter().collect();
                json!({"pinned": pinned})
            }
            _ => json!({"wsim": self.unique_words()}),
        }
    }

    /// A query for up to 20 members of the user's rooms.
    fn keys_query(&mut self) -> Value {
        let wanted = 1 + self.random.below(20);
        let mut device_keys = serde_json::Map::new();
        for _ in 0..wanted {
            if let Some(user) = self.room_member() {
                device_keys.insert(user.id.clone(), json!([]));
            }
        }
        if device_keys.is_empty() {
            device_keys.insert(self.user.map_or_else(String::new, |user| user.id.clone()), json!([]));
        }
        json!({"timeout": 10_000, "device_keys": device_keys})
    }

    /// A member of one of the user's rooms and their first device, or the user's own.
    fn partner(&mut self) -> (String, String) {
        let index = self.room_member_index().or(self.device.map(|device| device.user)).unwrap_or(0) as usize;
        let first = self.state.first_device.get(index).copied().unwrap_or(0);
        let user = self.copy_state.users.get(index).map_or("", |user| user.id.as_str());
        let device = self.copy_state.devices.get(first as usize).map_or("", |device| device.id.as_str());
        (user.to_owned(), device.to_owned())
    }

    fn keys_claim(&mut self) -> Value {
        let (user, device) = self.partner();
        json!({"timeout": 10_000, "one_time_keys": {user: {device: "signed_curve25519"}}})
    }

    fn direct_message(&mut self) -> Value {
        let (user, device) = self.partner();
        let content = if self.word() == "m.room.encrypted" {
            let characters = self.body_bytes(400, 60_000).map_or(800, |bytes| bytes - 300);
            body::olm(&mut self.random, characters)
        } else {
            json!({"wsim": self.random.words()})
        };
        json!({"messages": {user: {device: content}}})
    }

    /// The device's identity keys, and new one-time keys: as many as fit the logged size.
    fn keys_upload(&mut self) -> Value {
        let (user, device) = (self.user.map_or("", |user| user.id.as_str()), self.device.map_or("", |device| device.id.as_str()));
        let count = self.body_bytes(0, 10_000).map_or(50, |bytes| bytes / ONE_TIME_KEY_BYTES).clamp(1, 50);
        body::keys(user, device, &mut device_random(device), &mut self.random, count)
    }

    fn backup(&mut self) -> Value {
        let session = body::backup_session(&mut self.random);
        match self.context.kind.entry.pattern {
            "room_keys/keys" => {
                let room =
                    self.user.and_then(|user| self.copy_state.rooms.get(*user.rooms.first()? as usize)).map_or("!none", |room| &room.id);
                json!({"rooms": {room: {"sessions": {body::session_id(0): session}}}})
            }
            "room_keys/keys/{room}" => json!({"sessions": {body::session_id(0): session}}),
            _ => session,
        }
    }

    fn login(&mut self) -> Value {
        let (id, password) = self.user.map_or(("", ""), |user| (user.id.as_str(), user.password.as_str()));
        json!({
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": id},
            "password": password,
            // Always the same device, so that devices do not accumulate.
            "device_id": "WSIMSPARE",
        })
    }

    fn sliding_sync(&mut self) -> Value {
        // Another load generator does not know the `since` that acknowledges messages.
        let mut to_device = json!({"enabled": self.config.placeholders.is_none(), "limit": 100});
        let position = self.device.map_or("", |device| device.to_device.as_str());
        if !position.is_empty() {
            // Without it Synapse responds at once as long as there is a message.
            to_device["since"] = json!(position);
        }
        let required_state = json!([["m.room.name", ""], ["m.room.avatar", ""], ["m.room.encryption", ""], ["m.room.member", "$LAZY"]]);
        json!({
            "conn_id": "wsim",
            "lists": {"all": {"ranges": [[0, 19]], "timeline_limit": 10, "required_state": required_state}},
            "extensions": {
                "to_device": to_device,
                "e2ee": {"enabled": true},
                "account_data": {"enabled": true},
                "receipts": {"enabled": true},
                "typing": {"enabled": true},
            },
        })
    }

    /// As many random bytes as logged: a random part of the same noise each time, because generating it takes milliseconds.
    fn upload(&mut self) -> Bytes {
        let most = self.state.noise.len().max(1);
        let bytes = self.body_bytes(1, most).unwrap_or(UPLOAD_BYTES).min(self.state.noise.len());
        let first = self.random.below(self.state.noise.len() - bytes + 1);
        self.state.noise.slice(first..first + bytes)
    }
}

/// The generator of a device's identity keys, which never change.
pub(crate) fn device_random(device: &str) -> Random {
    Random::new(0, device, 0)
}

/// Size of an upload without a logged size.
const UPLOAD_BYTES: usize = 20_000;

/// Typical size of a request's head.
const HEAD_BYTES: usize = 400;

/// Typical size of a signed one-time key in an upload.
const ONE_TIME_KEY_BYTES: usize = 230;
