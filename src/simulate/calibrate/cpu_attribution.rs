//! Logged CPU and events of each process over time, and the attribution of the CPU that no request line shows: fitted to process CPU where
//! it is given, else assumed (`unlogged_costs`).

use std::collections::BTreeMap;

use super::config::PrepareConfig;
use super::cpu_fit::{self, MeasuredProcess, WindowRow};
use super::served_by::{ServedBy, is_persist_rpc};
use super::unlogged_costs::{UnloggedCosts, is_main};
use wsim_endpoints::Endpoint;
use wsim_profile::process_cpu::CpuCounter;
use wsim_profile::{ProcessCpu, Profile, Window};
use wsim_stats::ObservedTime;
use wsim_trace::{NameId, Names, Request, flag};

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
    /// CPU of all requests but events handed over.
    logged_cpu: f64,
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
        let hands_over_event = is_persist_rpc(request, self.names);
        // Receiving an event is a part of the cost of persisting it.
        let cpu = if hands_over_event { 0.0 } else { f64::from(request.cpu_us) / 1e6 };
        let window = process.windows.entry(number).or_default();
        *window = (window.0 + cpu, window.1 + f64::from(request.events));
        process.logged_cpu += cpu;
        if !internal {
            process.client_cpu += cpu;
        }
        if hands_over_event {
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

    /// CPU of each process that is known, s: by its counter, else that of its request lines times `factor`.
    pub(super) fn cpu_of_processes(&self, time: &ObservedTime, counters: Option<&ProcessCpu>, factor: f64) -> Vec<f64> {
        let find = |name: &str| counters.and_then(|counters| counters.find(name));
        let logged: Vec<(&str, f64)> =
            self.processes.iter().map(|(id, process)| (self.names.text(*id), process.logged_cpu * factor)).collect();
        let by_log = logged.iter().map(|(name, cpu)| find(name).map_or(*cpu, |counter| counter.seconds_within(time)));
        let is_logged = |counter: &CpuCounter| logged.iter().any(|(name, _)| find(name).is_some_and(|found| std::ptr::eq(found, counter)));
        let others = counters.into_iter().flat_map(ProcessCpu::synapse).filter(|counter| !is_logged(counter));
        by_log.chain(others.map(|counter| counter.seconds_within(time))).collect()
    }

    fn seconds(&self) -> f64 {
        self.windows.iter().map(Window::seconds).sum::<f64>().max(1e-6)
    }

    fn written(&self) -> &[f64] {
        if self.persist_rpcs > 0 { &self.events } else { &self.creations }
    }

    /// Fits the costs if process CPU is given, else assumes them.
    pub(super) fn attribute(&self, profile: &Profile, config: &PrepareConfig) -> UnloggedCosts {
        let measured = self.measured_processes(config);
        if measured.iter().any(|process| process.serves) {
            UnloggedCosts::fitted(cpu_fit::fit(&measured), profile)
        } else {
            UnloggedCosts::assumed(profile)
        }
    }

    /// Requests per second that made an event, as the simulation makes them.
    pub(super) fn creations_per_second(&self) -> f64 {
        self.creations.iter().sum::<f64>() / self.seconds()
    }

    /// Processes with at least a tenth of the CPU of all clients' requests, or of all requests.
    fn serving(&self) -> impl Iterator<Item = (NameId, &Process)> {
        let clients: f64 = self.processes.values().map(|process| process.client_cpu).sum();
        let all: f64 = self.processes.values().map(|process| process.logged_cpu).sum();
        let is_tenth = |cpu: f64, of: f64| cpu > 0.0 && cpu * 10.0 >= of;
        self.processes
            .iter()
            .filter(move |(_, process)| is_tenth(process.client_cpu, clients) || is_tenth(process.logged_cpu, all))
            .map(|(id, p)| (*id, p))
    }

    fn measured_processes(&self, config: &PrepareConfig) -> Vec<MeasuredProcess> {
        let Some(counters) = &config.process_cpu else { return Vec::new() };
        let serving: Vec<NameId> = self.serving().map(|(id, _)| id).collect();
        let find =
            |name: &str| self.processes.iter().find(|(id, _)| counters.find(self.names.text(**id)).is_some_and(|c| c.name() == name));
        let one = |counter: &CpuCounter| {
            let logged = find(counter.name());
            let serves = logged.is_some_and(|(id, _)| serving.contains(id));
            let persists = match logged {
                Some((_, process)) if self.persist_rpcs > 0 => process.persist_rpcs > 0,
                Some((id, _)) => self.processes.len() == 1 || is_main(self.names.text(*id)),
                None => false,
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
            MeasuredProcess { name, serves, persists, rows: rows.collect() }
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

const WINDOWS_MAX: i64 = 240;
