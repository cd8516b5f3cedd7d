//! `wsim replay`: sends the requests of a log to a test cluster, at their logged times.
//!
//! ```text
//! arguments ─▶ ReplayConfig ─▶ read ─▶ ReplayedRequests ─▶ script ─▶ rows ─▶ schedule ─▶ run ─▶ report
//!                   └────▶ target: checked, or emulated ──────┘
//! ```

mod config;
mod dry_run;
mod emulated;
mod job;
mod limit;
mod live;
mod player;
mod prepare;
mod target;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::guard_args::GuardArgs;
use super::output::{Output, VerboseArg};
use super::reading::{self, ReadArgs, ReadConfig};
use super::{Exit, gaps, interrupt};
use config::ReplayConfig;
use player::{Interruption, Player};
use target::{PreparedTarget, ReplayInput};
use wsim_replay::metrics::{Listener, MetricsRegistry};
use wsim_replay::{ReplayedRequests, TrafficConfig};
use wsim_trace::ingest::Progress;

/// Arguments of `wsim replay`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Replay {
    /// Log files, folders, globs, `-` (stdin), compressed or not; or one trace.parquet
    #[arg(value_name = "LOG|TRACE", required = true)]
    logs: Vec<String>,

    /// URL of a test homeserver or its proxy, or `emulated` for the built-in cluster
    #[arg(long, value_name = "URL|emulated", help_heading = "Target")]
    target: String,
    /// World file of `wsim provision`; not needed for an emulated target
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    world: Option<PathBuf>,
    /// Plan of the target: a file, or a standard plan like `generic:2`
    #[arg(long, value_name = "FILE|PRESET", help_heading = "Target")]
    plan: Option<String>,
    /// Additional PEM certificates to trust
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    ca: Option<PathBuf>,
    /// Accept every certificate of the target: for test targets only
    #[arg(long, conflicts_with = "ca", help_heading = "Target")]
    insecure: bool,
    /// Longest wait for a response, beyond what a long poll asks to wait itself
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = config::timeout, help_heading = "Target")]
    timeout: std::time::Duration,
    /// Use HTTP/2
    #[arg(long, help_heading = "Target")]
    http2: bool,
    /// Response header that names the upstream
    #[arg(long, value_name = "HEADER", default_value = "X-Upstream", help_heading = "Target")]
    upstream_header: String,
    #[command(flatten)]
    allowed: GuardArgs,

    /// Also send requests that change state
    #[arg(long, help_heading = "What is sent")]
    allow_writes: bool,
    /// Also send requests that cannot be undone
    #[arg(long, requires = "allow_writes", help_heading = "What is sent")]
    allow_dangerous: bool,
    /// Send only these endpoint groups
    #[arg(long, value_name = "GROUP,…", value_delimiter = ',', help_heading = "What is sent")]
    only: Vec<String>,
    /// Leave out these endpoint groups
    #[arg(long, value_name = "GROUP,…", value_delimiter = ',', conflicts_with = "only", help_heading = "What is sent")]
    skip: Vec<String>,
    /// Show what would be sent and left out; send nothing
    #[arg(long, help_heading = "What is sent")]
    dry_run: bool,

    /// What must hold, else exit status 3 (see --help) [default: errors < 5%, failures < 1%, down < 2s]
    #[arg(long, value_name = "TEXT", help_heading = "What is expected")]
    expect: Option<String>,

    /// Speed of the clock; requests that wait for others or for events do not get faster
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, help_heading = "How fast and how much")]
    speed: f64,
    /// Users per logged user: below 1 leaves users out, above 1 clones them (see provision --copies)
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, help_heading = "How fast and how much")]
    load: f64,
    /// Let users join over this time, like 60s
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = config::seconds, help_heading = "How fast and how much")]
    ramp: f64,
    /// Find the largest load that meets an objective like 'p95 work < 500ms' (see --help)
    #[arg(long, value_name = "OBJECTIVE", help_heading = "How fast and how much")]
    find_limit: Option<String>,
    /// Most open connections
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = connections, help_heading = "How fast and how much")]
    max_connections: usize,
    /// Wait in gaps of the log too [default: 10 s for each]
    #[arg(long, help_heading = "How fast and how much")]
    keep_gaps: bool,
    /// Send more exactly in time; takes a third of a core
    #[arg(long, help_heading = "How fast and how much")]
    precise: bool,
    /// Serve Prometheus metrics of the run (port only: on loopback; 0: a free port)
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = config::listen, help_heading = "How fast and how much")]
    metrics: Option<SocketAddr>,

    /// Send only part i of N, by user, from 0: for several machines
    #[arg(long, value_name = "i/N", value_parser = config::shard, help_heading = "Several machines")]
    shard: Option<(u32, u32)>,
    /// When all shards begin
    #[arg(long, value_name = "TIME", help_heading = "Several machines")]
    start_at: Option<String>,
    /// Write a Kubernetes Job for the N shards of --shard; send nothing
    #[arg(long, value_name = "FILE", requires = "shard", help_heading = "Several machines")]
    write_job: Option<PathBuf>,

    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    tables: VerboseArg,
}

const EXAMPLES: &str = "\
Examples:
  wsim replay access.log --target emulated --plan generic:2
  wsim replay access.log --target http://127.0.0.1:8008 --world world.json --from 09:00 --to 09:10";

const LONG: &str = "\
Requests are sent at their logged times. The report always says how late they were sent; if wsim itself was the bottleneck, the run is void \
(exit status 3). The requests of one user keep their order and overlap as in the log. Tokens, ids, `since`, pagination and bodies are the \
target's own or made up.

Terms of --expect, joined by commas: `errors < 5%` (requests without a response or with a worse status than in the log: a redirect, 4xx or 5xx \
for a success, any other 401 or 429), `failures < 1%` (of these, no response or a 5xx), both also of one endpoint group (`errors sync < 1%`); `down < 2s` \
(time in which the target or one of its upstreams gave no response); `p95 work < 500ms`, `p99 sync < 2s` (response times from the scheduled \
instant, long polls excluded: mean, p50, p95, p99 of a group or of all work). The first three hold with these values unless replaced: `errors < 100%` asks \
for nearly nothing. A missed term is in the verdict, with who stands out, and the exit status is 3. A run that its generator spoilt is void, \
which is 3 as well. --find-limit looks for the largest load at which its terms and those of --expect hold: up by half or down by a third, then by \
halving the gap, repeating runs whose result is close.

Requests that change state are left out unless allowed. What is left out is counted by reason and by its share of the CPU time. wsim sends \
nothing to a server that is in the log, to a public address, or to a server without a world of `wsim provision`, and nothing from a log \
that does not say which servers it is of.

Examples:
  wsim replay access.log --target emulated --plan generic:2
  wsim replay access.log --target http://127.0.0.1:8008 --world world.json --from 09:00 --to 09:10
  wsim replay trace.parquet --target https://proxy.test --ca ca.pem --http2 --world world.json --allow-writes --load 1.5 --ramp 60s
  wsim replay trace.parquet --target http://10.0.0.5 --world world.json --expect 'errors < 1%, p95 work < 500ms'
  wsim replay trace.parquet --target http://10.0.0.5 --world world.json --find-limit 'p95 work < 500ms'
  wsim replay trace.parquet --target http://10.0.0.5 --world world.json --shard 0/4 --start-at 2026-11-27T10:00:00Z";

/// Runs the command.
///
/// # Errors
/// The arguments make no sense, the log cannot be read, the target is unsafe or does not respond, or the report cannot be written.
pub fn run(arguments: &Replay) -> anyhow::Result<Exit> {
    let mut config = ReplayConfig::new(arguments)?;
    if let (Some(path), Some((_, shards))) = (&arguments.write_job, arguments.shard) {
        return job::write(shards, path, arguments.output.quiet);
    }
    if arguments.world.is_some() {
        arguments.output.anonymise.require_kept_key()?;
    }
    // Bound before an hour of logs is read in vain.
    let listener = arguments.metrics.filter(|_| !arguments.dry_run).map(Listener::bind).transpose()?;
    let read_config = ReadConfig::new(&arguments.logs, &arguments.reading)?.with_output(&arguments.output)?;
    let progress = Arc::new(Progress::default());
    interrupt::watch(&progress);
    let data = reading::read(&read_config, &progress)?;
    let Some(trace) = &data.trace else { anyhow::bail!("no requests are left in the logs to replay") };
    let (mut replayed, left_out_time) = gaps::replayed_requests(trace, read_config.range, arguments.keep_gaps);
    let rewritten;
    let trace = if config.rewrites_trace() {
        rewritten = replayed.at_speed(&trace.names, config.traffic.speed);
        config.traffic = TrafficConfig { speed: 1.0, ..config.traffic };
        replayed = ReplayedRequests::new(rewritten.requests(), None, None);
        &rewritten
    } else {
        trace
    };
    let left_out = config::left_out(&data.endpoints, &arguments.only, &arguments.skip)?;
    if arguments.dry_run {
        let world = prepare::world_without_target(arguments, &config, trace, &replayed)?;
        return dry_run::show(arguments, &data, &replayed, prepare::script(arguments, &world, trace, &replayed), &left_out);
    }
    if let Some(left_out) = left_out_time.as_ref().filter(|_| !arguments.output.quiet) {
        writeln!(std::io::stderr(), "note: {left_out}")?;
    }
    config::check_groups(&config.expected, &data.endpoints, &replayed, &left_out)?;
    let target = PreparedTarget::new(ReplayInput {
        arguments,
        config: &config,
        read_config: &read_config,
        data: &data,
        trace,
        replayed: &replayed,
        left_out: &left_out,
        progress: &progress,
    })?;
    let metrics = Arc::new(MetricsRegistry::default());
    let server = listener.map(|listener| listener.serve(Arc::clone(&metrics))).transpose()?;
    if let Some(server) = server.as_ref().filter(|_| !arguments.output.quiet) {
        writeln!(std::io::stderr(), "metrics: http://{}/metrics", server.address())?;
    }
    let player = Player {
        arguments,
        config: &config,
        data: &data,
        trace,
        replayed: &replayed,
        left_out: &left_out,
        target: &target,
        left_out_time,
        interruption: Arc::new(Interruption::default()),
        metrics: server.is_some().then_some(&*metrics),
    };
    player::play(&player, &progress)
}

/// One address has no more ports than that.
fn connections(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| (1..=65_535).contains(count)).ok_or_else(|| "give a number from 1 to 65535".to_owned())
}
