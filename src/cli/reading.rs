//! From log files or a trace to a profile: what every command that reads logs has in common.
//!
//! ```text
//! Reading (arguments) ─▶ Config ─▶ read ─▶ (join) ─▶ profile ─▶ Read
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::output::Output;
use super::window::Window;
use super::{UsageError, progress, stderr_is_terminal};
use wsim_endpoints::{self as endpoints, Classifier, Endpoint};
use wsim_logs::source::{self, Place, Source};
use wsim_logs::time::Zone;
use wsim_profile::{Extras, InferredDemand, ProcessCpu, Profile, Profiler, inference};
use wsim_trace::ingest::{self, Progress};
use wsim_trace::{self as trace, Trace, anonymise};

pub(super) mod told;

use told::Told;

/// How to read and classify logs.
#[derive(Debug, Args)]
pub(super) struct Reading {
    /// Log format, if detection errs (see --help)
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(super) format: Option<String>,
    /// nginx log_format or Apache LogFormat string of the logs
    #[arg(long, value_name = "STRING", help_heading = "Reading")]
    pub(super) log_format: Option<String>,
    /// nginx configuration that defines the logs' format
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    pub(super) nginx_config: Option<PathBuf>,
    /// What the logs' time stamps mean, where the format leaves it open
    #[arg(long, value_parser = ["start", "end"], value_name = "start|end", help_heading = "Reading")]
    pub(super) stamp: Option<String>,
    /// Zone of stamps without one: UTC, local, +02:00, Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", help_heading = "Reading")]
    pub(super) tz: String,
    /// Leave out requests before this: 2026-11-20, 16:30, -3h, yesterday
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Reading")]
    pub(super) from: Option<String>,
    /// Leave out requests from this on
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Reading")]
    pub(super) to: Option<String>,
    /// Count lines that stand in several files once
    #[arg(long, help_heading = "Reading")]
    dedupe: bool,
    /// Seed of everything drawn at random
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Reading")]
    pub(super) seed: u64,
    /// Threads that parse
    #[arg(long, value_name = "N", help_heading = "Reading")]
    threads: Option<std::num::NonZeroUsize>,

    /// Synapse release whose endpoint table applies [default: the newest known]
    #[arg(long, value_name = "RELEASE", help_heading = "Classifying")]
    pub(super) synapse_version: Option<String>,
    /// Endpoint table of one's own: an Ansible list, a docs/workers.md, a HAProxy path map
    #[arg(long, value_name = "FILE", conflicts_with = "synapse_version", help_heading = "Classifying")]
    pub(super) table: Option<PathBuf>,
    /// Let sliding sync, which no table lists, go to the sync workers
    #[arg(long, help_heading = "Classifying")]
    sliding_sync_to_sync: bool,

    /// CPU of the processes over the same time: CSV epoch,process,cpu_seconds_total or Prometheus JSON
    #[arg(long, value_name = "FILE", help_heading = "Advice")]
    pub(super) process_cpu: Option<PathBuf>,
}

/// What was meant: checked, typed, nothing left to parse.
pub(super) struct Config {
    pub(super) sources: Vec<Source>,
    ingest: ingest::Settings,
    classifier: Classifier,
    table_note: String,
    pub(super) synapse_version: String,
    pub(super) process_cpu: Option<ProcessCpu>,
    /// The part of the logs that is read.
    pub(super) window: Window,
    anonymise: Option<anonymise::Key>,
    /// Whether requests are kept.
    trace: bool,
    quiet: bool,
}

impl Config {
    /// `trace`: whether requests are kept.
    pub(super) fn new(logs: &[String], reading: &Reading, output: &Output, trace: bool) -> anyhow::Result<Self> {
        let zone = Zone::parse(&reading.tz).map_err(|error| UsageError(format!("--tz: {error}")))?;
        let Window { from_us, to_us } = Window::new(reading, &zone)?;
        let choices = told::choices(reading, zone)?;
        let (table, table_note) = told::table(reading)?;
        let options = endpoints::Options { sliding_sync_to_sync: reading.sliding_sync_to_sync, ..endpoints::Options::default() };
        Ok(Self {
            sources: source::expand(logs)?,
            window: Window { from_us, to_us },
            ingest: ingest::Settings { choices, from_us, to_us, seed: reading.seed, dedupe: reading.dedupe, threads: reading.threads() },
            synapse_version: told::version(&table),
            classifier: Classifier::new(&table, &options)?,
            table_note,
            process_cpu: reading.process_cpu.as_deref().map(ProcessCpu::read).transpose()?,
            anonymise: output
                .anonymise
                .as_deref()
                .map(|key| if key.is_empty() { anonymise::Key::random() } else { anonymise::Key::from_text(key) }),
            trace,
            quiet: output.quiet,
        })
    }
}

impl Reading {
    /// Threads to use.
    pub(super) fn threads(&self) -> usize {
        self.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, Into::into), Into::into)
    }

    /// What the standard plans share.
    pub(super) fn plan_options(&self, synapse_version: &str) -> wsim_plan::Options {
        wsim_plan::Options { synapse: synapse_version.to_owned(), sliding_sync: self.sliding_sync_to_sync }
    }
}

/// What reading gave, from logs or from a trace.
pub(super) struct Read {
    pub(super) told: Told,
    pub(super) endpoints: Arc<[Endpoint]>,
    pub(super) trace: Option<Trace>,
    pub(super) profile: Profile,
    /// The requests came from a trace, not from logs.
    pub(super) from_trace: bool,
}

/// Reads, joins and profiles.
pub(super) fn read(config: &Config, progress: &Arc<Progress>) -> anyhow::Result<Read> {
    if let [Source { place: Place::File(path), .. }] = config.sources.as_slice()
        && wsim_parquet::is_parquet(path)
    {
        return read_trace(config, path);
    }
    let bar = (!config.quiet && stderr_is_terminal()).then(|| progress::Bar::show(progress, told::total_bytes(&config.sources)));
    let endpoints: Arc<[Endpoint]> = config.classifier.endpoints().into();
    let (outcome, profiler) = if !config.trace {
        let settings = profile_settings(config, &endpoints);
        let observers = (0..config.ingest.threads).map(|_| Profiler::new(&settings)).collect();
        let (outcome, observers) = ingest::past_observers(&config.sources, &config.ingest, &config.classifier, progress, observers)?;
        let merged = observers.into_iter().reduce(|mut all, part| {
            all.merge(part);
            all
        });
        (outcome, merged)
    } else {
        (ingest::into_trace(&config.sources, &config.ingest, &config.classifier, progress)?, None)
    };
    drop(bar);
    let (trace, joined) = outcome.trace.map(trace::join::join).map_or((None, None), |(trace, facts)| (Some(trace), facts));
    let trace = match (trace, config.anonymise) {
        (Some(trace), Some(key)) => Some(anonymise::anonymise(trace, key)),
        (trace, _) => trace,
    };
    let told = Told::new(config, outcome.accounts, outcome.user_keys.describe(), joined, outcome.partial);
    finish_reading(config, told, endpoints, trace, profiler)
}

fn read_trace(config: &Config, path: &Path) -> anyhow::Result<Read> {
    let (trace, header) = wsim_parquet::read(path)?;
    let told = Told::from_header(&header).with_context(|| format!("{}: written by an incompatible version", path.display()))?;
    let read = finish_reading(config, told, header.endpoints.into(), Some(trace), None)?;
    Ok(Read { from_trace: true, ..read })
}

/// The profile, from what was observed on the way or from the trace.
fn finish_reading(
    config: &Config,
    told: Told,
    endpoints: Arc<[Endpoint]>,
    trace: Option<Trace>,
    profiler: Option<Profiler>,
) -> anyhow::Result<Read> {
    let settings = profile_settings(config, &endpoints);
    let profiler = match (&trace, profiler) {
        (Some(trace), _) => observe(trace, &settings, config.ingest.threads),
        (None, Some(profiler)) => profiler,
        (None, None) => Profiler::new(&settings),
    };
    if profiler.requests() + profiler.internal_requests() == 0 {
        anyhow::bail!("{}", told::nothing_found(&told));
    }
    // Requests that only a proxy saw cost what their kind costs where Synapse logged it; without any Synapse log demand is inferred.
    let inferred = profiler.logged_means().unwrap_or_else(|| match &trace {
        Some(trace) if config.process_cpu.is_some() || trace.any_has(trace::flag::WALL) => {
            inference::infer(|| trace.requests(), &endpoints, config.process_cpu.as_ref())
        }
        _ => InferredDemand::from_prior(&endpoints, 1.0),
    });
    let extras = Extras { process_cpu: config.process_cpu.clone(), inferred: Some(inferred), user_key: Some(told.user_key.clone()) };
    let profile = profiler.finish(&extras);
    Ok(Read { told, endpoints, trace, profile, from_trace: false })
}

fn profile_settings(config: &Config, endpoints: &Arc<[Endpoint]>) -> wsim_profile::Settings {
    let now = jiff::Timestamp::now().as_microsecond();
    wsim_profile::Settings { endpoints: Arc::clone(endpoints), zone_offset_seconds: config.ingest.choices.zone.offset_seconds_at(now) }
}

/// Profiles a trace on all threads; each takes every n-th chunk.
fn observe(trace: &Trace, settings: &wsim_profile::Settings, threads: usize) -> Profiler {
    let parts = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|part| {
                scope.spawn(move || {
                    let mut profiler = Profiler::new(settings);
                    for request in trace.part(part, threads) {
                        profiler.observe(&request, &trace.names);
                    }
                    profiler
                })
            })
            .collect();
        #[expect(clippy::expect_used, reason = "a panic in a thread is a defect and goes on here")]
        running.into_iter().map(|thread| thread.join().expect("a profiling thread panicked")).collect::<Vec<_>>()
    });
    let mut parts = parts.into_iter();
    let mut all = parts.next().unwrap_or_else(|| Profiler::new(settings));
    for part in parts {
        all.merge(part);
    }
    all
}
