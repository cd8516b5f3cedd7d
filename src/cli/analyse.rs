//! `wsim analyse`: from logs to a report.
//!
//! ```text
//! arguments ─▶ Config ─▶ read ─▶ (join) ─▶ profile ─▶ advise ─▶ report ─▶ terminal, folder
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::{Exit, UsageError, interrupt, progress, stderr_is_terminal, terminal_width};
use crate::advise;
use crate::endpoints::{self, Classifier, Endpoint};
use crate::logs::range;
use crate::logs::source::{self, Place, Source};
use crate::logs::time::Zone;
use crate::profile::{Extras, InferredDemand, ProcessCpu, Profile, Profiler, inference};
use crate::report::{self, AnalysisReport, RunFolder};
use crate::trace::ingest::{self, Progress};
use crate::trace::{self, Trace, anonymise};

mod facts;

use facts::Told;

/// Arguments of `wsim analyse`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wsim analyse /var/log/nginx/matrix-access.log
  wsim analyse /var/log/matrix-synapse/ --process-cpu cpu.csv --synapse-version 1.157
  zcat access.log.*.gz | wsim analyse - --from yesterday --json", after_long_help = LONG)]
pub struct Analyse {
    /// Log files, folders, globs or `-`, compressed or not; or one trace.parquet of an earlier run
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<String>,

    /// Log format, if detection errs (see --help)
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    format: Option<String>,
    /// nginx log_format or Apache LogFormat string of the logs
    #[arg(long, value_name = "STRING", help_heading = "Reading")]
    log_format: Option<String>,
    /// nginx configuration that defines the logs' format
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    nginx_config: Option<PathBuf>,
    /// What the logs' time stamps mean, where the format leaves it open
    #[arg(long, value_parser = ["start", "end"], value_name = "start|end", help_heading = "Reading")]
    stamp: Option<String>,
    /// Zone of stamps without one: UTC, local, +02:00, Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", help_heading = "Reading")]
    tz: String,
    /// Leave out requests before this: 2026-11-20, 16:30, -3h, yesterday
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Reading")]
    from: Option<String>,
    /// Leave out requests from this on
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Reading")]
    to: Option<String>,
    /// Count lines that stand in several files once
    #[arg(long, help_heading = "Reading")]
    dedupe: bool,
    /// Seed of everything drawn at random
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Reading")]
    seed: u64,
    /// Threads that parse
    #[arg(long, value_name = "N", help_heading = "Reading")]
    threads: Option<std::num::NonZeroUsize>,

    /// Synapse release whose endpoint table applies [default: the newest known]
    #[arg(long, value_name = "RELEASE", help_heading = "Classifying")]
    synapse_version: Option<String>,
    /// Endpoint table of one's own: an Ansible list, a docs/workers.md, a HAProxy path map
    #[arg(long, value_name = "FILE", conflicts_with = "synapse_version", help_heading = "Classifying")]
    table: Option<PathBuf>,
    /// Let sliding sync, which no table lists, go to the sync workers
    #[arg(long, help_heading = "Classifying")]
    sliding_sync_to_sync: bool,

    /// CPU of the processes over the same time: CSV epoch,process,cpu_seconds_total or Prometheus JSON
    #[arg(long, value_name = "FILE", help_heading = "Advice")]
    process_cpu: Option<PathBuf>,
    /// What every process has to satisfy at the peak
    #[arg(long, value_name = "TEXT", default_value = "busy < 70%", help_heading = "Advice")]
    objective: String,

    /// Replace people, rooms, servers and addresses by keyed hashes; the key is random unless given
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "", require_equals = true, help_heading = "Output")]
    anonymise: Option<String>,
    /// Folder for runs
    #[arg(long, value_name = "DIR", default_value = "reports", help_heading = "Output")]
    out: PathBuf,
    /// Name of this run's folder [default: after the first log]
    #[arg(long, help_heading = "Output")]
    name: Option<String>,
    /// Replace an earlier run of that name
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Keep no requests: flat memory, no trace.parquet, no joining
    #[arg(long, conflicts_with_all = ["dedupe", "anonymise"], help_heading = "Output")]
    no_trace: bool,
    /// Print report.json and nothing else
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print nothing but errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
}

const LONG: &str = "\
Formats for --format: nginx-combined nginx-main nginx-vhost nginx-json apache-common apache-combined apache-vhost haproxy
caddy traefik traefik-json synapse synapse-json.

What you get: a summary here, and a folder with report.html (open it), report.md, report.json, trace.parquet (the requests,
for every other command), plan.toml (the recommended plan) and charts/*.svg.

Utilisation is that of one CPU core: a Synapse process cannot use more. It is worked out from the CPU time in Synapse's
request log, times a coverage factor for what no request line shows; with a proxy's log alone it is inferred, which is good
for comparing plans and poor for counting workers. Give Synapse's own logs and --process-cpu where you can.

Examples:
  wsim analyse /var/log/nginx/matrix-access.log
  wsim analyse /var/log/matrix-synapse/ --process-cpu cpu.csv --synapse-version 1.157
  zcat access.log.*.gz | wsim analyse - --from yesterday --json";

/// What was meant: checked, typed, nothing left to parse.
struct Config {
    sources: Vec<Source>,
    ingest: ingest::Settings,
    classifier: Classifier,
    table_note: String,
    synapse_version: String,
    process_cpu: Option<ProcessCpu>,
    screen: advise::Settings,
    anonymise: Option<anonymise::Key>,
}

impl Config {
    fn from_arguments(arguments: &Analyse) -> anyhow::Result<Self> {
        let zone = Zone::parse(&arguments.tz).map_err(|error| UsageError(format!("--tz: {error}")))?;
        let now = jiff::Timestamp::now();
        let point = |name: &str, text: &Option<String>, end| match text {
            Some(text) => range::parse(text, &zone, now, end).map(Some).map_err(|error| UsageError(format!("{name}: {error}"))),
            None => Ok(None),
        };
        let (from_us, to_us) = (point("--from", &arguments.from, false)?, point("--to", &arguments.to, true)?);
        if let (Some(from), Some(to)) = (from_us, to_us)
            && from >= to
        {
            return Err(UsageError("--from is not before --to".to_owned()).into());
        }
        let choices = facts::choices(arguments, zone)?;
        let (table, table_note) = facts::table(arguments)?;
        let screen = facts::screen(arguments, &table)?;
        let options = endpoints::Options { sliding_sync_to_sync: arguments.sliding_sync_to_sync, ..endpoints::Options::default() };
        let threads = arguments.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, Into::into), Into::into);
        Ok(Self {
            sources: source::expand(&arguments.logs)?,
            ingest: ingest::Settings { choices, from_us, to_us, seed: arguments.seed, dedupe: arguments.dedupe, threads },
            synapse_version: facts::version(&table),
            classifier: Classifier::new(&table, &options)?,
            table_note,
            process_cpu: arguments.process_cpu.as_deref().map(ProcessCpu::read).transpose()?,
            screen,
            anonymise: arguments
                .anonymise
                .as_deref()
                .map(|key| if key.is_empty() { anonymise::Key::random() } else { anonymise::Key::from_text(key) }),
        })
    }
}

/// Runs the command.
pub fn run(arguments: &Analyse) -> anyhow::Result<Exit> {
    let config = Config::from_arguments(arguments)?;
    let progress = Arc::new(Progress::default());
    interrupt::watch(&progress);
    let read = read(&config, arguments, &progress)?;
    let advice = advise::screen(&read.profile, &config.screen);
    let report = facts::report(arguments, &read, advice);
    let name = arguments.name.clone().unwrap_or_else(|| free_name(&arguments.out, &config.sources, arguments.force));
    let place = write(arguments, &report, &read, &name)?;
    show(arguments, &report, &place)?;
    Ok(if report.advice.recommended.is_some() { Exit::Done } else { Exit::Missed })
}

/// What reading gave, from logs or from a trace.
struct Read {
    told: Told,
    endpoints: Arc<[Endpoint]>,
    trace: Option<Trace>,
    profile: Profile,
}

fn read(config: &Config, arguments: &Analyse, progress: &Arc<Progress>) -> anyhow::Result<Read> {
    if let [Source { place: Place::File(path), .. }] = config.sources.as_slice()
        && trace::parquet::is_parquet(path)
    {
        return read_trace(config, path);
    }
    let bar = (!arguments.quiet && stderr_is_terminal()).then(|| progress::Bar::show(progress, facts::total_bytes(&config.sources)));
    let endpoints: Arc<[Endpoint]> = config.classifier.endpoints().into();
    let (outcome, profiler) = if arguments.no_trace {
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
    let (trace, header) = trace::parquet::read(path)?;
    let told = Told::from_header(&header).with_context(|| format!("{}: written by an incompatible version", path.display()))?;
    finish_reading(config, told, header.endpoints.into(), Some(trace), None)
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
        anyhow::bail!("{}", facts::nothing_found(&told));
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
    Ok(Read { told, endpoints, trace, profile })
}

fn profile_settings(config: &Config, endpoints: &Arc<[Endpoint]>) -> crate::profile::Settings {
    let now = jiff::Timestamp::now().as_microsecond();
    crate::profile::Settings { endpoints: Arc::clone(endpoints), zone_offset_seconds: config.ingest.choices.zone.offset_seconds_at(now) }
}

/// Profiles a trace on all threads; each takes every n-th chunk.
fn observe(trace: &Trace, settings: &crate::profile::Settings, threads: usize) -> Profiler {
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

impl ingest::Observer for Profiler {
    fn observe(&mut self, request: &trace::Request, names: &trace::Names) {
        Self::observe(self, request, names);
    }
}

/// Writes the run's folder and says where it is.
fn write(arguments: &Analyse, report: &AnalysisReport, read: &Read, name: &str) -> anyhow::Result<PathBuf> {
    let folder = RunFolder::create(&arguments.out, name, arguments.force)?;
    interrupt::unfinished(Some(folder.path().to_owned()));
    folder.write("report.json", report::json(report)?)?;
    folder.write("report.md", report::markdown(report))?;
    folder.write("report.html", report::html(report)?)?;
    for chart in report::charts::all(report) {
        folder.write(&format!("charts/{}.svg", chart.name), &chart.svg)?;
    }
    if let Some(candidate) = facts::shown_candidate(&report.advice) {
        folder.write("plan.toml", candidate.plan.to_toml())?;
    }
    if let Some(trace) = &read.trace {
        trace::parquet::write(trace, &read.told.header(&read.endpoints), &folder.path().join("trace.parquet"))?;
    }
    let place = folder.finish()?;
    interrupt::unfinished(None);
    Ok(place)
}

fn show(arguments: &Analyse, report: &AnalysisReport, place: &Path) -> anyhow::Result<()> {
    if arguments.quiet {
        return Ok(());
    }
    if arguments.json {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", report::json(report)?)?;
        return Ok(());
    }
    let mut out = anstream::stdout().lock();
    // Colour codes are always written; the stream takes them out where they are not wanted (NO_COLOR, no terminal).
    let style = report::Style { colour: true, width: terminal_width() };
    let mut names = vec!["report.html", "report.md", "report.json", "plan.toml", "charts/"];
    if !arguments.no_trace {
        names.push("trace.parquet");
    }
    names.retain(|name| place.join(name).exists());
    report::terminal(&mut out, report, Some(report::Files { folder: place, names: &names }), style)?;
    Ok(())
}

/// A name after the first log that is not taken: `access`, `access-2`, …
fn free_name(out: &Path, sources: &[Source], force: bool) -> String {
    let base = match sources.first().map(|source| &source.place) {
        Some(Place::File(path)) => facts::run_name(path),
        _ => "stdin".to_owned(),
    };
    if force || !out.join(&base).exists() {
        return base;
    }
    (2..).map(|number| format!("{base}-{number}")).find(|name| !out.join(name).exists()).unwrap_or(base)
}
