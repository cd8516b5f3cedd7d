//! From a trace and its profile to what the simulation needs: a workload, its classes, and the CPU that no request line shows.
//!
//! Invariant: request lines are never taken for the whole. Without process CPU the prior stands, with its range, and the notes say so.

mod account;
mod classes;
mod demand;
mod duties;
mod machine;
mod unloaded;
mod wakes;

use std::collections::BTreeMap;

use account::{Account, Logged};
use classes::ClassTable;
use demand::Demand;
use unloaded::Walls;

use super::observed::{Observed, ProcessFacts, Servers, is_hop};
use super::station::{Background, Cpu};
use super::time::Span;
use super::topology::Costs;
use super::workload::Workload;
use wsim_endpoints::Endpoint;
use wsim_plan::Duties;
use wsim_profile::{ProcessCpu, Profile, Window};
use wsim_stats::DurationHistogram;
use wsim_trace::{Names, Request, Trace, flag};

/// A workload with what it costs.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The client and federation requests of the window.
    pub workload: Workload,
    /// What no request line shows.
    pub costs: Costs,
    /// Endpoint groups: what the classes' `group` means.
    pub groups: Vec<String>,
    /// What was done and how far to trust it, a sentence each.
    pub notes: Vec<String>,
    /// What the numbers in the workload's identities mean: proxies hash text.
    pub names: Names,
    /// What a process does when nobody asks anything of it.
    pub idle: Background,
    /// Connections to the database of every process.
    pub connections: u32,
    /// Length of a period of a container's CPU limit.
    pub quota_period: Span,
    /// Background work beyond that of processes by name, cores, that no duty explains.
    pub own: BTreeMap<String, f64>,
    /// Background work that moves with a [duty](wsim_plan::Duties), cores by Synapse's setting; empty where no process CPU shows it.
    pub duties: BTreeMap<&'static str, f64>,
    /// Whether CPU beside the request lines was fitted to process CPU rather than assumed.
    pub measured: bool,
    pub(super) servers: Servers,
    /// Background work beyond [`Self::idle`] as the observed processes had it, cores by name.
    pub(super) measured_own: BTreeMap<String, f64>,
}

/// Choices that neither trace nor profile makes.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareSettings {
    /// CPU counters of whole processes: what request lines do not show is fitted to them; without them it is assumed.
    pub process_cpu: Option<ProcessCpu>,
    /// What costs are worked out on; `None`: the whole trace. (Each request's own CPU is always its own.)
    pub calibration: Option<Window>,
    /// What processes of the observed deployment may use of their machines, by name as logged; others have a whole core.
    pub limits: BTreeMap<String, Cpu>,
    /// Multiplies every request's CPU (sensitivity: 0.5, 1, 2).
    pub demand: f64,
    /// Which end of the range of the CPU that follows requests unlogged.
    pub coverage: Bound,
    /// Which end of the range of the CPU per persisted event on every other process.
    pub replication: Bound,
    /// Connections to the database of every process (`cp_max`; Twisted's default is 5).
    pub connections: u32,
    /// Length of a period of a container's CPU limit (`cpu.cfs_period_us`, 100 ms unless configured).
    pub quota_period: Span,
    /// Cores that all processes and the database share, above 0; `None`: each process has one, and the database takes as long as observed.
    pub cores: Option<f64>,
}

impl Default for PrepareSettings {
    fn default() -> Self {
        Self {
            process_cpu: None,
            calibration: None,
            limits: BTreeMap::new(),
            demand: 1.0,
            coverage: Bound::Value,
            replication: Bound::Value,
            connections: 5,
            quota_period: Span::from_millis(100),
            cores: None,
        }
    }
}

/// A place in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bound {
    /// Lower bound.
    Low,
    /// Best estimate.
    #[default]
    Value,
    /// Upper bound.
    High,
}

impl Prepared {
    /// Makes the requests of a window ready. `endpoints` are those that the trace was classified with, `profile` is of the same trace.
    pub fn new(trace: &Trace, endpoints: &[Endpoint], profile: &Profile, window: Window, settings: &PrepareSettings) -> Self {
        let table = ClassTable::new(endpoints);
        let demand = Demand::new(endpoints, profile);
        let calibration = settings.calibration.unwrap_or(profile.window);
        let servers = Servers::of_trace(trace);
        let learnt = Learnt::from(trace, endpoints, &table, &demand, &servers, calibration, settings);
        let account = learnt.logged.account(profile, settings);
        let mut own = account.own.clone();
        let moved = duties::take(&mut own);
        let sending = Sending::new(&learnt, &account);
        let machine = settings.cores.map(|cores| machine::of(cores, trace, calibration, settings.process_cpu.as_ref()));
        let costs = Costs {
            machine: machine.as_ref().map(|(machine, _)| *machine),
            cpu_factor: settings.demand,
            shadow: account.shadow,
            shadow_after: SHADOW_AFTER,
            thread_share: Some(THREAD_SHARE),
            fetched_event: Span::from_seconds(account.fetched),
            replication: Span::from_seconds(account.replication),
            ..sending.costs()
        };
        let mut notes = notes(profile, &learnt, &account, &sending);
        notes.extend(duties::note(&moved));
        notes.extend(machine.map(|(_, note)| note));
        let workload = |window: Window| {
            let requests = trace.requests().map(|request| demand.fill(request));
            let bounds = (window.start_us, window.end_us);
            let mut processes = Vec::new();
            let class = |request: &Request| {
                let class = classes::class(request, endpoints, &servers)?;
                processes.push(if request.process.is_some() { request.process } else { request.upstream });
                Some(class)
            };
            let mut workload = Workload::from_requests(requests, bounds, table.classes.clone(), class);
            wakes::together(&mut workload.records, &processes, 1.0 + costs.shadow);
            workload
        };
        let mut prepared = Self {
            workload: workload(calibration),
            costs,
            groups: table.groups.clone(),
            notes,
            names: trace.names.clone(),
            servers: servers.clone(),
            idle: Background::share(account.idle),
            connections: settings.connections,
            quota_period: settings.quota_period,
            own,
            duties: moved,
            measured_own: account.own.clone(),
            measured: account.measured,
        };
        let shares = prepared.unloaded_shares(trace, endpoints, &learnt.walls, settings);
        if calibration != window {
            prepared.workload = workload(window);
        }
        unloaded::scale(&mut prepared.workload, &shares);
        for (class, share) in prepared.workload.classes.iter_mut().zip(&shares) {
            class.delay_share = *share;
        }
        prepared
    }

    /// The share of observed delays and transaction times that is not due to load; all of it where the deployment cannot be simulated.
    /// Other coverage and replication are other explanations of the same log and get delays of their own; `demand` asks what if
    /// requests cost more than they did, and does not.
    fn unloaded_shares(&self, trace: &Trace, endpoints: &[Endpoint], walls: &Walls, settings: &PrepareSettings) -> Vec<f64> {
        let facts = settings.limits.iter().map(|(name, cpu)| (name.clone(), self.facts_of(name, *cpu))).collect();
        let costs = Costs { cpu_factor: 1.0, ..self.costs };
        let shares = Observed::of(trace, endpoints, self, &facts).and_then(|observed| unloaded::shares(&observed, walls, &costs));
        shares.unwrap_or_else(|_| vec![1.0; self.workload.classes.len()])
    }

    /// A process of the observed deployment: its own work where it was measured, else [`Self::idle`].
    pub(super) fn facts_of(&self, name: &str, cpu: Cpu) -> ProcessFacts {
        let own = self.measured_own.get(name).copied().unwrap_or(0.0);
        ProcessFacts { cpu, connections: self.connections, background: self.idle_and(own) }
    }

    /// What a process of this name does when nobody asks anything of it, under a plan's duties.
    pub(super) fn background_of(&self, name: &str, duties: &Duties) -> Background {
        let own = self.own.get(name).copied().unwrap_or(0.0);
        self.idle_and(own + duties::share(&self.duties, duties, name))
    }

    fn idle_and(&self, own: f64) -> Background {
        Background::share(self.idle.rate * self.idle.slice.seconds() + own)
    }

    /// The record of each of these requests, which are the window's in arrival order (those between Synapse's processes may be left
    /// out); `None` for requests that are not simulated.
    pub fn records_of(&self, rows: &[Request], endpoints: &[Endpoint]) -> Vec<Option<u32>> {
        let mut next = 0;
        let mut record = |request: &Request| {
            classes::class(request, endpoints, &self.servers)?;
            next += 1;
            (next <= self.workload.records.len()).then(|| u32::try_from(next - 1).ok())?
        };
        rows.iter().map(&mut record).collect()
    }

    /// The trace's requests that the workload's records stand for, in their order.
    pub(super) fn requests<'t>(&'t self, trace: &'t Trace, endpoints: &'t [Endpoint]) -> impl Iterator<Item = Request> + 't {
        let start = self.workload.origin_us;
        let end = start.saturating_add(i64::try_from(self.workload.span.nanos() / 1000).unwrap_or(i64::MAX));
        let servers = &self.servers;
        let in_window = move |request: &Request| (start..end).contains(&request.arrival_us);
        trace.requests().filter(in_window).filter(|request| classes::class(request, endpoints, servers).is_some())
    }
}

/// What the calibrated time says.
struct Learnt<'a> {
    logged: Logged<'a>,
    walls: Walls,
    hops: Hops,
    seconds: f64,
}

/// Requests that handed an event to its persister.
#[derive(Default)]
struct Hops {
    cpu_us: u64,
    walls_us: Vec<u32>,
    /// What senders' own lines leave unexplained, µs.
    gaps_us: Vec<u32>,
}

impl Hops {
    fn observe(&mut self, request: &Request) {
        self.cpu_us += u64::from(request.cpu_us);
        self.walls_us.push(request.wall_us);
    }

    fn observe_sender(&mut self, request: &Request) {
        let own = request.cpu_us.saturating_add(request.db_txn_us).saturating_add(request.db_sched_us);
        self.gaps_us.push(request.wall_us.saturating_sub(own));
    }
}

impl<'a> Learnt<'a> {
    fn from(
        trace: &'a Trace,
        endpoints: &[Endpoint],
        table: &ClassTable,
        demand: &Demand,
        servers: &'a Servers,
        window: Window,
        settings: &PrepareSettings,
    ) -> Self {
        let mut logged = Logged::new(window, &trace.names, servers, settings);
        let mut hops = Hops::default();
        let mut classed = 0;
        let mut walls = Walls { classes: vec![DurationHistogram::default(); table.classes.len()], logged: trace.any_has(flag::COST) };
        for request in trace.requests().filter(|request| (window.start_us..window.end_us).contains(&request.arrival_us)) {
            let request = demand.fill(request);
            let class = classes::class(&request, endpoints, servers);
            let persists = class.is_some_and(|class| table.classes[usize::from(class)].persists);
            logged.observe(&request, endpoints, persists);
            if persists && request.has(flag::WALL) {
                hops.observe_sender(&request);
            }
            if is_hop(&request, &trace.names) && request.has(flag::WALL) {
                hops.observe(&request);
            }
            // The same requests as are simulated for this.
            classed += usize::from(class.is_some());
            if let Some(class) = class.filter(|_| request.has(flag::WALL) && classed <= unloaded::RECORDS_MAX) {
                walls.classes[usize::from(class)].record(request.work_us());
            }
        }
        Self { logged, walls, hops, seconds: window.seconds() }
    }
}

/// What it takes to write an event.
struct Sending {
    hop_cpu: f64,
    persist_cpu: f64,
    persist_db: f64,
    seen: usize,
}

impl Sending {
    fn new(learnt: &Learnt<'_>, account: &Account) -> Self {
        let walls = &learnt.hops.walls_us;
        let Some(median) = median_seconds(walls) else {
            // No longer than senders waited for anything.
            let most = median_seconds(&learnt.hops.gaps_us).map_or(f64::INFINITY, |gap| (gap - 2.0 * HOP_DELAY - HOP_CPU).max(0.0));
            let persist_cpu = account.persist.min(most);
            return Self { hop_cpu: HOP_CPU, persist_cpu, persist_db: PERSIST_DB.min(most - persist_cpu), seen: 0 };
        };
        let hop_cpu = learnt.hops.cpu_us as f64 / 1e6 / walls.len() as f64;
        let persist_cpu = (account.persist - hop_cpu).clamp(0.0, (median - hop_cpu).max(0.0));
        Self { hop_cpu, persist_cpu, persist_db: (median - hop_cpu - persist_cpu).max(0.0), seen: walls.len() }
    }

    fn costs(&self) -> Costs {
        Costs {
            hop_cpu: Span::from_seconds(self.hop_cpu),
            persist_cpu: Span::from_seconds(self.persist_cpu),
            persist_db: Span::from_seconds(self.persist_db),
            hop_delay: Span::from_seconds(HOP_DELAY),
            reply_cpu: Span::from_seconds(REPLY_CPU),
            replication_delay: Span::from_seconds(HOP_DELAY),
            ..Costs::LOGGED
        }
    }
}

fn median_seconds(times_us: &[u32]) -> Option<f64> {
    let mut sorted = times_us.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map(|us| f64::from(*us) / 1e6)
}

fn notes(profile: &Profile, learnt: &Learnt<'_>, account: &Account, sending: &Sending) -> Vec<String> {
    let mut notes = vec![account.note.clone()];
    if profile.demand.method != "logged" {
        notes.push(format!(
            "request CPU is inferred ({}), {:.1} to {:.1} times that is possible",
            profile.demand.method, profile.demand.range.low, profile.demand.range.high
        ));
    }
    let source = if sending.seen > 0 {
        format!("from {} hops in the persister's log", sending.seen)
    } else {
        "assumed: no persister's log".to_owned()
    };
    notes.push(format!(
        "writing an event takes {:.0} ms of the persister's time, {source}",
        (sending.hop_cpu + sending.persist_cpu + sending.persist_db) * 1e3
    ));
    notes.push(format!(
        "{:.0} s and {} requests taught what does not depend on load; {:.1} events a second",
        learnt.seconds,
        learnt.walls.classes.iter().map(DurationHistogram::count).sum::<u64>(),
        learnt.logged.events_per_second()
    ));
    notes
}

/// Share of unlogged CPU that follows the answer (encoding and writing it, the log line). No log tells; half is assumed. On one measured
/// worker every share from 0.4 to 0.65 keeps response times within 30 %.
const SHADOW_AFTER: f64 = 0.5;
/// Share of request CPU that database threads burn. Assumed; predictions hardly depend on it.
const THREAD_SHARE: f64 = 0.3;
/// Where no persister's log shows it: measured on one cluster, s.
const HOP_CPU: f64 = 0.001_6;
const PERSIST_DB: f64 = 0.012;
/// One way, loopback, s.
const HOP_DELAY: f64 = 0.001;
const REPLY_CPU: f64 = 0.000_5;

#[cfg(test)]
pub(super) mod tests;
