//! The server that a size is asked for, and who is in which room.

use rand_xoshiro::Xoshiro256PlusPlus;

use crate::habits::DrawnHabits;
use crate::size::chance;

/// What is known of a server without a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Accounts.
    pub users: u32,
    /// Rooms; `None`: as many as the habits say.
    pub rooms: Option<u32>,
    pub federation: Federation,
    pub bridges: u32,
    /// Whether presence is on (`presence: enabled`).
    pub presence: bool,
}

/// How much other servers send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Federation {
    None,
    /// Rooms of some dozen servers.
    Small,
    /// Public rooms of thousands of servers.
    Large,
}

impl Federation {
    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Small => "small",
            Self::Large => "large",
        }
    }

    /// Events from other servers in an hour.
    pub(super) fn events_per_hour(self, users: u32, habits: &DrawnHabits) -> f64 {
        let of = |each: &str, floor: &str| habits.value(floor) + habits.value(each) * f64::from(users);
        match self {
            Self::None => 0.0,
            Self::Small => of("federation_small", "federation_floor_small"),
            Self::Large => of("federation_large", "federation_floor_large"),
        }
    }

    /// How many servers send.
    pub(super) fn servers(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Small => 12,
            Self::Large => 500,
        }
    }
}

/// The rooms of the users who are online. Sizes follow Zipf's law: the largest room has many, most have few.
pub(super) struct Membership {
    /// Online users of each room.
    pub(super) members: Vec<Vec<u32>>,
    /// Rooms of each online user.
    pub(super) rooms: Vec<Vec<u32>>,
    /// Running sum of the rooms' sizes.
    sizes: Vec<f64>,
}

impl Membership {
    pub(super) fn new(server: &Server, online: u32, habits: &DrawnHabits, random: &mut Xoshiro256PlusPlus) -> Self {
        let each = habits.value("rooms_per_user");
        let by_habit = f64::from(server.users) * each / habits.value("people_per_room").max(1.0);
        let count = server.rooms.map_or(by_habit, f64::from).clamp(1.0, ROOMS_MAX);
        let count = whole(count);
        let weights = running_sum((1..=count).map(|rank| (rank as f64).powf(-ZIPF)));
        let mut members = vec![Vec::new(); count];
        let mut rooms = Vec::new();
        for user in 0..online {
            let mut own: Vec<u32> = Vec::new();
            let wanted = chance::count(random, each.min(count as f64 * 0.8)).max(1);
            for _ in 0..wanted * 3 {
                let room = chance::pick(random, &weights);
                if own.len() < wanted && !own.contains(&id(room)) {
                    own.push(id(room));
                    members[room].push(user);
                }
            }
            rooms.push(own);
        }
        let sizes = running_sum(members.iter().map(|members| members.len() as f64));
        Self { members, rooms, sizes }
    }

    /// A room that a user writes in: the smaller the likelier, because most of what is said is said among few.
    pub(super) fn room_to_write_in(&self, user: u32, random: &mut Xoshiro256PlusPlus) -> u32 {
        let own = &self.rooms[user as usize];
        let weights = running_sum(own.iter().map(|room| 1.0 / (self.members[*room as usize].len().max(1) as f64).sqrt()));
        own.get(chance::pick(random, &weights)).copied().unwrap_or(0)
    }

    /// A room by its size.
    pub(super) fn room_by_size(&self, random: &mut Xoshiro256PlusPlus) -> u32 {
        id(chance::pick(random, &self.sizes))
    }
}

fn running_sum(values: impl Iterator<Item = f64>) -> Vec<f64> {
    values
        .scan(0.0, |sum, value| {
            *sum += value;
            Some(*sum)
        })
        .collect()
}

fn id(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped between one and ROOMS_MAX")]
fn whole(count: f64) -> usize {
    count.round() as usize
}

const ROOMS_MAX: f64 = 1e6;
/// Exponent of Zipf's law; assumed, as for most sizes of groups of people.
const ZIPF: f64 = 0.7;
