//! The machine that all processes share: its cores, the CPU of the database and of other programs, and contention: the same request takes more CPU
//! the more processes are at work on the same cores.
//!
//! Contention is a factor on all CPU,
//!
//! ```text
//! 1 + contention · min(1, max(0, n + others − cores) / cores)       n processes of Synapse at work
//! ```
//!
//! because a process that finds its core's caches full of another's data starts slowly. Up to as many processes as cores nothing happens; with twice as
//! many, caches are cold whenever a process continues. `n` counts processes by their share of the work: two equally busy ones are two, a
//! second one that is hardly busy is hardly more than one ((Σu)² / Σu²). Only the ratio of a plan's factor to that of the observed deployment is used,
//! because the CPU in the log contains the contention of the machine that wrote it.

use crate::synapse::topology::{Costs, Machine, Topology};
use crate::synapse::workload::Workload;
use wsim_profile::ProcessCpu;
use wsim_profile::process_cpu::Software;
use wsim_stats::{Interval, ObservedTime};
use wsim_trace::Trace;

/// What is known of the machine of the logs, and of those that plans run on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MachineModel {
    /// Cores of the machine that wrote the logs; `None`: each process has a core of its own.
    observed_cores: Option<f64>,
    /// Cores for plans that do not say their own.
    plan_cores: Option<f64>,
    /// Share of a transaction's time in which the database uses CPU.
    database: f64,
    database_is_measured: bool,
    /// Cores in constant use by other programs.
    others: f64,
    contention: Contention,
    /// Processes at work in the observed deployment.
    observed_at_work: f64,
}

/// How much more CPU a request takes with twice as many processes at work as there are cores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Contention {
    pub(super) growth: Interval,
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Assumed,
    Told,
    Measured,
}

/// What the command line and the plan of `--observed` say of the machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MachineConfig {
    /// Cores for plans that do not say their own, and for the logs if `observed` does not: `--cores`.
    pub cores: Option<f64>,
    /// The machine that wrote the logs.
    pub observed: Option<wsim_plan::Machine>,
}

impl MachineConfig {
    fn observed_cores(&self) -> Option<f64> {
        self.observed.as_ref().map(|machine| machine.cores).or(self.cores)
    }
}

impl MachineModel {
    /// From the CPU counters of PostgreSQL and of other programs where they are given. `at_work` is the CPU of each observed process.
    pub(super) fn fit(
        config: &MachineConfig,
        trace: &Trace,
        time: &ObservedTime,
        counters: Option<&ProcessCpu>,
        at_work: impl Iterator<Item = f64>,
    ) -> Self {
        let seconds = |software: Software| -> f64 {
            let counters = counters.into_iter().flat_map(ProcessCpu::counters).filter(|counter| counter.software() == software);
            counters.map(|counter| counter.seconds_within(time)).sum()
        };
        let measured = Some(seconds(Software::Database)).filter(|seconds| *seconds > 0.0).and_then(|seconds| {
            let requests = trace.requests().filter(|request| time.contains(request.arrival_us));
            let in_transactions: f64 = requests.map(|request| f64::from(request.db_txn_us) / 1e6).sum();
            (in_transactions > 0.0).then(|| (seconds / in_transactions).clamp(DATABASE_SHARE_MIN, 1.0))
        });
        let observed_cores = config.observed_cores();
        Self {
            observed_cores,
            plan_cores: config.cores.or(observed_cores),
            database: measured.unwrap_or(DATABASE_SHARE),
            database_is_measured: measured.is_some(),
            others: seconds(Software::Other) / time.seconds().max(1.0),
            contention: config
                .observed
                .as_ref()
                .map_or(Contention::ASSUMED, |machine| Contention::of(machine, observed_cores.unwrap_or(1.0))),
            observed_at_work: processes_at_work(at_work),
        }
    }

    /// The machine of the observed deployment.
    pub(super) fn observed(&self) -> Option<Machine> {
        self.observed_cores.map(|cores| self.with_cores(cores))
    }

    /// The machine of a plan.
    pub(crate) fn of_plan(&self, plan: Option<&wsim_plan::Machine>) -> Option<Machine> {
        plan.map(|machine| machine.cores).or(self.plan_cores).map(|cores| self.with_cores(cores))
    }

    fn with_cores(&self, cores: f64) -> Machine {
        Machine { cores, database: self.database, others: self.others }
    }

    /// CPU of a request under a plan, over that of the same request in the log. `cpu` has the CPU of each of the plan's processes.
    pub(crate) fn slowdown(&self, plan: Option<&wsim_plan::Machine>, cpu: impl Iterator<Item = f64>) -> Interval {
        let (Some(observed), Some(machine)) = (self.observed_cores, self.of_plan(plan)) else { return Interval::exact(1.0) };
        let contention = plan.filter(|plan| plan.contention.is_some() || !plan.measured.is_empty());
        let growth = contention.map_or(self.contention, |plan| Contention::of(plan, machine.cores)).growth;
        let (before, after) = (crowding(self.observed_at_work, observed), crowding(processes_at_work(cpu), machine.cores));
        let ratio = |growth: f64| (1.0 + growth * after) / (1.0 + growth * before);
        let (value, low, high) = (ratio(growth.value), ratio(growth.low), ratio(growth.high));
        Interval::new(value, low.min(high).min(value), high.max(low).max(value))
    }

    /// What was told, measured or assumed; `None` if no machine is shared.
    pub(super) fn note(&self) -> Option<String> {
        let cores = self.observed_cores.or(self.plan_cores)?;
        let database = if self.database_is_measured { "measured" } else { "assumed" };
        let growth = self.contention.growth;
        let contention = match self.contention.source {
            Source::Assumed => format!(
                "assumed to take {:.0} % more CPU ({:.0}–{:.0} %); [machine] contention or measured in the plan of --observed sets it",
                growth.value * 100.0,
                growth.low * 100.0,
                growth.high * 100.0
            ),
            Source::Told => format!("told to take {:.0} % more CPU", growth.value * 100.0),
            Source::Measured => {
                format!("measured to take {:.0} % more CPU ({:.0}–{:.0} %)", growth.value * 100.0, growth.low * 100.0, growth.high * 100.0)
            }
        };
        Some(format!(
            "processes and database share {cores} cores; the database computes in {:.0} % of the time of a transaction ({database}), others use {:.2} cores; with twice as many processes at work as cores a request is {contention}",
            self.database * 100.0,
            self.others
        ))
    }
}

impl Contention {
    const ASSUMED: Self = Self { growth: GROWTH, source: Source::Assumed };

    /// What a plan says of its machine, else the prior.
    fn of(machine: &wsim_plan::Machine, cores: f64) -> Self {
        if let Some(growth) = machine.contention {
            return Self { growth: Interval::exact(growth), source: Source::Told };
        }
        if machine.measured.is_empty() {
            return Self::ASSUMED;
        }
        let points: Vec<(f64, f64)> = machine.measured.iter().map(|one| (crowding(one.processes, cores), one.cpu_ms.ln())).collect();
        Self { growth: fitted(&points), source: Source::Measured }
    }
}

/// The growth under which logarithms of measured CPU differ least from `base · (1 + growth · crowding)`, pulled towards the prior, with its 95 % range.
fn fitted(points: &[(f64, f64)]) -> Interval {
    let misfit = |growth: f64| {
        let bases: Vec<f64> = points.iter().map(|(crowding, cpu)| cpu - (1.0 + growth * crowding).ln()).collect();
        let mean = bases.iter().sum::<f64>() / bases.len() as f64;
        let noise: f64 = bases.iter().map(|base| ((base - mean) / NOISE).powi(2)).sum();
        noise + ((growth - GROWTH.value) / GROWTH_DEVIATION).powi(2)
    };
    let steps = || (0..=STEPS).map(|step| f64::from(step) * STEP);
    let best = steps().map(|growth| (growth, misfit(growth))).min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((GROWTH.value, 0.0));
    let within = || steps().filter(|growth| misfit(*growth) <= best.1 + CHI_SQUARE_95);
    let (low, high) = (within().fold(best.0, f64::min), within().fold(best.0, f64::max));
    Interval::new(best.0, low, high)
}

/// Processes beyond the cores, in cores, at most 1: 0 means that each keeps a core to itself.
fn crowding(at_work: f64, cores: f64) -> f64 {
    ((at_work + OTHERS_AT_WORK - cores) / cores).clamp(0.0, 1.0)
}

/// How many processes work, by their share of the CPU; at least one.
fn processes_at_work(cpu: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = cpu.fold((0.0, 0.0), |(sum, squares), cpu| (sum + cpu, squares + cpu * cpu));
    if squares > 0.0 { sum * sum / squares } else { 1.0 }
}

/// CPU of each process of a deployment, s: requests evenly over the members of their pool, events, background work.
pub(crate) fn cpu_of_processes(workload: &Workload, topology: &Topology, costs: &Costs, seconds: f64) -> Vec<f64> {
    let mut by_pool = vec![0.0; topology.pools.len()];
    let mut events = 0.0;
    for (number, record) in (0..).zip(&workload.records) {
        by_pool[usize::from(topology.pool_of(number, record))] += f64::from(record.cpu_us) / 1e6;
        events += f64::from(u8::from(workload.classes.get(usize::from(record.class)).is_some_and(|class| class.persists)));
    }
    let background =
        |process: &crate::synapse::topology::ProcessSpec| process.background.rate * process.background.slice.seconds() * seconds;
    let mut cpu: Vec<f64> = topology.processes.iter().map(background).collect();
    for (members, sum) in topology.pools.iter().zip(by_pool) {
        let each = sum * (1.0 + costs.unlogged_cpu) / members.len().max(1) as f64;
        members.iter().for_each(|member| cpu[usize::from(*member)] += each);
    }
    let persisters = if topology.persisters.is_empty() { vec![0] } else { topology.persisters.clone() };
    for (number, process) in cpu.iter_mut().enumerate() {
        let share = if persisters.iter().any(|persister| usize::from(*persister) == number) { 1.0 / persisters.len() as f64 } else { 0.0 };
        *process += events * (costs.persist_cpu.seconds() * share + costs.replication.seconds() * (1.0 - share));
    }
    cpu
}

/// Share of a transaction's time in which the database uses CPU, for logs without a counter of the database. Measured on one cluster: 0.25
/// to 0.35.
const DATABASE_SHARE: f64 = 0.3;
const DATABASE_SHARE_MIN: f64 = 0.02;
/// On a machine with two cores a sync took 6.3 ms with one worker, 7.2 and 8.3 with a persister and a stream writer beside it, 8.2 to 10.6 with two
/// workers (docs/accuracy.md).
const GROWTH: Interval = Interval { value: 1.2, low: 0.4, high: 1.8 };
const GROWTH_DEVIATION: f64 = 0.4;
/// Database and proxy, in processes at work.
const OTHERS_AT_WORK: f64 = 1.5;
/// Standard deviation of the logarithm of CPU per request between equal runs: 0.065 at low load, up to 0.13.
const NOISE: f64 = 0.1;
const CHI_SQUARE_95: f64 = 3.84;
const STEP: f64 = 0.01;
const STEPS: u32 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn model(observed: Option<wsim_plan::Machine>, cores: Option<f64>, at_work: &[f64]) -> MachineModel {
        let mut trace = Trace::new();
        trace.seal();
        MachineModel::fit(&MachineConfig { cores, observed }, &trace, &ObservedTime::default(), None, at_work.iter().copied())
    }

    fn machine(cores: f64) -> wsim_plan::Machine {
        wsim_plan::Machine { cores, contention: None, measured: Vec::new() }
    }

    #[test]
    fn processes_count_by_their_share_of_the_work() {
        let count = |cpu: &[f64]| processes_at_work(cpu.iter().copied());
        assert_eq!((count(&[2.0, 2.0, 2.0]), count(&[5.0, 0.0]), count(&[])), (3.0, 1.0, 1.0));
        assert!((count(&[1.0, 0.1]) - 1.198).abs() < 0.001);
    }

    #[test]
    fn the_prior_explains_the_measured_cluster() {
        // One worker beside an idle main process; beside a persister and a writer; two workers.
        let alone = model(Some(machine(2.0)), None, &[1.0, 0.05]);
        let beside = alone.slowdown(None, [1.0, 0.05, 0.15, 0.1].into_iter());
        let two = alone.slowdown(None, [0.6, 0.6, 0.05, 0.15, 0.1].into_iter());
        assert!(beside.low < 7.2 / 6.3 && beside.high > 7.2 / 6.3, "{beside:?}");
        assert!(two.low < 8.2 / 6.3 && two.high > 8.2 / 6.3 && two.value > beside.value, "{two:?}");
    }

    #[test]
    fn cores_for_everybody_are_no_contention_and_unknown_cores_say_nothing() {
        let cpu = || [1.0, 1.0, 1.0, 1.0].into_iter();
        assert_eq!(model(None, None, &[1.0]).slowdown(None, cpu()), Interval::exact(1.0));
        assert_eq!(model(Some(machine(16.0)), None, &[1.0]).slowdown(None, cpu()), Interval::exact(1.0));
        let moved = model(Some(machine(2.0)), None, &[1.0, 1.0]).slowdown(Some(&machine(16.0)), cpu());
        assert!(moved.value < 1.0 && moved.high <= 1.0, "more cores make requests cheaper: {moved:?}");
        assert_eq!(model(None, Some(4.0), &[1.0]).of_plan(Some(&machine(8.0))).map(|machine| machine.cores), Some(8.0));
    }

    #[test]
    fn a_measurement_moves_the_prior_and_narrows_its_range() {
        let measured = |pairs: &[(f64, f64)]| {
            let measured = pairs.iter().map(|&(processes, cpu_ms)| wsim_plan::MeasuredCpu { processes, cpu_ms }).collect();
            Contention::of(&wsim_plan::Machine { measured, ..machine(2.0) }, 2.0)
        };
        let none = measured(&[(1.0, 6.0), (3.0, 6.0), (1.0, 6.0), (3.0, 6.0)]);
        assert!(none.growth.value < 0.3 && none.growth.low == 0.0, "{none:?}");
        let much = measured(&[(1.0, 6.0), (3.0, 12.0)]);
        assert!(much.growth.value > GROWTH.value && much.growth.high - much.growth.low < 4.0 * GROWTH_DEVIATION, "{much:?}");
        let told = Contention::of(&wsim_plan::Machine { contention: Some(0.5), ..machine(2.0) }, 2.0);
        assert_eq!(told.growth, Interval::exact(0.5));
    }
}
