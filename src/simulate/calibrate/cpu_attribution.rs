//! Attribution of the CPU of processes that no request line shows (worker model, sections 6 and 12).
//!
//! With process CPU: a fit over windows of time and all processes together, by non-negative least squares with priors:
//!
//! ```text
//! cpu(t) = idle + own + (1 + unlogged)·logged(t) + fetched·E(t) + replication·events(t)   of a process that serves clients
//! cpu(t) = idle + own + replication·events(t)                                             of a process that hardly serves any
//! cpu(t) = idle + persist·events(t)                                                       of an event persister
//! ```
//!
//! `idle`, `unlogged`, `fetched`, `replication`, `persist` are common to all processes; `own` is the background work of
//! processes that serve no clients (for the others it cannot be distinguished from `unlogged`). At a constant rate the
//! terms cannot be distinguished either, and the priors decide.

use std::collections::BTreeMap;

use super::config::PrepareConfig;
use super::served_by::{ServedBy, is_persist_rpc};
use wsim_endpoints::Endpoint;
use wsim_profile::process_cpu::CpuCounter;
use wsim_profile::{Profile, Window};
use wsim_stats::least_squares::NonNegativeLeastSquares;
use wsim_stats::{Interval, ObservedTime};
use wsim_text::prose;
use wsim_trace::{NameId, Names, Request, flag};

/// Costs beside the request lines.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CpuAttribution {
    /// Unlogged CPU per logged second.
    pub unlogged_cpu: f64,
    /// Per event fetched from the database, s.
    pub fetched_event: f64,
    /// Per persisted event at every other process, s.
    pub replication: f64,
    /// Per persisted event at its persister, s.
    pub persist: f64,
    /// Cores of every idle process.
    pub idle: f64,
    /// Further background work of processes by name, cores.
    pub own_background: BTreeMap<String, f64>,
    /// The costs are fitted rather than assumed.
    pub is_measured: bool,
    /// A sentence about the sources.
    pub note: String,
}

/// One process in one window of time.
#[derive(Debug, Clone, Copy, Default)]
struct WindowRow {
    seconds: f64,
    cpu: f64,
    logged: f64,
    fetched: f64,
    events: f64,
}

/// One process with a CPU counter.
struct MeasuredProcess {
    name: String,
    role: Role,
    rows: Vec<WindowRow>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Serving,
    Idle,
    Persister,
}

/// Logged CPU and events of each process in each window of time.
pub(super) struct LoggedCpu<'a> {
    names: &'a Names,
    served_by: &'a ServedBy,
    windows: Vec<Window>,
    processes: BTreeMap<NameId, Process>,
    /// Events written in each window.
    events: Vec<f64>,
    creations: Vec<f64>,
    persist_rpcs: u64,
}

#[derive(Default)]
struct Process {
    /// CPU and fetched events per window.
    windows: BTreeMap<usize, (f64, f64)>,
    client_cpu: f64,
    persist_rpcs: u64,
}

impl<'a> LoggedCpu<'a> {
    pub(super) fn new(time: &ObservedTime, names: &'a Names, served_by: &'a ServedBy, config: &PrepareConfig) -> Self {
        let step = config.process_cpu.as_ref().and_then(|cpu| cpu.counters().iter().map(|counter| counter.step_us()).max());
        let windows = windows(time, step);
        let (events, creations) = (vec![0.0; windows.len()], vec![0.0; windows.len()]);
        Self { names, served_by, windows, processes: BTreeMap::new(), events, creations, persist_rpcs: 0 }
    }

    /// Counts a request; traffic between processes counts too. `persists`: the request makes an event.
    pub(super) fn observe(&mut self, request: &Request, endpoints: &[Endpoint], persists: bool) {
        let start = request.arrival_us.saturating_add(request.long_poll_wait_us().into());
        let Some(number) = self.windows.partition_point(|window| window.start_us <= start).checked_sub(1) else { return };
        if start >= self.windows[number].end_us {
            return;
        }
        let process = self.processes.entry(self.served_by.process_of(request)).or_default();
        let internal = request.has(flag::INTERNAL) || endpoints.get(usize::from(request.endpoint.0)).is_some_and(|e| e.internal);
        let cpu = f64::from(request.cpu_us) / 1e6;
        let window = process.windows.entry(number).or_default();
        *window = (window.0 + cpu, window.1 + f64::from(request.events));
        if !internal {
            process.client_cpu += cpu;
        }
        if is_persist_rpc(request, self.names) {
            process.persist_rpcs += 1;
            self.persist_rpcs += 1;
            self.events[number] += 1.0;
        }
        self.creations[number] += f64::from(u8::from(persists));
    }

    /// Events written per second.
    pub(super) fn events_per_second(&self) -> f64 {
        self.written().iter().sum::<f64>() / self.seconds()
    }

    fn seconds(&self) -> f64 {
        self.windows.iter().map(Window::seconds).sum::<f64>().max(1e-6)
    }

    fn written(&self) -> &[f64] {
        if self.persist_rpcs > 0 { &self.events } else { &self.creations }
    }

    /// Fits the costs if process CPU is given, else assumes them.
    pub(super) fn attribute(&self, profile: &Profile, config: &PrepareConfig) -> CpuAttribution {
        let measured = self.measured_processes(config);
        let fitted = measured.iter().any(|process| process.role == Role::Serving);
        let mut attribution = if fitted { fit(&measured) } else { self.assume(profile) };
        let range = profile.coverage.factor;
        let part = |bound: f64| if range.value > 1.0 { (bound - 1.0) / (range.value - 1.0) } else { 1.0 };
        attribution.unlogged_cpu *= config.coverage.select(Interval::new(1.0, part(range.low), part(range.high)));
        attribution.replication = config.replication.select(Interval::new(attribution.replication, REPLICATION.low, REPLICATION.high));
        attribution
    }

    /// Without process CPU: the profile's coverage factor, which is an assumption with a range, less the part of the other terms.
    fn assume(&self, profile: &Profile) -> CpuAttribution {
        let serving: Vec<&Process> = self.serving().map(|(_, process)| process).collect();
        let logged = serving.iter().map(|process| process.client_cpu).sum::<f64>() / self.seconds() / serving.len().max(1) as f64;
        let fixed = IDLE.value + REPLICATION.value * self.events_per_second();
        let factor = profile.coverage.factor;
        let demand_covers_all = profile.coverage.measured && profile.coverage.processes.is_empty();
        let unlogged_cpu = if demand_covers_all { 0.0 } else { factor.value - 1.0 - if logged > 0.0 { fixed / logged } else { 0.0 } };
        let unlogged_cpu = if demand_covers_all { unlogged_cpu } else { unlogged_cpu.max(UNLOGGED_MIN) };
        CpuAttribution {
            unlogged_cpu,
            fetched_event: 0.0,
            replication: REPLICATION.value,
            persist: PERSIST.value,
            idle: IDLE.value,
            own_background: BTreeMap::new(),
            is_measured: false,
            note: if demand_covers_all {
                format!("Background CPU: {}.", profile.coverage.note)
            } else {
                format!(
                    "Background CPU is assumed, not measured: a process uses {} times its logged CPU, and each event costs every other process {}. --process-cpu measures yours.",
                    prose::range(factor, 1),
                    prose::milliseconds_range(REPLICATION.scaled(1e3))
                )
            },
        }
    }

    /// Processes with at least a tenth of the CPU of all clients' requests.
    fn serving(&self) -> impl Iterator<Item = (NameId, &Process)> {
        let clients: f64 = self.processes.values().map(|process| process.client_cpu).sum();
        self.processes
            .iter()
            .filter(move |(_, process)| process.client_cpu > 0.0 && process.client_cpu * 10.0 >= clients)
            .map(|(id, p)| (*id, p))
    }

    fn measured_processes(&self, config: &PrepareConfig) -> Vec<MeasuredProcess> {
        let Some(counters) = &config.process_cpu else { return Vec::new() };
        let serving: Vec<NameId> = self.serving().map(|(id, _)| id).collect();
        let find =
            |name: &str| self.processes.iter().find(|(id, _)| counters.find(self.names.text(**id)).is_some_and(|c| c.name() == name));
        let one = |counter: &CpuCounter| {
            let logged = find(counter.name());
            let role = match logged {
                Some((_, process)) if process.persist_rpcs > 0 => Role::Persister,
                Some((id, _)) if serving.contains(id) => Role::Serving,
                _ => Role::Idle,
            };
            let (first, last) = counter.span_us();
            let rows = self.windows.iter().enumerate().filter_map(|(number, window)| {
                let Window { start_us: start, end_us: end } = *window;
                let (cpu, fetched) = logged.and_then(|(_, process)| process.windows.get(&number)).copied().unwrap_or_default();
                (start >= first && end <= last).then(|| WindowRow {
                    seconds: window.seconds(),
                    cpu: counter.seconds_between(start, end),
                    logged: cpu,
                    fetched,
                    events: self.written()[number],
                })
            });
            let name = logged.map_or_else(|| counter.name().to_owned(), |(id, _)| self.names.text(*id).to_owned());
            MeasuredProcess { name, role, rows: rows.collect() }
        };
        counters.synapse().map(one).filter(|process| !process.rows.is_empty()).collect()
    }
}

/// Windows of the longest step of the counters in each span of the time; without counters and in a short span one window.
fn windows(time: &ObservedTime, step_us: Option<i64>) -> Vec<Window> {
    #[expect(clippy::cast_possible_truncation, reason = "a length of time in µs")]
    let all_us = (time.seconds() * 1e6) as i64;
    let of_span = |(start_us, end_us): (i64, i64)| {
        let length = end_us - start_us;
        let width_us = step_us.unwrap_or(length).max(all_us / WINDOWS_MAX).clamp(1_000_000, length.max(1_000_000));
        (0..(length / width_us).max(1)).map(move |number| {
            let start_us = start_us + width_us * number;
            Window { start_us, end_us: start_us + width_us }
        })
    };
    let windows: Vec<Window> = time.spans().flat_map(of_span).collect();
    if windows.is_empty() { vec![Window { start_us: 0, end_us: 1_000_000 }] } else { windows }
}

/// Unknowns are in units of their priors, so that the strengths of the priors can be compared.
fn fit(processes: &[MeasuredProcess]) -> CpuAttribution {
    let mut squares = NonNegativeLeastSquares::new(COMMON + processes.len());
    for (number, process) in processes.iter().enumerate() {
        for row in &process.rows {
            let mut coefficients = vec![0.0; COMMON + processes.len()];
            coefficients[0] = row.seconds * IDLE.value;
            let mut known = 0.0;
            match process.role {
                Role::Serving => {
                    known = row.logged;
                    coefficients[1] = row.logged * UNLOGGED;
                    coefficients[2] = row.fetched * FETCHED;
                    coefficients[3] = row.events * REPLICATION.value;
                }
                Role::Idle => {
                    coefficients[3] = row.events * REPLICATION.value;
                    coefficients[COMMON + number] = row.seconds * OWN;
                }
                Role::Persister => coefficients[4] = row.events * PERSIST.value,
            }
            // Allows for counters that were read a little early or late.
            let deviation = (NOISE * row.cpu).max(NOISE_SECONDS);
            coefficients.iter_mut().for_each(|coefficient| *coefficient /= deviation);
            squares.observe(&coefficients, (row.cpu - known) / deviation);
        }
    }
    (0..COMMON).for_each(|unknown| squares.add_prior(unknown, 1.0, 1.0 / PRIOR_DEVIATIONS[unknown].powi(2)));
    (0..processes.len()).for_each(|process| squares.add_prior(COMMON + process, 0.0, 1.0));
    let x = squares.solve();
    let own = processes.iter().enumerate().filter(|(_, process)| process.role == Role::Idle);
    let mut attribution = CpuAttribution {
        unlogged_cpu: x[1] * UNLOGGED,
        fetched_event: x[2] * FETCHED,
        replication: x[3] * REPLICATION.value,
        persist: x[4] * PERSIST.value,
        idle: x[0] * IDLE.value,
        own_background: own.map(|(number, process)| (process.name.clone(), x[COMMON + number] * OWN)).collect(),
        is_measured: true,
        note: String::new(),
    };
    attribution.unlogged_cpu = attribution.unlogged_cpu.max(UNLOGGED_MIN);
    attribution.note = format!(
        "Background CPU is fitted to process CPU: {:.2} s after each logged second, {:.1} ms for each event at every other process, {:.1} ms at its persister, {:.1} % of a core idle (over {} windows of {:.0} s; at a constant rate the sum is measured, but its split depends on priors).",
        attribution.unlogged_cpu,
        attribution.replication * 1e3,
        attribution.persist * 1e3,
        attribution.idle * 100.0,
        processes.iter().map(|process| process.rows.len()).max().unwrap_or(0),
        processes.iter().flat_map(|process| &process.rows).map(|row| row.seconds).next().unwrap_or(0.0),
    );
    attribution
}

/// Number of unknowns common to all processes: idle, unlogged, fetched, replication, persist.
const COMMON: usize = 5;
/// Standard deviations of the priors, as shares of the priors.
const PRIOR_DEVIATIONS: [f64; COMMON] = [1.0, 0.8, 1.0, 0.5, 1.0];
/// Cores of an idle process: timers, garbage collection. Measured on a quiet cluster: 0.009, main process 0.013 (docs/accuracy.md).
const IDLE: Interval = Interval { value: 0.02, low: 0.005, high: 0.05 };
/// Unlogged CPU per logged second. From a coverage of 1.6 to 2.0 measured on one cluster (Synapse 1.163.2), less idle and replication.
const UNLOGGED: f64 = 0.5;
/// Least unlogged CPU per logged second: request lines never show everything.
const UNLOGGED_MIN: f64 = 0.1;
/// Per fetched event, s. Assumed.
const FETCHED: f64 = 0.000_2;
/// Per persisted event and other process, s: 25 % of each worker at 40 events a second (Element, "Scaling to millions of users requires
/// Synapse Pro", January 2025), and less than half of it: measured on a small cluster, 2.9 ms (docs/accuracy.md).
const REPLICATION: Interval = Interval { value: 0.004_5, low: 0.002_5, high: 0.006 };
/// Per persisted event at its persister, s. Measured on one cluster: 10 to 20 ms.
const PERSIST: Interval = Interval { value: 0.012, low: 0.006, high: 0.02 };
/// Unit of a process's own background work, cores.
const OWN: f64 = 0.01;
const NOISE: f64 = 0.05;
const NOISE_SECONDS: f64 = 0.02;
const WINDOWS_MAX: i64 = 240;
