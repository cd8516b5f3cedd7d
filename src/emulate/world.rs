//! What the emulated homeserver remembers: accounts, rooms, events, files.
//!
//! Owns state. Knows nothing of paths and of time. Every event has a place in one stream, and tokens of syncs are places in it. Invariant:
//! memory is bounded by what clients made: rooms keep their last [`EVENTS_MAX`] events, files are sizes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

use wsim_simulate::random::{Purpose, draw};

/// A user, by place.
pub(super) type UserId = usize;
/// A room, by place.
pub(super) type RoomId = usize;

/// Everything.
#[derive(Debug)]
pub(super) struct World {
    pub(super) server_name: String,
    pub(super) users: Vec<User>,
    user_ids: HashMap<String, UserId>,
    tokens: HashMap<String, (UserId, String)>,
    pub(super) rooms: Vec<Room>,
    room_ids: HashMap<String, RoomId>,
    pub(super) aliases: HashMap<String, RoomId>,
    /// Bytes of each file.
    pub(super) media: HashMap<String, usize>,
    pub(super) nonces: HashSet<String>,
    /// Place of the last event.
    pub(super) stream: u64,
    made: u64,
    seed: u64,
    /// Parked syncs that have news.
    woken: Vec<u64>,
}

/// An account.
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
    /// Place of the last event in a room of theirs.
    pub(super) news: u64,
    parked: HashSet<u64>,
}

/// A room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: String,
    pub(super) members: BTreeSet<UserId>,
    pub(super) state: BTreeMap<(String, String), Rc<Event>>,
    pub(super) events: VecDeque<Rc<Event>>,
    pub(super) deleted: bool,
}

/// An event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) place: u64,
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

impl World {
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
            made: 0,
            seed,
            woken: Vec::new(),
        }
    }

    /// Letters that nobody had before.
    pub(super) fn fresh(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        self.made += 1;
        let mut text = String::with_capacity(length);
        for place in 0..length as u64 {
            let random = draw(self.seed ^ place << 48, Purpose::Users, self.made);
            text.push(char::from(LETTERS[usize::try_from(random % LETTERS.len() as u64).unwrap_or(0)]));
        }
        text
    }

    /// The user of a name, with or without `@` and server.
    pub(super) fn user(&self, name: &str) -> Option<UserId> {
        let id = if name.starts_with('@') { name.to_owned() } else { format!("@{name}:{}", self.server_name) };
        self.user_ids.get(&id).copied().filter(|&user| !self.users[user].deactivated)
    }

    /// A new account; `None` if the name is taken.
    pub(super) fn register(&mut self, localpart: &str, password: &str, admin: bool) -> Option<UserId> {
        let id = format!("@{localpart}:{}", self.server_name);
        if self.user_ids.contains_key(&id) {
            return None;
        }
        let place = self.users.len();
        let profile = BTreeMap::from([("displayname".to_owned(), json!(localpart))]);
        self.users.push(User { id: id.clone(), password: password.to_owned(), admin, profile, ..User::default() });
        self.user_ids.insert(id, place);
        Some(place)
    }

    /// A token for a device, like Synapse's own: `syt_<localpart in base64>_<random>_<checksum>`.
    pub(super) fn log_in(&mut self, user: UserId, device: Option<&str>) -> Value {
        let device = device.map_or_else(|| self.fresh(10).to_uppercase(), str::to_owned);
        let id = self.users[user].id.clone();
        let localpart = id.trim_start_matches('@').split(':').next().unwrap_or_default();
        let start = format!("syt_{}_{}", STANDARD_NO_PAD.encode(localpart), self.fresh(20));
        let token = format!("{start}_{}", checksum(&start));
        self.users[user].devices.entry(device.clone()).or_insert(Value::Null);
        self.tokens.insert(token.clone(), (user, device.clone()));
        json!({"user_id": id, "access_token": token, "device_id": device, "home_server": self.server_name})
    }

    /// Who has a token, and on which device.
    pub(super) fn whose(&self, token: &str) -> Option<(UserId, &str)> {
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
        let place = if id.starts_with('#') { self.aliases.get(id) } else { self.room_ids.get(id) };
        place.copied().filter(|&room| !self.rooms[room].deleted)
    }

    /// A room of one member.
    pub(super) fn create_room(&mut self, creator: UserId, at_ms: u64) -> RoomId {
        let id = format!("!{}:{}", self.fresh(18), self.server_name);
        let place = self.rooms.len();
        self.rooms.push(Room { id: id.clone(), members: BTreeSet::new(), state: BTreeMap::new(), events: VecDeque::new(), deleted: false });
        self.room_ids.insert(id, place);
        let sender = self.users[creator].id.clone();
        self.add(place, creator, "m.room.create", Some(""), json!({"creator": sender, "room_version": "10"}), at_ms);
        self.join(place, creator, at_ms);
        place
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
            let place = self.stream;
            self.tell(user, place);
        }
    }

    fn member_event(&mut self, room: RoomId, sender: UserId, user: UserId, membership: &str, at_ms: u64) {
        let key = self.users[user].id.clone();
        let name = self.users[user].profile.get("displayname").cloned().unwrap_or(Value::Null);
        self.add(room, sender, "m.room.member", Some(&key), json!({"membership": membership, "displayname": name}), at_ms);
    }

    /// A new event, of which the room's members hear; its id.
    pub(super) fn add(&mut self, room: RoomId, sender: UserId, kind: &str, key: Option<&str>, content: Value, at_ms: u64) -> String {
        self.stream += 1;
        let event = Rc::new(Event {
            place: self.stream,
            id: format!("${}", self.fresh(43)),
            sender: self.users[sender].id.clone(),
            kind: kind.to_owned(),
            state_key: key.map(str::to_owned),
            content,
            at_ms,
        });
        let id = event.id.clone();
        let place = self.stream;
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
            self.tell(member, place);
        }
        id
    }

    fn tell(&mut self, user: UserId, place: u64) {
        let user = &mut self.users[user];
        user.news = place;
        self.woken.extend(user.parked.drain());
    }

    /// A sync of this user waits for news.
    pub(super) fn park(&mut self, user: UserId, ticket: u64) {
        self.users[user].parked.insert(ticket);
    }

    /// It waits no longer; whether it still did.
    pub(super) fn unpark(&mut self, user: UserId, ticket: u64) -> bool {
        self.users[user].parked.remove(&ticket)
    }

    pub(super) fn is_parked(&self, user: UserId, ticket: u64) -> bool {
        self.users[user].parked.contains(&ticket)
    }

    /// Parked syncs that have news by now.
    pub(super) fn woken(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.woken)
    }
}

impl Room {
    /// The last events behind a place, oldest first; whether there were more.
    pub(super) fn since(&self, place: u64, limit: usize) -> (Vec<&Rc<Event>>, bool) {
        let mut events: Vec<&Rc<Event>> = self.events.iter().rev().take_while(|event| event.place > place).take(limit + 1).collect();
        let limited = events.len() > limit;
        events.truncate(limit);
        events.reverse();
        (events, limited)
    }

    pub(super) fn last(&self) -> u64 {
        self.events.back().map_or(0, |event| event.place)
    }
}

/// Six characters that a token ends with, as Synapse's does.
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

/// Events that a room keeps.
pub(super) const EVENTS_MAX: usize = 1_000;
