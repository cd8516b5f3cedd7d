//! `wsim watch`: the figures of growing logs, live.
//!
//! ```text
//! arguments ─▶ WatchConfig ─▶ Watcher ─▶ Figures, every interval ─▶ screen | lines | JSON, and metrics over HTTP
//! ```

mod terminal;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;

use super::reading::LineArgs;
use super::settings::SettingsArgs;
use super::table_args::TableArgs;
use super::{Exit, UsageError, interrupt};
use terminal::Screen;
use wsim_advise::{MachineLimits, Objective, OutcomeTerm, ScreenConfig};
use wsim_endpoints::Classifier;
use wsim_logs::source::{self, Source};
use wsim_replay::metrics::{Listener, Page};
use wsim_text::parse_duration;
use wsim_trace::ingest::IngestConfig;
use wsim_watch::{Figures, WatchConfig, Watcher, json_line, page, plain_line};

/// Arguments of `wsim watch`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Watch {
    /// Growing log files, folders or globs of them, or `-` (stdin, such as journalctl -f)
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Target whose misses are alarms: as for analyse and simulate, and errors < 1%
    #[arg(long, value_name = "TEXT", default_value = "busy < 70%, connections < 80%", help_heading = "Figures")]
    objective: String,
    /// Length of the time that figures are of
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = window, help_heading = "Figures")]
    window: Duration,
    /// Database connections of each process (cp_max) [default: 5, or more where the log shows more]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Figures")]
    connections: Option<u32>,
    /// Cores shared by all processes and the database, for the limits [default: unknown]
    #[arg(long, value_name = "N", value_parser = super::simulate::cores, help_heading = "Figures")]
    cores: Option<f64>,
    /// Time between two looks
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = interval, help_heading = "Output")]
    every: Duration,
    /// End after this time [default: q or Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = length, help_heading = "Output")]
    length: Option<Duration>,
    /// Print the figures of what is there and end
    #[arg(long, conflicts_with = "length", help_heading = "Output")]
    once: bool,
    /// Print lines instead of the screen, as without a terminal
    #[arg(long, help_heading = "Output")]
    plain: bool,
    /// Print one line of JSON every interval
    #[arg(long, conflicts_with = "plain", help_heading = "Output")]
    json: bool,
    /// Serve the figures for Prometheus at http://ADDRESS/metrics
    #[arg(long, value_name = "ADDRESS", help_heading = "Output")]
    metrics: Option<SocketAddr>,
    /// File that remembers the places in the logs [default: in the user's state folder]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    state: Option<PathBuf>,
    /// Do not remember where the reading stopped
    #[arg(long, conflicts_with = "state", help_heading = "Output")]
    no_state: bool,
    /// Print no lines; for --metrics
    #[arg(long, short, conflicts_with = "json", help_heading = "Output")]
    quiet: bool,
    #[command(flatten)]
    lines: LineArgs,
    #[command(flatten)]
    table: TableArgs,
}

const EXAMPLES: &str = "\
Exit status: 3 if a term of the objective is missed at the end.

Examples:
  wsim watch /var/log/nginx/matrix-access.log /var/log/matrix-synapse/homeserver.log
  journalctl -f -u 'matrix-synapse*' | wsim watch -";

const LONG: &str = "\
Follows the logs through rotation, by rename and by truncation. A restart goes on where the last run stopped; a first start begins with what is there, up to \
64 MB of each log. On a terminal a screen is shown (q ends); otherwise one line every interval.

Utilisation is the CPU of request lines times the coverage factor that `wsim analyse` assumes without --process-cpu. From a proxy's log alone there are \
response times, but no CPU.

Exit status: 3 if a term of the objective is missed at the end.

Examples:
  wsim watch /var/log/nginx/matrix-access.log /var/log/matrix-synapse/homeserver.log
  journalctl -f -u 'matrix-synapse*' | wsim watch -
  wsim watch homeserver.log --objective 'p95 sync < 500ms, errors < 1%' --once || echo slow
  wsim watch homeserver.log --quiet --metrics 127.0.0.1:9180";

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, a log cannot be followed or has no known format, the address for metrics cannot be used.
pub fn run(arguments: &Watch) -> anyhow::Result<Exit> {
    let table = arguments.table.select()?;
    let classifier = Classifier::new(&table.table, &arguments.table.classifier_config())?;
    let config = arguments.config()?;
    let state = config.state.clone();
    let mut watcher = Watcher::new(sources(&arguments.logs)?, config, &classifier)?;
    let shared = Arc::new(Shared::default());
    let server = arguments.metrics.map(|address| Listener::bind(address)?.serve(Arc::clone(&shared))).transpose()?;
    let is_screen = std::io::stdout().is_terminal() && !(arguments.plain || arguments.json || arguments.once || arguments.quiet);
    if let (Some(server), false) = (&server, is_screen) {
        anstream::eprintln!("metrics at http://{}/metrics", server.address());
    }
    interrupt::expect();
    // Figures before the first look need its lines, and the format of a wrong file is an error before the screen is taken.
    read_all(&mut watcher)?;
    let mut output = Output::new(arguments, is_screen)?;
    let began = Instant::now();
    let mut kept = Instant::now();
    let figures = loop {
        let looked = Instant::now();
        read_all(&mut watcher)?;
        let figures = watcher.figures();
        shared.show(&figures);
        output.show(&figures)?;
        if state.is_some() && kept.elapsed() >= KEEP_EVERY {
            watcher.keep_positions()?;
            kept = Instant::now();
        }
        let is_over = arguments.length.is_some_and(|length| began.elapsed() >= length);
        if arguments.once && watcher.streams_have_ended() || is_over || watcher.has_ended() {
            break figures;
        }
        let left = arguments.length.map_or(arguments.every, |length| length.saturating_sub(began.elapsed()).min(arguments.every));
        if output.wait(left.saturating_sub(looked.elapsed()), &figures)? {
            break figures;
        }
    };
    drop(output);
    watcher.keep_positions()?;
    Ok(if figures.alarms.is_empty() { Exit::Done } else { Exit::Missed })
}

impl Watch {
    fn config(&self) -> anyhow::Result<WatchConfig> {
        let of_objective = |text: &dyn std::fmt::Display| UsageError(format!("--objective: {text}"));
        let objective: Objective = self.objective.parse().map_err(|error| of_objective(&error))?;
        if objective.outcomes.iter().any(|term| matches!(term, OutcomeTerm::Down { .. })) {
            return Err(of_objective(&"a log does not show how long the server was down; write errors < 1% or p95 < 500ms").into());
        }
        let plans = objective.without_latencies();
        // Without a limit of its own a process is full where it is full.
        let screen = ScreenConfig {
            objective: plans,
            connections: self.connections,
            machine: MachineLimits { cores: self.cores, ..MachineLimits::default() },
            ..ScreenConfig::default()
        };
        let state = if self.no_state { None } else { self.state.clone().or_else(|| default_state(&self.logs)) };
        let ingest = IngestConfig {
            detect: self.lines.detect_config()?,
            from_us: None,
            to_us: None,
            seed: 1,
            dedupe: false,
            hosts: self.lines.virtual_host.clone(),
            threads: 1,
        };
        let window_us = i64::try_from(self.window.as_micros()).unwrap_or(i64::MAX);
        Ok(WatchConfig { window_us, state, objective, screen, ingest })
    }
}

/// The logs to follow: of those found in folders without what rotation left.
fn sources(logs: &[String]) -> anyhow::Result<Vec<Source>> {
    let is_current = |source: &Source| {
        let name = source.to_string();
        let ending = name.rsplit(['.', '-']).next().unwrap_or_default();
        source.explicit || !(["gz", "zst", "xz", "bz2", "old"].contains(&ending) || ending.chars().all(|c| c.is_ascii_digit()))
    };
    let all: Vec<Source> = source::expand(logs)?.sources.into_iter().filter(is_current).collect();
    if all.is_empty() {
        anyhow::bail!("{}: there is no log that grows, only rotated ones", logs.join(", "));
    }
    Ok(all)
}

/// Reads until nothing more is there at once.
fn read_all(watcher: &mut Watcher<'_>) -> anyhow::Result<()> {
    let began = Instant::now();
    // A log that grows faster than it is read must not keep the figures away.
    while watcher.poll()? && began.elapsed() < READ_MAX {}
    Ok(())
}

/// `~/.local/state/wsim/watch-….json`, one for each list of logs; none where there is no home.
fn default_state(logs: &[String]) -> Option<PathBuf> {
    if logs.iter().all(|log| log == "-") {
        return None;
    }
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    let absolute = |log: &String| std::path::absolute(log).map_or_else(|_| log.clone(), |path| path.to_string_lossy().into_owned());
    let names = logs.iter().map(absolute).collect::<Vec<_>>().join("\n");
    let hash = names.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    Some(base.join("wsim").join(format!("watch-{hash:016x}.json")))
}

/// The page for scrapes.
#[derive(Default)]
struct Shared(Mutex<String>);

impl Shared {
    fn show(&self, figures: &Figures) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = page(figures);
    }
}

impl Page for Shared {
    fn page(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where the figures are shown.
enum Output {
    Screen(Box<Screen>),
    Plain,
    Json,
    Nothing,
}

impl Output {
    fn new(arguments: &Watch, is_screen: bool) -> anyhow::Result<Self> {
        Ok(match arguments {
            _ if is_screen => Self::Screen(Box::new(Screen::start()?)),
            Watch { json: true, .. } => Self::Json,
            Watch { quiet: true, .. } => Self::Nothing,
            _ => Self::Plain,
        })
    }

    fn show(&mut self, figures: &Figures) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        match self {
            Self::Screen(screen) => screen.draw(figures)?,
            Self::Plain => writeln!(out, "{}", plain_line(figures))?,
            Self::Json => writeln!(out, "{}", json_line(figures))?,
            Self::Nothing => {}
        }
        Ok(out.flush()?)
    }

    /// Waits. Returns whether the user wants to end.
    fn wait(&mut self, time: Duration, figures: &Figures) -> anyhow::Result<bool> {
        match self {
            Self::Screen(screen) => screen.wait(time, figures),
            _ => Ok(interrupt::sleep(time)),
        }
    }
}

fn window(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_secs(10), Duration::from_hours(1), "10s and 1h")
}

fn interval(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(200), Duration::from_mins(5), "200ms and 5m")
}

fn length(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(1), Duration::from_hours(24 * 366), "1ms and a year")
}

fn between(text: &str, least: Duration, most: Duration, words: &str) -> Result<Duration, String> {
    let time = parse_duration(text).ok_or_else(|| format!("{text:?} is not a time like 2s or 5m"))?;
    if (least..=most).contains(&time) { Ok(time) } else { Err(format!("it must be between {words}")) }
}

/// Longest reading before figures are shown again.
const READ_MAX: Duration = Duration::from_secs(5);
/// Time between two writings of the places in the logs.
const KEEP_EVERY: Duration = Duration::from_secs(10);
