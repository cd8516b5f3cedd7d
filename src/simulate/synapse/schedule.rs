//! The arrivals of a run: the observed users, more or fewer of them, the same users with more to do, or a resample.
//!
//! Which users there are, and by how much clones are shifted, is decided by [`wsim_trace::population`], for replays too. A clone has a name of its
//! own, so that hash rules may send it to another server than its original.
//!
//! A long poll is part of a chain: its device sends it when the one before has ended. What wakes it is a piece of news, of which a grown
//! population has copies: those of the clones of its writer in the same rooms ([`GrowthKind::People`]), or those of a more active writer
//! ([`GrowthKind::Activity`]). A device then gets each of them, in the order of time ([`super::poll_chains`]).
//!
//! Invariant: the schedule is a function of the workload, the population and the seed alone, so that strategies are compared on one
//! schedule.

pub use super::growth::GrowthKind;

use super::poll_chains::{ChainBuilder, PollChains};
use super::record::{Record, mark};
use super::workload::Workload;
use crate::engine::random::{Purpose, draw, unit};
use crate::engine::time::{Span, Time};
use wsim_trace::population::{self, CopyCounts};

/// How the simulated population is derived from the observed one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Population {
    /// Users per observed user, or requests per observed request.
    pub growth: f64,
    /// What grows.
    pub kind: GrowthKind,
    /// Draw users with replacement.
    pub resample: bool,
    /// Redraw the sub-second parts of arrival times that were drawn when the log was read.
    pub redraw: bool,
}

impl Population {
    /// The users as observed.
    pub const OBSERVED: Self = Self { growth: 1.0, kind: GrowthKind::Rooms, resample: false, redraw: false };
    /// The variation between replications: users resampled, sub-second arrival times redrawn.
    pub const RESAMPLED: Self = Self { resample: true, redraw: true, ..Self::OBSERVED };
}

/// The arrivals of one run. A long poll that follows another is not part of the schedule: its device sends it when the one before has ended.
#[derive(Debug, Clone)]
pub struct Schedule {
    order: Vec<Occurrence>,
    seed: u64,
    arrival_seed: u64,
    span: Span,
    population: Population,
    /// Copies of users.
    copies: CopyCounts,
    /// One bit for each record: whether its original user is in the population. Empty where that is not known beforehand.
    present: Vec<u64>,
    /// Rooms of their own per observed room.
    room_copies: u16,
    /// Chains other than the workload's own.
    chains: Option<PollChains>,
}

/// One copy of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// Index into the workload's records.
    pub record: u32,
    /// 0 is the user, others are clones.
    pub copy: u16,
    /// 0 is what the user did or got in the log, others repeat that: more activity, or for a long poll the news of more people.
    pub repetition: u16,
}

impl Occurrence {
    /// The request as observed.
    pub fn observed(record: u32) -> Self {
        Self { record, copy: 0, repetition: 0 }
    }

    /// A number that is the same for all strategies and different for every copy of every request.
    pub fn identity(self) -> u64 {
        u64::from(self.record) | u64::from(self.copy) << 32 | u64::from(self.repetition) << 48
    }
}

impl Schedule {
    /// Draws the arrivals of a population.
    pub fn draw(workload: &Workload, population: Population, seed: u64) -> Self {
        Self::draw_users(workload, population, seed, seed)
    }

    /// Draws the users by one seed and what the log does not have of their arrival times by another: the same people once more.
    pub fn draw_users(workload: &Workload, population: Population, seed: u64, arrival_seed: u64) -> Self {
        let population = if population.growth == 1.0 { Population { kind: GrowthKind::Rooms, ..population } } else { population };
        let users = if population.kind == GrowthKind::Activity { 1.0 } else { population.growth };
        let own_rooms = if population.kind == GrowthKind::Rooms { population.growth.ceil().clamp(1.0, f64::from(u16::MAX)) } else { 1.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let room_copies = own_rooms as u16;
        let copies = copy_counts(workload, population.resample, users, seed);
        let (order, present) = (Vec::new(), Vec::new());
        let mut schedule = Self { order, seed, arrival_seed, span: workload.span, population, copies, present, room_copies, chains: None };
        if population.kind == GrowthKind::Rooms {
            schedule.order_of_clones(workload);
        } else {
            schedule.order_of_chains(workload);
        }
        schedule
    }

    /// Users with all their requests and chains of polls.
    fn order_of_clones(&mut self, workload: &Workload) {
        self.order.reserve_exact(workload.records.len());
        self.present = vec![0; workload.records.len().div_ceil(64)];
        let mut sorted = !self.population.redraw;
        for (record, index) in workload.records.iter().zip(0u32..) {
            let count = self.copies.of(record.actor(index));
            sorted &= count <= 1;
            self.present[index as usize / 64] |= u64::from(count > 0) << (index % 64);
            for copy in 0..narrow(count) {
                let occurrence = Occurrence { copy, ..Occurrence::observed(index) };
                if !record.has(mark::FOLLOWS_POLL) || self.starts_new_chain(workload, occurrence) {
                    self.order.push(occurrence);
                }
            }
        }
        if !sorted {
            self.sort(workload);
        }
    }

    /// Users with their requests, repeated as often as they are, and chains of as many polls as there is news.
    fn order_of_chains(&mut self, workload: &Workload) {
        let mut chains = ChainBuilder::default();
        for (record, index) in workload.records.iter().zip(0u32..) {
            let is_poll = record.has(mark::LONG_POLL);
            let repetitions = match self.population.kind {
                _ if is_poll => self.news_count(workload, record),
                GrowthKind::Activity => self.repeated(index.into()),
                GrowthKind::Rooms | GrowthKind::People => 1,
            };
            if is_poll {
                chains.observe(record, index);
            }
            for copy in 0..narrow(self.copies.of(record.actor(index))) {
                for repetition in 0..repetitions {
                    let occurrence = Occurrence { record: index, copy, repetition };
                    if is_poll {
                        chains.push(occurrence, self.wakeup(workload, occurrence));
                    } else {
                        self.order.push(occurrence);
                    }
                }
            }
        }
        self.chains = Some(chains.finish(&mut self.order));
        self.sort(workload);
    }

    fn sort(&mut self, workload: &Workload) {
        let mut order = std::mem::take(&mut self.order);
        order.sort_by_cached_key(|&occurrence| (self.arrival(workload, occurrence), occurrence));
        self.order = order;
    }

    /// How often the news that woke a poll is there, for each of its readers.
    fn news_count(&self, workload: &Workload, poll: &Record) -> u16 {
        if poll.has(mark::TIMED_OUT) {
            return 1;
        }
        let cause = poll.cause_index().and_then(|index| Some((index, workload.records.get(index as usize)?)));
        match cause {
            Some((index, writer)) if self.population.kind == GrowthKind::People => {
                narrow(CopyCounts::grown(self.population.growth, self.seed).of(writer.actor(index)))
            }
            Some((index, _)) => self.repeated(index.into()),
            // Polls that were woken at one instant got the same news.
            None => self.repeated((poll.arrival_us() + u64::from(poll.wait_us)) | 1 << 60),
        }
    }

    /// The factor of growth, rounded up or down at random so that it is right on average, for one request or piece of news.
    fn repeated(&self, identity: u64) -> u16 {
        narrow(CopyCounts::grown(self.population.growth, self.seed ^ REPETITIONS).of(identity))
    }

    /// No arrivals: for a run whose requests come from outside, in which each copy of a user has rooms of its own.
    pub fn empty() -> Self {
        let copies = CopyCounts::grown(1.0, 0);
        Self {
            order: Vec::new(),
            seed: 0,
            arrival_seed: 0,
            span: Span::ZERO,
            population: Population::OBSERVED,
            copies,
            present: Vec::new(),
            room_copies: u16::MAX,
            chains: None,
        }
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The n-th arrival.
    pub fn occurrence(&self, index: usize) -> Option<Occurrence> {
        self.order.get(index).copied()
    }

    /// Arrival time of a copy of a request, closed loops left aside.
    pub fn arrival(&self, workload: &Workload, occurrence: Occurrence) -> Time {
        let record = &workload.records[occurrence.record as usize];
        let observed = Time::from_micros(record.arrival_us());
        let unshifted = if self.population.redraw && record.has(mark::DRAWN_ARRIVAL) && !record.has(mark::LONG_POLL) {
            let second = record.arrival_us() / 1_000_000;
            let part = Span::from_seconds(unit(draw(self.arrival_seed, Purpose::Arrival, occurrence.identity())));
            Time::from_micros(second * 1_000_000) + part
        } else {
            observed
        };
        let shift = self.shift_us(record, occurrence);
        if shift == 0 {
            return unshifted;
        }
        let arrival = self.shifted(unshifted, shift);
        // A poll whose wake-up, but not its arrival, is shifted around the end of the window is there from the start.
        if self.has_own_chains() && record.has(mark::LONG_POLL) { arrival.min(self.wakeup(workload, occurrence)) } else { arrival }
    }

    /// When a long poll is woken, if nothing in the simulation wakes it: the instant in the log.
    pub fn wakeup(&self, workload: &Workload, occurrence: Occurrence) -> Time {
        let record = &workload.records[occurrence.record as usize];
        let wait = Span::from_micros(u64::from(record.wait_us));
        let observed = Time::from_micros(record.arrival_us());
        match (self.shift_us(record, occurrence), self.has_own_chains()) {
            (0, _) => observed + wait,
            // As far behind the arrival as in the log, perhaps behind the window.
            (shift, false) => self.shifted(observed, shift) + wait,
            (shift, true) => self.shifted(observed + wait, shift),
        }
    }

    /// The poll that a device sends after this one.
    #[inline]
    pub fn next_poll(&self, workload: &Workload, occurrence: Occurrence) -> Option<Occurrence> {
        if let Some(chains) = &self.chains {
            return chains.next(occurrence);
        }
        let record = workload.records[occurrence.record as usize].next;
        let next = Occurrence { record, ..occurrence };
        (record != 0 && !self.starts_new_chain(workload, next)).then_some(next)
    }

    /// The request of this run whose news wakes a long poll; `None` if it is not known or not in the run, so that the instant in the log
    /// holds.
    #[inline]
    pub fn cause(&self, workload: &Workload, poll: Occurrence) -> Option<Occurrence> {
        let record = &workload.records[poll.record as usize];
        let index = record.cause_index()?;
        let cause = match self.population.kind {
            GrowthKind::Rooms => Occurrence { record: index, copy: self.room_copy(poll), repetition: 0 },
            GrowthKind::People => Occurrence { record: index, copy: poll.repetition, repetition: 0 },
            GrowthKind::Activity => Occurrence { record: index, ..poll },
        };
        if self.is_as_observed() {
            return Some(cause);
        }
        let shift = self.poll_shift_us(poll);
        // The common case, without the writer's record, which is far away in memory.
        if let (0, 0, Some(bits)) = (shift, cause.copy, self.present.get(index as usize / 64)) {
            return (bits >> (index % 64) & 1 == 1).then_some(cause);
        }
        let writer = workload.records.get(index as usize)?;
        let is_present = self.copies.of(writer.actor(index)) > u32::from(cause.copy);
        let is_in_lap = || self.lap(writer.arrival_us(), shift) == self.lap(record.arrival_us() + u64::from(record.wait_us), shift);
        (is_present && is_in_lap()).then_some(cause)
    }

    /// Which copy of a room a request is about.
    #[inline]
    pub fn room_copy(&self, occurrence: Occurrence) -> u16 {
        // Draws of one user in a resample are in the same rooms; the clones of each draw are not.
        if self.room_copies <= 1 { 0 } else { occurrence.copy % self.room_copies }
    }

    /// Whether there are other chains of polls than the log's.
    fn has_own_chains(&self) -> bool {
        self.population.kind != GrowthKind::Rooms
    }

    fn is_as_observed(&self) -> bool {
        self.population.growth == 1.0 && !self.population.resample
    }

    /// Whether this poll starts a new chain: the clone's time shift wrapped it, but not its predecessor, around the end of the window.
    fn starts_new_chain(&self, workload: &Workload, occurrence: Occurrence) -> bool {
        let shift = self.poll_shift_us(occurrence);
        if shift == 0 {
            return false;
        }
        let record = &workload.records[occurrence.record as usize];
        let before = record.arrival_us().saturating_sub(u64::from(record.think_us));
        self.lap(record.arrival_us(), shift) != self.lap(before, shift)
    }

    /// How many times a shift moves an instant, both in µs, around the window.
    fn lap(&self, at_us: u64, shift_us: i64) -> i64 {
        let at = at_us.cast_signed() + shift_us;
        let span = self.span_us();
        // The common case avoids the division, which costs more than everything else here.
        if (0..span).contains(&at) { 0 } else { at.div_euclid(span) }
    }

    fn shifted(&self, unshifted: Time, shift_us: i64) -> Time {
        let span = self.span.nanos().max(1).cast_signed();
        let at = unshifted.nanos().cast_signed() + shift_us * 1000;
        Time::from_nanos(population::wrap(at, span).cast_unsigned())
    }

    fn span_us(&self) -> i64 {
        (self.span.nanos() / 1000).max(1).cast_signed()
    }

    /// A request is shifted with all others of its copy and repetition, of which one is 0; news is shifted with the request that made it. Where rooms
    /// grow, the news of a copy of the rooms is for all who are in it: users that a resample draws again are in the rooms of the log, and wake
    /// with the others there. So a resample has herds of the log's sizes.
    #[inline]
    fn shift_us(&self, record: &Record, occurrence: Occurrence) -> i64 {
        if record.has(mark::LONG_POLL) {
            return self.poll_shift_us(occurrence);
        }
        let Occurrence { copy, repetition, .. } = occurrence;
        population::shift_us(u32::from(copy) + u32::from(repetition), self.seed, self.span_us())
    }

    /// [`Self::shift_us`] of a long poll.
    #[inline]
    fn poll_shift_us(&self, poll: Occurrence) -> i64 {
        let number = match self.population.kind {
            GrowthKind::Rooms => u32::from(self.room_copy(poll)),
            GrowthKind::People => u32::from(poll.repetition),
            GrowthKind::Activity => u32::from(poll.copy) + u32::from(poll.repetition),
        };
        population::shift_us(number, self.seed, self.span_us())
    }
}

fn copy_counts(workload: &Workload, resample: bool, growth: f64, seed: u64) -> CopyCounts {
    if !resample {
        return CopyCounts::grown(growth, seed);
    }
    let actors = workload.records.iter().zip(0..).map(|(record, index)| record.actor(index));
    CopyCounts::resampled(actors.collect(), growth, seed)
}

fn narrow(count: u32) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Sets the draws of repetitions apart from those of users.
const REPETITIONS: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::super::workload::Class;
    use super::*;
    use wsim_trace::NameId;

    /// A thousand requests a second apart by 50 users.
    fn workload() -> Workload {
        let records = (0..1000u32)
            .map(|i| {
                let mut record = Record::at(u64::from(i) * 1_000_000 + 7);
                record.user = NameId(1 + i % 50);
                record
            })
            .collect();
        Workload { records, classes: vec![Class::plain(0)], origin_us: 0, span: Span::from_millis(1_000_000), skips: Vec::new() }
    }

    fn arrivals(schedule: &Schedule, workload: &Workload) -> Vec<Time> {
        (0..).map_while(|index| schedule.occurrence(index)).map(|occurrence| schedule.arrival(workload, occurrence)).collect()
    }

    #[test]
    fn the_observed_population_arrives_as_observed() {
        let w = workload();
        let schedule = Schedule::draw(&w, Population::OBSERVED, 1);
        let expected: Vec<Time> = w.records.iter().map(|r| Time::from_micros(r.arrival_us())).collect();
        assert_eq!(arrivals(&schedule, &w), expected);
    }

    #[test]
    fn growth_clones_users_apart_from_their_originals_and_never_compresses_time() {
        let w = workload();
        let schedule = Schedule::draw(&w, Population { growth: 1.5, ..Population::OBSERVED }, 3);
        assert!(arrivals(&schedule, &w).is_sorted());
        let copies: Vec<Occurrence> = (0..).map_while(|index| schedule.occurrence(index)).filter(|v| v.copy > 0).collect();
        assert_eq!(schedule.len() - copies.len(), 1000, "the originals are all there");
        assert!((300..700).contains(&copies.len()), "{}", copies.len());
        for occurrence in copies {
            let shift = (schedule.arrival(&w, occurrence).nanos() / 1000).cast_signed()
                - w.records[occurrence.record as usize].arrival_us().cast_signed();
            let wanted = population::shift_us(occurrence.copy.into(), 3, 1_000_000_000);
            assert_eq!(shift.rem_euclid(1_000_000_000), wanted.rem_euclid(1_000_000_000));
            assert!(wanted.rem_euclid(1_000_000) > 10, "on the instants of the others: {wanted}");
        }
        let doubled = Schedule::draw(&w, Population { growth: 2.0, ..Population::OBSERVED }, 3);
        assert_eq!(doubled.len(), 2000);
        let halved = Schedule::draw(&w, Population { growth: 0.5, ..Population::OBSERVED }, 3);
        assert!((300..700).contains(&halved.len()) && halved.len().is_multiple_of(20), "whole users stay or go: {}", halved.len());
    }

    #[test]
    fn a_resample_takes_users_whole() {
        let w = workload();
        let schedule = Schedule::draw(&w, Population::RESAMPLED, 4);
        assert_eq!(schedule.len(), 1000, "50 users of 20 requests each");
        let mut per_user = std::collections::BTreeMap::<u32, u32>::new();
        (0..)
            .map_while(|index| schedule.occurrence(index))
            .for_each(|v| *per_user.entry(w.records[v.record as usize].user.0).or_default() += 1);
        assert!(per_user.values().all(|count| count.is_multiple_of(20)));
        assert!((25..40).contains(&per_user.len()), "about 63 % of the users are drawn: {}", per_user.len());
        let again = Schedule::draw(&w, Population::RESAMPLED, 4);
        assert_eq!(arrivals(&schedule, &w), arrivals(&again, &w));
    }

    #[test]
    fn a_resample_has_herds_of_the_log_s_sizes() {
        let w = one_room(40, 60);
        let mut herds = Vec::new();
        for seed in 0..20 {
            let schedule = Schedule::draw(&w, Population::RESAMPLED, seed);
            let mut sizes = std::collections::BTreeMap::<Time, u32>::new();
            all(&schedule, &w).0.into_iter().for_each(|poll| *sizes.entry(schedule.wakeup(&w, poll)).or_default() += 1);
            assert_eq!(sizes.len(), 60, "one herd for each piece of news");
            herds.extend(sizes.into_values().map(f64::from));
        }
        let mean = herds.iter().sum::<f64>() / herds.len() as f64;
        assert!((mean / 39.0 - 1.0).abs() < 0.05, "{mean}");
    }

    #[test]
    fn drawn_parts_of_seconds_are_redrawn_within_their_second() {
        let mut w = workload();
        w.records.iter_mut().for_each(|r| r.set(mark::DRAWN_ARRIVAL));
        let schedule = Schedule::draw(&w, Population { redraw: true, ..Population::OBSERVED }, 5);
        let times = arrivals(&schedule, &w);
        assert!(times.is_sorted());
        assert!(times.iter().zip(0..).all(|(t, second)| t.nanos() / 1_000_000_000 == second));
        assert!(times.iter().any(|t| t.nanos() % 1_000_000_000 > 500_000_000));
    }

    /// `news` pieces of news a minute apart, each of which one of `users` users makes for all others, who poll.
    fn one_room(users: u32, news: u32) -> Workload {
        let mut records = Vec::new();
        let mut last = vec![None; users as usize];
        for number in 0..news {
            let at_us = u64::from(number) * 60_000_000 + 30_000_000;
            let writer = number % users;
            let cause = u32::try_from(records.len()).unwrap() + users;
            for user in (0..users).filter(|user| *user != writer) {
                let mut poll = Record { user: NameId(1 + user), wait_us: 20_000_000, cause, ..Record::at(at_us - 20_000_000) };
                poll.set(mark::LONG_POLL);
                let index = u32::try_from(records.len()).unwrap();
                if let Some(before) = last[user as usize].replace(index) {
                    poll.set(mark::FOLLOWS_POLL);
                    let before: &mut Record = &mut records[before as usize];
                    before.next = index;
                }
                records.push(poll);
            }
            let mut write = Record { user: NameId(1 + writer), ..Record::at(at_us - 100_000) };
            write.set(mark::NEWS);
            records.push(write);
        }
        let span = Span::from_millis(u64::from(news) * 60_000);
        Workload { records, classes: vec![Class::plain(0)], origin_us: 0, span, skips: Vec::new() }
    }

    /// Polls and other requests of a schedule, those of chains included.
    fn all(schedule: &Schedule, w: &Workload) -> (Vec<Occurrence>, Vec<Occurrence>) {
        let (mut polls, mut others) = (Vec::new(), Vec::new());
        for occurrence in (0..).map_while(|index| schedule.occurrence(index)) {
            let mut next = Some(occurrence);
            while let Some(one) = next {
                let is_poll = w.records[one.record as usize].has(mark::LONG_POLL);
                if is_poll {
                    polls.push(one);
                } else {
                    others.push(one);
                }
                next = if is_poll { schedule.next_poll(w, one) } else { None };
            }
        }
        (polls, others)
    }

    fn grown(w: &Workload, kind: GrowthKind, growth: f64, seed: u64) -> (Vec<Occurrence>, Vec<Occurrence>) {
        all(&Schedule::draw(w, Population { growth, kind, ..Population::OBSERVED }, seed), w)
    }

    #[test]
    fn the_write_of_a_poll_is_the_end_of_its_herd() {
        let w = one_room(3, 2);
        assert_eq!(w.records.iter().map(|r| r.cause_index()).collect::<Vec<_>>(), [Some(2), Some(2), None, Some(5), Some(5), None]);
    }

    #[test]
    fn twice_the_people_in_a_room_get_twice_the_news_each() {
        let w = one_room(10, 40);
        let (polls, writes) = grown(&w, GrowthKind::People, 2.0, 3);
        assert_eq!((polls.len(), writes.len()), (4 * 360, 2 * 40));
        assert!(polls.iter().all(|poll| poll.copy < 2 && poll.repetition < 2));
        let rooms = grown(&w, GrowthKind::Rooms, 2.0, 3);
        assert_eq!((rooms.0.len(), rooms.1.len()), (2 * 360, 2 * 40), "more rooms: the news of one stays in it");
    }

    #[test]
    fn half_the_people_in_a_room_get_half_of_the_news_each() {
        let w = one_room(20, 400);
        let sizes = |seed| {
            let (polls, writes) = grown(&w, GrowthKind::People, 0.5, seed);
            let users: std::collections::BTreeSet<u32> = writes.iter().map(|one| w.records[one.record as usize].user.0).collect();
            // Each piece of news that is left goes to all who are left but its writer.
            assert_eq!(polls.len(), writes.len() * (users.len() - 1));
            assert_eq!(writes.len(), users.len() * 20);
            users.len()
        };
        let users: usize = (0..50).map(sizes).sum();
        assert!((400..600).contains(&users), "{users} of 1000");
    }

    #[test]
    fn the_same_people_are_more_active_under_their_own_names() {
        let w = one_room(10, 200);
        let (polls, writes) = grown(&w, GrowthKind::Activity, 2.0, 3);
        assert_eq!((polls.len(), writes.len()), (2 * 1800, 2 * 200));
        assert!(polls.iter().chain(&writes).all(|one| one.copy == 0));
        let (polls, writes) = grown(&w, GrowthKind::Activity, 1.5, 3);
        assert_eq!(polls.len(), writes.len() * 9, "a repeated write wakes the whole herd again");
        assert!((270..330).contains(&writes.len()), "{}", writes.len());
        let (polls, writes) = grown(&w, GrowthKind::Activity, 0.5, 3);
        assert_eq!(polls.len(), writes.len() * 9);
    }

    #[test]
    fn polls_of_a_grown_population_wait_for_their_own_copy_of_the_news() {
        let w = one_room(6, 60);
        for kind in GrowthKind::ALL {
            let schedule = Schedule::draw(&w, Population { growth: 2.0, kind, ..Population::OBSERVED }, 5);
            let (polls, writes) = all(&schedule, &w);
            let writes: std::collections::BTreeSet<Occurrence> = writes.into_iter().collect();
            let caused: Vec<_> = polls.iter().filter_map(|poll| Some((*poll, schedule.cause(&w, *poll)?))).collect();
            assert!(caused.len() * 100 >= polls.len() * 95, "{kind:?}: {} of {}", caused.len(), polls.len());
            for (poll, cause) in caused {
                assert!(writes.contains(&cause), "{kind:?}: {poll:?} waits for {cause:?}");
                let (write, wakeup) = (schedule.arrival(&w, cause), schedule.wakeup(&w, poll));
                assert_eq!((wakeup - write).micros(), 100_000, "{kind:?}: shifted together");
            }
        }
    }

    #[test]
    fn chains_of_a_grown_population_are_in_the_order_of_their_news() {
        let w = one_room(6, 60);
        for kind in [GrowthKind::People, GrowthKind::Activity] {
            let schedule = Schedule::draw(&w, Population { growth: 3.0, kind, ..Population::OBSERVED }, 7);
            let starts: Vec<Occurrence> = (0..).map_while(|index| schedule.occurrence(index)).collect();
            let polls = starts.into_iter().filter(|one| w.records[one.record as usize].has(mark::LONG_POLL));
            let mut devices = 0;
            for start in polls {
                let chain: Vec<Time> =
                    std::iter::successors(Some(start), |one| schedule.next_poll(&w, *one)).map(|one| schedule.wakeup(&w, one)).collect();
                assert!(chain.is_sorted());
                devices += 1;
            }
            assert_eq!(devices, if kind == GrowthKind::People { 18 } else { 6 });
        }
    }

    #[test]
    fn clones_have_rooms_of_their_own_only_where_rooms_grow() {
        let w = workload();
        let room_copies = |kind, growth, resample| {
            let schedule = Schedule::draw(&w, Population { growth, kind, resample, redraw: false }, 1);
            (0..3).map(|copy| schedule.room_copy(Occurrence { copy, ..Occurrence::observed(0) })).collect::<Vec<_>>()
        };
        assert_eq!(room_copies(GrowthKind::Rooms, 3.0, false), [0, 1, 2]);
        assert_eq!(room_copies(GrowthKind::People, 3.0, false), [0, 0, 0]);
        assert_eq!(room_copies(GrowthKind::Rooms, 1.0, true), [0, 0, 0], "a resample has the rooms of the log");
    }
}
