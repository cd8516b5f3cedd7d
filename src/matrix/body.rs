//! Request bodies that provisioning and replaying share.

use serde_json::{Value, json};

use super::random::Random;

/// The filter that today's clients use: room members are loaded lazily.
pub(super) fn filter() -> Value {
    json!({"room": {"state": {"lazy_load_members": true}, "timeline": {"limit": 20}}})
}

/// A text message.
pub(super) fn message(random: &mut Random) -> Value {
    json!({"msgtype": "m.text", "body": random.words()})
}

/// A message in Megolm's format, with a ciphertext of about `characters` characters.
pub(super) fn megolm(random: &mut Random, characters: usize) -> Value {
    json!({
        "algorithm": "m.megolm.v1.aes-sha2",
        "sender_key": random.base64(43),
        "session_id": random.base64(43),
        "device_id": "WSIM",
        "ciphertext": random.base64(characters),
    })
}

/// A message to one device in Olm's format.
pub(super) fn olm(random: &mut Random, characters: usize) -> Value {
    let key = random.base64(43);
    json!({
        "algorithm": "m.olm.v1.curve25519-aes-sha2",
        "sender_key": random.base64(43),
        "ciphertext": {key: {"type": 0, "body": random.base64(characters)}},
    })
}

/// A device's key upload: identity keys from `fixed`, always the same for one device, and a fallback key and one-time keys from `fresh`.
pub(super) fn keys(user: &str, device: &str, fixed: &mut Random, fresh: &mut Random, one_time: usize) -> Value {
    let sign = |random: &mut Random| json!({user: {format!("ed25519:{device}"): random.base64(86)}});
    let key = fixed.base64(43);
    let identity = fixed.base64(43);
    let device_keys = json!({
        "user_id": user,
        "device_id": device,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {format!("curve25519:{device}"): identity, format!("ed25519:{device}"): key},
        "signatures": sign(fixed),
    });
    let mut one_time_keys = serde_json::Map::with_capacity(one_time);
    for _ in 0..one_time {
        let id = format!("signed_curve25519:{}", fresh.hex(6));
        one_time_keys.insert(id, json!({"key": fresh.base64(43), "signatures": sign(fresh)}));
    }
    let fallback =
        json!({format!("signed_curve25519:{}", fresh.hex(6)): {"key": fresh.base64(43), "fallback": true, "signatures": sign(fresh)}});
    json!({"device_keys": device_keys, "one_time_keys": one_time_keys, "fallback_keys": fallback})
}

/// A new version of a key backup.
pub(super) fn backup_version(random: &mut Random) -> Value {
    json!({"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {"public_key": random.base64(43), "signatures": {}}})
}

/// One session in a key backup.
pub(super) fn backup_session(random: &mut Random) -> Value {
    let data = json!({"ephemeral": random.base64(43), "ciphertext": random.base64(600), "mac": random.base64(11)});
    json!({"first_message_index": 0, "forwarded_count": 0, "is_verified": true, "session_data": data})
}

/// A backup of [`SESSIONS`] sessions per room, with the same ids in every room.
pub(super) fn backup(rooms: &[String], random: &mut Random) -> Value {
    let mut all = serde_json::Map::with_capacity(rooms.len());
    for room in rooms {
        let sessions: serde_json::Map<_, _> = (0..SESSIONS).map(|number| (session_id(number), backup_session(random))).collect();
        all.insert(room.clone(), json!({"sessions": sessions}));
    }
    json!({"rooms": all})
}

/// Sessions per room in a backup.
pub(super) const SESSIONS: usize = 4;

/// Id of a session in a backup.
pub(super) fn session_id(number: usize) -> String {
    format!("wsimsession{number}")
}

pub(super) fn bytes(value: &Value) -> bytes::Bytes {
    value.to_string().into_bytes().into()
}
