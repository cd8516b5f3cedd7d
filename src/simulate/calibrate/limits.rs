//! CPU limits of the processes that wrote the logs, for the simulation of their deployment.

use std::collections::BTreeMap;

use super::config::PrepareConfig;
use crate::engine::time::Span;
use crate::station::{Cpu, Quota};
use wsim_profile::{DeployedProcess, Profile};

/// Limits below a core, by name as logged: those of the profile's deployment, and before them those of the config. A limit that was found is worked out
/// from the unlogged CPU, so it is taken from the same end of its range.
pub(super) fn observed_limits(profile: &Profile, config: &PrepareConfig) -> BTreeMap<String, Cpu> {
    let limit = |process: &DeployedProcess| {
        let limit = process.cpu_limit.filter(|limit| !limit.is_whole_core())?;
        Some((process.name.clone(), limited(config.coverage.select(limit.cores), limit.period_ms)))
    };
    let told = config.limits.iter().map(|(name, cpu)| (name.clone(), *cpu));
    profile.deployment.processes.iter().filter_map(limit).chain(told).collect()
}

/// A process that may use so many cores in every period.
pub(crate) fn limited(cores: f64, period_ms: f64) -> Cpu {
    let period = Span::from_seconds(period_ms / 1e3);
    let cpu = Cpu::cores(cores);
    Cpu { quota: cpu.quota.map(|_| Quota { budget: period.scaled(cores.max(0.001)), period }), ..cpu }
}

/// CPU of a request at a process with these limits, over that at one that is never throttled. Whenever a quota is used up, the process finds cold caches
/// afterwards.
pub(crate) fn cold_start_factor(cpu: Cpu) -> f64 {
    cpu.quota.map_or(1.0, |quota| 1.0 + (COLD_START.seconds() / quota.budget.seconds().max(1e-4)).min(COLD_START_MOST))
}

/// The mean of [`cold_start_factor`] over the CPU of clients' requests: `served` has the CPU of each, and the limits of the process that served it.
pub(super) fn observed_cold_start(served: impl Iterator<Item = (u32, Cpu)>) -> f64 {
    let (cpu, throttled) = served.fold((0.0, 0.0), |(cpu, throttled), (cpu_us, limits)| {
        let cpu_us = f64::from(cpu_us);
        // What was logged has the factor in it already.
        (cpu + cpu_us, throttled + cpu_us / cold_start_factor(limits))
    });
    if throttled > 0.0 { cpu / throttled } else { 1.0 }
}

/// CPU that is lost after a throttling. Measured on one cluster with 5 ms in every 20 ms: equal requests take 12 to 23 % more CPU than on a whole core.
const COLD_START: Span = Span::from_micros(700);
const COLD_START_MOST: f64 = 0.3;

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{profile, trace};
    use super::*;
    use wsim_profile::{CpuLimit, LimitSource};
    use wsim_stats::Interval;

    #[test]
    fn what_was_told_or_found_limits_the_observed_processes_and_the_config_comes_first() {
        let mut profile = profile(&trace(true), None);
        let name = profile.deployment.processes[0].name.clone();
        let config = PrepareConfig::default();
        assert!(observed_limits(&profile, &config).is_empty());
        let limit = CpuLimit { cores: Interval::new(0.25, 0.2, 0.3), period_ms: 20.0, source: LimitSource::Found, spells: 40 };
        profile.deployment.processes[0].cpu_limit = Some(limit);
        let found = observed_limits(&profile, &config);
        let quota = |ms| Quota { budget: Span::from_millis(ms), period: Span::from_millis(20) };
        assert_eq!(found[&name].quota, Some(quota(5)));
        let high = observed_limits(&profile, &PrepareConfig { coverage: super::super::config::Bound::High, ..config.clone() });
        assert_eq!(high[&name].quota, Some(quota(6)));
        let told = PrepareConfig { limits: [(name.clone(), Cpu::CORE)].into(), ..config };
        assert_eq!(observed_limits(&profile, &told)[&name], Cpu::CORE);
    }

    #[test]
    fn requests_cost_more_where_a_small_quota_ends_often() {
        let small = limited(0.25, 20.0);
        assert!((cold_start_factor(small) - 1.14).abs() < 1e-9 && cold_start_factor(Cpu::CORE) == 1.0);
        assert!(cold_start_factor(limited(0.25, 100.0)) < 1.03 && cold_start_factor(limited(0.01, 1.0)) <= 1.0 + COLD_START_MOST);
        assert_eq!(observed_cold_start([].into_iter()), 1.0);
        assert!((observed_cold_start([(5, small), (9, small)].into_iter()) - 1.14).abs() < 1e-9, "all requests were throttled");
        let half = observed_cold_start([(1140, small), (1000, Cpu::CORE)].into_iter());
        assert!((half - 1.07).abs() < 1e-9, "{half}");
    }

    #[test]
    fn below_a_core_is_a_quota_and_above_a_faster_machine() {
        assert_eq!(limited(0.5, 50.0).quota, Some(Quota { budget: Span::from_millis(25), period: Span::from_millis(50) }));
        assert_eq!(limited(2.0, 50.0), Cpu { speed: 2.0, quota: None });
    }
}
