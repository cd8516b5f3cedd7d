//! From log files or a trace file to a profile: the part that every command with logs shares.
//!
//! ```text
//! ReadArgs ─▶ ReadConfig ─▶ read ─▶ (join) ─▶ (anonymise) ─▶ profile ─▶ LogData
//! ```

mod anonymise;
mod anonymous_plan;
mod args;
mod completeness;
mod config;
pub(super) mod damage;
mod duplicates;
mod facts;
mod no_requests;
mod on_trace;
mod summary;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context;

use super::observed_arg::ObservedPlan;
use super::progress::ProgressReporter;
use super::prometheus::Measured;
use wsim_endpoints::Endpoint;
use wsim_folder::OutputFolder;
use wsim_logs::source::{self, Source};
use wsim_logs::time::Zone;
use wsim_plan::{Cpu, PresetConfig};
use wsim_profile::{InferredDemand, ProcessCpu, Profile, ProfileInputs, Profiler, inference, profile_logs, profile_trace};
use wsim_replay::guard::Origin;
use wsim_trace::ingest::{self, Outcome, Progress};
use wsim_trace::{self as trace, ServerNames, Trace};

pub(super) use anonymise::{AnonymiseArgs, Anonymiser};
pub(super) use anonymous_plan::anonymous_plan;
pub(super) use args::{LineArgs, ReadArgs};
pub(super) use config::ReadConfig;
pub(super) use summary::ReadSummary;

/// What was read, from logs or from a trace file.
pub(super) struct LogData {
    pub(super) summary: ReadSummary,
    pub(super) endpoints: Arc<[Endpoint]>,
    /// The requests, if they were kept.
    pub(super) trace: Option<Trace>,
    pub(super) profile: Profile,
    /// `--process-cpu`, with the names that the processes of the trace have.
    pub(super) process_cpu: Option<ProcessCpu>,
    /// The deployment that wrote the logs, if it was told, with the names that the processes of the trace have.
    pub(super) observed: Option<ObservedPlan>,
    /// The key of the pseudonyms, if names were replaced.
    pub(super) anonymiser: Option<Anonymiser>,
    /// The requests came from a trace file, not from logs.
    pub(super) from_trace: bool,
}

impl LogData {
    /// The servers to which the requests must not be sent.
    pub(super) fn origin(&self) -> Origin {
        let names = match (&self.summary.server_names, &self.trace) {
            (Some(names), _) => names.clone(),
            (None, Some(trace)) => ServerNames::of_trace(trace),
            (None, None) => ServerNames::default(),
        };
        if names.is_empty() && self.summary.anonymised { Origin::Anonymised } else { Origin::Log(names) }
    }

    /// What the standard plans share, CPU limits included.
    pub(super) fn preset_config(&self) -> PresetConfig {
        let config = self.summary.preset_config();
        match &self.observed {
            Some(observed) => observed.presets(config),
            None => self.limit_of_only_process(config),
        }
    }

    /// The plan without workers is a server of one process as it is, so its main process has the limit that was found.
    fn limit_of_only_process(&self, config: PresetConfig) -> PresetConfig {
        let only = match self.profile.deployment.processes.as_slice() {
            [only] => only.cpu_limit,
            _ => None,
        };
        let main_cpu = only.map(|limit| Cpu { cores: limit.cores.value, period_ms: limit.period_ms });
        PresetConfig { main_cpu, ..config }
    }

    /// Writes the requests, if they were kept, to `trace.parquet` in the folder of a run.
    pub(super) fn write_trace(&self, folder: &OutputFolder) -> anyhow::Result<()> {
        if let Some(trace) = &self.trace {
            wsim_parquet::write(trace, &self.summary.to_header(&self.endpoints), &folder.path().join("trace.parquet"))?;
        }
        Ok(())
    }
}

/// Reads, joins and profiles.
///
/// # Errors
/// An input cannot be read, or there is no request in any of them.
pub(super) fn read(config: &ReadConfig, progress: &Arc<Progress>) -> anyhow::Result<LogData> {
    match config.sources.as_slice() {
        [Source { input: source::Input::File(path), .. }] if wsim_parquet::is_parquet(path) => read_trace(config, path),
        _ => read_logs(config, progress),
    }
}

fn read_logs(config: &ReadConfig, progress: &Arc<Progress>) -> anyhow::Result<LogData> {
    let endpoints: Arc<[Endpoint]> = config.classifier.endpoints().into();
    damage::notes(config);
    let reporter = show_progress(config, progress);
    let (mut outcome, profiler) = ingest(config, &endpoints, progress)?;
    drop(reporter);
    let (trace, joined) = outcome.trace.take().map(trace::join::join).map_or((None, None), |(trace, facts)| (Some(trace), facts));
    let news = std::mem::take(&mut outcome.news);
    let trace = trace.map(|trace| trace::causes::find(trace, news));
    let summary = ReadSummary::new(config, outcome, joined);
    finish_reading(config, Contents { summary, endpoints, trace, process_cpu: config.process_cpu.clone() }, profiler)
}

fn read_trace(config: &ReadConfig, path: &Path) -> anyhow::Result<LogData> {
    let options = &config.on_trace;
    options.check()?;
    let (trace, header) = wsim_parquet::read(path)?;
    let mut summary =
        ReadSummary::from_header(&header).with_context(|| format!("{}: written by an incompatible version", path.display()))?;
    (summary.hours_zone, summary.seed) = (options.zone(), config.ingest.seed);
    if summary.server_names.is_none() && !summary.anonymised {
        summary.server_names = Some(ServerNames::of_trace(&trace));
    }
    let (trace, endpoints) = options.reclassify(config, &mut summary, trace, header.endpoints)?;
    let trace = on_trace::cut(config, &mut summary, trace)?;
    let contents = Contents { summary, endpoints: endpoints.into(), trace: Some(trace), process_cpu: config.process_cpu.clone() };
    let data = finish_reading(config, contents, None)?;
    Ok(LogData { from_trace: true, ..data })
}

/// Reads the lines of all inputs: into a trace, or, if requests are not kept, into a profiler.
fn ingest(config: &ReadConfig, endpoints: &Arc<[Endpoint]>, progress: &Progress) -> anyhow::Result<(Outcome, Option<Profiler<'static>>)> {
    if config.keep_requests {
        return Ok((ingest::into_trace(&config.sources, &config.ingest, &config.classifier, progress)?, None));
    }
    let (outcome, profiler) = profile_logs(
        &config.sources,
        &config.ingest,
        &config.classifier,
        progress,
        &profiler_config(&config.ingest.detect.zone, endpoints),
    )?;
    Ok((outcome, Some(profiler)))
}

/// Shows bytes and lines read; for files the remaining time too.
fn show_progress(config: &ReadConfig, progress: &Arc<Progress>) -> ProgressReporter {
    let total = config.bytes();
    let template = match total {
        Some(_) => "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left, {msg}",
        None => "{spinner} {bytes}, {bytes_per_sec}, {msg}",
    };
    let progress = Arc::clone(progress);
    ProgressReporter::polled(template, total, config.quiet, move || {
        let lines = progress.lines.load(Ordering::Relaxed);
        (progress.bytes_read.load(Ordering::Relaxed), format!("{lines} lines"))
    })
}

/// What was read, before it is looked at.
struct Contents {
    summary: ReadSummary,
    endpoints: Arc<[Endpoint]>,
    trace: Option<Trace>,
    process_cpu: Option<ProcessCpu>,
}

impl Contents {
    /// With pseudonyms, if they are wanted, so that nothing later sees a name.
    fn without_names(self, config: &ReadConfig) -> Self {
        let Some(anonymiser) = &config.anonymise else { return self };
        let key = &anonymiser.key;
        let mut summary = self.summary;
        summary.anonymise(anonymiser);
        summary.source_notes.clear();
        let process_cpu = self.process_cpu.map(|cpu| anonymise::anonymous_process_cpu(&cpu, self.trace.as_ref(), key));
        Self {
            summary,
            endpoints: self.endpoints.iter().map(|endpoint| anonymise::anonymous_endpoint(endpoint, key)).collect(),
            trace: self.trace.map(|trace| trace::anonymise::anonymise(trace, key)),
            process_cpu,
        }
    }
}

/// Finishes the profile of what was observed while reading, or makes that of the trace.
fn finish_reading(config: &ReadConfig, mut contents: Contents, profiler: Option<Profiler>) -> anyhow::Result<LogData> {
    let measured = config.prometheus.as_ref().map(|from| Measured::read(from, &contents.summary, contents.trace.as_ref())).transpose()?;
    if let Some(measured) = &measured {
        contents.process_cpu = Some(measured.cpu.clone());
    }
    let Contents { summary, endpoints, trace, process_cpu } = contents.without_names(config);
    let anonymised = |observed: &ObservedPlan| match &config.anonymise {
        Some(anonymiser) => observed.anonymised(anonymiser),
        None => Ok(observed.clone()),
    };
    let observed = config.observed.as_ref().map(anonymised).transpose()?;
    let told = observed.as_ref().map(ObservedPlan::told);
    damage::unread(config, &summary.tallies);
    damage::report(&summary.tallies);
    let (trace, foreign) = match trace.map(|trace| trace::foreign::mark(trace, &endpoints)) {
        Some((trace, foreign)) => (Some(trace), Some(foreign)),
        None => (None, None),
    };
    let zone = Zone::parse(summary.hours_zone()).unwrap_or_else(|_| config.ingest.detect.zone.clone());
    let profiler_config = profiler_config(&zone, &endpoints);
    let profiler = match (&trace, profiler) {
        (Some(trace), _) => profile_trace(trace, &profiler_config, config.ingest.threads),
        (None, Some(profiler)) => profiler,
        (None, None) => Profiler::new(&profiler_config),
    };
    if profiler.requests() + profiler.internal_requests() == 0 {
        anyhow::bail!("{}", no_requests::no_requests(config, &summary));
    }
    // Requests that only the proxy logged are given the mean cost of their class in Synapse's logs. Without any Synapse log demand is
    // inferred.
    let inferred = profiler.logged_means().unwrap_or_else(|| match &trace {
        Some(trace) if process_cpu.is_some() || trace.any_has(trace::flag::WALL) => {
            let limits = told.as_ref().map(|told| told.limits_of(trace)).unwrap_or_default();
            let requests = || trace.requests().filter(|request| !request.has(trace::flag::FOREIGN));
            inference::infer(requests, &endpoints, process_cpu.as_ref(), &limits)
        }
        _ => InferredDemand::from_prior(&endpoints, 1.0),
    });
    let inputs =
        ProfileInputs { process_cpu: process_cpu.clone(), inferred: Some(inferred), user_key: Some(summary.user_key.clone()), foreign };
    let mut profile = profiler.finish(&inputs);
    if let (Some(measured), Some(cpu)) = (&measured, &process_cpu) {
        profile.deployment.measured = measured.work(cpu);
    }
    if let Some(told) = &told {
        profile.deployment.tell(told, trace.as_ref());
    }
    if let Some(trace) = &trace {
        profile.find_cpu_limits(trace, process_cpu.as_ref());
    }
    summary.warn(&mut profile.deployment);
    let trace = trace.filter(|_| config.keep_requests);
    Ok(LogData { summary, endpoints, trace, profile, process_cpu, observed, anonymiser: config.anonymise.clone(), from_trace: false })
}

fn profiler_config(zone: &Zone, endpoints: &Arc<[Endpoint]>) -> wsim_profile::ProfilerConfig {
    let now = jiff::Timestamp::now().as_microsecond();
    wsim_profile::ProfilerConfig { endpoints: Arc::clone(endpoints), zone_offset_seconds: zone.offset_seconds_at(now) }
}
