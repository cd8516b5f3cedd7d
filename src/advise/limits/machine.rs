//! The limits of what all processes share: the database, the CPU and the memory of the machine.
//!
//! Each needs to be told something that no request line says: the CPU of PostgreSQL and the memory of the processes (`--process-cpu`), the cores and
//! the memory of the machine (`--cores`, `--memory`, `--observed`). Only the database's own ceiling shows in a log, where transactions take longer the more of
//! them there are.

use super::{Limit, LimitInputs, LimitKind, MACHINE, NOTHING};
use wsim_plan::CheckedPlan;
use wsim_profile::{DatabaseProfile, ProcessMemory, Profile};
use wsim_stats::Interval;

/// What is known of the machine that runs all processes and the database.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MachineLimits {
    pub cores: Option<f64>,
    /// Bytes.
    pub memory: Option<f64>,
}

impl MachineLimits {
    /// With what was told of the machine along with the deployment, where no option says otherwise.
    pub(in super::super) fn or_told(self, profile: &Profile) -> Self {
        Self { cores: self.cores.or(profile.deployment.cores), ..self }
    }
}

/// The limits of a plan, or of the processes that wrote the logs, at the observed load.
pub(super) fn limits(plan: &CheckedPlan, peak_cores: Interval, inputs: &LimitInputs<'_>) -> Vec<Limit> {
    let LimitInputs { profile, machine, objective, .. } = *inputs;
    // A plan on whose workers caches are cold asks more of the database than the log shows.
    let more = inputs.pool.demand_of(plan).unwrap_or(1.0);
    let processes = f64::from(plan.worker_count()) + 1.0;
    [
        profile.database.and_then(|database| of_database(&database, more, machine, objective.busy)),
        of_cpu(profile, peak_cores, more, machine, objective.busy),
        of_memory(profile, processes, machine),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The limits of the deployment that wrote the logs, with so many processes.
pub(super) fn observed_limits(peak_cores: Option<Interval>, processes: usize, inputs: &LimitInputs<'_>) -> Vec<Limit> {
    let LimitInputs { profile, machine, objective, .. } = *inputs;
    [
        profile.database.and_then(|database| of_database(&database, 1.0, machine, objective.busy)),
        peak_cores.and_then(|cores| of_cpu(profile, cores, 1.0, machine, objective.busy)),
        of_memory(profile, processes as f64, machine),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The database itself: the tighter of its CPU and of the rate at which its transactions would take for ever. `more` is how many times
/// the observed time in transactions it is asked for.
fn of_database(database: &DatabaseProfile, more: f64, machine: MachineLimits, below: f64) -> Option<Limit> {
    let by_rate = database.ceiling_per_second.and_then(|ceiling| {
        let now = database.per_second * more;
        let share = Interval::new(now / ceiling.value, now / ceiling.high, now / ceiling.low);
        Limit::of_share(LimitKind::Database, DATABASE, share, NOTHING, below).map(|limit| limit.counting(now, "transactions a second"))
    });
    let by_cpu = database.cpu_cores.zip(machine.cores).and_then(|(used, cores)| {
        let now = used * more;
        Limit::of_share(LimitKind::Database, DATABASE, Interval::exact(now / cores), NOTHING, below)
            .map(|limit| limit.counting(now, "cores"))
    });
    by_rate.into_iter().chain(by_cpu).min_by(|a, b| a.headroom.value.total_cmp(&b.headroom.value))
}

/// The cores of the machine, which processes and database share.
fn of_cpu(profile: &Profile, peak_cores: Interval, more: f64, machine: MachineLimits, below: f64) -> Option<Limit> {
    let cores = machine.cores?;
    let database = profile.database.map_or(NOTHING, |database| match database.cpu_cores {
        Some(measured) => Interval::exact(measured * more),
        None => CORES_OF_A_TRANSACTION.scaled(database.busy * more),
    });
    let used = peak_cores.plus(database);
    Limit::of_share(LimitKind::Cpu, MACHINE, used.scaled(1.0 / cores), NOTHING, below).map(|limit| limit.counting(used.value, "cores"))
}

/// The memory of the machine. Caches fill up and stay full, so at best memory does not grow with the load at all; at worst all that a
/// process has beyond its start does.
fn of_memory(profile: &Profile, processes: f64, machine: MachineLimits) -> Option<Limit> {
    let all = machine.memory? * MEMORY_SHARE;
    let of = |is_synapse: bool| profile.memory.iter().filter(move |memory| memory.is_synapse == is_synapse);
    let sum = |memories: &mut dyn Iterator<Item = &ProcessMemory>| memories.map(|memory| memory.largest_bytes).sum::<f64>();
    let others = sum(&mut of(false));
    let seen = of(true).count();
    let mean = sum(&mut of(true)) / seen.max(1) as f64;
    let each = if seen > 0 { Interval::exact(mean) } else { PROCESS_BYTES };
    let needed = each.scaled(processes).plus(Interval::exact(others));
    let start = PROCESS_BYTES.low * processes + others;
    let grown = |needed: f64| if needed > start { (all - start) / (needed - start) } else { f64::INFINITY };
    let headroom = Interval::new(grown(needed.value), all / needed.high, f64::INFINITY);
    let Interval { value, low, high } = if needed.low > all { Interval::exact(all / needed.low) } else { headroom };
    let mut limit = Limit::new(LimitKind::Memory, MACHINE, Interval { value: value.max(0.0), low: low.min(value).max(0.0), high });
    let text = |bytes: f64| wsim_text::bytes(whole(bytes));
    limit.quantity = Some(format!("{} of {}", text(needed.value), text(machine.memory?)));
    Some(limit)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size in bytes, not negative; the cast saturates")]
fn whole(bytes: f64) -> u64 {
    bytes.round() as u64
}

const DATABASE: &str = "database";
/// Cores that PostgreSQL uses for each transaction at once, where no counter of it is given. Measured on one cluster: 0.25 to 0.35; the range
/// allows for queries that only wait and for those that only compute.
const CORES_OF_A_TRANSACTION: Interval = Interval { value: 0.3, low: 0.1, high: 0.8 };
/// Resident memory of a process: just started, between, and after a day with full caches, as in the checklists of `wsim configure`.
const PROCESS_BYTES: Interval = Interval { value: 300.0 * MIB, low: 120.0 * MIB, high: 500.0 * MIB };
const MIB: f64 = 1_048_576.0;
/// The rest is the system's, and its cache of files.
const MEMORY_SHARE: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScreenConfig;
    use crate::fixture::ProfileFixture;
    use wsim_profile::Window;

    const CORES: MachineLimits = MachineLimits { cores: Some(4.0), memory: None };

    fn database(ceiling: Option<Interval>, cpu_cores: Option<f64>) -> DatabaseProfile {
        let window = Window { start_us: 0, end_us: 300_000_000 };
        DatabaseProfile { window, busy: 2.0, largest: 5.0, per_second: 100.0, ceiling_per_second: ceiling, cpu_cores }
    }

    #[test]
    fn the_database_is_limited_by_its_ceiling_or_by_its_cpu_and_unknown_otherwise() {
        assert_eq!(of_database(&database(None, None), 1.0, CORES, 0.7), None);
        assert_eq!(of_database(&database(None, Some(1.0)), 1.0, MachineLimits::default(), 0.7), None, "of how many cores?");
        let by_cpu = of_database(&database(None, Some(1.0)), 1.0, CORES, 0.7).unwrap();
        assert_eq!(by_cpu.to_string(), "the database at 2.8 times this load (1 of 2.8 cores)");
        let ceiling = Interval::new(200.0, 160.0, 400.0);
        let by_rate = of_database(&database(Some(ceiling), Some(1.0)), 1.0, CORES, 0.7).unwrap();
        assert_eq!(by_rate.to_string(), "the database at 1.4 times this load (1.1–2.8; 100 of 140 transactions a second)");
        assert!(of_database(&database(Some(ceiling), None), 2.0, CORES, 0.7).unwrap().is_reached(), "cold caches ask twice as much");
    }

    #[test]
    fn the_cores_of_a_machine_are_those_of_all_processes_and_of_the_database() {
        let mut profile = ProfileFixture::new().class("sync", 0.1, 10).build();
        assert_eq!(of_cpu(&profile, Interval::exact(1.0), 1.0, MachineLimits::default(), 0.7), None);
        profile.database = Some(database(None, Some(1.0)));
        let limit = of_cpu(&profile, Interval::new(1.0, 0.8, 1.5), 1.0, CORES, 0.7).unwrap();
        assert_eq!(limit.to_string(), "the machine's CPU, the database's included at 1.4 times this load (1.1–1.5; 2 of 2.8 cores)");
        profile.database = Some(database(None, None));
        let assumed = of_cpu(&profile, Interval::exact(1.0), 1.0, CORES, 0.7).unwrap().headroom;
        assert!((assumed.value - 2.8 / 1.6).abs() < 1e-9 && (assumed.low - 2.8 / 2.6).abs() < 1e-9, "{assumed:?}");
    }

    #[test]
    fn memory_is_a_limit_where_the_machine_is_known() {
        let mut profile = ProfileFixture::new().class("sync", 0.1, 10).build();
        assert_eq!(of_memory(&profile, 2.0, MachineLimits::default()), None);
        let machine = MachineLimits { cores: None, memory: Some(4e9) };
        let assumed = of_memory(&profile, 2.0, machine).unwrap();
        assert!(assumed.headroom.low < assumed.headroom.value && assumed.headroom.high == super::super::HEADROOM_MAX, "{assumed:?}");
        let memory = |name: &str, is_synapse, largest_bytes| ProcessMemory { name: name.to_owned(), is_synapse, largest_bytes };
        profile.memory = vec![memory("postgres", false, 1e9), memory("main", true, 8e8), memory("worker1", true, 4e8)];
        let limit = of_memory(&profile, 2.0, machine).unwrap();
        assert!(limit.to_string().contains("2.20 GB of 4.00 GB") && !limit.is_reached(), "{limit}");
        // Four times as many processes do not fit.
        assert!(of_memory(&profile, 8.0, machine).unwrap().is_reached());
    }

    #[test]
    fn a_screened_plan_has_the_limits_of_the_machine() {
        let mut profile = ProfileFixture::new().class("sync", 0.2, 10).build();
        profile.database = Some(database(Some(Interval::new(150.0, 120.0, 200.0)), None));
        let advice = crate::screen(&profile, &ScreenConfig { machine: CORES, ..ScreenConfig::default() });
        assert_eq!(advice.limits.first().map(|limit| limit.kind), Some(LimitKind::Database), "{:?}", advice.limits);
        assert!(advice.verdict.text.contains("the database"), "{}", advice.verdict.text);
        for plan in &advice.candidates {
            assert!(plan.limits.iter().any(|limit| limit.kind == LimitKind::Database), "{}", plan.plan.name);
        }
    }
}
