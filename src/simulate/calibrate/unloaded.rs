//! The part of observed times that does not depend on load.
//!
//! Wall times and transaction times of a loaded process contain waits that the simulation produces itself; simulating
//! them as observed would count the waits twice. So the calibration window is simulated in its observed deployment:
//! with CPU and queues alone, with transactions that take as long as observed, and with the rest of the wall time as a delay too.
//! Each class gets as much of these, in this order, as its simulated wall times need to match the logged ones (compared by their deciles
//! on a logarithmic scale, so that short times count as much as long ones). So what queues and transactions explain is no delay.
//!
//! (The usual way, a regression of the unexplained time on concurrent CPU, left half to three quarters of it as delay
//! on a worker that makes no remote calls: concurrent CPU is measured too imprecisely, so its coefficient is
//! attenuated.)

use super::observed::ObservedDeployment;
use crate::engine::StopFlag;
use crate::engine::time::Span;
use crate::parallel::in_parallel;
use crate::replications::{Candidate, ReplicationConfig, Scenario, Variation};
use crate::synapse::caches::CacheEffect;
use crate::synapse::record::{Record, mark};
use crate::synapse::result::GroupResult;
use crate::synapse::topology::{Costs, ProcessSpec, TopologyError};
use crate::synapse::workload::{Class, Workload};
use wsim_stats::DurationHistogram;

/// Logged wall times of each class.
#[derive(Debug, Clone, Default)]
pub(super) struct WallTimes {
    /// Histograms by class.
    pub(super) by_class: Vec<DurationHistogram>,
    /// The times are from Synapse's log (else from a proxy's).
    pub(super) from_synapse: bool,
}

/// The shares of a class's observed times that do not depend on load, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct UnloadedShares {
    /// Of the time of its transactions.
    pub(super) database: f64,
    /// Of the time that nothing in its line explains.
    pub(super) delay: f64,
}

impl UnloadedShares {
    /// All of the observed times.
    pub(super) const ALL: Self = Self { database: 1.0, delay: 1.0 };

    /// From how much of the observed times is needed: up to 1 of the `database`'s share of the transactions, beyond 1 of the delay too.
    fn from_need(need: f64, database: f64) -> Self {
        Self { database: need.clamp(0.0, 1.0) * database, delay: (need - 1.0).clamp(0.0, 1.0) }
    }
}

/// The shares of each class; `None` if the fit is stopped early. `observed` has all of the observed delays and transaction times.
pub(super) fn fit_shares(
    observed: &ObservedDeployment,
    wall_times: &WallTimes,
    costs: &Costs,
    threads: usize,
    stop: &StopFlag,
) -> Result<Option<Vec<UnloadedShares>>, TopologyError> {
    let mut observed = observed.clone();
    observed.workload.keep_first(RECORDS_MAX);
    separate_cold(&mut observed.workload);
    // The fit needs latencies by class.
    for (class, number) in observed.workload.classes.iter_mut().zip(0..) {
        class.group = number;
    }
    let count = observed.workload.classes.len();
    let database_shares = database_shares(&observed.workload.records, &observed.topology.processes, count);
    let of_needs = |needs: &[f64]| -> Vec<UnloadedShares> {
        needs.iter().zip(&database_shares).map(|(need, database)| UnloadedShares::from_need(*need, *database)).collect()
    };
    let simulate = |needs: &[f64]| -> Result<Option<Vec<f64>>, TopologyError> {
        let mut workload = observed.workload.clone();
        scale_delays(&mut workload, &of_needs(needs));
        let config =
            ReplicationConfig { variation: Variation::Redrawn, as_logged: wall_times.from_synapse, ..ReplicationConfig::default() };
        let scenario = Scenario { workload: &workload, growth: 1.0, costs, seed: 0, config, stop };
        let run = scenario.once(Candidate { topology: &observed.topology, routers: &observed.routers }, 0, Span::ZERO)?;
        let times = |group: &GroupResult| level(if wall_times.from_synapse { &group.logged } else { &group.work });
        Ok(run.map(|run| (0..count).map(|class| run.groups.get(class).map_or(0.0, times)).collect()))
    };
    let ends = in_parallel(&[0.0, 1.0, 2.0], threads, |need| simulate(&vec![need; count]));
    let ends = ends.into_iter().collect::<Result<Vec<_>, _>>()?;
    let [Some(queues), Some(database), Some(all)] = &ends[..] else { return Ok(None) };
    let logged: Vec<Logged> = wall_times.by_class.iter().map(Logged::from_times).collect();
    let levels = [queues.as_slice(), database, all];
    let mut needs = vec![0.0; count];
    let mut simulated = queues.clone();
    for _ in 0..STEPS {
        needs = corrected(&needs, &logged, &simulated, levels);
        let Some(level) = simulate(&needs)? else { return Ok(None) };
        simulated = level;
    }
    Ok(Some(of_needs(&corrected(&needs, &logged, &simulated, levels))))
}

/// The share of each class's logged transaction times that the database can be the cause of. At a throttled process a transaction also lasts until the
/// quota lets its thread go on, which is simulated; what most of them took at least is the database's.
fn database_shares(records: &[Record], processes: &[ProcessSpec], classes: usize) -> Vec<f64> {
    let is_throttled = |record: &&Record| {
        processes.get(usize::from(record.endpoint)).is_some_and(|process| process.cpu.quota.is_some()) && record.transactions > 0
    };
    let mut each: Vec<Vec<f64>> = vec![Vec::new(); classes];
    let mut of_class = vec![0usize; classes];
    for record in records {
        of_class[usize::from(record.class)] += usize::from(record.transactions > 0);
        if is_throttled(&record) {
            each[usize::from(record.class)].push(f64::from(record.db_us) / f64::from(record.transactions));
        }
    }
    let share = |(each, all): (&mut Vec<f64>, usize)| {
        let mean = each.iter().sum::<f64>() / each.len().max(1) as f64;
        // Mostly served elsewhere, or too few to tell.
        if each.len() * 2 <= all || each.len() < TRANSACTIONS_LEAST || mean <= 0.0 {
            return 1.0;
        }
        each.sort_unstable_by(f64::total_cmp);
        (each[each.len() / 4] / mean).min(1.0)
    };
    each.iter_mut().zip(of_class).map(share).collect()
}

/// The number under which the fit has the cold requests of each class that has donors: they are another kind of request.
pub(super) fn cold_numbers(classes: &[Class]) -> Vec<Option<u16>> {
    let mut next = u16::try_from(classes.len()).unwrap_or(u16::MAX);
    let mut number = |class: &Class| {
        matches!(class.caches, CacheEffect::Donors(_)).then(|| {
            next = next.saturating_add(1);
            next - 1
        })
    };
    classes.iter().map(&mut number).collect()
}

/// The number under which the fit has a record.
pub(super) fn number_of(record: &Record, cold_numbers: &[Option<u16>]) -> u16 {
    let cold = cold_numbers.get(usize::from(record.class)).copied().flatten();
    cold.filter(|_| record.has(mark::COLD)).unwrap_or(record.class)
}

/// Makes classes of their own of cold requests. In the observed deployment all states are as logged, so nobody needs donors.
fn separate_cold(workload: &mut Workload) {
    let numbers = cold_numbers(&workload.classes);
    for record in &mut workload.records {
        record.class = number_of(record, &numbers);
    }
    let cold: Vec<Class> = workload.classes.iter().filter(|class| matches!(class.caches, CacheEffect::Donors(_))).cloned().collect();
    workload.classes.extend(cold);
    workload.classes.iter_mut().for_each(|class| class.caches = CacheEffect::None);
}

/// What the log says about a class.
#[derive(Debug, Clone, Copy)]
struct Logged {
    requests: f64,
    level: f64,
}

impl Logged {
    fn from_times(times: &DurationHistogram) -> Self {
        Self { requests: times.count() as f64, level: level(times) }
    }
}

/// Level of a distribution of times: the mean of the logarithms of its deciles and of its 95th percentile.
fn level(times: &DurationHistogram) -> f64 {
    let logarithm = |quantile: &f64| (times.quantile_ms(*quantile) + RESOLUTION_MS).ln();
    QUANTILES.iter().map(logarithm).sum::<f64>() / QUANTILES.len() as f64
}

/// Multiplies delays and transaction times by the shares of their class, those of donors too.
pub(super) fn scale_delays(workload: &mut Workload, shares: &[UnloadedShares]) {
    let numbers = cold_numbers(&workload.classes);
    let scale = |record: &mut Record| {
        let number = usize::from(number_of(record, &numbers));
        let shares = shares.get(number).copied().unwrap_or(UnloadedShares::ALL);
        let scaled = |us: u32, share: f64| Span::from_micros(us.into()).scaled(share).micros_u32();
        record.db_us = scaled(record.db_us, shares.database);
        if !record.has(mark::LONG_POLL) {
            record.wait_us = scaled(record.wait_us, shares.delay);
        }
    };
    workload.records.iter_mut().for_each(scale);
    for class in &mut workload.classes {
        if let CacheEffect::Donors(donors) = &mut class.caches {
            for list in [&mut donors.cold, &mut donors.warm] {
                let mut scaled = list.to_vec();
                scaled.iter_mut().for_each(scale);
                *list = scaled.into();
            }
        }
    }
}

/// How much of the observed times each class needs, 0 to 2, after a secant step. `levels` are simulated with nothing, with all of the
/// transactions, and with everything. Classes with few requests are shrunk towards the common need, and a delay that noise explains is none.
fn corrected(needs: &[f64], logged: &[Logged], simulated: &[f64], levels: [&[f64]; 3]) -> Vec<f64> {
    let at = |levels: &[f64], class: usize| levels.get(class).copied().unwrap_or(0.0);
    let [queues, database, all] = levels;
    let fitted = |class: usize| {
        let Logged { requests, level } = logged.get(class).copied().filter(|logged| logged.requests > 0.0)?;
        let (in_database, in_delay) = (at(database, class) - at(queues, class), at(all, class) - at(database, class));
        // Beyond the transactions, a level within the noise of the log needs no delay.
        let missing = level - at(simulated, class);
        let need = needs[class];
        let noise = NOISE.max(NOISE_OF_ONE / requests.sqrt());
        if level - at(database, class) > noise && in_delay > LEVEL_MIN {
            let from = need.max(1.0);
            let missing = if need < 1.0 { level - at(database, class) } else { missing };
            return Some((from + missing / in_delay).clamp(1.0, 2.0));
        }
        if in_database > LEVEL_MIN {
            return Some((need.min(1.0) + missing / in_database).clamp(0.0, 1.0));
        }
        (in_delay > LEVEL_MIN).then_some(1.0)
    };
    let fitted: Vec<Option<f64>> = (0..needs.len()).map(fitted).collect();
    let known = || fitted.iter().zip(logged).filter_map(|(need, logged)| Some(((*need)?, logged.requests)));
    let (sum, weight) = known().fold((0.0, 0.0), |(sum, weight), (need, requests)| (sum + need * requests, weight + requests));
    let common = if weight > 0.0 { sum / weight } else { 2.0 };
    let shrunk = |(need, logged): (&Option<f64>, &Logged)| {
        need.map_or(common, |need| (need * logged.requests + common * COMMON_WEIGHT) / (logged.requests + COMMON_WEIGHT))
    };
    fitted.iter().zip(logged).map(shrunk).collect()
}

const QUANTILES: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
/// Resolution of Synapse's log.
const RESOLUTION_MS: f64 = 1.0;
/// A class has a share of its own only if its delays change the level by at least this.
const LEVEL_MIN: f64 = 0.01;
/// Levels that differ by less are equal: a tenth of the time, for many requests.
const NOISE: f64 = 0.1;
/// Deviation of the level of one request; times of a class are about exponential, and those of neighbours depend on each other.
const NOISE_OF_ONE: f64 = 2.0;
const STEPS: usize = 2;
/// Fewest requests whose transactions show how long the database takes.
const TRANSACTIONS_LEAST: usize = 8;
/// Weight of the common need, in requests.
const COMMON_WEIGHT: f64 = 10.0;
/// Most requests that the fit simulates: a class of one request in a hundred then has 600, whose level is known within [`NOISE`].
pub(super) const RECORDS_MAX: usize = 60_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synapse::caches::Donors;

    fn fit(level: f64, levels: [f64; 3], requests: f64) -> f64 {
        let [queues, database, all] = levels.map(|level| vec![level]);
        corrected(&[0.0], &[Logged { requests, level }], &queues, [&queues, &database, &all])[0]
    }

    #[test]
    fn queues_explain_first_then_transactions_then_a_delay() {
        assert_eq!(fit(1.0, [1.2, 2.0, 3.0], 1000.0), 0.0, "queues alone are too slow already");
        assert!((fit(1.5, [1.0, 2.0, 3.0], 1000.0) - 0.5).abs() < 1e-9);
        assert_eq!(fit(2.05, [1.0, 2.0, 3.0], 1000.0), 1.0, "a twentieth is no delay");
        assert!((fit(2.5, [1.0, 2.0, 3.0], 1000.0) - 1.5).abs() < 1e-9);
        assert_eq!(fit(9.0, [1.0, 2.0, 3.0], 1000.0), 2.0);
        assert_eq!(fit(2.5, [1.0, 2.0, 3.0], 9.0), 1.0, "nine requests do not tell");
        assert_eq!(fit(0.5, [1.0, 1.0, 3.0], 1000.0), 1.0, "without transactions, queues alone are enough");
    }

    #[test]
    fn at_a_throttled_process_the_database_takes_what_most_transactions_took_at_least() {
        use crate::calibrate::limits::limited;
        use crate::station::{Background, Cpu};
        let process = |name: &str, cpu| ProcessSpec { name: name.to_owned(), cpu, connections: 5, background: Background::NONE };
        let record = |endpoint: u16, class: u16, db_us: u32| {
            let mut record = Record::at(0);
            (record.endpoint, record.class, record.db_us, record.transactions) = (endpoint, class, db_us, 2);
            record
        };
        // Two in three transactions last until the next period; those of another class are at a process without a limit.
        let throttled = (0..20).map(|number| record(1, 0, if number % 3 == 0 { 2_000 } else { 32_000 }));
        let elsewhere = (0..20).map(|number| record(0, 1, 2_000 + 100 * number));
        let records: Vec<Record> = throttled.chain(elsewhere).chain([record(1, 2, 10), record(1, 2, 90)]).collect();
        let shares = database_shares(&records, &[process("main", Cpu::CORE), process("generic1", limited(0.25, 20.0))], 3);
        assert!((shares[0] - 2_000.0 / (7.0 * 2_000.0 + 13.0 * 32_000.0) * 20.0).abs() < 1e-9, "{shares:?}");
        assert_eq!(shares[1..], [1.0, 1.0], "no limit, too few");
    }

    #[test]
    fn a_class_without_requests_gets_the_common_need() {
        let none = Logged { requests: 0.0, level: 0.0 };
        let logged = [Logged { requests: 1000.0, level: 1.5 }, none];
        let (queues, database, all) = ([1.0, 1.0], [2.0, 2.0], [3.0, 3.0]);
        let needs = corrected(&[0.0, 0.0], &logged, &queues, [&queues, &database, &all]);
        assert!((needs[1] - needs[0]).abs() < 1e-9 && (needs[0] - 0.5).abs() < 1e-9, "{needs:?}");
        assert_eq!(corrected(&[0.0], &[none], &[1.0], [&[1.0], &[2.0], &[3.0]]), [2.0], "nothing is known: all of the observed times");
    }

    #[test]
    fn donors_are_scaled_as_their_class_is() {
        let mut record = Record::at(0);
        (record.db_us, record.wait_us) = (1000, 1000);
        let mut cold = record;
        cold.set(mark::COLD);
        let donors = Donors { cold: [cold].into(), warm: [record].into() };
        let class = Class { caches: CacheEffect::Donors(donors), ..Class::plain(0) };
        let mut workload =
            Workload { records: vec![record], classes: vec![class], origin_us: 0, span: Span::from_millis(1), skips: Vec::new() };
        scale_delays(&mut workload, &[UnloadedShares::from_need(1.25, 1.0), UnloadedShares::from_need(0.5, 1.0)]);
        let CacheEffect::Donors(donors) = &workload.classes[0].caches else { panic!("donors stay") };
        for record in workload.records.iter().chain(&*donors.warm) {
            assert_eq!((record.db_us, record.wait_us), (1000, 250));
        }
        assert_eq!((donors.cold[0].db_us, donors.cold[0].wait_us), (500, 0), "cold requests have shares of their own");
    }
}
