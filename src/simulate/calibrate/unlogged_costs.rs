//! CPU that no request line shows, each cost with its range: the one model that the utilisation law of the screen and the simulation
//! share.
//!
//! ```text
//! cores of a process = (1 + unlogged) * logged CPU per second     of the requests that it serves
//!                    + persist * events per second                 if it persists events, else
//!                      replication * events per second             if there are several processes
//!                    + idle + own background work
//! ```
//!
//! With process CPU the costs are fitted ([`cpu_fit`]), from a trace or from a profile alone; without it they are priors.
//! A prior is a cost per second, request or event, so it holds for any load.

use std::collections::BTreeMap;

use super::background_roles::{self, Destinations};
use super::cpu_fit::{self, FittedCosts, MeasuredProcess, WindowRow};
use wsim_endpoints::between_processes::hands_over_events;
use wsim_plan::BackgroundRoles;
use wsim_profile::{ProcessCoverage, ProcessProfile, Profile};
use wsim_stats::Interval;
use wsim_text::prose;

/// Costs beside the request lines.
#[derive(Debug, Clone, PartialEq)]
pub struct UnloggedCosts {
    /// Unlogged CPU per logged second.
    pub unlogged: Interval,
    /// Per event fetched from the database, s; only a trace with process CPU shows it.
    pub fetched_event: f64,
    /// Per persisted event at every process that does not persist it, s.
    pub replication: Interval,
    /// Per persisted event at its persister, s.
    pub persist: Interval,
    /// Time of a persister for a batch of events, s, in which it writes no other: its CPU, the database, and what it waits for.
    pub writing: Interval,
    /// Cores of every idle process.
    pub idle: Interval,
    /// Further background work of the measured processes by name, roles included, cores.
    pub observed_background: BTreeMap<String, f64>,
    /// The part of it that no background role explains, which stays with its process.
    own_background: BTreeMap<String, f64>,
    /// Other servers, among which senders divide their work.
    destinations: Destinations,
    /// Background work that moves with a [role](BackgroundRoles), cores by Synapse's setting.
    pub role_background: BTreeMap<&'static str, f64>,
    /// The costs are fitted rather than assumed.
    pub is_measured: bool,
    /// A sentence about the sources.
    pub note: String,
}

impl UnloggedCosts {
    /// From a profile alone: fitted to the process CPU in it, else assumed.
    pub fn from_profile(profile: &Profile) -> Self {
        let measured = measured_processes(profile);
        if measured.iter().any(|process| process.serves) { Self::fitted(cpu_fit::fit(&measured), profile) } else { Self::assumed(profile) }
    }

    /// Without process CPU: priors.
    pub(super) fn assumed(profile: &Profile) -> Self {
        let coverage = &profile.coverage;
        let demand_covers_all = coverage.measured && coverage.processes.is_empty();
        let net = |gross: f64, fixed: f64| if gross.is_finite() { (gross - 1.0 - fixed).max(UNLOGGED_MIN) } else { UNLOGGED };
        let unlogged = if demand_covers_all {
            coverage.factor
        } else {
            Interval::new(
                net(coverage.factor.value, FIXED_IN_COVERAGE.value),
                net(coverage.factor.low, FIXED_IN_COVERAGE.value),
                net(coverage.factor.high, FIXED_IN_COVERAGE.low),
            )
        };
        let above_one = |bound: f64| (bound - 1.0).max(0.0);
        Self {
            unlogged: if demand_covers_all {
                Interval { value: above_one(unlogged.value), low: above_one(unlogged.low), high: above_one(unlogged.high) }
            } else {
                unlogged
            },
            fetched_event: 0.0,
            replication: REPLICATION,
            persist: with_receiving(PERSIST, profile),
            writing: WRITING,
            idle: IDLE,
            observed_background: BTreeMap::new(),
            own_background: BTreeMap::new(),
            destinations: Destinations::default(),
            role_background: BTreeMap::new(),
            is_measured: false,
            note: if demand_covers_all {
                format!("Background CPU: {}.", coverage.note)
            } else {
                format!(
                    "Background CPU is assumed, not measured: a process uses {} times its logged CPU and {} of a core when idle, and each event costs every other process {}. --process-cpu measures yours.",
                    prose::range(unlogged.plus(Interval::exact(1.0)), 1),
                    prose::percent_range(IDLE),
                    prose::milliseconds_range(REPLICATION.scaled(1e3))
                )
            },
        }
    }

    /// Fitted costs. The range of the unlogged CPU is as wide as that of the measured coverage, a few per cent at most; the split between the other
    /// costs depends on priors.
    pub(super) fn fitted(fit: FittedCosts, profile: &Profile) -> Self {
        let Interval { value, low, high } = profile.coverage.factor;
        let unlogged = fit.unlogged.max(UNLOGGED_MIN);
        let mut own_background = fit.own_background.clone();
        let role_background = background_roles::take(&mut own_background);
        // The sum is measured, so each part is known better than its prior.
        let around = |value: f64, share: f64| Interval::new(value, value * (1.0 - share), value * (1.0 + share));
        let most = UNLOGGED_SPREAD * (1.0 + unlogged);
        let persist = if fit.saw_persister {
            Interval::new(fit.persist, fit.persist / PERSIST_SPREAD, fit.persist * PERSIST_SPREAD)
        } else {
            PERSIST
        };
        let persist = with_receiving(persist, profile);
        Self {
            unlogged: Interval::new(unlogged, (unlogged - (value - low).min(most)).max(UNLOGGED_MIN), unlogged + (high - value).min(most)),
            fetched_event: fit.fetched_event,
            replication: around(fit.replication, REPLICATION_SPREAD),
            persist,
            writing: WRITING,
            idle: around(fit.idle, IDLE_SPREAD),
            observed_background: fit.own_background,
            own_background,
            destinations: Destinations::from_profile(profile),
            role_background,
            is_measured: true,
            note: format!(
                "Background CPU is fitted to process CPU: {unlogged:.2} s after each logged second, {:.1} ms for each event at every other process, {:.1} ms at its persister, {:.1} % of a core idle (over {} windows of {:.0} s; at a constant rate the sum is measured, but its split depends on priors).",
                fit.replication * 1e3,
                persist.value * 1e3,
                fit.idle * 100.0,
                fit.windows,
                fit.window_seconds,
            ),
        }
    }

    /// Cores of background work of a plan's process beyond [`Self::idle`].
    pub fn background_of(&self, process: &str, roles: &BackgroundRoles) -> f64 {
        let own = self.own_background.get(process).copied().unwrap_or(0.0);
        own + background_roles::cores_of(&self.role_background, &self.destinations, roles, process)
    }
}

/// The cost of persisting an event, which is at least what the lines of the requests that handed events over show.
fn with_receiving(persist: Interval, profile: &Profile) -> Interval {
    let lines = profile.between_processes.iter().filter(|endpoint| hands_over_events(endpoint.pattern.as_deref()));
    let (requests, cpu) = lines.fold((0, 0.0), |(requests, cpu), line| (requests + line.requests, cpu + line.cpu_seconds));
    let logged = if requests > 0 { cpu / requests as f64 } else { 0.0 };
    Interval { value: persist.value.max(logged), low: persist.low.max(logged), high: persist.high.max(logged) }
}

/// The processes of a profile with CPU counters, one window each.
fn measured_processes(profile: &Profile) -> Vec<MeasuredProcess> {
    let measured = &profile.coverage.processes;
    if !profile.coverage.measured || measured.is_empty() {
        return Vec::new();
    }
    let seen = |name: &str| profile.processes.iter().find(|process| process.name == name);
    let serves_clients = |process: &ProcessCoverage| seen(&process.name).is_none_or(|seen| seen.requests > 0);
    let clients: f64 = measured.iter().filter(|process| serves_clients(process)).map(|process| process.logged_cpu_seconds).sum();
    let all: f64 = measured.iter().map(|process| process.logged_cpu_seconds).sum();
    let several = measured.len() > 1 || profile.processes.len() > 1;
    let is_persister = |seen: &ProcessProfile| seen.internal_requests > 0 && seen.requests == 0 && seen.name.contains("persist");
    let is_elsewhere = profile.processes.iter().any(is_persister);
    let one = |process: &ProcessCoverage| {
        let hands_on = seen(&process.name).is_some_and(is_persister);
        // Receiving an event is a part of the cost of persisting it.
        let logged = if hands_on { 0.0 } else { process.logged_cpu_seconds };
        let is_tenth = |of: f64| logged > 0.0 && logged * 10.0 >= of;
        let serves = serves_clients(process) && is_tenth(clients) || is_tenth(all);
        let persists = if is_elsewhere { hands_on } else { !several || is_main(&process.name) };
        let row = WindowRow {
            seconds: process.seconds,
            cpu: process.process_cpu_seconds,
            logged,
            fetched: 0.0,
            events: profile.events_per_second.mean.max(0.0) * process.seconds,
        };
        MeasuredProcess { name: process.name.clone(), serves, persists, rows: vec![row] }
    };
    measured.iter().filter(|process| process.seconds > 0.0).map(one).collect()
}

/// Whether a process has a usual name of the main process.
pub(super) fn is_main(name: &str) -> bool {
    ["main", "master", "homeserver"].iter().any(|word| name.contains(word))
}

/// Cores of an idle process: timers, garbage collection, metrics. Measured on a quiet cluster: 0.9 to 3 %, main process 1.3 %
/// (docs/accuracy.md); the upper bound allows for the garbage of larger caches (inferred).
pub(super) const IDLE: Interval = Interval { value: 0.02, low: 0.01, high: 0.05 };
/// Unlogged CPU per logged second: the coverage of one cluster (Synapse 1.163.2, [`FIXED_IN_COVERAGE`]).
pub(super) const UNLOGGED: f64 = 0.5;
/// The part of that cluster's coverage factor that was idle CPU and replication: 2 to 3 % of a core per worker, beside 5 to 10 % of a core
/// of logged CPU. The lower end goes with the upper end of the factor, so that the range errs on the high side.
const FIXED_IN_COVERAGE: Interval = Interval { value: 0.3, low: 0.1, high: 0.5 };
/// Least unlogged CPU per logged second: request lines never show everything.
pub(super) const UNLOGGED_MIN: f64 = 0.1;
/// Per persisted event and other process, s. Upper end: 25 % of each worker at 40 events a second (Element, "Scaling to millions of users
/// requires Synapse Pro", January 2025); matrix.org in 2020 used 20 to 25 % of a core per process (matrix-org/synapse#7670, #8283).
/// Lower end: measured on a small cluster, 2.9 ms (docs/accuracy.md).
pub(super) const REPLICATION: Interval = Interval { value: 0.004_5, low: 0.002_5, high: 0.006 };
/// Per persisted event at its persister, s. Synapse persists in a background process whose CPU no request line shows
/// (`storage/controllers/persist_events.py`). Measured on two runs of one cluster: 7 to 16 and 10 to 20 ms; the lower bound allows for
/// faster machines.
pub(super) const PERSIST: Interval = Interval { value: 0.012, low: 0.005, high: 0.02 };
/// Time of a persister for a batch of events, s. Measured on one cluster: 26 ms alone, 34 at 6 events a second; 22 to 49 ms in nine of ten.
const WRITING: Interval = Interval { value: 0.028, low: 0.028 / WRITING_SPREAD, high: 0.028 * WRITING_SPREAD };
/// Factor either way on the time of writing on another machine.
pub(super) const WRITING_SPREAD: f64 = 1.5;
/// Largest error of the measured CPU of a process for its logged CPU: what the split between costs leaves open. How much the level itself changes
/// from run to run, each replication draws.
const UNLOGGED_SPREAD: f64 = 0.03;
/// Errors of fitted costs whose sum is measured.
const REPLICATION_SPREAD: f64 = 0.2;
const IDLE_SPREAD: f64 = 0.4;
/// Factor either way on a fitted cost of persisting: idle CPU and replication are fitted beside it.
const PERSIST_SPREAD: f64 = 1.3;

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{counters, profile, trace};
    use super::*;

    #[test]
    fn priors_are_per_unit_of_load_and_do_not_depend_on_it() {
        let mut profile = profile(&trace(true), None);
        let costs = UnloggedCosts::from_profile(&profile);
        assert!(!costs.is_measured && costs.note.contains("assumed, not measured"));
        assert!((costs.unlogged.value - 0.5).abs() < 1e-9 && costs.unlogged.low < 0.5 && costs.unlogged.high > 0.5, "{costs:?}");
        profile.endpoints.iter_mut().for_each(|endpoint| endpoint.cpu_seconds *= 10.0);
        profile.events_per_second.mean *= 10.0;
        assert_eq!(UnloggedCosts::from_profile(&profile), costs);
    }

    #[test]
    fn demand_that_covers_all_cpu_has_nothing_unlogged() {
        let mut profile = profile(&trace(true), None);
        profile.coverage = wsim_profile::Coverage { factor: Interval::exact(1.0), measured: true, ..profile.coverage };
        assert_eq!(UnloggedCosts::from_profile(&profile).unlogged, Interval::exact(0.0));
    }

    #[test]
    fn a_profile_with_process_cpu_gives_back_what_was_measured() {
        // Each worker logs 0.05 core and uses 0.09; there are two events a second.
        let profile = profile(&trace(true), Some(counters(0.09)));
        let costs = UnloggedCosts::from_profile(&profile);
        let modelled = 0.05 * (1.0 + costs.unlogged.value) + costs.idle.value + profile.events_per_second.mean * costs.replication.value;
        assert!(costs.is_measured && (modelled / 0.09 - 1.0).abs() < 0.05, "{modelled} {costs:?}");
    }
}
