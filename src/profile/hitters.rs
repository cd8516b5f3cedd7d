//! The sources of most load: the heaviest users, rooms, servers, addresses and agents.
//!
//! Sums are kept by the ids of names, which is exact. Without a trace names come and go with the lines: before their ids become void the
//! sums go by hash into a summary of fixed size, which is exact up to the limits at the end of this file; beyond them it estimates. Neither
//! depends on the order of requests or on the number of threads.

use wsim_stats::random::mix;
use wsim_stats::{Distinct, HeavySummary, IdTallies, Tally};
use wsim_trace::names::Kind;
use wsim_trace::{NameId, Names, Request, flag};

use super::model::{HeavyHitter, HeavyHitters, Precision};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    User,
    Room,
    Origin,
    Address,
    Agent,
    Appservice,
}

impl Counted {
    const ALL: [Self; 6] = [Self::User, Self::Room, Self::Origin, Self::Address, Self::Agent, Self::Appservice];

    /// In [`IdTallies`].
    fn number(self) -> u8 {
        self as u8 + 1
    }

    /// The names of a request.
    #[inline]
    fn in_request(r: &Request, federation: bool) -> [(Self, NameId); 5] {
        [
            (Self::User, r.user),
            (Self::Room, r.room),
            (if federation { Self::Origin } else { Self::Address }, r.peer),
            (Self::Agent, r.agent),
            (Self::Appservice, if r.has(flag::APPSERVICE) { r.user } else { NameId::NONE }),
        ]
    }

    /// Names that are counted one by one without a trace, in up to 112 bytes each.
    fn capacity(self) -> usize {
        match self {
            Self::User => 262_144,
            Self::Room | Self::Address => 131_072,
            Self::Origin | Self::Agent | Self::Appservice => 65_536,
        }
    }
}

/// The sums of all names.
#[derive(Debug, Clone)]
pub(super) struct HitterCounters<'t> {
    /// By the ids of names that are valid.
    tallies: IdTallies,
    names: Counters<'t>,
}

/// Where the sums are in the end.
#[derive(Debug, Clone)]
enum Counters<'t> {
    /// Of names whose ids become void. In the order of [`Counted::ALL`].
    Streamed(Box<[HeavySummary; Counted::ALL.len()]>),
    /// By id in the names of a trace.
    Traced(&'t Names),
}

/// Converts tallies into CPU and shares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// Inferred demand divided by prior demand; `None` if neither logged nor inferred CPU is known.
    pub(super) nominal: Option<f64>,
    /// All CPU, that of requests between processes included, seconds.
    pub(super) cpu_seconds: f64,
    /// All requests of clients and servers.
    pub(super) requests: u64,
}

impl<'t> HitterCounters<'t> {
    /// Counts requests whose names are valid until [`Self::forget`].
    pub(super) fn streamed() -> Self {
        let summaries = Counted::ALL.map(|kind| HeavySummary::new(kind.capacity()));
        Self { tallies: IdTallies::default(), names: Counters::Streamed(Box::new(summaries)) }
    }

    /// Counts requests whose names are all in `names`.
    pub(super) fn traced(names: &'t Names) -> Self {
        Self { tallies: IdTallies::default(), names: Counters::Traced(names) }
    }

    /// Lets the memory of a request's names arrive, which is observed a little later.
    #[inline]
    pub(super) fn prefetch(&self, r: &Request) {
        for name in [r.user, r.room, r.peer] {
            self.tallies.prefetch(name.0);
        }
    }

    #[inline]
    pub(super) fn observe(&mut self, r: &Request, federation: bool, nominal_us: u32, names: &Names) {
        let cost_us = if r.has(flag::COST) { r.cpu_us } else { 0 };
        let tally = Tally { count: 1, cost_us: cost_us.into(), nominal_us: nominal_us.into() };
        let occurrence = match self.names {
            Counters::Streamed(_) => Some(occurrence(r)),
            Counters::Traced(_) => None,
        };
        for (kind, name) in Counted::in_request(r, federation) {
            if name.is_some() {
                let level = occurrence.map_or(0, |occurrence| HeavySummary::level(names.hash(name), occurrence, tally));
                self.tallies.add(kind.number(), name.0, tally, level);
            }
        }
    }

    /// Takes leave of the ids in `names`, which were those of all requests since the last time.
    pub(super) fn forget(&mut self, names: &Names) {
        let Counters::Streamed(summaries) = &mut self.names else { return };
        for sums in self.tallies.iter() {
            let name = NameId(sums.id);
            summaries[usize::from(sums.kind) - 1].add(names.hash(name), sums.tally, sums.level, || names.text(name));
        }
        self.tallies.clear();
    }

    /// Adds the counts of another, after both have taken leave of ids that become void.
    pub(super) fn merge(&mut self, other: Self) {
        match (&mut self.names, other.names) {
            (Counters::Streamed(own), Counters::Streamed(other)) => {
                own.iter_mut().zip(*other).for_each(|(own, other)| own.merge(other));
            }
            (Counters::Traced(_), Counters::Traced(_)) => self.tallies.merge(other.tallies),
            _ => debug_assert!(false, "profilers of one input"),
        }
    }

    pub(super) fn finish(&self, scale: Scale, user_key: Option<&str>) -> HeavyHitters {
        match &self.names {
            Counters::Streamed(summaries) => {
                debug_assert!(self.tallies.is_empty(), "the names are forgotten");
                lists(user_key, |kind| {
                    let summary = &summaries[kind as usize];
                    scale.rank(summary.hitters().map(|h| (h.name, h.tally)), summary.total(), summary.distinct())
                })
            }
            Counters::Traced(names) => lists(user_key, |kind| {
                let of_kind = || self.tallies.iter().filter(|sums| sums.kind == kind.number());
                let distinct = Distinct { count: of_kind().count() as u64, exact: true };
                let total = of_kind().map(|sums| sums.tally).sum();
                scale.rank(of_kind().map(|sums| (names.text(NameId(sums.id)), sums.tally)), total, distinct)
            }),
        }
    }
}

/// A hash of what happened. It must not depend on ids of names, which differ between threads.
#[inline]
fn occurrence(r: &Request) -> u64 {
    let what = u64::from(r.endpoint.0) << 48 | u64::from(r.status) << 32 | u64::from(r.wall_us);
    let sizes = u64::from(r.bytes_sent) << 32 | u64::from(r.cpu_us);
    mix(mix(mix(r.arrival_us.cast_unsigned()) ^ what) ^ sizes ^ r.request_id)
}

fn lists(user_key: Option<&str>, rank: impl Fn(Counted) -> Ranking) -> HeavyHitters {
    let mut estimated = Vec::new();
    let mut list = |name: &str, kind: Counted| {
        let ranking = rank(kind);
        if !ranking.distinct.exact {
            estimated.push(name.to_owned());
        }
        ranking
    };
    let users = list("users", Counted::User);
    HeavyHitters {
        user_hhi: users.concentration,
        distinct_users: users.distinct.count,
        distinct_users_are: users.precision(),
        user_key: user_key.map_or_else(|| users.guess_user_key().to_owned(), str::to_owned),
        users: users.heaviest,
        rooms: list("rooms", Counted::Room).heaviest,
        origins: list("origins", Counted::Origin).heaviest,
        addresses: list("addresses", Counted::Address).heaviest,
        agents: list("agents", Counted::Agent).heaviest,
        appservices: list("appservices", Counted::Appservice).heaviest,
        estimated,
    }
}

/// What is said of one kind of name.
struct Ranking {
    heaviest: Vec<HeavyHitter>,
    concentration: Option<f64>,
    distinct: Distinct,
    /// Names that were looked at, and those of them that are Matrix ids.
    seen: (u64, u64),
    /// Some names were not kept, and their requests count as those of one name.
    at_least: bool,
}

impl Ranking {
    fn precision(&self) -> Precision {
        match (self.distinct.exact, self.at_least) {
            (_, true) => Precision::AtLeast,
            (true, false) => Precision::Exact,
            (false, false) => Precision::About,
        }
    }

    /// Requesters in Synapse's log are Matrix ids; any other name in a trace is a stand-in.
    fn guess_user_key(&self) -> &'static str {
        match self.seen {
            (0, _) => "unknown",
            (all, some) if 2 * some >= all => "requester in Synapse's log",
            _ => "stand-in from the proxy's log",
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

    /// Ranks names, which come in no particular order. `total` are the sums over all of them and those that are not among them.
    fn rank<'a>(&self, names: impl Iterator<Item = (&'a str, Tally)>, total: Tally, distinct: Distinct) -> Ranking {
        let mut listed: Vec<(&str, Tally)> = Vec::with_capacity(LISTED + 1);
        let mut squares = Squares::default();
        let (mut seen, mut others, mut merged) = ((0, 0), false, false);
        for (name, tally) in names {
            seen = (seen.0 + 1, seen.1 + u64::from(name.starts_with('@')));
            others = others || Kind::is_others(name);
            // Stand-ins of one address whose agents were not kept are one name.
            merged = merged || name.ends_with(Kind::Agent.others());
            squares.add(&tally);
            let before = |(other, sums): &(&str, Tally)| {
                let by_weight = self.weight(sums).total_cmp(&self.weight(&tally));
                by_weight.then(sums.count.cmp(&tally.count)).then_with(|| name.cmp(*other)).is_gt()
            };
            let position = listed.partition_point(before);
            if position < LISTED {
                listed.insert(position, (name, tally));
                listed.truncate(LISTED);
            }
        }
        let all = if self.nominal.is_some() && self.cpu_seconds > 0.0 { self.cpu_seconds } else { self.requests as f64 };
        let heavy = |(name, tally): (&str, Tally)| HeavyHitter {
            name: name.to_owned(),
            requests: tally.count,
            cpu_seconds: self.cpu_seconds(&tally),
            share: if all > 0.0 { (self.weight(&tally) / all).min(1.0) } else { 0.0 },
        };
        let sum = self.weight(&total);
        Ranking {
            heaviest: listed.into_iter().map(heavy).collect(),
            concentration: (sum > 0.0).then(|| (squares.of(self) / (sum * sum)).min(1.0)),
            distinct: Distinct { count: distinct.count - u64::from(others), ..distinct },
            seen,
            at_least: others || merged,
        }
    }
}

/// Sums of squares, for the Herfindahl-Hirschman index: integers, so that rounding cannot depend on an order.
#[derive(Default)]
struct Squares {
    count: u128,
    cost: u128,
    cost_nominal: u128,
    nominal: u128,
}

impl Squares {
    fn add(&mut self, tally: &Tally) {
        let [count, cost, nominal] = [tally.count, tally.cost_us, tally.nominal_us].map(u128::from);
        self.count = self.count.saturating_add(count * count);
        self.cost = self.cost.saturating_add(cost * cost);
        self.cost_nominal = self.cost_nominal.saturating_add(cost * nominal);
        self.nominal = self.nominal.saturating_add(nominal * nominal);
    }

    /// The sum of the squares of all weights.
    fn of(&self, scale: &Scale) -> f64 {
        match scale.nominal.filter(|_| scale.cpu_seconds > 0.0) {
            Some(factor) => (self.cost as f64 + 2.0 * factor * self.cost_nominal as f64 + factor * factor * self.nominal as f64) / 1e12,
            None => self.count as f64,
        }
    }
}

const LISTED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{costed, request};

    #[test]
    fn the_peer_of_federation_is_a_server_and_else_an_address() {
        let mut names = Names::new();
        let (server, address) = (names.intern(b"other.example"), names.intern(b"192.0.2.1"));
        let mut hitters = HitterCounters::streamed();
        hitters.observe(&Request { peer: server, ..request(0) }, true, 0, &names);
        hitters.observe(&Request { peer: address, ..request(0) }, false, 0, &names);
        hitters.forget(&names);
        let lists = hitters.finish(Scale { nominal: None, cpu_seconds: 0.0, requests: 2 }, None);
        assert_eq!((lists.origins[0].name.as_str(), lists.origins[0].share), ("other.example", 0.5));
        assert_eq!(lists.addresses[0].name, "192.0.2.1");
    }

    #[test]
    fn users_rank_by_cpu_and_not_by_requests() {
        let mut names = Names::new();
        let (busy, costly) = (names.intern(b"@busy:x"), names.intern(b"@costly:x"));
        let mut hitters = HitterCounters::streamed();
        for _ in 0..9 {
            hitters.observe(&Request { user: busy, ..costed(0, 0, 1000) }, false, 0, &names);
        }
        hitters.observe(&Request { user: costly, ..costed(0, 0, 91_000) }, false, 0, &names);
        hitters.forget(&names);
        let lists = hitters.finish(Scale { nominal: Some(0.0), cpu_seconds: 0.1, requests: 10 }, None);
        assert_eq!(lists.users.iter().map(|h| h.name.as_str()).collect::<Vec<_>>(), ["@costly:x", "@busy:x"]);
        assert!((lists.users[0].share - 0.91).abs() < 1e-12);
        assert!((lists.user_hhi.unwrap() - (0.91f64.powi(2) + 0.09f64.powi(2))).abs() < 1e-12);
        assert_eq!(lists.user_key, "requester in Synapse's log");
    }

    /// Requests of 40,000 users, of whom user n has a share like 1 / n.
    fn crowd() -> (Names, Vec<Request>) {
        let mut names = Names::new();
        let users: Vec<NameId> = (0..40_000).map(|user| names.intern(format!("@user{user}:x").as_bytes())).collect();
        let count = |user: usize| 4000 / (user + 1) + 1;
        let requests = users.iter().enumerate().flat_map(|(number, &user)| (0..count(number)).map(move |n| (number, n, user)));
        let requests = requests.map(|(number, n, user)| Request { user, ..costed(i64::try_from(number * 7 + n).unwrap(), 0, 1000) });
        (names, requests.collect())
    }

    fn counted<'t>(new: impl Fn() -> HitterCounters<'t>, names: &Names, requests: &[Request], parts: usize) -> HeavyHitters {
        let mut counters: Vec<HitterCounters<'t>> = (0..parts).map(|_| new()).collect();
        for (number, request) in requests.iter().enumerate() {
            counters[number % parts].observe(request, false, 0, names);
            // Ids may become void at any time.
            if number % 10_007 == 0 {
                counters[number % parts].forget(names);
            }
        }
        counters.iter_mut().for_each(|counter| counter.forget(names));
        let sum = counters.into_iter().reduce(|mut sum, part| {
            sum.merge(part);
            sum
        });
        sum.unwrap().finish(Scale { nominal: Some(0.0), cpu_seconds: requests.len() as f64 / 1e3, requests: requests.len() as u64 }, None)
    }

    #[test]
    fn by_id_and_by_hash_the_same_is_counted_in_any_number_of_parts() {
        let (names, requests) = crowd();
        let whole = counted(HitterCounters::streamed, &names, &requests, 1);
        assert_eq!((whole.distinct_users, whole.distinct_users_are), (40_000, Precision::Exact));
        assert_eq!((whole.users[0].name.as_str(), whole.users[0].requests), ("@user0:x", 4001));
        for parts in [1, 2, 3] {
            assert_eq!(counted(HitterCounters::streamed, &names, &requests, parts), whole);
            assert_eq!(counted(|| HitterCounters::traced(&names), &names, &requests, parts), whole);
        }
    }

    #[test]
    fn more_users_than_can_be_counted_one_by_one_are_estimated_alike_in_any_number_of_parts() {
        let (names, mut requests) = crowd();
        requests.reverse();
        let few = || {
            let mut counters = HitterCounters::streamed();
            let Counters::Streamed(summaries) = &mut counters.names else { panic!("streamed") };
            summaries[Counted::User as usize] = HeavySummary::new(4096);
            counters
        };
        let whole = counted(few, &names, &requests, 1);
        for parts in [2, 3, 8] {
            assert_eq!(counted(few, &names, &requests, parts), whole);
        }
        let exact = counted(|| HitterCounters::traced(&names), &names, &requests, 2);
        assert_eq!((whole.distinct_users_are, whole.estimated.as_slice()), (Precision::About, ["users".to_owned()].as_slice()));
        assert!((whole.distinct_users as f64 / 40_000.0 - 1.0).abs() < 0.03, "{}", whole.distinct_users);
        assert!((whole.user_hhi.unwrap() / exact.user_hhi.unwrap() - 1.0).abs() < 0.05, "{:?} {:?}", whole.user_hhi, exact.user_hhi);
        for (estimate, truth) in whole.users.iter().zip(&exact.users).take(10) {
            assert_eq!(estimate.name, truth.name);
            assert!(estimate.requests.abs_diff(truth.requests) < 20, "{estimate:?} {truth:?}");
        }
    }

    #[test]
    fn users_that_were_not_kept_make_the_number_a_lower_bound() {
        let mut names = Names::new();
        let (one, others) = (names.intern(b"@one:x"), names.intern(Kind::User.others().as_bytes()));
        let requests = [one, others, others].map(|user| Request { user, ..request(0) });
        let hitters = counted(|| HitterCounters::traced(&names), &names, &requests, 1);
        assert_eq!((hitters.distinct_users, hitters.distinct_users_are), (1, Precision::AtLeast));
    }
}
