//! `wsim replay`: the traffic of a log again, against a test cluster.
//!
//! ```text
//! arguments ─▶ Choices ─▶ read ─▶ Played (requests of the window) ─▶ script ─▶ rows ─▶ schedule ─▶ run ─▶ report
//!                  └────▶ target: looked at, or emulated ───────────────┘
//! ```

mod aim;
mod choices;
mod dry_run;
mod emulated;
mod job;
mod limit;
mod prepare;
mod priming;
mod running;
mod watching;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::output::Output;
use super::reading::{self, Config, Reading};
use super::window::Window;
use super::{Exit, interrupt};
use choices::Choices;
use wsim_replay::metrics::{Board, Listener};
use wsim_replay::{Shape, Stop};
use wsim_trace::ingest::Progress;

/// Arguments of `wsim replay`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Replay {
    /// Log files, folders, globs or `-`, compressed or not; or one trace.parquet of an earlier run
    #[arg(value_name = "LOG|TRACE", required = true)]
    logs: Vec<String>,

    /// Where to: URL of a test homeserver or of its proxy, or `emulated` for the built-in cluster
    #[arg(long, value_name = "URL|emulated", help_heading = "Target")]
    target: String,
    /// What `wsim provision` wrote; not needed for an emulated target
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    world: Option<PathBuf>,
    /// Plan of the emulated cluster: a file, or a standard plan like `generic` or `sync-split:3`
    #[arg(long, value_name = "FILE|PRESET", help_heading = "Target")]
    plan: Option<String>,
    /// PEM certificates to trust besides the system's
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    ca: Option<PathBuf>,
    /// Speak HTTP/2
    #[arg(long, help_heading = "Target")]
    http2: bool,
    /// Header of answers that names the upstream
    #[arg(long, value_name = "HEADER", default_value = "X-Upstream", help_heading = "Target")]
    upstream_header: String,
    /// A target outside loopback and private networks
    #[arg(long, help_heading = "Target")]
    allow_public_target: bool,
    /// This server name, although it stands in the log: a copy, cut off from the original
    #[arg(long, value_name = "NAME", help_heading = "Target")]
    allow_server: Option<String>,

    /// Send requests that change state, too
    #[arg(long, help_heading = "What is sent")]
    allow_writes: bool,
    /// Send requests that cannot be undone, too
    #[arg(long, requires = "allow_writes", help_heading = "What is sent")]
    allow_dangerous: bool,
    /// Only these endpoint groups
    #[arg(long, value_name = "GROUP,…", value_delimiter = ',', help_heading = "What is sent")]
    only: Vec<String>,
    /// All but these endpoint groups
    #[arg(long, value_name = "GROUP,…", value_delimiter = ',', conflicts_with = "only", help_heading = "What is sent")]
    skip: Vec<String>,
    /// Show what would be sent and how much is left out; send nothing
    #[arg(long, help_heading = "What is sent")]
    dry_run: bool,

    /// Log seconds per second: compresses the clock (closed chains and parked syncs do not compress)
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, help_heading = "How fast and how much")]
    speed: f64,
    /// Users per logged user: below 1 leaves users out, above 1 clones them (provision as many copies)
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, help_heading = "How fast and how much")]
    load: f64,
    /// Time over which users come in
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = choices::seconds, help_heading = "How fast and how much")]
    ramp: f64,
    /// Step the load up until this breaks: `p95 work < 500ms`
    #[arg(long, value_name = "OBJECTIVE", help_heading = "How fast and how much")]
    find_limit: Option<String>,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = at_least_one, help_heading = "How fast and how much")]
    max_connections: usize,
    /// Watch the clock instead of sleeping for the last 80 µs before each request: costs a third of a core
    #[arg(long, help_heading = "How fast and how much")]
    precise: bool,
    /// Serve counts and times of the run for Prometheus while it goes on; a port alone is on loopback, 0 takes a free one
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = choices::listen, help_heading = "How fast and how much")]
    metrics: Option<SocketAddr>,

    /// Part i of N by user, counted from 0: one of several machines
    #[arg(long, value_name = "i/N", value_parser = choices::shard, help_heading = "Several machines")]
    shard: Option<(u32, u32)>,
    /// Instant at which all shards begin
    #[arg(long, value_name = "TIME", help_heading = "Several machines")]
    start_at: Option<String>,
    /// Write a Kubernetes Indexed Job for the shards of --shard 0/N, and send nothing
    #[arg(long, value_name = "FILE", requires = "shard", help_heading = "Several machines")]
    write_job: Option<PathBuf>,

    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  wsim replay access.log --target emulated --plan generic:2
  wsim replay access.log --target http://127.0.0.1:8008 --world world.json --from 09:00 --to 09:10";

const LONG: &str = "\
Requests are sent at their logged times, on an absolute schedule: how late the generator was is measured and always reported, and
a run whose generator was the bottleneck is void (exit status 3). Users arrive openly; what one user's client does stays in
order, with as many requests under way as in the log. Tokens, ids, `since`, pagination and bodies are the target's own or made up.

Requests that change state are left out unless allowed, and what is left out is counted by reason and by its share of the CPU.
Nothing is sent to a server that stands in the log, to a public address, or to one that `wsim provision` has not prepared.

Examples:
  wsim replay access.log --target emulated --plan generic:2
  wsim replay access.log --target http://127.0.0.1:8008 --world world.json --from 09:00 --to 09:10
  wsim replay trace.parquet --target https://proxy.test --ca ca.pem --http2 --world world.json --allow-writes --load 1.5 --ramp 60s
  wsim replay trace.parquet --target http://10.0.0.5 --world world.json --find-limit 'p95 work < 500ms'
  wsim replay trace.parquet --target http://10.0.0.5 --world world.json --shard 0/4 --start-at 2026-11-27T10:00:00Z";

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the log cannot be read, the target is refused or does not answer, the report cannot be written.
pub fn run(arguments: &Replay) -> anyhow::Result<Exit> {
    let mut choices = Choices::new(arguments)?;
    if let (Some(path), Some((_, shards))) = (&arguments.write_job, arguments.shard) {
        return job::run(arguments, shards, path);
    }
    // Before an hour of logs is read in vain.
    let listener = arguments.metrics.filter(|_| !arguments.dry_run).map(Listener::bind).transpose()?;
    let config = Config::new(&arguments.logs, &arguments.reading, &arguments.output, true)?;
    let progress = Arc::new(Progress::default());
    interrupt::watch(&progress);
    let read = reading::read(&config, &progress)?;
    let Some(trace) = &read.trace else { anyhow::bail!("the logs left no requests to replay") };
    let mut played = prepare::Played::of(trace, config.window);
    let expanded;
    let trace = if choices.expands() {
        expanded = prepare::expanded(trace, &played, &choices.shape);
        choices.shape = Shape { load: 1.0, speed: 1.0, ..choices.shape };
        played = prepare::Played::of(&expanded, Window::default());
        &expanded
    } else {
        trace
    };
    let leave_out = choices::left_out(&read.endpoints, &arguments.only, &arguments.skip)?;
    if arguments.dry_run && arguments.world.is_none() {
        let script = prepare::script(arguments, &prepare::imagined(trace, &played), trace, &played);
        return dry_run::show(arguments, &read, &played, script, &leave_out);
    }
    let goal = running::target(arguments, &choices, &config, &read, trace, &played)?;
    if arguments.dry_run {
        let script = prepare::script(arguments, goal.world(), trace, &played);
        return dry_run::show(arguments, &read, &played, script, &leave_out);
    }
    let board = Arc::new(Board::default());
    let server = listener.map(|listener| listener.serve(Arc::clone(&board))).transpose()?;
    if let Some(server) = server.as_ref().filter(|_| !arguments.output.quiet) {
        writeln!(std::io::stderr(), "metrics: http://{}/metrics", server.address())?;
    }
    let player = running::Player {
        arguments,
        choices: &choices,
        read: &read,
        trace,
        played: &played,
        leave_out: &leave_out,
        goal: &goal,
        stop: Arc::new(Stop::default()),
        board: server.is_some().then_some(&*board),
    };
    running::play(&player, &progress)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&count| count > 0).ok_or_else(|| "give a number of at least 1".to_owned())
}
