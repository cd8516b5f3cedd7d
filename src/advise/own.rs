//! The deployment that wrote the logs, judged by the utilisation law: how busy each process is at the peak, which could go, which need
//! help. Knows nothing of plans: a plan answers what else there could be.

use std::collections::BTreeMap;

use super::law::{Law, ProcessDemand};
use wsim_plan::BackgroundRoles;
use wsim_profile::{DeployedProcess, DeployedRole, Profile};
use wsim_stats::Interval;

/// The processes of a deployment with workers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OwnDeployment<'a> {
    /// Busiest first.
    pub(super) processes: Vec<OwnProcess<'a>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct OwnProcess<'a> {
    pub(super) process: &'a DeployedProcess,
    /// Busy share of the CPU that it may use, at the peak.
    pub(super) busy: Interval,
    /// The part of it that does not grow with the load.
    pub(super) idle: Interval,
    /// Cores that it may use.
    pub(super) cpu: Interval,
    demand: ProcessDemand,
}

impl OwnProcess<'_> {
    /// ` of the 0.25 cores that it may use`; nothing for a process with a core of its own.
    pub(super) fn of_limit(&self) -> String {
        if self.cpu.value >= 1.0 { String::new() } else { format!(" of the {} cores that it may use", wsim_text::tick(self.cpu.value)) }
    }
}

/// Workers of one kind that could be fewer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spare<'a> {
    /// Least busy first.
    pub(super) could_go: Vec<&'a str>,
    pub(super) remain: Vec<&'a str>,
    /// Busy share of each that remains.
    pub(super) busy: Interval,
}

impl<'a> OwnDeployment<'a> {
    /// `None` for a single process, and where the CPU of the processes is unknown.
    pub(super) fn new(profile: &'a Profile, law: &Law) -> Option<Self> {
        let processes = &profile.deployment.processes;
        let persisters = processes.iter().filter(|process| process.role == DeployedRole::EventPersister).count();
        let persists = |process: &DeployedProcess| match (process.role, persisters) {
            (DeployedRole::Main, 0) => 1.0,
            (DeployedRole::EventPersister, several) => 1.0 / several as f64,
            _ => 0.0,
        };
        let own = |process: &'a DeployedProcess| {
            let demand = ProcessDemand {
                requests: Interval::exact(process.peak_cores?),
                evenly: Interval::exact(process.peak_cores?),
                replicates: true,
                persists: persists(process),
                background: law.background(&process.name, &BackgroundRoles::default()),
            };
            let cpu = process.cpu_limit.map_or(Interval::exact(1.0), |limit| limit.cores);
            Some(OwnProcess { process, busy: share(law.cores(&demand), cpu), idle: law.rest.scaled(1.0 / cpu.value), cpu, demand })
        };
        let mut all: Vec<OwnProcess<'a>> = processes.iter().map(own).collect::<Option<_>>()?;
        let rounded = |process: &OwnProcess<'_>| (process.busy.value * 1e9).round();
        all.sort_by(|a, b| rounded(b).total_cmp(&rounded(a)));
        (all.len() > 1).then_some(Self { processes: all })
    }

    /// Workers of the same kind of which fewer stay below a busy share even at the upper end of the uncertainty, if their load is even.
    pub(super) fn spares(&self, law: &Law, below: f64) -> Vec<Spare<'a>> {
        self.kinds().filter_map(|workers| spare(&workers, law, below)).collect()
    }

    /// How many workers of the kind of `process` stay below a busy share, if their load is even, and how busy each is then.
    pub(super) fn enough(&self, process: &OwnProcess<'a>, law: &Law, below: f64) -> Option<(usize, Interval)> {
        let kind = kind(&process.process.name);
        let workers: Vec<&OwnProcess<'a>> =
            self.processes.iter().filter(|other| is_worker(other) && self::kind(&other.process.name) == kind).collect();
        (1..=WORKERS_MAX).map(|count| (count, even(&workers, count, law))).find(|(_, busy)| busy.high < below)
    }

    /// How many workers of the kind of `process` there are.
    pub(super) fn peers(&self, process: &OwnProcess<'_>) -> usize {
        let kind = kind(&process.process.name);
        self.processes.iter().filter(|other| is_worker(other) && self::kind(&other.process.name) == kind).count()
    }

    /// The workers by their kind.
    fn kinds(&self) -> impl Iterator<Item = Vec<&OwnProcess<'a>>> {
        let mut kinds: BTreeMap<String, Vec<&OwnProcess<'a>>> = BTreeMap::new();
        for worker in self.processes.iter().filter(|process| is_worker(process)) {
            kinds.entry(kind(&worker.process.name)).or_default().push(worker);
        }
        kinds.into_values()
    }
}

/// A process that does nothing that only it may do.
fn is_worker(process: &OwnProcess<'_>) -> bool {
    process.process.role == DeployedRole::Worker && process.process.requests > 0
}

fn spare<'a>(workers: &[&OwnProcess<'a>], law: &Law, below: f64) -> Option<Spare<'a>> {
    let (remaining, busy) = (1..workers.len()).map(|count| (count, even(workers, count, law))).find(|(_, busy)| busy.high < below)?;
    let name = |worker: &&OwnProcess<'a>| worker.process.name.as_str();
    let mut could_go: Vec<&str> = workers[remaining..].iter().map(name).collect();
    could_go.reverse();
    Some(Spare { could_go, remain: workers[..remaining].iter().map(name).collect(), busy })
}

/// Busy share of each of `count` processes with the even load of `workers`.
fn even(workers: &[&OwnProcess<'_>], count: usize, law: &Law) -> Interval {
    let requests: f64 = workers.iter().map(|worker| worker.demand.requests.value).sum();
    let cores = law.cores(&ProcessDemand {
        requests: Interval::exact(requests / count as f64),
        evenly: Interval::exact(requests / count as f64),
        replicates: true,
        persists: 0.0,
        background: 0.0,
    });
    // A worker that is added is like the others; where they differ, like the least of them.
    let least = workers.iter().map(|worker| worker.cpu).min_by(|a, b| a.value.total_cmp(&b.value));
    share(cores, least.unwrap_or(Interval::exact(1.0)))
}

/// Cores as a share of those that a process may use. Neither range knows of the other.
fn share(cores: Interval, cpu: Interval) -> Interval {
    Interval::new(cores.value / cpu.value, cores.low / cpu.high, cores.high / cpu.low)
}

/// The name without its number: `generic_worker3` is a `generic_worker`. An address is a kind of its own.
fn kind(name: &str) -> String {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_', '.']);
    if stem.is_empty() || name.contains(':') { name.to_owned() } else { stem.to_owned() }
}

/// More workers of one kind than anybody adds.
const WORKERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScreenConfig;
    use crate::fixture::ProfileFixture;

    #[test]
    fn workers_of_a_kind_are_counted_together_and_the_idlest_could_go() {
        let profile = ProfileFixture::new()
            .class("sync", 0.5, 10)
            .deployed("main", DeployedRole::Main, 0.2)
            .deployed("generic_worker1", DeployedRole::Worker, 0.15)
            .deployed("generic_worker2", DeployedRole::Worker, 0.1)
            .deployed("generic_worker3", DeployedRole::Worker, 0.05)
            .deployed("event_persister1", DeployedRole::EventPersister, 0.01)
            .build();
        let law = ScreenConfig::default().law(&profile);
        let own = OwnDeployment::new(&profile, &law).unwrap();
        assert_eq!(own.processes[0].process.name, "main");
        let spares = own.spares(&law, 0.7);
        assert_eq!(spares.len(), 1);
        assert_eq!(
            (spares[0].could_go.as_slice(), spares[0].remain.as_slice()),
            (["generic_worker3", "generic_worker2"].as_slice(), ["generic_worker1"].as_slice())
        );
        assert!((spares[0].busy.value - 0.32).abs() < 1e-9, "{:?}", spares[0].busy);
        assert!(own.spares(&law, 0.1).is_empty());
        assert_eq!(own.enough(&own.processes[1], &law, 0.2).unwrap().0, 3);
    }

    #[test]
    fn a_process_is_as_busy_as_its_limit_makes_it() {
        let mut profile = ProfileFixture::new()
            .class("sync", 0.5, 10)
            .deployed("main", DeployedRole::Main, 0.2)
            .deployed("generic_worker1", DeployedRole::Worker, 0.1)
            .build();
        let law = ScreenConfig::default().law(&profile);
        let free = OwnDeployment::new(&profile, &law).unwrap().processes[1].busy;
        let cores = Interval::new(0.25, 0.2, 0.3);
        let limit = wsim_profile::CpuLimit { cores, period_ms: 20.0, source: wsim_profile::LimitSource::Found, spells: 40 };
        profile.deployment.processes[1].cpu_limit = Some(limit);
        let own = OwnDeployment::new(&profile, &law).unwrap();
        let limited = &own.processes[0];
        assert_eq!((limited.process.name.as_str(), limited.of_limit().as_str()), ("generic_worker1", " of the 0.25 cores that it may use"));
        assert!((limited.busy.value - free.value * 4.0).abs() < 1e-9 && (limited.busy.high - free.high * 5.0).abs() < 1e-9);
        assert_eq!(own.enough(limited, &law, 0.7).unwrap().0, 2, "evenly loaded, and each as limited");
    }

    #[test]
    fn a_kind_is_a_name_without_its_number() {
        assert_eq!(
            [kind("generic_worker12"), kind("sync-2"), kind("main"), kind("127.0.0.1:8081")],
            ["generic_worker", "sync", "main", "127.0.0.1:8081"]
        );
    }
}
