//! CPU of a plan's processes: how much each may use, in which periods, and the machine that they share.
//!
//! Knows nothing of what requests cost. Invariant: a process has one limit; its own entry in `[process]` counts before its pool's keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::check::Problem;
use super::suggest;
use super::topology::Worker;

/// CPU that a process may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// Cores: 0.25 is a container's limit of a quarter, 2.0 a machine twice as fast as where the log was written.
    pub cores: f64,
    /// Length of a period of the limit, ms.
    pub period_ms: f64,
}

impl Cpu {
    /// A whole core, in the usual period.
    pub const CORE: Self = Self { cores: 1.0, period_ms: PERIOD_MS };

    /// Whether the process may use all of a core all the time.
    pub fn is_unlimited(self) -> bool {
        self.cores >= 1.0
    }
}

/// The limit of one process: `[process.main]` in a plan file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessLimit {
    /// Cores the process may use.
    #[serde(default = "full_core", skip_serializing_if = "is_full_core")]
    pub cpu: f64,
    /// Length of a period of the limit, ms.
    #[serde(default = "usual_period", skip_serializing_if = "is_usual_period")]
    pub cpu_period: f64,
}

impl From<Cpu> for ProcessLimit {
    fn from(cpu: Cpu) -> Self {
        Self { cpu: cpu.cores, cpu_period: cpu.period_ms }
    }
}

impl ProcessLimit {
    pub(super) fn cpu(self) -> Cpu {
        Cpu { cores: self.cpu, period_ms: self.cpu_period }
    }
}

/// The machine that all processes and the database share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Number of cores.
    pub cores: f64,
    /// How much more CPU the same request takes when twice as many processes are at work as there are cores: 0.5 is half as much again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contention: Option<f64>,
    /// CPU of the same requests on this machine with different numbers of processes at work, from which `contention` is worked out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<MeasuredCpu>,
}

/// CPU of one kind of request with some processes at work.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredCpu {
    /// Synapse processes that were about as busy as the busiest.
    pub processes: f64,
    /// Mean CPU of a request, ms.
    pub cpu_ms: f64,
}

pub(super) fn full_core() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn is_full_core(cpu: &f64) -> bool {
    (*cpu - 1.0).abs() < f64::EPSILON
}

pub(super) fn usual_period() -> f64 {
    PERIOD_MS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn is_usual_period(period: &f64) -> bool {
    (*period - PERIOD_MS).abs() < f64::EPSILON
}

/// Checks the keys `cpu` and `cpu_period` of `whose` (`pool "sync"`, `process "main"`); the key at fault comes with the problem.
pub(super) fn check_limit(whose: impl Fn() -> String, cpu: f64, period: f64) -> Result<(), (&'static str, Problem)> {
    if !(cpu > 0.0 && cpu <= CPU_MAX) {
        return Err(("cpu", Problem::Cpu(whose())));
    }
    if !(PERIOD_MIN_MS..=PERIOD_MAX_MS).contains(&period) {
        return Err(("cpu_period", Problem::CpuPeriod { whose: whose(), period }));
    }
    // Half a microsecond of slack: 0.05 of 20 ms is a millisecond.
    if cpu < 1.0 && cpu * period < QUOTA_MIN_MS - 5e-4 {
        return Err(("cpu", Problem::CpuQuota { whose: whose(), budget: cpu * period, period, least: QUOTA_MIN_MS / period }));
    }
    Ok(())
}

/// Checks the limits of single processes: `Err` names the process and the key at fault.
pub(super) fn check_processes(
    processes: &BTreeMap<String, ProcessLimit>,
    workers: &[Worker],
) -> Result<(), (String, Option<&'static str>, Problem)> {
    for (name, limit) in processes {
        if name != MAIN && !workers.iter().any(|worker| worker.name == *name) {
            let names = std::iter::once(MAIN).chain(workers.iter().map(|worker| worker.name.as_str()));
            let suggestion = suggest::nearest(name, names).map(str::to_owned);
            return Err((name.clone(), None, Problem::UnknownProcess { process: name.clone(), suggestion }));
        }
        check_limit(|| format!("process {name:?}"), limit.cpu, limit.cpu_period)
            .map_err(|(key, problem)| (name.clone(), Some(key), problem))?;
    }
    Ok(())
}

/// Checks the machine; the key at fault comes with the problem.
pub(super) fn check_machine(machine: &Machine) -> Result<(), (&'static str, Problem)> {
    if !(CORES_MIN..=CORES_MAX).contains(&machine.cores) {
        return Err(("cores", Problem::Cores(machine.cores)));
    }
    if machine.contention.is_some_and(|contention| !(0.0..=CONTENTION_MAX).contains(&contention)) {
        return Err(("contention", Problem::Contention("contention must be 0 to 10: 0.5 is half as much CPU again for the same request")));
    }
    if machine.measured.is_empty() {
        return Ok(());
    }
    let wrong = |why| Err(("measured", Problem::Contention(why)));
    if machine.contention.is_some() {
        return wrong("contention and measured say the same: keep one of them");
    }
    let is_usable = |one: &MeasuredCpu| (1.0..=1e4).contains(&one.processes) && one.cpu_ms > 0.0 && one.cpu_ms <= 1e6;
    if !machine.measured.iter().all(is_usable) || machine.measured.len() > MEASUREMENTS_MAX {
        return wrong("measured must list {processes = 1 or more, cpu_ms = above 0}, a hundred at most");
    }
    let first = machine.measured[0].processes;
    if machine.measured.iter().all(|one| (one.processes - first).abs() < 0.1) {
        return wrong("measured needs two different numbers of processes: what changes between them is the contention");
    }
    Ok(())
}

/// The usual period of a container's limit (`cpu.cfs_period_us`, systemd's `CPUQuotaPeriodSec`).
pub const PERIOD_MS: f64 = 100.0;
const MAIN: &str = "main";
/// Cores, more than one Python process can use: a guard against slips such as `cpu = 100` for 100 %.
pub(super) const CPU_MAX: f64 = 16.0;
/// What Linux accepts as a period (`kernel/sched/core.c`, `min_cfs_quota_period`, `max_cfs_quota_period`).
pub(super) const PERIOD_MIN_MS: f64 = 1.0;
pub(super) const PERIOD_MAX_MS: f64 = 1000.0;
/// The least budget of a period that Linux accepts.
pub(super) const QUOTA_MIN_MS: f64 = 1.0;
const CORES_MIN: f64 = 0.1;
const CORES_MAX: f64 = 1024.0;
const CONTENTION_MAX: f64 = 10.0;
const MEASUREMENTS_MAX: usize = 100;
