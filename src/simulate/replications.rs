//! Replications: one scenario with many seeds, until the intervals are narrow enough.
//!
//! 1. The warm-up is found once, by MSER-5 on the active requests of a pilot run, and is never shorter than the caches need.
//! 2. Replication r of every candidate runs on schedule r: the same users, arrivals, demands and wake-ups (common random numbers).
//! 3. A first batch of replications is run, then more, half as many again each time, until every candidate has converged or the cap is
//!    reached ([`Scenario::replicate`]). This is the only loop and the only stopping rule: sweep, back-test and prediction use it.
//! 4. Each figure is the mean over replications with the interval of what another run would show (Student's t); candidates are compared by
//!    paired differences.

use crate::engine::StopFlag;
use crate::engine::random::{Purpose, draw};
use crate::engine::time::{Span, Time};
use crate::parallel::in_parallel_with;
use crate::shared_schedules::{RunTask, SharedSchedules};
use crate::station::MeasurementWindow;
use crate::synapse::cluster::Run;
use crate::synapse::result::RunResult;
use crate::synapse::router::Routers;
use crate::synapse::schedule::{GrowthKind, Population, Schedule};
use crate::synapse::topology::{Costs, Topology, TopologyError};
use crate::synapse::workload::Workload;
use crate::uncertainty::Uncertainty;
use wsim_stats::{mser, student_t};

/// The input that all candidates have in common.
#[derive(Clone, Copy)]
pub struct Scenario<'a> {
    pub workload: &'a Workload,
    /// Users per observed user, or what else grows ([`ReplicationConfig::growth_kind`]).
    pub growth: f64,
    /// Costs that no request line shows.
    pub costs: &'a Costs,
    /// Seed of all random numbers.
    pub seed: u64,
    pub config: ReplicationConfig,
    /// Ends all runs early. What is complete by then is kept.
    pub stop: &'a StopFlag,
}

/// A topology with its balancing rules.
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    pub topology: &'a Topology,
    pub routers: &'a dyn Routers,
}

/// How many replications are run, when they stop, and what they measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicationConfig {
    /// Replications before the first test of convergence.
    pub first: u32,
    /// Most replications.
    pub most: u32,
    /// Wanted half-width of the mean latency's interval, as a share of the mean.
    pub mean_within: f64,
    /// Wanted half-width of the 95th percentile's interval, as a share of the percentile.
    pub p95_within: f64,
    /// Confidence of the intervals.
    pub confidence: f64,
    pub variation: Variation,
    /// What [`Scenario::growth`] is a factor of.
    pub growth_kind: GrowthKind,
    /// Least warm-up; the pilot may find that more is needed. At most half of the workload is ever removed.
    pub warm_up: Span,
    /// Bins of the timelines.
    pub bins: u64,
    /// Also measure response times as Synapse logs them, for comparison with a log.
    pub as_logged: bool,
    pub threads: usize,
    /// How uncertain the costs are. Every replication but the first draws its own.
    pub uncertainty: Uncertainty,
}

/// How the traffic differs between replications. Replication 0 always has the traffic as observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variation {
    /// All replications have the same users and arrivals, those of a replay; only other random numbers differ.
    Fixed,
    /// The same users, those of a replay; the sub-second parts of arrival times are redrawn where the log did not have them.
    Redrawn,
    /// Users are drawn with replacement as well.
    Resampled,
}

impl Default for ReplicationConfig {
    /// Ten to a hundred replications, 5 % of the mean and 10 % of the 95th percentile; five minutes of warm-up.
    fn default() -> Self {
        Self {
            first: 10,
            most: 100,
            mean_within: 0.05,
            p95_within: 0.10,
            confidence: 0.95,
            variation: Variation::Resampled,
            growth_kind: GrowthKind::Rooms,
            warm_up: Span::from_millis(300_000),
            bins: 240,
            as_logged: false,
            threads: 1,
            uncertainty: Uncertainty::NONE,
        }
    }
}

impl ReplicationConfig {
    /// Exactly this number of replications, whatever the intervals.
    #[must_use]
    pub fn with_fixed_count(self, replications: u32) -> Self {
        Self { first: replications, most: replications, ..self }
    }

    /// Number of replications before the first test of convergence.
    pub fn first_batch(&self) -> u32 {
        self.first.clamp(1, self.most.max(1))
    }

    /// The stopping rule: whether the intervals of mean and 95th percentile are as narrow as wanted, or most runs are not stable.
    pub fn has_converged<F: LatencyFigures>(&self, runs: &[F]) -> bool {
        let is_within = |share: f64, figure: fn(&F) -> f64| {
            let values: Vec<f64> = runs.iter().map(figure).collect();
            let interval = student_t::mean_interval(&values, self.confidence);
            let half = interval.high - interval.value;
            // Beyond that, more replications narrow the mean, and not what another run would show.
            let is_known = self.uncertainty != Uncertainty::NONE && values.len() >= REPLICATIONS_ENOUGH;
            half <= share * interval.value || is_known
        };
        // More runs say no more about a plan whose work piles up.
        let unstable = runs.iter().filter(|run| !run.is_stable()).count();
        runs.len() > 1 && (unstable * 2 >= runs.len() || is_within(self.mean_within, F::mean_ms) && is_within(self.p95_within, F::p95_ms))
    }
}

/// The figures of a run that the stopping rule needs. Callers keep of each run what they want, if it has these.
pub trait LatencyFigures {
    /// Mean work latency of all requests.
    fn mean_ms(&self) -> f64;
    /// 95th percentile of the work latency of all requests.
    fn p95_ms(&self) -> f64;
    /// Whether the other figures mean something: not where work piles up.
    fn is_stable(&self) -> bool;
}

impl LatencyFigures for RunResult {
    fn mean_ms(&self) -> f64 {
        self.overall().mean_ms()
    }

    fn p95_ms(&self) -> f64 {
        self.overall().quantile_ms(0.95)
    }

    fn is_stable(&self) -> bool {
        self.instability().is_none()
    }
}

impl Scenario<'_> {
    /// Adds replications to the runs of every candidate until all candidates have converged, the cap is reached, `proceed` returns false,
    /// or the scenario is stopped.
    ///
    /// `runs` has the kept runs of each candidate, in order of replication, all the same number; start with empty ones. `keep` makes of a
    /// run what is kept. `proceed` is called before each batch with the number of replications done. Candidates stay in step, so that every
    /// pair of them can be compared on all replications.
    ///
    /// # Errors
    /// A topology is inconsistent.
    pub fn replicate<T: Send + LatencyFigures>(
        &self,
        candidates: &[Candidate<'_>],
        runs: &mut [Vec<T>],
        warm_up: Span,
        keep: impl Fn(u32, RunResult) -> T + Sync,
        mut proceed: impl FnMut(u32) -> bool,
    ) -> Result<(), TopologyError> {
        let most = self.config.most.max(1);
        let mut done = runs.first().map_or(most, |runs| u32::try_from(runs.len()).unwrap_or(u32::MAX));
        while done < most && runs.iter().any(|runs| !self.config.has_converged(runs)) && proceed(done) && !self.stop.is_set() {
            let batch = if done == 0 { self.config.first_batch() } else { (done / 2).clamp(1, most - done) };
            for (candidate, run) in self.run_replications(candidates, done..done + batch, warm_up, &keep)? {
                runs[candidate].push(run);
            }
            done += batch;
        }
        Ok(())
    }

    /// One replication of one candidate; `None` if the scenario is stopped.
    ///
    /// # Errors
    /// The topology is inconsistent.
    pub fn once(&self, candidate: Candidate<'_>, replication: u32, warm_up: Span) -> Result<Option<RunResult>, TopologyError> {
        self.run_on(candidate, &self.schedule(replication), replication, self.measurement(warm_up, self.config.bins))
    }

    /// The traffic of a replication, the same for every candidate.
    pub fn schedule(&self, replication: u32) -> Schedule {
        let varies = replication > 0 && self.config.variation != Variation::Fixed;
        let resample = varies && self.config.variation == Variation::Resampled;
        let drawn = self.replication_seed(replication);
        // A replay with this seed has these users.
        let users = if self.config.variation == Variation::Resampled { drawn } else { self.seed };
        let arrivals = if self.config.variation == Variation::Fixed { self.seed } else { drawn };
        let population = Population { growth: self.growth, kind: self.config.growth_kind, resample, redraw: varies };
        Schedule::draw_users(self.workload, population, users, arrivals)
    }

    /// Warm-up by MSER-5 on the active requests of a pilot run, second by second; at least the configured one, which it is if the scenario
    /// is stopped.
    ///
    /// # Errors
    /// The topology is inconsistent.
    pub fn find_warm_up(&self, candidate: Candidate<'_>) -> Result<Span, TopologyError> {
        let half = self.workload.span.divided_by(2);
        if self.stop.is_set() {
            return Ok(self.config.warm_up.min(half));
        }
        let seconds = (self.workload.span.nanos() / 1_000_000_000).clamp(1, PILOT_BINS_MAX);
        let pilot = self.run_on(candidate, &self.schedule(0), 0, self.measurement(Span::ZERO, seconds))?;
        let found = pilot.map_or(Span::ZERO, |pilot| {
            let cut = mser::warm_up(&pilot.active_over_time()).unwrap_or(0);
            Span::from_seconds(cut as f64 * pilot.bin_seconds)
        });
        Ok(found.max(self.config.warm_up).min(half))
    }

    /// Runs these replications of every candidate on all threads. Returns what `keep` makes of each run and its
    /// replication's number, with the index of the candidate, in order of replications, then of candidates. Fewer replications if the
    /// scenario is stopped: those before the first that is not complete.
    ///
    /// # Errors
    /// A topology is inconsistent.
    pub fn run_replications<T: Send>(
        &self,
        candidates: &[Candidate<'_>],
        replications: std::ops::Range<u32>,
        warm_up: Span,
        keep: impl Fn(u32, RunResult) -> T + Sync,
    ) -> Result<Vec<(usize, T)>, TopologyError> {
        let tasks: Vec<RunTask> =
            replications.flat_map(|replication| (0..candidates.len()).map(move |candidate| RunTask { candidate, replication })).collect();
        let mut results = Vec::with_capacity(tasks.len());
        for (task, run) in tasks.iter().zip(self.run_tasks(candidates, &tasks, warm_up, keep, |_| {})?) {
            let Some(run) = run else { break };
            results.push((task.candidate, run));
        }
        results.truncate(results.len() - results.len() % candidates.len().max(1));
        Ok(results)
    }

    /// Runs any candidates with any replications on all threads. Returns what `keep` makes of each run and its replication's number, in the
    /// order of the tasks; `None` for runs that the scenario was stopped in. Tasks of one replication should follow each other: they
    /// share its schedule, which is dropped after the last of them. `on_progress` hears how many tasks are done.
    ///
    /// # Errors
    /// A topology is inconsistent.
    pub fn run_tasks<T: Send>(
        &self,
        candidates: &[Candidate<'_>],
        tasks: &[RunTask],
        warm_up: Span,
        keep: impl Fn(u32, RunResult) -> T + Sync,
        on_progress: impl FnMut(usize),
    ) -> Result<Vec<Option<T>>, TopologyError> {
        let measurement = self.measurement(warm_up, self.config.bins);
        let schedules = SharedSchedules::new(tasks);
        let run = |task: RunTask| -> Result<Option<T>, TopologyError> {
            let run = if self.stop.is_set() {
                Ok(None)
            } else {
                let schedule = schedules.get(task.replication, || self.schedule(task.replication));
                self.run_on(candidates[task.candidate], &schedule, task.replication, measurement)
            };
            schedules.done(task.replication);
            Ok(run?.map(|run| keep(task.replication, run)))
        };
        in_parallel_with(tasks, self.config.threads, run, on_progress).into_iter().collect()
    }

    fn run_on(
        &self,
        candidate: Candidate<'_>,
        schedule: &Schedule,
        replication: u32,
        measurement: MeasurementWindow,
    ) -> Result<Option<RunResult>, TopologyError> {
        let seed = self.replication_seed(replication);
        let drawn = if replication == 0 { *self.costs } else { self.config.uncertainty.draw(self.costs, seed) };
        let run = Run {
            workload: self.workload,
            schedule,
            topology: candidate.topology,
            routers: candidate.routers,
            costs: &drawn,
            measurement,
            seed,
            as_logged: self.config.as_logged,
        };
        run.simulate_unless(self.stop)
    }

    fn measurement(&self, warm_up: Span, bins: u64) -> MeasurementWindow {
        MeasurementWindow::new(Time::ZERO + warm_up, Time::ZERO + self.workload.span, bins)
    }

    fn replication_seed(&self, replication: u32) -> u64 {
        draw(self.seed, Purpose::Replication, u64::from(replication))
    }
}

/// Replications from which uncertain parameters, not chance, make the interval: with 16 the mean's is a quarter of it.
pub const REPLICATIONS_ENOUGH: usize = 16;
/// Most bins of a pilot run: a day of seconds.
const PILOT_BINS_MAX: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::NEVER_STOPPED;
    use crate::synapse::record::{Record, mark};
    use crate::synapse::result::{Bottleneck, Instability};
    use crate::synapse::router::{FewestActive, RandomServer, Router};
    use crate::synapse::workload::Class;
    use crate::theory::Synthetic;
    use wsim_stats::Interval;
    use wsim_trace::NameId;

    fn random(_: usize, _: usize, _: u64) -> Box<dyn Router> {
        Box::new(RandomServer)
    }

    fn shortest(_: usize, _: usize, _: u64) -> Box<dyn Router> {
        Box::new(FewestActive)
    }

    /// Ten minutes of Poisson traffic by 200 users.
    fn workload(rate: u32) -> Workload {
        let synthetic: Synthetic = format!("poisson rate={rate} service=exp:20ms").parse().unwrap();
        let mut workload = synthetic.workload(Span::from_millis(600_000), 1);
        workload.records.iter_mut().zip(0u32..).for_each(|(record, i)| record.user = NameId(1 + i % 200));
        workload
    }

    fn config() -> ReplicationConfig {
        ReplicationConfig { warm_up: Span::from_millis(60_000), most: 40, ..ReplicationConfig::default() }
    }

    /// All replications of the candidates, and the warm-up.
    fn replicate(scenario: &Scenario<'_>, candidates: &[Candidate<'_>]) -> (Vec<Vec<RunResult>>, Span) {
        let warm_up = scenario.find_warm_up(candidates[0]).unwrap();
        let mut runs = vec![Vec::new(); candidates.len()];
        scenario.replicate(candidates, &mut runs, warm_up, |_, run| run, |_| true).unwrap();
        (runs, warm_up)
    }

    fn means(runs: &[RunResult]) -> Vec<f64> {
        runs.iter().map(RunResult::mean_ms).collect()
    }

    #[test]
    fn candidates_are_compared_on_common_traffic_and_the_threads_do_not_matter() {
        let (workload, two) = (workload(60), Topology::one_pool(2));
        let candidates = [Candidate { topology: &two, routers: &random }, Candidate { topology: &two, routers: &shortest }];
        let scenario =
            Scenario { workload: &workload, growth: 1.0, costs: &Costs::LOGGED, seed: 5, config: config(), stop: &NEVER_STOPPED };
        let single_threaded = replicate(&scenario, &candidates);
        let on_threads = Scenario { config: ReplicationConfig { threads: 3, ..config() }, ..scenario };
        assert_eq!(format!("{single_threaded:?}"), format!("{:?}", replicate(&on_threads, &candidates)));
        let (runs, warm_up) = single_threaded;
        let [random_runs, shortest_runs] = &runs[..] else { panic!("two candidates") };
        assert_eq!(random_runs.len(), shortest_runs.len());
        assert!(random_runs.len() >= 10 && scenario.config.has_converged(random_runs) && warm_up >= Span::from_millis(60_000));
        let difference = student_t::paired_difference(&means(random_runs), &means(shortest_runs), 0.95);
        assert!(difference.low > 5.0, "{difference:?}");
        let strict = student_t::paired_difference(&means(random_runs), &means(shortest_runs), 1.0 - 0.05 / 10.0);
        assert!(strict.low < difference.low && strict.high > difference.high, "Bonferroni widens");
        let utilisations: Vec<f64> = random_runs.iter().map(|run| run.processes[0].utilisation).collect();
        let utilisation: Interval = student_t::mean_interval(&utilisations, 0.95);
        assert!(utilisation.low < 0.6 && 0.6 < utilisation.high + 0.03, "{utilisation:?}");
        assert!(random_runs.iter().all(|run| run.processes.len() == 2));
    }

    #[test]
    fn a_scenario_that_varies_too_much_is_replicated_up_to_the_cap_without_converging() {
        let (workload, one) = (workload(46), Topology::one_pool(1));
        let config = ReplicationConfig { most: 12, mean_within: 0.001, ..config() };
        let scenario = Scenario { workload: &workload, growth: 1.0, costs: &Costs::LOGGED, seed: 5, config, stop: &NEVER_STOPPED };
        let (runs, _) = replicate(&scenario, &[Candidate { topology: &one, routers: &random }]);
        assert!(!config.has_converged(&runs[0]));
        assert_eq!(runs[0].len(), 12);
    }

    #[test]
    fn cancelled_replications_keep_what_is_done() {
        let (workload, one) = (workload(46), Topology::one_pool(1));
        let config = ReplicationConfig { first: 3, mean_within: 0.001, ..config() };
        let scenario = Scenario { workload: &workload, growth: 1.0, costs: &Costs::LOGGED, seed: 5, config, stop: &NEVER_STOPPED };
        let mut runs = vec![Vec::new()];
        let candidate = Candidate { topology: &one, routers: &random };
        scenario.replicate(&[candidate], &mut runs, Span::ZERO, |_, run| run, |done| done < 4).unwrap();
        assert_eq!(runs[0].len(), 4, "a first batch of three and one more");
    }

    /// Ten minutes in which 40 users write to a room of 120, at random times and in random order, and also ask for something else.
    fn herds(seed: u64) -> Workload {
        const USERS: u32 = 120;
        let draw = |number: u32, of: u64| draw(seed, Purpose::Arrival, u64::from(number) << 8 | of);
        let at_us = |number: u32, of: u64| 1_000_000 + draw(number, of) % 598_000_000;
        let user_of = |number: u32, of: u64, users: u64| NameId(1 + u32::try_from(draw(number, of) % users).unwrap());
        let request = |at_us: u64, user: NameId, cpu_us: u32| {
            let mut record = Record::at(at_us);
            (record.user, record.cpu_us) = (user, cpu_us);
            record
        };
        let mut records: Vec<Record> = Vec::new();
        for news in 0..200 {
            let (written_us, writer) = (at_us(news, 0), user_of(news, 1, 40));
            let mut write = request(written_us, writer, 8_000);
            write.set(mark::NEWS);
            records.push(write);
            for reader in (1..=USERS).map(NameId).filter(|reader| *reader != writer) {
                let mut poll = request(written_us - 900_000, reader, 1_500);
                poll.set(mark::LONG_POLL);
                poll.wait_us = 910_000;
                // Until the order is known, polls know their news by its place among the news.
                poll.cause = news + 1;
                records.push(poll);
            }
        }
        records.extend((0..6_000).map(|number| request(at_us(number, 3), user_of(number, 2, u64::from(USERS)), 20_000)));
        let mut order: Vec<usize> = (0..records.len()).collect();
        order.sort_by_key(|index| records[*index].arrival_us());
        let mut place = vec![0; records.len()];
        order.iter().zip(0u32..).for_each(|(index, number)| place[*index] = number);
        let mut sorted: Vec<Record> = order.iter().map(|index| records[*index]).collect();
        for poll in sorted.iter_mut().filter(|record| record.cause > 0) {
            poll.cause = 1 + place[(poll.cause as usize - 1) * USERS as usize];
        }
        Workload { records: sorted, classes: vec![Class::plain(0)], origin_us: 0, span: Span::from_millis(600_000), skips: Vec::new() }
    }

    #[test]
    fn resampled_replications_are_of_the_population_of_the_observed_one() {
        let topology = Topology::one_pool(2);
        let candidate = Candidate { topology: &topology, routers: &random };
        let figures: [fn(&RunResult) -> f64; 3] =
            [RunResult::mean_ms, RunResult::p95_ms, |run| run.processes.iter().map(|process| process.cores).sum()];
        // Logarithms of resampled over observed, of ten logs.
        let mut differences = vec![Vec::new(); figures.len()];
        for seed in 0..10 {
            let workload = herds(seed);
            let config = ReplicationConfig { threads: 2, ..config() };
            let scenario = Scenario { workload: &workload, growth: 1.0, costs: &Costs::LOGGED, seed, config, stop: &NEVER_STOPPED };
            let runs = scenario.run_replications(&[candidate], 0..6, Span::from_millis(60_000), |_, run| run).unwrap();
            for (figure, differences) in figures.iter().zip(&mut differences) {
                let resampled = runs[1..].iter().map(|(_, run)| figure(run)).sum::<f64>() / (runs.len() - 1) as f64;
                differences.push((resampled / figure(&runs[0].1)).ln());
            }
        }
        // A hundredth or two, where one replication differs from another by several; herds that a resample breaks up make it a fifth.
        for differences in differences {
            let interval = student_t::mean_interval(&differences, 0.99);
            assert!(interval.low < 0.02 && interval.high > -0.02 && interval.value.abs() < 0.03, "{interval:?} of {differences:?}");
        }
    }

    /// One run of ten minutes at one process: requests with exponential CPU of 20 ms, or with a transaction of 100 ms and hardly any CPU.
    fn alone(rate: u32, transactions: bool) -> RunResult {
        let mut workload = workload(rate);
        if transactions {
            for record in &mut workload.records {
                (record.cpu_us, record.db_us, record.transactions) = (100, 100_000, 1);
            }
        }
        let topology = Topology::one_pool(1);
        let costs = Costs { exponential_db: true, ..Costs::LOGGED };
        let scenario = Scenario { workload: &workload, growth: 1.0, costs: &costs, seed: 5, config: config(), stop: &NEVER_STOPPED };
        let warm_up = config().warm_up;
        scenario.once(Candidate { topology: &topology, routers: &random }, 0, warm_up).unwrap().unwrap()
    }

    #[test]
    fn a_queue_below_its_capacity_is_stable_and_one_above_is_not() {
        // M/M/1: 20 ms, so 50 a second are all that the CPU can do.
        let cpu = Some(Instability { cause: Bottleneck::Cpu, process: 0 });
        // M/M/5: 100 ms, so 50 a second are all that the connections can do.
        let connections = Some(Instability { cause: Bottleneck::Connections, process: 0 });
        for (transactions, overloaded) in [(false, cpu), (true, connections)] {
            for rate in [25, 40, 45] {
                assert_eq!(alone(rate, transactions).instability(), None, "{rate} a second");
            }
            for rate in [53, 60, 150] {
                assert_eq!(alone(rate, transactions).instability(), overloaded, "{rate} a second");
            }
        }
    }

    #[test]
    fn more_replications_are_not_run_of_what_is_not_stable() {
        let (workload, one) = (workload(60), Topology::one_pool(1));
        let config = ReplicationConfig { first: 3, mean_within: 0.001, ..config() };
        let scenario = Scenario { workload: &workload, growth: 1.0, costs: &Costs::LOGGED, seed: 5, config, stop: &NEVER_STOPPED };
        let (runs, _) = replicate(&scenario, &[Candidate { topology: &one, routers: &random }]);
        assert_eq!(runs[0].len(), 3);
    }

    #[test]
    fn growth_adds_users_and_load() {
        let (workload, four) = (workload(40), Topology::one_pool(4));
        let cores = |growth: f64| {
            let scenario = Scenario { workload: &workload, growth, costs: &Costs::LOGGED, seed: 5, config: config(), stop: &NEVER_STOPPED };
            let run = scenario.once(Candidate { topology: &four, routers: &random }, 0, Span::ZERO).unwrap().unwrap();
            run.processes.iter().map(|process| process.cores).sum::<f64>()
        };
        assert!((cores(2.0) / cores(1.0) - 2.0).abs() < 0.05);
    }
}
