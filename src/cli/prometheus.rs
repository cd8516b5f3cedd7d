//! `--prometheus`: counters of processes over the time of a log, in place of the file of `--process-cpu`, and what else Prometheus knows of them.
//!
//! ```text
//! PrometheusArgs ─▶ PrometheusConfig ─▶ measure, over the time of the log ─▶ ProcessCpu, MeasuredWork
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::UsageError;
use super::reading::ReadSummary;
use wsim_profile::process_cpu::names_of;
use wsim_profile::{MeasuredWork, ProcessCpu};
use wsim_prometheus::{Measurements, ProcessMeasurement, PrometheusConfig, TimeSpan, measure, pair};
use wsim_trace::{Trace, flag};

/// Where to read metrics.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct PrometheusArgs {
    /// Prometheus that scrapes Synapse, or files with its metrics; repeatable (docs/record.md)
    ///
    /// Read over the time of the log: CPU and memory of each process, and what its CPU was used for.
    #[arg(long, value_name = "URL|FILE", conflicts_with = "process_cpu", help_heading = "Advice")]
    pub(super) prometheus: Vec<String>,
    /// Only processes with this label, such as instance=matrix.example.org; repeatable
    #[arg(long, value_name = "LABEL=VALUE", value_parser = label, requires = "prometheus", hide_short_help = true, help_heading = "Advice")]
    prometheus_select: Vec<(String, String)>,
    /// File with `user:password` or a bearer token for Prometheus
    #[arg(long, value_name = "FILE", requires = "prometheus", hide_short_help = true, help_heading = "Advice")]
    prometheus_credentials: Option<PathBuf>,
    /// File of certificates to trust for Prometheus, in addition to the system's
    #[arg(long, value_name = "FILE", requires = "prometheus", hide_short_help = true, help_heading = "Advice")]
    prometheus_ca: Option<PathBuf>,
}

impl PrometheusArgs {
    /// What to read; `None` if nothing was given.
    ///
    /// # Errors
    /// A URL that holds a password, which reports would show.
    pub(super) fn config(&self) -> Result<Option<PrometheusConfig>, UsageError> {
        if self.prometheus.is_empty() {
            return Ok(None);
        }
        if self.prometheus.iter().any(|source| source.starts_with("http") && source.contains('@')) {
            return Err(UsageError(
                "--prometheus takes no user or password in its URL: put user:password into a file and give --prometheus-credentials FILE"
                    .to_owned(),
            ));
        }
        Ok(Some(PrometheusConfig {
            sources: self.prometheus.clone(),
            selection: self.prometheus_select.clone(),
            credentials: self.prometheus_credentials.clone(),
            ca: self.prometheus_ca.clone(),
        }))
    }
}

/// What was measured over the time of a log, by process.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    processes: Vec<ProcessMeasurement>,
    pub(super) cpu: ProcessCpu,
}

impl Measured {
    /// Reads what Prometheus knows of the time of the requests.
    ///
    /// # Errors
    /// See [`wsim_prometheus::PrometheusError`]; the log has no times.
    pub(super) fn read(config: &PrometheusConfig, summary: &ReadSummary, trace: Option<&Trace>) -> anyhow::Result<Self> {
        let span = span(summary, trace).ok_or_else(|| anyhow::anyhow!("--prometheus: no request of the log has a time"))?;
        let Measurements { mut processes, .. } = measure(config, span)?;
        // Such a process was not seen long enough to be compared.
        processes.retain(|process| process.cpu.len() >= 2);
        let mut names: Vec<Vec<String>> = processes.iter().map(|process| names_of(&process.labels)).collect();
        if let Some(trace) = trace {
            name_by_log(&processes, &mut names, trace);
        }
        let samples = processes.iter().zip(names).map(|(process, names)| (names, process.cpu.clone(), process.memory.clone()));
        let cpu = ProcessCpu::from_samples(samples);
        Ok(Self { processes, cpu })
    }

    /// What the CPU was used for, under the names of `cpu`: those of this value, or pseudonyms in the same order.
    pub(super) fn work(&self, cpu: &ProcessCpu) -> Vec<MeasuredWork> {
        self.processes.iter().zip(cpu.counters()).map(|(process, counter)| work(process, counter.name())).collect()
    }
}

fn work(process: &ProcessMeasurement, name: &str) -> MeasuredWork {
    MeasuredWork {
        name: name.to_owned(),
        seconds: process.seconds,
        cpu_seconds: process.cpu_seconds,
        request_cpu_seconds: process.request_seconds(),
        background_cpu_seconds: process.background_seconds(),
        background: most(&process.background_cpu),
        servlets: most(&process.servlet_cpu),
        loop_busy: process.loop_busy(),
        tick_p99_ms: process.reactor_tick.map(|tick| tick.p99_seconds * 1e3).filter(|ms| ms.is_finite()),
        connection_wait_ms: process.connection_wait.map(|wait| wait.mean_seconds() * 1e3),
        event_lag_seconds: process.event_lag_seconds,
        command_queue: process.command_queue,
    }
}

/// The largest sums.
fn most(sums: &BTreeMap<String, f64>) -> Vec<(String, f64)> {
    let mut all: Vec<(String, f64)> = sums.iter().map(|(name, seconds)| (name.clone(), *seconds)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(LISTED_MAX);
    all
}

/// First to last arrival, in whole seconds around them.
fn span(summary: &ReadSummary, trace: Option<&Trace>) -> Option<TimeSpan> {
    let tallies = || summary.tallies.iter();
    let (first, last) = match trace {
        Some(trace) => {
            let arrivals = || trace.requests().map(|request| request.arrival_us);
            (arrivals().min()?, arrivals().max()?)
        }
        None => (tallies().filter_map(|tally| tally.first_us).min()?, tallies().filter_map(|tally| tally.last_us).max()?),
    };
    Some(TimeSpan { start: (first as f64 / 1e6).floor(), end: (last as f64 / 1e6).ceil().max((first as f64 / 1e6).floor() + 1.0) })
}

/// Puts the name by which the log calls a process before those of its labels: the one that a label is, else that of the log's process whose requests used
/// as much CPU.
fn name_by_log(processes: &[ProcessMeasurement], names: &mut [Vec<String>], trace: &Trace) {
    let mut logged: BTreeMap<&str, f64> = BTreeMap::new();
    for request in trace.requests().filter(|request| request.has(flag::COST) && request.process.is_some()) {
        *logged.entry(trace.names.text(request.process)).or_insert(0.0) += f64::from(request.cpu_us) / 1e6;
    }
    // The main process has one name everywhere, also where it served no request: labels call it `master`.
    logged.entry("main").or_insert(0.0);
    let samples = processes.iter().zip(&*names).map(|(process, names)| (names.clone(), process.cpu.clone(), Vec::new()));
    let by_label = ProcessCpu::from_samples(samples);
    let mut missing: Vec<(&str, f64)> = Vec::new();
    let mut is_named = vec![false; processes.len()];
    for (name, cpu) in logged {
        let found = by_label.find(name).and_then(|found| by_label.counters().iter().position(|counter| std::ptr::eq(counter, found)));
        match found {
            Some(index) => {
                is_named[index] = true;
                names[index].insert(0, name.to_owned());
            }
            None => missing.push((name, cpu)),
        }
    }
    let unnamed: Vec<usize> = (0..processes.len()).filter(|index| !is_named[*index]).collect();
    let measured: Vec<f64> = unnamed.iter().map(|index| processes[*index].request_seconds()).collect();
    let found = pair(&measured, &missing.iter().map(|(_, cpu)| *cpu).collect::<Vec<f64>>());
    for (index, process) in unnamed.into_iter().zip(found) {
        if let Some(process) = process {
            names[index].insert(0, missing[process].0.to_owned());
        }
    }
}

/// Reads `LABEL=VALUE`.
fn label(text: &str) -> Result<(String, String), String> {
    let wrong = || "write LABEL=VALUE, such as instance=matrix.example.org".to_owned();
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    let is_label = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_label { Ok((key.to_owned(), value.trim_matches('"').to_owned())) } else { Err(wrong()) }
}

/// Names of work in a report.
const LISTED_MAX: usize = 8;
