//! The state of the emulated homeserver: accounts, rooms, events, files.
//!
//! Knows nothing of paths and of time. Every event has a position in one stream, and sync tokens are positions in it. Invariant: memory is
//! bounded by what clients create: rooms keep their last [`EVENTS_MAX`] events, files keep their sizes only.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

use wsim_simulate::random::{Purpose, draw};

/// Index of a user.
pub(super) type UserId = usize;
/// Index of a room.
pub(super) type RoomId = usize;

/// All state.
#[derive(Debug)]
pub(super) struct Homeserver {
    pub(super) server_name: String,
    pub(super) users: Vec<User>,
    user_ids: HashMap<String, UserId>,
    tokens: HashMap<String, (UserId, String)>,
    pub(super) rooms: Vec<Room>,
    room_ids: HashMap<String, RoomId>,
    pub(super) aliases: HashMap<String, RoomId>,
    /// Size of each file, bytes.
    pub(super) media: HashMap<String, usize>,
    pub(super) nonces: HashSet<String>,
    /// Position of the last event.
    pub(super) stream: u64,
    letters_drawn: u64,
    seed: u64,
    /// Waiting syncs that have new events.
    woken: Vec<u64>,
}

#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) password: String,
    pub(super) admin: bool,
    pub(super) deactivated: bool,
    pub(super) rooms: BTreeSet<RoomId>,
    pub(super) invites: BTreeSet<RoomId>,
    pub(super) devices: BTreeMap<String, Value>,
    pub(super) profile: BTreeMap<String, Value>,
    pub(super) filters: Vec<Value>,
    pub(super) backup: u64,
    /// Position of the last event in the user's rooms.
    pub(super) last_event: u64,
    waiting: HashSet<u64>,
}

#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: String,
    pub(super) members: BTreeSet<UserId>,
    pub(super) state: BTreeMap<(String, String), Rc<Event>>,
    pub(super) events: VecDeque<Rc<Event>>,
    pub(super) deleted: bool,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) position: u64,
    pub(super) id: String,
    pub(super) sender: String,
    pub(super) kind: String,
    pub(super) state_key: Option<String>,
    pub(super) content: Value,
    pub(super) at_ms: u64,
}

impl Event {
    pub(super) fn json(&self, room: &str) -> Value {
        let mut event = json!({
            "event_id": self.id, "sender": self.sender, "type": self.kind, "content": self.content, "origin_server_ts": self.at_ms, "room_id": room,
        });
        if let (Some(key), Some(fields)) = (&self.state_key, event.as_object_mut()) {
            fields.insert("state_key".to_owned(), json!(key));
        }
        event
    }
}

impl Homeserver {
    pub(super) fn new(server_name: &str, seed: u64) -> Self {
        Self {
            server_name: server_name.to_owned(),
            users: Vec::new(),
            user_ids: HashMap::new(),
            tokens: HashMap::new(),
            rooms: Vec::new(),
            room_ids: HashMap::new(),
            aliases: HashMap::new(),
            media: HashMap::new(),
            nonces: HashSet::new(),
            stream: 0,
            letters_drawn: 0,
            seed,
            woken: Vec::new(),
        }
    }

    /// Random letters, different at every call.
    pub(super) fn random_letters(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        self.letters_drawn += 1;
        let mut text = String::with_capacity(length);
        for index in 0..length as u64 {
            let random = draw(self.seed ^ index << 48, Purpose::Users, self.letters_drawn);
            text.push(char::from(LETTERS[usize::try_from(random % LETTERS.len() as u64).unwrap_or(0)]));
        }
        text
    }

    /// The user with this name, which may lack `@` and server.
    pub(super) fn user(&self, name: &str) -> Option<UserId> {
        let id = if name.starts_with('@') { name.to_owned() } else { format!("@{name}:{}", self.server_name) };
        self.user_ids.get(&id).copied().filter(|&user| !self.users[user].deactivated)
    }

    /// Creates an account; `None` if the name is taken.
    pub(super) fn register(&mut self, localpart: &str, password: &str, admin: bool) -> Option<UserId> {
        let id = format!("@{localpart}:{}", self.server_name);
        if self.user_ids.contains_key(&id) {
            return None;
        }
        let user = self.users.len();
        let profile = BTreeMap::from([("displayname".to_owned(), json!(localpart))]);
        self.users.push(User { id: id.clone(), password: password.to_owned(), admin, profile, ..User::default() });
        self.user_ids.insert(id, user);
        Some(user)
    }

    /// Logs a device in. The token has Synapse's form: `syt_<localpart in base64>_<random>_<checksum>`.
    pub(super) fn log_in(&mut self, user: UserId, device: Option<&str>) -> Value {
        let device = device.map_or_else(|| self.random_letters(10).to_uppercase(), str::to_owned);
        let id = self.users[user].id.clone();
        let localpart = id.trim_start_matches('@').split(':').next().unwrap_or_default();
        let start = format!("syt_{}_{}", STANDARD_NO_PAD.encode(localpart), self.random_letters(20));
        let token = format!("{start}_{}", checksum(&start));
        self.users[user].devices.entry(device.clone()).or_insert(Value::Null);
        self.tokens.insert(token.clone(), (user, device.clone()));
        json!({"user_id": id, "access_token": token, "device_id": device, "home_server": self.server_name})
    }

    /// The user and the device of a token.
    pub(super) fn token_owner(&self, token: &str) -> Option<(UserId, &str)> {
        self.tokens.get(token).map(|(user, device)| (*user, device.as_str()))
    }

    pub(super) fn log_out(&mut self, token: &str) {
        self.tokens.remove(token);
    }

    pub(super) fn deactivate(&mut self, user: UserId) {
        self.tokens.retain(|_, (owner, _)| *owner != user);
        self.users[user].deactivated = true;
        for room in std::mem::take(&mut self.users[user].rooms) {
            self.rooms[room].members.remove(&user);
        }
    }

    pub(super) fn room(&self, id: &str) -> Option<RoomId> {
        let room = if id.starts_with('#') { self.aliases.get(id) } else { self.room_ids.get(id) };
        room.copied().filter(|&room| !self.rooms[room].deleted)
    }

    /// Creates a room with its creator as the only member.
    pub(super) fn create_room(&mut self, creator: UserId, at_ms: u64) -> RoomId {
        let id = format!("!{}:{}", self.random_letters(18), self.server_name);
        let room = self.rooms.len();
        self.rooms.push(Room { id: id.clone(), members: BTreeSet::new(), state: BTreeMap::new(), events: VecDeque::new(), deleted: false });
        self.room_ids.insert(id, room);
        let sender = self.users[creator].id.clone();
        self.add(room, creator, "m.room.create", Some(""), json!({"creator": sender, "room_version": "10"}), at_ms);
        self.join(room, creator, at_ms);
        room
    }

    pub(super) fn join(&mut self, room: RoomId, user: UserId, at_ms: u64) {
        if self.rooms[room].members.insert(user) {
            self.users[user].rooms.insert(room);
            self.users[user].invites.remove(&room);
            self.member_event(room, user, user, "join", at_ms);
        }
    }

    pub(super) fn leave(&mut self, room: RoomId, user: UserId, at_ms: u64) {
        if self.rooms[room].members.contains(&user) {
            self.member_event(room, user, user, "leave", at_ms);
            self.rooms[room].members.remove(&user);
            self.users[user].rooms.remove(&room);
        }
        self.users[user].invites.remove(&room);
    }

    pub(super) fn invite(&mut self, room: RoomId, sender: UserId, user: UserId, at_ms: u64) {
        if !self.rooms[room].members.contains(&user) {
            self.users[user].invites.insert(room);
            self.member_event(room, sender, user, "invite", at_ms);
            let position = self.stream;
            self.notify(user, position);
        }
    }

    fn member_event(&mut self, room: RoomId, sender: UserId, user: UserId, membership: &str, at_ms: u64) {
        let key = self.users[user].id.clone();
        let name = self.users[user].profile.get("displayname").cloned().unwrap_or(Value::Null);
        self.add(room, sender, "m.room.member", Some(&key), json!({"membership": membership, "displayname": name}), at_ms);
    }

    /// Adds an event, which wakes the members' syncs; returns the event's id.
    pub(super) fn add(&mut self, room: RoomId, sender: UserId, kind: &str, key: Option<&str>, content: Value, at_ms: u64) -> String {
        self.stream += 1;
        let event = Rc::new(Event {
            position: self.stream,
            id: format!("${}", self.random_letters(43)),
            sender: self.users[sender].id.clone(),
            kind: kind.to_owned(),
            state_key: key.map(str::to_owned),
            content,
            at_ms,
        });
        let id = event.id.clone();
        let position = self.stream;
        let room = &mut self.rooms[room];
        if let Some(key) = key {
            room.state.insert((kind.to_owned(), key.to_owned()), Rc::clone(&event));
        }
        room.events.push_back(event);
        if room.events.len() > EVENTS_MAX {
            room.events.pop_front();
        }
        let members: Vec<UserId> = room.members.iter().copied().collect();
        for member in members {
            self.notify(member, position);
        }
        id
    }

    fn notify(&mut self, user: UserId, position: u64) {
        let user = &mut self.users[user];
        user.last_event = position;
        self.woken.extend(user.waiting.drain());
    }

    /// Registers a sync that waits for new events.
    pub(super) fn add_waiting_sync(&mut self, user: UserId, sync: u64) {
        self.users[user].waiting.insert(sync);
    }

    /// Removes a sync that no longer waits; returns whether it still waited.
    pub(super) fn remove_waiting_sync(&mut self, user: UserId, sync: u64) -> bool {
        self.users[user].waiting.remove(&sync)
    }

    pub(super) fn is_waiting(&self, user: UserId, sync: u64) -> bool {
        self.users[user].waiting.contains(&sync)
    }

    /// Takes the waiting syncs that have new events.
    pub(super) fn take_woken(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.woken)
    }
}

impl Room {
    /// The last events after a position, oldest first, and whether there were more.
    pub(super) fn since(&self, position: u64, limit: usize) -> (Vec<&Rc<Event>>, bool) {
        let mut events: Vec<&Rc<Event>> = self.events.iter().rev().take_while(|event| event.position > position).take(limit + 1).collect();
        let limited = events.len() > limit;
        events.truncate(limit);
        events.reverse();
        (events, limited)
    }

    pub(super) fn last_position(&self) -> u64 {
        self.events.back().map_or(0, |event| event.position)
    }
}

/// The six characters at the end of a token, as in Synapse.
fn checksum(text: &str) -> String {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    let mut value = crc.sum();
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(value % 62) as usize];
        value /= 62;
    }
    digits.iter().map(|&digit| char::from(digit)).collect()
}

/// Most events that a room keeps.
pub(super) const EVENTS_MAX: usize = 1_000;
