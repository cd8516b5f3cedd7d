//! From a trace and its profile to the input of the model: a workload, its classes, and the CPU that no request line shows.
//!
//! Invariant: request lines never count as all of the CPU. Without process CPU the prior holds, with its range, and the notes say so.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::background_roles;
use super::between_processes;
use super::cache_costs;
use super::classes::{ClassTable, class_of};
use super::coalesce_wakeups::coalesce;
pub use super::config::{Bound, PrepareConfig};
use super::cpu_attribution::LoggedCpu;
use super::cpu_level;
use super::limits::{observed_cold_start, observed_limits};
use super::machine::MachineModel;
use super::missing_cpu::MeanCpu;
use super::observed::ObservedDeployment;
use super::persist_costs::{PersistCosts, PersistRpcs};
use super::served_by::{ServedBy, is_persist_rpc};
use super::unloaded::{self, UnloadedShares, WallTimes};
use super::unlogged_costs::UnloggedCosts;
use super::wakeups::WakeupSummary;
use crate::engine::time::Span;
use crate::station::{Background, Cpu};
use crate::synapse::record::mark;
use crate::synapse::topology::{Costs, ProcessSpec, Topology, TopologyError};
use crate::synapse::workload::Workload;
use crate::uncertainty::Uncertainty;
use wsim_endpoints::{Endpoint, Method};
use wsim_plan::BackgroundRoles;
use wsim_profile::{Profile, Window};
use wsim_stats::{DurationHistogram, Interval, ObservedTime};
use wsim_text::prose;
use wsim_trace::{NameId, Names, Request, Trace, flag};

/// A workload and its costs.
#[derive(Debug, Clone)]
pub struct PreparedWorkload {
    /// The requests of the window, those between processes included.
    pub workload: Workload,
    /// What routing needs to know of the workload's records besides their classes and names, in their order.
    pub senders: Vec<Sender>,
    /// The time of the workload, whose clock the records' arrivals are on.
    pub time: ObservedTime,
    /// Costs that no request line shows.
    pub costs: Costs,
    /// Endpoint groups, by the `group` of the workload's classes.
    pub groups: Vec<String>,
    /// How the preparation was done and how far to trust it, a sentence each.
    pub notes: Vec<String>,
    /// The texts behind the workload's identities: proxies hash text.
    pub names: Arc<Names>,
    /// Background work of an idle process.
    pub idle: Background,
    /// Database connections of every process.
    pub connections: u32,
    /// CPU that the processes which wrote the logs could use, where it was less than a core.
    limits: BTreeMap<String, Cpu>,
    /// CPU of the logged requests over that at processes which are never throttled.
    pub(crate) cold_start: f64,
    /// The machine of the logs, and those of plans.
    pub(crate) machine: MachineModel,
    /// CPU that no request line shows, with its range. [`Self::costs`] has the point of the range that was asked for.
    pub unlogged: UnloggedCosts,
    /// Whether unlogged CPU was fitted to process CPU rather than assumed.
    pub is_measured: bool,
    /// Clients escape the ids of rooms in paths, so proxies hash them escaped.
    pub(crate) escaped_rooms: bool,
    /// How uncertain the costs are, beside the ranges of [`Self::unlogged`].
    pub uncertainty: Uncertainty,
    /// CPU of events that no simulated request makes (those from other servers, the first events of a room): cores at the process that
    /// persists them, and at every other.
    unseen_events: (f64, f64),
    /// What is known of the causes of long polls' wake-ups.
    pub wakeups: WakeupSummary,
    served_by: ServedBy,
}

/// Who sent a request and how, as far as a record does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sender {
    /// User agent family.
    pub agent: NameId,
    pub method: Method,
    /// Whether a bridge or bot names its user in `user_id=`.
    pub appservice: bool,
}

impl Sender {
    fn of(request: &Request) -> Self {
        Self { agent: request.agent, method: request.method, appservice: request.has(flag::APPSERVICE) }
    }
}

impl PreparedWorkload {
    /// Prepares the requests of a window. `endpoints` are those that the trace was classified with, `profile` is of the same trace.
    pub fn new(trace: &Trace, endpoints: &[Endpoint], profile: &Profile, window: Window, config: &PrepareConfig) -> Self {
        let initial_sync =
            if trace.any_has(flag::COST) { config.coverage.select(cache_costs::INITIAL_SYNC) } else { cache_costs::INITIAL_SYNC_INFERRED };
        let mut classes = ClassTable::from_endpoints(endpoints, initial_sync);
        let mean_cpu = MeanCpu::from_profile(endpoints, profile);
        // Costs come from all of the log, and the clock of the simulation runs only while there is a log.
        let covered = wsim_profile::observed_time(trace.requests().take_while(|_| !config.stop.is_set()));
        let fitted_on = config.calibration.unwrap_or(profile.window);
        let calibration = covered.within(fitted_on.start_us, fitted_on.end_us);
        let simulated = time_of(&covered, window);
        let served_by = ServedBy::from_trace(trace);
        let data = CalibrationData::from_trace(trace, endpoints, &classes, &mean_cpu, &served_by, &calibration, config);
        let mut unlogged = data.logged.attribute(profile, config);
        let persist = PersistCosts::new(&data.persist_rpcs, config.coverage.select(unlogged.persist));
        unlogged.persist = Interval::new(persist.cpu(), unlogged.persist.low, unlogged.persist.high);
        unlogged.writing = persist.writing().unwrap_or(unlogged.writing);
        classes.set_hop(persist.hop());
        let replication = config.replication.select(unlogged.replication);
        let counters = config.process_cpu.as_ref();
        let at_work = data.logged.cpu_of_processes(&calibration, counters, 1.0 + unlogged.unlogged.value);
        let machine = MachineModel::fit(&config.machine, trace, &calibration, counters, at_work.into_iter());
        let costs = Costs {
            cpu_factor: config.demand,
            unlogged_cpu: config.coverage.select(unlogged.unlogged),
            unlogged_after_response: UNLOGGED_AFTER_RESPONSE,
            thread_share: Some(THREAD_SHARE),
            fetched_event: Span::from_seconds(unlogged.fetched_event),
            replication: Span::from_seconds(replication),
            ..persist.costs()
        };
        let mut notes = notes(profile, &data, &unlogged, &persist);
        notes.extend(background_roles::note(&unlogged.role_background));
        notes.push(profile.deployment.cpu_sentence());
        notes.extend(machine.note());
        let workload = |time: &ObservedTime| {
            let requests = trace.requests().take_while(|_| !config.stop.is_set()).map(|request| mean_cpu.fill(request));
            let (mut processes, mut senders) = (Vec::new(), Vec::new());
            let class = |request: &Request| {
                let class = class_of(request, endpoints, &served_by)?;
                processes.push(if request.process.is_some() { request.process } else { request.upstream });
                senders.push(Sender::of(request));
                Some(class)
            };
            let mut workload = Workload::from_requests(requests, time, classes.classes.clone(), class);
            coalesce(&mut workload.records, &processes, 1.0 + costs.unlogged_cpu);
            (workload, senders)
        };
        let (mut calibrated, senders) = workload(&calibration);
        notes.extend(cache_costs::learn(&mut calibrated.records, &mut calibrated.classes, &classes.groups));
        notes.extend(between_processes::note(&calibrated.records));
        let wakeups = WakeupSummary::of(trace.requests().filter(|request| simulated.contains(request.arrival_us)));
        notes.extend(wakeups.note());
        let unseen = unseen_events_per_second(profile, data.logged.creations_per_second());
        let uncertainty = Uncertainty {
            cpu: cpu_level::deviation(&calibrated.records, calibrated.classes.len()),
            delays: DELAYS,
            writing: persist.deviation(),
        };
        let mut prepared = Self {
            workload: calibrated,
            senders,
            time: calibration.clone(),
            costs,
            groups: classes.groups.clone(),
            notes,
            names: Arc::new(trace.names.clone()),
            served_by: served_by.clone(),
            wakeups,
            idle: Background::from_utilisation(config.coverage.select(unlogged.idle)),
            connections: config.connections,
            limits: observed_limits(profile, config),
            cold_start: 1.0,
            machine,
            is_measured: unlogged.is_measured,
            unseen_events: (unseen * persist.cpu(), unseen * replication),
            escaped_rooms: data.escaped_rooms > data.plain_rooms,
            uncertainty,
            unlogged,
        };
        prepared.cold_start = prepared.observed_cold_start(trace, endpoints);
        let shares = prepared.unloaded_shares(trace, endpoints, &data.wall_times, config);
        if calibration != simulated {
            let learnt = std::mem::take(&mut prepared.workload.classes);
            (prepared.workload, prepared.senders) = workload(&simulated);
            cache_costs::correct_states(&mut prepared.workload.records, &learnt);
            prepared.workload.classes = learnt;
            prepared.time = simulated;
        }
        unloaded::scale_delays(&mut prepared.workload, &shares);
        for (class, share) in prepared.workload.classes.iter_mut().zip(&shares) {
            class.delay_share = share.delay;
        }
        prepared
    }

    fn observed_cold_start(&self, trace: &Trace, endpoints: &[Endpoint]) -> f64 {
        let limits_of =
            |request: &Request| self.limits.get(self.names.text(self.served_by.process_of(request))).copied().unwrap_or(Cpu::CORE);
        let clients = self.requests(trace, endpoints).zip(&self.workload.records).filter(|(request, _)| !request.has(flag::INTERNAL));
        observed_cold_start(clients.map(|(request, record)| (record.cpu_us, limits_of(&request))))
    }

    /// The share of observed delays and transaction times that is not due to load; all of it where the deployment cannot be simulated.
    ///
    /// Another coverage or replication cost is another explanation of the same log, and gets shares of its own. `demand` is not: it asks
    /// how the same requests would do if they cost more than they did.
    fn unloaded_shares(
        &self,
        trace: &Trace,
        endpoints: &[Endpoint],
        wall_times: &WallTimes,
        config: &PrepareConfig,
    ) -> Vec<UnloadedShares> {
        let all = || vec![UnloadedShares::ALL; self.workload.classes.len()];
        if config.stop.is_set() {
            return all();
        }
        let costs = Costs { cpu_factor: 1.0, ..self.costs };
        let observed = self.observed_deployment(trace, endpoints);
        let wall_times = self.with_cold_apart(wall_times, trace, endpoints);
        let shares = observed.and_then(|observed| unloaded::fit_shares(&observed, &wall_times, &costs, config.threads, &config.stop));
        shares.ok().flatten().unwrap_or_else(all)
    }

    /// Wall times with those of cold requests under numbers of their own.
    fn with_cold_apart(&self, wall_times: &WallTimes, trace: &Trace, endpoints: &[Endpoint]) -> WallTimes {
        let numbers = unloaded::cold_numbers(&self.workload.classes);
        let mut apart = wall_times.clone();
        apart.by_class.extend(numbers.iter().flatten().map(|_| DurationHistogram::default()));
        for (times, _) in apart.by_class.iter_mut().zip(&numbers).filter(|(_, number)| number.is_some()) {
            *times = DurationHistogram::default();
        }
        for (request, record) in self.requests(trace, endpoints).zip(&self.workload.records).take(unloaded::RECORDS_MAX) {
            let is_apart = numbers.get(usize::from(record.class)).is_some_and(Option::is_some);
            if is_apart && request.has(flag::WALL) && !request.has(flag::INTERNAL) {
                apart.by_class[usize::from(unloaded::number_of(record, &numbers))].record(request.work_us());
            }
        }
        apart
    }

    /// The deployment that wrote the logs. Processes without a limit have a whole core.
    ///
    /// # Errors
    /// The logs name more processes than can be simulated.
    pub(super) fn observed_deployment(&self, trace: &Trace, endpoints: &[Endpoint]) -> Result<ObservedDeployment, TopologyError> {
        let spec = |name: &str| ProcessSpec {
            name: name.to_owned(),
            cpu: self.limits.get(name).copied().unwrap_or(Cpu::CORE),
            connections: self.connections,
            background: self.idle_plus(self.unlogged.observed_background.get(name).copied().unwrap_or(0.0)),
        };
        let served = self.requests(trace, endpoints).map(|request| -> NameId { self.served_by.process_of(&request) });
        let mut observed = ObservedDeployment::new(trace, &self.served_by, self.workload.clone(), served, spec)?;
        observed.topology.machine = self.machine.observed();
        Ok(observed)
    }

    /// Background work of the process of this name under a plan's background roles.
    pub(crate) fn background_of(&self, name: &str, roles: &BackgroundRoles) -> Background {
        self.idle_plus(self.unlogged.background_of(name, roles))
    }

    /// Adds the CPU of events that no simulated request makes to the processes of a deployment, at `growth` times the observed load.
    pub fn load_unseen_events(&self, topology: &mut Topology, growth: f64) {
        let (persist, replication) = self.unseen_events;
        let several = topology.processes.len() > 1;
        let persisters = if topology.persisters.is_empty() { vec![0] } else { topology.persisters.clone() };
        for (number, process) in topology.processes.iter_mut().enumerate() {
            let share =
                if persisters.iter().any(|persister| usize::from(*persister) == number) { 1.0 / persisters.len() as f64 } else { 0.0 };
            let replicated = if several { replication * (1.0 - share) } else { 0.0 };
            let before = process.background.rate * process.background.slice.seconds();
            process.background = Background::from_utilisation(before + growth * (persist * share + replicated));
        }
    }

    fn idle_plus(&self, cores: f64) -> Background {
        Background::from_utilisation(self.idle.rate * self.idle.slice.seconds() + cores)
    }

    /// The same with only those of the workload's requests that are `kept`.
    #[must_use]
    pub fn only(&self, kept: &[bool]) -> Self {
        let mut only = self.clone();
        only.workload.keep(kept);
        let mut of_record = kept.iter();
        only.senders.retain(|_| of_record.next().copied().unwrap_or(false));
        only
    }

    /// The record of each of these requests, which are the window's in arrival order (requests between Synapse's processes may be left
    /// out); `None` for requests that are not simulated, and for those between processes.
    pub fn records_of(&self, requests: &[Request], endpoints: &[Endpoint]) -> Vec<Option<u32>> {
        let mut records = self.workload.records.iter().zip(0..).filter(|(record, _)| !record.has(mark::INTERNAL));
        let mut record = |request: &Request| {
            if request.has(flag::INTERNAL) {
                return None;
            }
            class_of(request, endpoints, &self.served_by).filter(|_| self.time.contains(request.arrival_us))?;
            records.next().map(|(_, number)| number)
        };
        requests.iter().map(&mut record).collect()
    }

    /// The trace's requests behind the workload's records, in their order.
    pub(super) fn requests<'t>(&'t self, trace: &'t Trace, endpoints: &'t [Endpoint]) -> impl Iterator<Item = Request> + 't {
        let in_window = move |request: &Request| self.time.contains(request.arrival_us);
        trace.requests().filter(in_window).filter(|request| class_of(request, endpoints, &self.served_by).is_some())
    }
}

/// The covered part of a window. The first span keeps what the window has before the log, which is a warm-up without requests.
fn time_of(covered: &ObservedTime, window: Window) -> ObservedTime {
    let time = covered.within(window.start_us, window.end_us);
    let is_covered = covered.contains(window.start_us);
    let before_us = time.ends().map_or(0, |(start, _)| start.saturating_sub(window.start_us));
    if is_covered || before_us > LEAD_IN_MAX_US { time } else { time.extended_before(before_us) }
}

/// Events at the peak that no simulated request makes.
fn unseen_events_per_second(profile: &Profile, made: f64) -> f64 {
    let events = profile.events_per_second;
    let peak = if events.mean > 0.0 { (events.peak / events.mean).max(1.0) } else { 1.0 };
    (events.mean - made).max(0.0) * peak
}

/// Measurements of the calibration window.
struct CalibrationData<'a> {
    logged: LoggedCpu<'a>,
    wall_times: WallTimes,
    persist_rpcs: PersistRpcs,
    /// Requests of clients with a room in their path, escaped and not.
    escaped_rooms: u64,
    plain_rooms: u64,
    seconds: f64,
}

impl<'a> CalibrationData<'a> {
    fn from_trace(
        trace: &'a Trace,
        endpoints: &[Endpoint],
        classes: &ClassTable,
        mean_cpu: &MeanCpu,
        served_by: &'a ServedBy,
        time: &ObservedTime,
        config: &PrepareConfig,
    ) -> Self {
        let mut logged = LoggedCpu::new(time, &trace.names, served_by, config);
        let mut persist_rpcs = PersistRpcs::default();
        let (mut classed, mut escaped_rooms, mut plain_rooms) = (0, 0, 0);
        let by_class = vec![DurationHistogram::default(); classes.classes.len()];
        let mut wall_times = WallTimes { by_class, from_synapse: trace.any_has(flag::COST) };
        let requests = trace.requests().take_while(|_| !config.stop.is_set());
        for request in requests.filter(|request| time.contains(request.arrival_us)) {
            let request = mean_cpu.fill(request);
            let class = class_of(&request, endpoints, served_by);
            if request.room.is_some() && !request.has(flag::INTERNAL) {
                let count = if request.has(flag::ESCAPED_ROOM) { &mut escaped_rooms } else { &mut plain_rooms };
                *count += 1;
            }
            let persists = class.is_some_and(|class| classes.classes[usize::from(class)].persists);
            logged.observe(&request, endpoints, persists);
            if persists && request.has(flag::WALL) {
                persist_rpcs.observe_sender(&request);
            }
            if is_persist_rpc(&request, &trace.names) && request.has(flag::WALL) {
                persist_rpcs.observe(served_by.process_of(&request), &request);
            }
            // The same requests as the fit of unloaded delays simulates.
            classed += usize::from(class.is_some());
            let is_timed = request.has(flag::WALL) && !request.has(flag::INTERNAL);
            if let Some(class) = class.filter(|_| is_timed && classed <= unloaded::RECORDS_MAX) {
                wall_times.by_class[usize::from(class)].record(request.work_us());
            }
        }
        Self { logged, wall_times, persist_rpcs, escaped_rooms, plain_rooms, seconds: time.seconds() }
    }
}

fn notes(profile: &Profile, data: &CalibrationData<'_>, unlogged: &UnloggedCosts, persist: &PersistCosts) -> Vec<String> {
    let mut notes = vec![unlogged.note.clone()];
    if profile.demand.method != wsim_profile::DemandMethod::Logged {
        notes.push(format!(
            "Request CPU is inferred ({}); {:.1} to {:.1} times that is possible.",
            profile.demand.method, profile.demand.range.low, profile.demand.range.high
        ));
    }
    let source = if persist.rpcs_seen > 0 {
        format!("from {} replication requests in the persister's log", persist.rpcs_seen)
    } else {
        "assumed, because there is no persister's log".to_owned()
    };
    let ceiling = persist
        .ceiling()
        .map_or_else(String::new, |ceiling| format!("; it writes at most {} events/s, one after another", prose::range(ceiling, 0)));
    notes.push(format!("An event takes its persister {:.0} ms ({source}){ceiling}.", persist.total() * 1e3));
    notes.push(format!(
        "Delays that do not depend on load are estimated from {} requests in {:.0} s, with {:.1} events/s.",
        data.wall_times.by_class.iter().map(DurationHistogram::count).sum::<u64>(),
        data.seconds,
        data.logged.events_per_second()
    ));
    notes
}

/// Share of unlogged CPU that follows the response (encoding and writing it, the log line). No log shows it; half is assumed. On one
/// measured worker every share from 0.4 to 0.65 keeps response times within 30 %.
const UNLOGGED_AFTER_RESPONSE: f64 = 0.5;
/// Share of request CPU that database threads burn. Assumed; predictions hardly depend on it.
const THREAD_SHARE: f64 = 0.3;

/// Deviation of the logarithm of delays and transaction times: that of the levels which they are fitted to.
const DELAYS: f64 = 0.10;

/// A longer silence before the first request is not simulated.
const LEAD_IN_MAX_US: i64 = 300_000_000;

#[cfg(test)]
pub(crate) mod tests;
