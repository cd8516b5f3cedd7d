//! The long polls of all devices: each waits for news of its user, is answered when there is some or at its timeout, and comes back.

use rand_xoshiro::Xoshiro256PlusPlus;

use super::chance;
use super::maker::{Maker, ORIGIN_US, micros};
use super::server::Membership;
use wsim_simulate::random::next_exponential;
use wsim_trace::{NameId, Request, flag};

/// Whom a piece of news concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// All in a room, its author included.
    Room(u32),
    /// All who share a room with a user.
    Acquaintances(u32),
    User(u32),
}

pub(super) struct Polls {
    devices: Vec<Device>,
    /// Devices of each user.
    of_user: Vec<Vec<u32>>,
    think_ms: f64,
    /// The last news that each user got, so that nobody gets a piece of news twice.
    told: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Device {
    user: u32,
    /// When its poll began or, while it is away, will begin; µs.
    begins: i64,
    /// News that came while it was away: number, stream.
    pending: Option<(u32, u16)>,
}

impl Polls {
    /// `devices` are the users of all devices. Each is in the middle of a poll at the start.
    pub(super) fn new(devices: Vec<u32>, users: u32, think_ms: f64, random: &mut Xoshiro256PlusPlus) -> Self {
        let mut of_user = vec![Vec::new(); users as usize];
        for (device, user) in (0..).zip(&devices) {
            of_user[*user as usize].push(device);
        }
        let begins = |random: &mut Xoshiro256PlusPlus| i64::try_from(chance::below(random, 30_000_000)).unwrap_or(0) - TIMEOUT_US;
        let devices = devices.into_iter().map(|user| Device { user, begins: begins(random), pending: None }).collect();
        Self { devices, of_user, think_ms, told: vec![0; users as usize] }
    }

    /// Tells all whom news concerns.
    pub(super) fn wake(
        &mut self,
        at: i64,
        news: (u32, u16),
        audience: Audience,
        membership: &Membership,
        users: &[NameId],
        maker: &mut Maker<'_>,
    ) {
        match audience {
            Audience::User(user) => self.tell(user, at, news, users, maker),
            Audience::Room(room) => membership.members[room as usize].iter().for_each(|user| self.tell(*user, at, news, users, maker)),
            Audience::Acquaintances(user) => {
                let rooms = membership.rooms[user as usize].iter();
                let all = rooms.flat_map(|room| &membership.members[*room as usize]);
                all.for_each(|other| self.tell(*other, at, news, users, maker));
            }
        }
    }

    fn tell(&mut self, user: u32, at: i64, news: (u32, u16), users: &[NameId], maker: &mut Maker<'_>) {
        if self.told[user as usize] == news.0 {
            return;
        }
        self.told[user as usize] = news.0;
        for index in 0..self.of_user[user as usize].len() {
            let device = self.of_user[user as usize][index] as usize;
            self.advance(device, at, users, maker);
            let Device { begins, pending, .. } = self.devices[device];
            if begins > at {
                self.devices[device].pending = pending.or(Some(news));
            } else {
                self.answer(device, at, Some(news), users, maker);
            }
        }
    }

    /// Answers what comes before an instant by itself: polls that find news when they begin, and those that run into their timeout.
    fn advance(&mut self, device: usize, at: i64, users: &[NameId], maker: &mut Maker<'_>) {
        loop {
            let Device { begins, pending, .. } = self.devices[device];
            match pending {
                Some(news) if begins <= at => {
                    self.devices[device].pending = None;
                    self.answer(device, begins, Some(news), users, maker);
                }
                None if begins + TIMEOUT_US <= at => self.answer(device, begins + TIMEOUT_US, None, users, maker),
                _ => return,
            }
        }
    }

    /// Answers a device's poll at an instant.
    fn answer(&mut self, device: usize, at: i64, news: Option<(u32, u16)>, users: &[NameId], maker: &mut Maker<'_>) {
        let Device { user, begins, .. } = self.devices[device];
        let timeout_ms = u32::try_from(TIMEOUT_US / 1000).unwrap_or(30_000);
        let request = Request { user: users[user as usize], timeout_ms, flags: flag::LONG_POLL | flag::QUERY, ..Request::default() };
        let Some(mut priced) = maker.priced("sync", request) else { return };
        if news.is_none() {
            // A poll that ran into its timeout has nothing to tell.
            (priced.cpu_us, priced.db_txn_us, priced.db_count, priced.wall_us) = (priced.cpu_us / 3, 0, 0, priced.cpu_us / 3);
        }
        let waited = u32::try_from(at - begins).unwrap_or(0);
        priced.wall_us = priced.wall_us.saturating_add(waited);
        priced.woken_us = if news.is_some() { waited } else { 0 };
        (priced.news, priced.news_stream) = news.unwrap_or((0, 0));
        priced.arrival_us = ORIGIN_US + begins;
        let ends = begins + i64::from(priced.wall_us);
        if begins >= 0 {
            maker.trace.push(priced);
        }
        let think = self.think_ms * 1000.0 * (0.5 + 0.5 * next_exponential(&mut maker.random));
        self.devices[device].begins = ends + micros(think / 1e6).max(1000);
    }

    /// Answers what is due until the end; polls that still wait then are not in the trace, as they would be in no log.
    pub(super) fn finish(&mut self, end: i64, maker: &mut Maker<'_>, users: &[NameId]) {
        for device in 0..self.devices.len() {
            self.advance(device, end, users, maker);
        }
    }
}

/// The timeout of a client's poll: 30 s in Element and matrix-js-sdk.
const TIMEOUT_US: i64 = 30_000_000;
