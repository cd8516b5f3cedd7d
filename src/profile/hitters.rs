//! The sources of most load: the heaviest users, rooms, servers, addresses and agents.

use wsim_stats::{HeavySummary, Hitter, Tally};
use wsim_trace::{NameId, Names, Request, flag};

use super::model::{HeavyHitter, HeavyHitters};

/// One summary per kind of name; exact as long as a kind has no more names than the limits at the end of this file.
#[derive(Debug, Clone)]
pub(super) struct HitterCounters {
    users: HeavySummary,
    rooms: HeavySummary,
    origins: HeavySummary,
    addresses: HeavySummary,
    agents: HeavySummary,
    appservices: HeavySummary,
}

/// Converts tallies into CPU and shares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// Inferred demand divided by prior demand; `None` if neither logged nor inferred CPU is known.
    pub(super) nominal: Option<f64>,
    /// All CPU of clients and servers, seconds.
    pub(super) cpu_seconds: f64,
    /// All requests of clients and servers.
    pub(super) requests: u64,
}

impl HitterCounters {
    pub(super) fn new() -> Self {
        Self {
            users: HeavySummary::new(USERS),
            rooms: HeavySummary::new(ROOMS),
            origins: HeavySummary::new(ORIGINS),
            addresses: HeavySummary::new(ADDRESSES),
            agents: HeavySummary::new(AGENTS),
            appservices: HeavySummary::new(APPSERVICES),
        }
    }

    pub(super) fn observe(&mut self, r: &Request, federation: bool, nominal_us: u32, names: &Names) {
        let cost_us = if r.has(flag::COST) { r.cpu_us } else { 0 };
        let tally = Tally { count: 1, cost_us: cost_us.into(), nominal_us: nominal_us.into() };
        let add = |summary: &mut HeavySummary, name: NameId| {
            if name.is_some() {
                summary.add(names.hash(name), tally, || names.text(name));
            }
        };
        add(&mut self.users, r.user);
        add(&mut self.rooms, r.room);
        add(if federation { &mut self.origins } else { &mut self.addresses }, r.peer);
        add(&mut self.agents, r.agent);
        if r.has(flag::APPSERVICE) {
            add(&mut self.appservices, r.user);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.users.merge(other.users);
        self.rooms.merge(other.rooms);
        self.origins.merge(other.origins);
        self.addresses.merge(other.addresses);
        self.agents.merge(other.agents);
        self.appservices.merge(other.appservices);
    }

    pub(super) fn finish(&self, scale: Scale, user_key: Option<&str>) -> HeavyHitters {
        HeavyHitters {
            users: scale.heaviest(&self.users),
            rooms: scale.heaviest(&self.rooms),
            origins: scale.heaviest(&self.origins),
            addresses: scale.heaviest(&self.addresses),
            agents: scale.heaviest(&self.agents),
            appservices: scale.heaviest(&self.appservices),
            user_hhi: self.users.concentration(|tally| scale.weight(tally)),
            distinct_users: self.users.len() as u64,
            user_key: user_key.map_or_else(|| guess_user_key(&self.users).to_owned(), str::to_owned),
        }
    }
}

impl Scale {
    fn cpu_seconds(&self, tally: &Tally) -> Option<f64> {
        self.nominal.map(|factor| (tally.cost_us as f64 + tally.nominal_us as f64 * factor) / 1e6)
    }

    /// CPU where it is known and above zero, else requests.
    fn weight(&self, tally: &Tally) -> f64 {
        self.cpu_seconds(tally).filter(|_| self.cpu_seconds > 0.0).unwrap_or(tally.count as f64)
    }

    fn heaviest(&self, summary: &HeavySummary) -> Vec<HeavyHitter> {
        let mut order: Vec<Hitter<'_>> = summary.hitters().collect();
        order.sort_by(|a, b| {
            self.weight(&b.tally).total_cmp(&self.weight(&a.tally)).then(b.tally.count.cmp(&a.tally.count)).then_with(|| a.name.cmp(b.name))
        });
        let total = if self.nominal.is_some() && self.cpu_seconds > 0.0 { self.cpu_seconds } else { self.requests as f64 };
        let heavy = |hitter: Hitter<'_>| HeavyHitter {
            name: hitter.name.to_owned(),
            requests: hitter.tally.count,
            cpu_seconds: self.cpu_seconds(&hitter.tally),
            share: if total > 0.0 { (self.weight(&hitter.tally) / total).min(1.0) } else { 0.0 },
        };
        order.into_iter().take(LISTED).map(heavy).collect()
    }
}

/// Requesters in Synapse's log are Matrix ids; any other name in a trace is a stand-in.
fn guess_user_key(users: &HeavySummary) -> &'static str {
    let requesters = users.hitters().filter(|h| h.name.starts_with('@')).count();
    match (users.len(), requesters) {
        (0, _) => "unknown",
        (all, some) if 2 * some >= all => "requester in Synapse's log",
        _ => "stand-in from the proxy's log",
    }
}

const LISTED: usize = 20;
const USERS: usize = 16_384;
const ROOMS: usize = 8192;
const ORIGINS: usize = 4096;
const ADDRESSES: usize = 8192;
const AGENTS: usize = 1024;
const APPSERVICES: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{costed, request};

    #[test]
    fn the_peer_of_federation_is_a_server_and_else_an_address() {
        let mut names = Names::new();
        let (server, address) = (names.intern(b"other.example"), names.intern(b"192.0.2.1"));
        let mut hitters = HitterCounters::new();
        hitters.observe(&Request { peer: server, ..request(0) }, true, 0, &names);
        hitters.observe(&Request { peer: address, ..request(0) }, false, 0, &names);
        let lists = hitters.finish(Scale { nominal: None, cpu_seconds: 0.0, requests: 2 }, None);
        assert_eq!((lists.origins[0].name.as_str(), lists.origins[0].share), ("other.example", 0.5));
        assert_eq!(lists.addresses[0].name, "192.0.2.1");
    }

    #[test]
    fn users_rank_by_cpu_and_not_by_requests() {
        let mut names = Names::new();
        let (busy, costly) = (names.intern(b"@busy:x"), names.intern(b"@costly:x"));
        let mut hitters = HitterCounters::new();
        for _ in 0..9 {
            hitters.observe(&Request { user: busy, ..costed(0, 0, 1000) }, false, 0, &names);
        }
        hitters.observe(&Request { user: costly, ..costed(0, 0, 91_000) }, false, 0, &names);
        let lists = hitters.finish(Scale { nominal: Some(0.0), cpu_seconds: 0.1, requests: 10 }, None);
        assert_eq!(lists.users.iter().map(|h| h.name.as_str()).collect::<Vec<_>>(), ["@costly:x", "@busy:x"]);
        assert!((lists.users[0].share - 0.91).abs() < 1e-12);
        assert!((lists.user_hhi.unwrap() - (0.91f64.powi(2) + 0.09f64.powi(2))).abs() < 1e-12);
        assert_eq!(lists.user_key, "requester in Synapse's log");
    }
}
