//! From log files or a trace file to a profile: the part that every command with logs shares.
//!
//! ```text
//! ReadArgs ─▶ ReadConfig ─▶ read ─▶ (join) ─▶ (anonymise) ─▶ profile ─▶ LogData
//! ```

mod args;
mod config;
mod facts;
mod no_requests;
mod summary;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context;

use super::progress::ProgressReporter;
use wsim_endpoints::Endpoint;
use wsim_logs::source::{Input, Source};
use wsim_profile::{InferredDemand, Profile, ProfileInputs, Profiler, inference, profile_logs, profile_trace};
use wsim_report::RunFolder;
use wsim_trace::ingest::{self, Outcome, Progress};
use wsim_trace::{self as trace, Trace, anonymise};

pub(super) use args::ReadArgs;
pub(super) use config::ReadConfig;
pub(super) use summary::ReadSummary;

/// What was read, from logs or from a trace file.
pub(super) struct LogData {
    pub(super) summary: ReadSummary,
    pub(super) endpoints: Arc<[Endpoint]>,
    /// The requests, if they were kept.
    pub(super) trace: Option<Trace>,
    pub(super) profile: Profile,
    /// The requests came from a trace file, not from logs.
    pub(super) from_trace: bool,
}

impl LogData {
    /// Writes the requests, if they were kept, to `trace.parquet` in the folder of a run.
    pub(super) fn write_trace(&self, folder: &RunFolder) -> anyhow::Result<()> {
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
        [Source { input: Input::File(path), .. }] if wsim_parquet::is_parquet(path) => read_trace(config, path),
        _ => read_logs(config, progress),
    }
}

fn read_logs(config: &ReadConfig, progress: &Arc<Progress>) -> anyhow::Result<LogData> {
    let endpoints: Arc<[Endpoint]> = config.classifier.endpoints().into();
    let reporter = show_progress(config, progress);
    let (mut outcome, profiler) = ingest(config, &endpoints, progress)?;
    drop(reporter);
    let (trace, joined) = outcome.trace.take().map(trace::join::join).map_or((None, None), |(trace, facts)| (Some(trace), facts));
    let trace = match (trace, config.anonymise) {
        (Some(trace), Some(key)) => Some(anonymise::anonymise(trace, key)),
        (trace, _) => trace,
    };
    finish_reading(config, ReadSummary::new(config, outcome, joined), endpoints, trace, profiler)
}

fn read_trace(config: &ReadConfig, path: &Path) -> anyhow::Result<LogData> {
    let (trace, header) = wsim_parquet::read(path)?;
    let summary = ReadSummary::from_header(&header).with_context(|| format!("{}: written by an incompatible version", path.display()))?;
    let data = finish_reading(config, summary, header.endpoints.into(), Some(trace), None)?;
    Ok(LogData { from_trace: true, ..data })
}

/// Reads the lines of all inputs: into a trace, or, if requests are not kept, into a profiler.
fn ingest(config: &ReadConfig, endpoints: &Arc<[Endpoint]>, progress: &Progress) -> anyhow::Result<(Outcome, Option<Profiler>)> {
    if config.keep_requests {
        return Ok((ingest::into_trace(&config.sources, &config.ingest, &config.classifier, progress)?, None));
    }
    let (outcome, profiler) =
        profile_logs(&config.sources, &config.ingest, &config.classifier, progress, &profiler_config(config, endpoints))?;
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

/// Finishes the profile of what was observed while reading, or makes that of the trace.
fn finish_reading(
    config: &ReadConfig,
    summary: ReadSummary,
    endpoints: Arc<[Endpoint]>,
    trace: Option<Trace>,
    profiler: Option<Profiler>,
) -> anyhow::Result<LogData> {
    let profiler_config = profiler_config(config, &endpoints);
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
        Some(trace) if config.process_cpu.is_some() || trace.any_has(trace::flag::WALL) => {
            inference::infer(|| trace.requests(), &endpoints, config.process_cpu.as_ref())
        }
        _ => InferredDemand::from_prior(&endpoints, 1.0),
    });
    let inputs =
        ProfileInputs { process_cpu: config.process_cpu.clone(), inferred: Some(inferred), user_key: Some(summary.user_key.clone()) };
    let profile = profiler.finish(&inputs);
    Ok(LogData { summary, endpoints, trace, profile, from_trace: false })
}

fn profiler_config(config: &ReadConfig, endpoints: &Arc<[Endpoint]>) -> wsim_profile::ProfilerConfig {
    let now = jiff::Timestamp::now().as_microsecond();
    wsim_profile::ProfilerConfig { endpoints: Arc::clone(endpoints), zone_offset_seconds: config.ingest.detect.zone.offset_seconds_at(now) }
}
