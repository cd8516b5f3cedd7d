//! A CPU limit from the log: a process whose busy spells all have the same CPU per second, far from a whole core, while requests wait for a
//! thread though database connections are free.
//!
//! A busy spell is a time in which a process has a request at work without a break. In a process with a whole core, CPU per second of a spell
//! follows from how many requests it happens to have at once, so it varies from spell to spell (on one crowded cluster the ninth decile was
//! 1.6 to 1.8 times the median). Under a limit every long spell has the limit's (1.09 times, measured on one worker). The period is the shortest
//! under which no spell got more CPU than the limit allows a time of its length.
//!
//! Long polls of which the log does not say when they woke make spells look shorter than they were, which hides a limit and never makes one up.

use std::collections::BTreeMap;

use super::{CpuLimit, LimitSource};
use crate::model::Profile;
use crate::process_cpu::{CpuCounter, ProcessCpu};
use wsim_stats::Interval;
use wsim_trace::{NameId, Request, Trace, flag};

/// A limit with what speaks for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FoundLimit {
    pub(super) limit: CpuLimit,
    /// Requests that waited for a database thread at once, mean over the spells.
    pub(super) waiting: f64,
}

/// The limits of all processes that have one by their own log, by name. At most the first [`REQUESTS_MAX`] requests of the busiest hour are looked at.
pub(super) fn find_limits(profile: &Profile, trace: &Trace, process_cpu: Option<&ProcessCpu>) -> Vec<(String, FoundLimit)> {
    if !trace.any_has(flag::COST) {
        return Vec::new();
    }
    let window = profile.peaks.busy_hour.window;
    let within = |request: &Request| (window.start_us..window.end_us).contains(&request.arrival_us);
    // A request with its cost is in the log of its process.
    let is_usable = |request: &Request| request.has(flag::COST) && request.has(flag::WALL) && request.process.is_some();
    let mut work: BTreeMap<NameId, Vec<Work>> = BTreeMap::new();
    let until_end = trace.requests().take_while(|request| request.arrival_us < window.end_us);
    for request in until_end.filter(|request| within(request) && is_usable(request)).take(REQUESTS_MAX) {
        work.entry(request.process).or_default().push(Work::of(&request));
    }
    let one = |(process, work): (NameId, Vec<Work>)| {
        let name = trace.names.text(process);
        let found = limit_of(&spells(work), &Unlogged::of(profile, name), process_cpu.and_then(|cpu| cpu.find(name)))?;
        Some((name.to_owned(), found))
    };
    work.into_iter().filter_map(one).collect()
}

/// The work of one request.
#[derive(Debug, Clone, Copy)]
struct Work {
    start_us: i64,
    end_us: i64,
    cpu_us: u32,
    in_database_us: u32,
    for_thread_us: u32,
}

impl Work {
    fn of(request: &Request) -> Self {
        let start_us = request.arrival_us.saturating_add(request.long_poll_wait_us().into());
        Self {
            start_us,
            end_us: start_us.saturating_add(request.work_us().into()),
            cpu_us: request.cpu_us,
            in_database_us: request.db_txn_us,
            for_thread_us: request.db_sched_us,
        }
    }
}

/// A time in which a process always has a request at work, with the sums over its requests, seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Spell {
    length: f64,
    cpu: f64,
    in_database: f64,
    for_thread: f64,
}

fn spells(mut work: Vec<Work>) -> Vec<Spell> {
    work.sort_unstable_by_key(|one| (one.start_us, one.end_us));
    let mut spells = Vec::new();
    let mut open: Option<(i64, i64, Spell)> = None;
    for one in work {
        let (start, end, spell) = match open.take() {
            Some((start, end, spell)) if one.start_us <= end => (start, end.max(one.end_us), spell),
            before => {
                spells.extend(before.map(closed));
                (one.start_us, one.end_us, Spell::default())
            }
        };
        let seconds = |us: u32| f64::from(us) / 1e6;
        let spell = Spell {
            cpu: spell.cpu + seconds(one.cpu_us),
            in_database: spell.in_database + seconds(one.in_database_us),
            for_thread: spell.for_thread + seconds(one.for_thread_us),
            ..spell
        };
        open = Some((start, end, spell));
    }
    spells.extend(open.map(closed));
    spells
}

fn closed((start, end, spell): (i64, i64, Spell)) -> Spell {
    Spell { length: ((end - start) as f64 / 1e6).max(1e-3), ..spell }
}

/// CPU of a process that its request lines do not show.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Unlogged {
    /// Per second of logged CPU.
    per_logged: Interval,
    /// Whatever the requests, cores.
    background: Interval,
    is_measured: bool,
}

impl Unlogged {
    fn of(profile: &Profile, process: &str) -> Self {
        let replication = profile.events_per_second.mean.max(0.0) * REPLICATION;
        let measured =
            profile.coverage.processes.iter().find(|one| one.name == process && one.logged_cpu_seconds > 0.0 && one.seconds > 0.0);
        let Some(one) = measured else {
            let background = IDLE + replication;
            return Self {
                per_logged: PER_LOGGED,
                background: Interval::new(background, 0.5 * background, 2.0 * background),
                is_measured: false,
            };
        };
        let (all, logged) = (one.process_cpu_seconds / one.seconds, one.logged_cpu_seconds / one.seconds);
        let more = (all - logged).max(0.0);
        let background = (IDLE + replication).min(more);
        let per_logged = |background: f64| ((more - background) / logged).max(0.0);
        Self {
            per_logged: Interval::new(per_logged(background), per_logged(2.0 * background), per_logged(0.0)),
            background: Interval::exact(background),
            is_measured: true,
        }
    }

    /// CPU per second of a process with this logged CPU per second.
    fn cores(&self, logged: Interval) -> Interval {
        let at = |bound: fn(Interval) -> f64| bound(logged) * (1.0 + bound(self.per_logged)) + bound(self.background);
        Interval::new(at(|i| i.value), at(|i| i.low), at(|i| i.high))
    }
}

/// The limit that the spells of a process show; `None` if they show none.
fn limit_of(spells: &[Spell], unlogged: &Unlogged, counter: Option<&CpuCounter>) -> Option<FoundLimit> {
    let long: Vec<&Spell> = spells.iter().filter(|spell| spell.cpu >= LONG_CPU).collect();
    let sum = |of: fn(&Spell) -> f64| long.iter().map(|spell| of(spell)).sum::<f64>();
    let (time, cpu) = (sum(|spell| spell.length), sum(|spell| spell.cpu));
    if long.len() < SPELLS_MIN || cpu < CPU_MIN {
        return None;
    }
    let (waiting, in_database) = (sum(|spell| spell.for_thread) / time, sum(|spell| spell.in_database) / time);
    // Requests wait for a thread although most connections are free: the process is short of CPU, not of connections.
    if waiting < WAITING_MIN || in_database > IN_DATABASE_MAX {
        return None;
    }
    let mut rates: Vec<f64> = long.iter().map(|spell| spell.cpu / spell.length).collect();
    rates.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let quantile = |share: f64| rates[((rates.len() - 1) as f64 * share).round() as usize];
    let (low, middle, high) = (quantile(0.1), quantile(0.5), quantile(0.9));
    if high > middle * SPREAD_MAX || low * SPREAD_MAX < middle {
        return None;
    }
    let mut cores = unlogged.cores(Interval::new(middle, low, high));
    let mut agrees = false;
    if let Some(counter) = counter {
        // The time of a reading is often a whole second.
        let slack = COUNTER_SLACK + 1e6 / counter.step_us() as f64;
        let most = counter.highest_rate();
        if most > cores.high * (1.0 + slack) {
            return None;
        }
        cores.low = cores.low.max(most * (1.0 - slack)).min(cores.value);
        agrees = unlogged.is_measured && most > cores.low * (1.0 - slack);
    }
    // As the advice prints it: limits are round numbers, and a simulation of the printed one must say the same.
    let round = (cores.value * 100.0).round() / 100.0;
    let cores = Interval::new(round, cores.low, cores.high);
    let source = if agrees && long.len() >= SPELLS_MANY { LimitSource::FoundAndMeasured } else { LimitSource::Found };
    let period_ms = period_ms(spells, cores.value, 1.0 + unlogged.per_logged.value);
    let limit = CpuLimit { cores, period_ms, source, spells: long.len() as u64 };
    (cores.value < CORES_MAX).then_some(FoundLimit { limit, waiting })
}

/// The shortest usual period under which nearly every spell got no more CPU than a limit allows a time of its length.
fn period_ms(spells: &[Spell], cores: f64, factor: f64) -> f64 {
    let is_explained = |spell: &&Spell, period: f64| (spell.cpu - ROUNDING) * factor <= cores * (spell.length + 2.0 * period) + ROUNDING;
    let short: Vec<&Spell> = spells.iter().filter(|spell| spell.cpu >= SHORT_CPU).collect();
    let explains =
        |period: f64| short.iter().filter(|spell| is_explained(spell, period / 1e3)).count() as f64 >= EXPLAINED * short.len() as f64;
    PERIODS_MS.into_iter().find(|period| explains(*period)).unwrap_or(PERIOD_USUAL_MS)
}

/// Most requests that are looked at.
const REQUESTS_MAX: usize = 200_000;
/// Logged CPU from which a spell is long: several budgets of the usual limits, s.
const LONG_CPU: f64 = 0.04;
/// Logged CPU from which a spell says something of the period, s.
const SHORT_CPU: f64 = 0.008;
const SPELLS_MIN: usize = 12;
const SPELLS_MANY: usize = 30;
/// Logged CPU of all long spells, s.
const CPU_MIN: f64 = 1.0;
/// Requests that wait for a thread at once, mean over the spells.
const WAITING_MIN: f64 = 0.25;
/// Connections in use, mean over the spells: two of the usual five leave enough free for every burst but the largest.
const IN_DATABASE_MAX: f64 = 2.0;
/// Largest ratio between the ninth decile of the rates and the median, and between the median and the first.
const SPREAD_MAX: f64 = 1.3;
/// How much a counter that is read a little early or late may be off.
const COUNTER_SLACK: f64 = 0.05;
/// A larger share of a core is not distinguishable from all of it.
const CORES_MAX: f64 = 0.8;
/// Rounding of logged times, s.
const ROUNDING: f64 = 1e-3;
/// Share of spells that the period explains.
const EXPLAINED: f64 = 0.99;
const PERIODS_MS: [f64; 5] = [5.0, 10.0, 20.0, 50.0, 100.0];
const PERIOD_USUAL_MS: f64 = 100.0;
/// Idle process, cores; replication per event, s; unlogged CPU per logged second: the priors of docs/model.md.
const IDLE: f64 = 0.02;
const REPLICATION: f64 = 0.0045;
const PER_LOGGED: Interval = Interval { value: 0.5, low: 0.3, high: 0.9 };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process_cpu::ProcessCpu;

    const LOGGED_ONLY: Unlogged = Unlogged { per_logged: Interval::exact(0.0), background: Interval::exact(0.0), is_measured: true };

    /// Spells of 10 to 300 ms of CPU. `rate` gives the CPU per second of a number.
    fn some(rate: impl Fn(u32) -> f64, waiting: f64) -> Vec<Spell> {
        let one = |number: u32| {
            let cpu = 0.01 + f64::from(number % 30) * 0.01;
            let length = cpu / rate(number);
            Spell { length, cpu, in_database: length, for_thread: length * waiting }
        };
        (0..60).map(one).collect()
    }

    #[test]
    fn equal_rates_are_a_limit_and_varying_rates_are_none() {
        let found = limit_of(&some(|n| 0.24 + f64::from(n % 3) * 0.01, 1.0), &LOGGED_ONLY, None).unwrap();
        assert!((found.limit.cores.value - 0.25).abs() < 0.011 && found.limit.cores.high <= 0.26, "{found:?}");
        assert_eq!((found.limit.source, found.limit.spells), (LimitSource::Found, 54));
        assert!((found.waiting - 1.0).abs() < 1e-9);
        assert_eq!(limit_of(&some(|n| 0.1 + f64::from(n % 7) * 0.05, 1.0), &LOGGED_ONLY, None), None, "rates vary");
    }

    #[test]
    fn without_waits_or_with_a_busy_database_or_near_a_whole_core_there_is_no_limit() {
        assert_eq!(limit_of(&some(|_| 0.25, 0.1), &LOGGED_ONLY, None), None, "nothing waits");
        let busy: Vec<Spell> = some(|_| 0.25, 1.0).into_iter().map(|spell| Spell { in_database: 4.0 * spell.length, ..spell }).collect();
        assert_eq!(limit_of(&busy, &LOGGED_ONLY, None), None, "connections are short");
        assert_eq!(limit_of(&some(|_| 0.95, 1.0), &LOGGED_ONLY, None), None, "a whole core");
        assert_eq!(limit_of(&some(|_| 0.25, 1.0).into_iter().take(10).collect::<Vec<_>>(), &LOGGED_ONLY, None), None, "too little to say");
    }

    #[test]
    fn a_counter_confirms_or_refutes() {
        let counter = |rate: f64| {
            let csv: String = (0..10).map(|step| format!("{},w,{}\n", step * 10, f64::from(step) * 10.0 * rate)).collect();
            ProcessCpu::parse(csv.as_bytes()).unwrap()
        };
        let found = |rate: f64| limit_of(&some(|_| 0.25, 1.0), &LOGGED_ONLY, counter(rate).find("w"));
        assert_eq!(found(0.245).unwrap().limit.source, LimitSource::FoundAndMeasured);
        assert!(found(0.1).is_some(), "a process that is not always busy");
        assert_eq!(found(0.5), None, "more than the limit");
    }

    #[test]
    fn the_period_is_the_shortest_that_explains_short_spells() {
        // 30 ms of CPU at once need a budget of 15 ms or more at the end of one period and at the start of the next: at a quarter of a core 100 ms.
        let mut spells = some(|_| 0.25, 1.0);
        spells.extend((0..20).map(|_| Spell { length: 0.03, cpu: 0.03, ..Spell::default() }));
        assert_eq!(period_ms(&spells, 0.25, 1.0), 50.0);
        spells.extend((0..20).map(|_| Spell { length: 0.05, cpu: 0.05, ..Spell::default() }));
        assert_eq!(period_ms(&spells, 0.25, 1.0), 100.0);
        assert_eq!(period_ms(&some(|_| 0.25, 1.0), 0.25, 1.0), 5.0);
    }

    #[test]
    fn overlapping_work_is_one_spell_whatever_its_order() {
        let work = |start_us: i64, end_us: i64| Work { start_us, end_us, cpu_us: 1000, in_database_us: 500, for_thread_us: 200 };
        let all = spells(vec![work(50_000, 60_000), work(0, 20_000), work(10_000, 40_000), work(40_000, 41_000)]);
        let lengths: Vec<f64> = all.iter().map(|spell| spell.length).collect();
        assert_eq!(lengths, [0.041, 0.01]);
        assert!((all[0].cpu - 0.003).abs() < 1e-12 && (all[0].for_thread - 0.0006).abs() < 1e-12);
    }
}
