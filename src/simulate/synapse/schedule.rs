//! The arrivals of a run: the observed users, more or fewer of them, or a resample.
//!
//! Which users there are, and by how much clones are shifted, is decided by [`wsim_trace::population`], for replays too. A clone has a name of its
//! own, so that hash rules may send it to another server than its original, and is in the same rooms.
//!
//! Invariant: the schedule is a function of the workload, the population and the seed alone, so that strategies are compared on one
//! schedule.

use super::record::{Record, mark};
use super::workload::Workload;
use crate::engine::random::{Purpose, draw, unit};
use crate::engine::time::{Span, Time};
use wsim_trace::population::{self, CopyCounts};

/// How the simulated population is derived from the observed one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Population {
    /// Users per observed user.
    pub growth: f64,
    /// Draw users with replacement.
    pub resample: bool,
    /// Redraw the sub-second parts of arrival times that were drawn when the log was read.
    pub redraw: bool,
}

impl Population {
    /// The users as observed.
    pub const OBSERVED: Self = Self { growth: 1.0, resample: false, redraw: false };
    /// The variation between replications: users resampled, sub-second arrival times redrawn.
    pub const RESAMPLED: Self = Self { growth: 1.0, resample: true, redraw: true };
}

/// The arrivals of one run. A long poll that follows another is not part of the schedule: its device sends it when the one before has ended.
#[derive(Debug, Clone)]
pub struct Schedule {
    order: Vec<Occurrence>,
    seed: u64,
    span: Span,
    redraw: bool,
}

/// One copy of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// Index into the workload's records.
    pub record: u32,
    /// 0 is the original, others are clones.
    pub copy: u32,
}

impl Occurrence {
    /// A number that is the same for all strategies and different for every copy of every request.
    pub fn identity(self) -> u64 {
        u64::from(self.record) | u64::from(self.copy) << 32
    }
}

impl Schedule {
    /// Draws the arrivals of a population.
    pub fn draw(workload: &Workload, population: Population, seed: u64) -> Self {
        let mut schedule = Self { order: Vec::new(), seed, span: workload.span, redraw: population.redraw };
        let copies = copy_counts(workload, population, seed);
        schedule.order.reserve_exact(workload.records.len());
        let mut sorted = !population.redraw;
        for (record, index) in workload.records.iter().zip(0u32..) {
            let count = copies.of(record.actor(index));
            sorted &= count <= 1;
            for copy in 0..count {
                let occurrence = Occurrence { record: index, copy };
                if !record.has(mark::FOLLOWS_POLL) || schedule.starts_new_chain(workload, occurrence) {
                    schedule.order.push(occurrence);
                }
            }
        }
        if !sorted {
            let mut order = std::mem::take(&mut schedule.order);
            order.sort_by_cached_key(|&occurrence| (schedule.arrival(workload, occurrence), occurrence));
            schedule.order = order;
        }
        schedule
    }

    /// No arrivals: for a run whose requests come from outside.
    pub fn empty() -> Self {
        Self { order: Vec::new(), seed: 0, span: Span::ZERO, redraw: false }
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
        let unshifted = if self.redraw && record.has(mark::DRAWN_ARRIVAL) && !record.has(mark::LONG_POLL) {
            let second = record.arrival_us() / 1_000_000;
            let part = Span::from_seconds(unit(draw(self.seed, Purpose::Arrival, occurrence.identity())));
            Time::from_micros(second * 1_000_000) + part
        } else {
            observed
        };
        if occurrence.copy == 0 { unshifted } else { self.shifted_arrival(record, occurrence, unshifted) }
    }

    /// Whether this poll starts a new chain: the clone's time shift wrapped it, but not its predecessor, around the end of the window.
    pub fn starts_new_chain(&self, workload: &Workload, occurrence: Occurrence) -> bool {
        if occurrence.copy == 0 {
            return false;
        }
        let record = &workload.records[occurrence.record as usize];
        // Predecessor and poll are in different laps around the window.
        let shift = self.shift_minutes(record, occurrence) * MINUTE_US;
        let span = (self.span.nanos() / 1000).max(1).cast_signed();
        let lap = |at: u64| {
            let at = at.cast_signed() + shift;
            // The common case avoids the division, which costs more than everything else here.
            if (0..span).contains(&at) { 0 } else { at.div_euclid(span) }
        };
        let before = record.arrival_us().saturating_sub(u64::from(record.think_us));
        lap(record.arrival_us()) != lap(before)
    }

    fn shifted_arrival(&self, record: &Record, occurrence: Occurrence, unshifted: Time) -> Time {
        let span = self.span.nanos().max(1).cast_signed();
        let at = unshifted.nanos().cast_signed() + self.shift_minutes(record, occurrence) * MINUTE_US * 1000;
        Time::from_nanos(population::wrap(at, span).cast_unsigned())
    }

    fn shift_minutes(&self, record: &Record, occurrence: Occurrence) -> i64 {
        population::shift_minutes(record.actor(occurrence.record), occurrence.copy, self.seed)
    }
}

fn copy_counts(workload: &Workload, population: Population, seed: u64) -> CopyCounts {
    if !population.resample {
        return CopyCounts::grown(population.growth, seed);
    }
    let actors = workload.records.iter().zip(0..).map(|(record, index)| record.actor(index));
    CopyCounts::resampled(actors.collect(), population.growth, seed)
}

const MINUTE_US: i64 = 60_000_000;

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
    fn growth_clones_users_whole_minutes_apart_and_never_compresses_time() {
        let w = workload();
        let schedule = Schedule::draw(&w, Population { growth: 1.5, ..Population::OBSERVED }, 3);
        assert!(arrivals(&schedule, &w).is_sorted());
        let copies: Vec<Occurrence> = (0..).map_while(|index| schedule.occurrence(index)).filter(|v| v.copy > 0).collect();
        assert_eq!(schedule.len() - copies.len(), 1000, "the originals are all there");
        assert!((300..700).contains(&copies.len()), "{}", copies.len());
        for occurrence in copies {
            let shift = (schedule.arrival(&w, occurrence).nanos() / 1000).cast_signed()
                - w.records[occurrence.record as usize].arrival_us().cast_signed();
            assert!(shift != 0 && shift.rem_euclid(1_000_000_000) % MINUTE_US % 20_000_000 == 0, "{shift}");
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
    fn drawn_parts_of_seconds_are_redrawn_within_their_second() {
        let mut w = workload();
        w.records.iter_mut().for_each(|r| r.set(mark::DRAWN_ARRIVAL));
        let schedule = Schedule::draw(&w, Population { redraw: true, ..Population::OBSERVED }, 5);
        let times = arrivals(&schedule, &w);
        assert!(times.is_sorted());
        assert!(times.iter().zip(0..).all(|(t, second)| t.nanos() / 1_000_000_000 == second));
        assert!(times.iter().any(|t| t.nanos() % 1_000_000_000 > 500_000_000));
    }
}
