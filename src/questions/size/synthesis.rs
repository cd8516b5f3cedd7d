//! A trace of a server that does not exist yet: what its users, bridges and other servers do, and the long polls that their news wakes.
//!
//! Acts come from Poisson processes, one for each kind of act; an act makes requests, a request makes news, and each piece of news wakes the polls of
//! those who are in its room and online. A poll that is woken comes back after its client's think time; one that is not is answered after its
//! timeout. The result is that of one process's log: costs in every line, and the cause of every wake-up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::chance;
use super::maker::{Maker, micros, whole};
use super::polls::{Audience, Polls};
use super::server::{Membership, Server};
use crate::habits::{DrawnHabits, Habits};
use wsim_endpoints::Classifier;
use wsim_simulate::random::{Purpose, next_exponential, next_unit, stream};
use wsim_trace::{NameId, Request, Trace, flag};

/// How long a synthesis goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Length {
    /// At least so many seconds.
    pub seconds_min: f64,
    /// And until there are so many requests.
    pub requests: usize,
    /// But no longer than so many seconds.
    pub seconds_max: f64,
}

/// The trace, and what it is of.
#[derive(Debug)]
pub struct Synthesis {
    pub trace: Trace,
    pub seconds: f64,
    /// Users who are online.
    pub online: u32,
    /// Devices that wait for news.
    pub devices: u32,
    /// Events, those from other servers included.
    pub events: u64,
}

/// Makes the trace of one draw.
pub fn synthesise(server: &Server, habits: &Habits, drawn: &DrawnHabits, classifier: &Classifier, length: Length, seed: u64) -> Synthesis {
    let mut random = stream(seed, Purpose::Users, 0);
    let online = whole(f64::from(server.users) * drawn.value("online")).clamp(1, server.users.max(1));
    let membership = Membership::new(server, online, drawn, &mut random);
    let mut maker = Maker::new(server, habits, drawn, classifier, random);
    let users: Vec<NameId> = (0..online).map(|user| maker.name(&format!("@user{user}:example.org"))).collect();
    let rooms: Vec<NameId> = (0..membership.members.len()).map(|room| maker.name(&format!("!room{room}:example.org"))).collect();
    let devices = (0..online).flat_map(|user| {
        let count = chance::count(&mut maker.random, drawn.value("devices")).max(1);
        std::iter::repeat_n(user, count)
    });
    let devices: Vec<u32> = devices.collect();
    let count = u32::try_from(devices.len()).unwrap_or(u32::MAX);
    let polls = Polls::new(devices, online, drawn.value("think_ms"), &mut maker.random);
    let mut world = World { server, drawn, membership, users, rooms, polls, maker, agenda: BinaryHeap::new(), number: 0, events: 0 };
    let seconds = world.run(length);
    let mut trace = world.maker.trace;
    trace.seal();
    Synthesis { trace, seconds, online, devices: count, events: world.events }
}

/// What happens when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// A new act of this kind by somebody.
    New(Kind),
    Typing {
        user: u32,
        room: u32,
    },
    Send {
        user: u32,
        room: u32,
    },
    Receipt {
        user: u32,
        room: u32,
    },
    Bridged {
        bridge: u32,
        ghost: u32,
        room: u32,
    },
}

/// Acts that come by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Talk,
    Presence,
    Read,
    Pagination,
    Media,
    Keys,
    ToDevice,
    Start,
    Bridge,
    Federation,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Talk,
        Self::Presence,
        Self::Read,
        Self::Pagination,
        Self::Media,
        Self::Keys,
        Self::ToDevice,
        Self::Start,
        Self::Bridge,
        Self::Federation,
    ];
}

struct World<'a> {
    server: &'a Server,
    drawn: &'a DrawnHabits,
    membership: Membership,
    users: Vec<NameId>,
    rooms: Vec<NameId>,
    polls: Polls,
    maker: Maker<'a>,
    agenda: BinaryHeap<Reverse<(i64, u64, Act)>>,
    number: u64,
    events: u64,
}

impl World<'_> {
    /// Runs until the length is reached; returns the seconds.
    fn run(&mut self, length: Length) -> f64 {
        for kind in Kind::ALL {
            self.next(kind, 0);
        }
        let (least, most) = (micros(length.seconds_min), micros(length.seconds_max));
        let mut end = most;
        while let Some(Reverse((at, _, act))) = self.agenda.pop() {
            if at >= most || at >= least && self.maker.trace.len() >= length.requests {
                end = at.min(most);
                break;
            }
            self.act(at, act);
        }
        self.polls.finish(end, &mut self.maker, &self.users);
        end.max(1) as f64 / 1e6
    }

    /// Events of a kind per second, of all together.
    fn rate(&self, kind: Kind) -> f64 {
        let online = self.users.len() as f64;
        let hourly = |habit: &str| online * self.drawn.value(habit);
        let each_hour = match kind {
            Kind::Talk => hourly("messages_per_hour") / self.drawn.value("burst"),
            Kind::Presence if self.server.presence => hourly("presence_changes_per_hour"),
            Kind::Presence => 0.0,
            Kind::Read => hourly("reads_per_hour"),
            Kind::Pagination => hourly("pagination_per_hour"),
            Kind::Media => hourly("media_per_hour"),
            Kind::Keys => hourly("keys_per_hour"),
            Kind::ToDevice => hourly("to_device_per_hour"),
            Kind::Start => hourly("starts_per_hour"),
            Kind::Bridge => {
                f64::from(self.server.bridges) * self.drawn.value("bridge_messages_per_hour") / self.drawn.value("bridge_burst")
            }
            Kind::Federation => {
                let events = self.server.federation.events_per_hour(self.server.users, self.drawn);
                events * self.drawn.value("federation_transactions")
            }
        };
        each_hour / 3600.0
    }

    fn next(&mut self, kind: Kind, now: i64) {
        let rate = self.rate(kind);
        if rate > 0.0 {
            let pause = next_exponential(&mut self.maker.random) / rate;
            self.later(now + micros(pause).max(1), Act::New(kind));
        }
    }

    fn later(&mut self, at: i64, act: Act) {
        self.number += 1;
        self.agenda.push(Reverse((at, self.number, act)));
    }

    fn somebody(&mut self) -> u32 {
        u32::try_from(chance::below(&mut self.maker.random, self.users.len())).unwrap_or(0)
    }

    fn act(&mut self, at: i64, act: Act) {
        match act {
            Act::New(kind) => {
                self.next(kind, at);
                self.begin(at, kind);
            }
            Act::Typing { user, room } => self.client(at, "typing", user, room, Some((TYPING, Audience::Room(room)))),
            Act::Send { user, room } => {
                self.events += 1;
                self.client(at, "send", user, room, Some((EVENTS, Audience::Room(room))));
                self.read_by_others(at, room, user);
            }
            Act::Receipt { user, room } => self.client(at, "receipt", user, room, Some((RECEIPTS, Audience::Room(room)))),
            Act::Bridged { bridge, ghost, room } => {
                self.events += 1;
                let user = self.maker.name(&format!("@bridge{bridge}_{ghost}:example.org"));
                let agent = self.maker.name(&format!("bridge{bridge}"));
                let request = Request { user, agent, room: self.rooms[room as usize], flags: flag::APPSERVICE, ..Request::default() };
                let (news, done) = self.maker.request(at, "send", request, Some(EVENTS));
                self.wake(done, news, EVENTS, Audience::Room(room));
                self.read_by_others(at, room, u32::MAX);
            }
        }
    }

    fn begin(&mut self, at: i64, kind: Kind) {
        match kind {
            Kind::Talk => self.talk(at),
            Kind::Presence => {
                let user = self.somebody();
                self.client(at, "presence", user, 0, Some((PRESENCE, Audience::Acquaintances(user))));
            }
            Kind::Read | Kind::Pagination => {
                let user = self.somebody();
                let room = self.membership.room_to_write_in(user, &mut self.maker.random);
                self.client(at, if kind == Kind::Read { "read" } else { "pagination" }, user, room, None);
            }
            Kind::Media | Kind::Keys => {
                let user = self.somebody();
                self.client(at, if kind == Kind::Media { "media" } else { "keys" }, user, 0, None);
            }
            Kind::ToDevice => {
                let (user, other) = (self.somebody(), self.somebody());
                self.client(at, "to_device", user, 0, Some((TO_DEVICE, Audience::User(other))));
            }
            Kind::Start => {
                let user = self.somebody();
                self.client(at, "initial_sync", user, 0, None);
                for number in 1..=READS_OF_A_START {
                    self.client(at + number * 400_000, if number % 3 == 0 { "keys" } else { "read" }, user, 0, None);
                }
            }
            Kind::Bridge => self.bridge(at),
            Kind::Federation => self.federation(at),
        }
    }

    /// Some messages one after another, with their typing notices.
    fn talk(&mut self, at: i64) {
        let user = self.somebody();
        let room = self.membership.room_to_write_in(user, &mut self.maker.random);
        let messages = chance::geometric(&mut self.maker.random, self.drawn.value("burst"));
        let mut at = at;
        for _ in 0..messages {
            let notices = chance::count(&mut self.maker.random, self.drawn.value("typing_per_message"));
            let writes_for = micros(1.0 + 6.0 * next_exponential(&mut self.maker.random));
            for notice in 0..notices {
                let at = if notice == 0 { at } else { at + writes_for - 1 };
                self.later(at, Act::Typing { user, room });
            }
            at += writes_for;
            self.later(at, Act::Send { user, room });
        }
    }

    fn read_by_others(&mut self, at: i64, room: u32, author: u32) {
        let members = self.membership.members[room as usize].len().max(1) as f64;
        let share = self.drawn.value("readers").min(self.drawn.value("readers_most") / members);
        for index in 0..self.membership.members[room as usize].len() {
            let user = self.membership.members[room as usize][index];
            if user != author && next_unit(&mut self.maker.random) <= share {
                let pause = 1.0 + 8.0 * next_exponential(&mut self.maker.random);
                self.later(at + micros(pause), Act::Receipt { user, room });
            }
        }
    }

    fn bridge(&mut self, at: i64) {
        let random = &mut self.maker.random;
        let bridge = u32::try_from(chance::below(random, self.server.bridges as usize)).unwrap_or(0);
        let room = self.membership.room_by_size(random);
        let messages = chance::geometric(random, self.drawn.value("bridge_burst"));
        for number in 0..messages {
            let ghost = u32::try_from(chance::below(&mut self.maker.random, GHOSTS)).unwrap_or(0);
            let after = i64::try_from(number).unwrap_or(0) * 20_000;
            self.later(at + after, Act::Bridged { bridge, ghost, room });
        }
    }

    /// A transaction of another server: an event for some, something that passes for the others; and what it asks for.
    fn federation(&mut self, at: i64) {
        let servers = self.server.federation.servers();
        // Few servers send most: the square of an even number is near 0.
        let even = next_unit(&mut self.maker.random);
        let peer = self.maker.name(&format!("server{}.example.net", whole(even * even * f64::from(servers))));
        let room = self.membership.room_by_size(&mut self.maker.random);
        let is_event = next_unit(&mut self.maker.random) * self.drawn.value("federation_transactions") <= 1.0;
        let stream = if is_event { EVENTS } else { RECEIPTS };
        self.events += u64::from(is_event);
        let request = Request { peer, ..Request::default() };
        let (news, done) = self.maker.request(at, "federation_send", request, Some(stream));
        self.wake(done, news, stream, Audience::Room(room));
        for _ in 0..chance::count(&mut self.maker.random, self.drawn.value("federation_reads")) {
            let request = Request { peer, room: self.rooms[room as usize], ..Request::default() };
            let pause = micros(next_exponential(&mut self.maker.random));
            self.maker.request(at + pause, "federation_read", request, None);
        }
    }

    /// A request of a user, and whom its news wakes.
    fn client(&mut self, at: i64, kind: &str, user: u32, room: u32, news: Option<(u16, Audience)>) {
        let room = if self.maker.names_a_room(kind) { self.rooms[room as usize] } else { NameId::NONE };
        let request = Request { user: self.users[user as usize], room, ..Request::default() };
        let (number, done) = self.maker.request(at, kind, request, news.map(|(stream, _)| stream));
        if let Some((stream, audience)) = news {
            self.wake(done, number, stream, audience);
        }
    }

    fn wake(&mut self, at: i64, news: u32, stream: u16, audience: Audience) {
        self.polls.wake(at, (news, stream), audience, &self.membership, &self.users, &mut self.maker);
    }
}

/// Streams as [`Request::news_stream`] numbers them.
const EVENTS: u16 = 1;
const PRESENCE: u16 = 2;
const TYPING: u16 = 3;
const RECEIPTS: u16 = 4;
const TO_DEVICE: u16 = 7;
/// What a client asks for when it starts, beside its sync.
const READS_OF_A_START: i64 = 6;
/// Users of a bridge who write.
const GHOSTS: usize = 20;
