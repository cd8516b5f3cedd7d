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
    fn below_a_core_is_a_quota_and_above_a_faster_machine() {
        assert_eq!(limited(0.5, 50.0).quota, Some(Quota { budget: Span::from_millis(25), period: Span::from_millis(50) }));
        assert_eq!(limited(2.0, 50.0), Cpu { speed: 2.0, quota: None });
    }
}
