//! `wsim size`: what a server would need that has no log, from what people do elsewhere.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Parser, ValueEnum};

use super::answer::AnswerArgs;
use super::on_log::OnLogArgs;
use super::progress::ProgressReporter;
use super::table_args::TableArgs;
use super::{Exit, UsageError, interrupt};
use wsim_advise::{MachineLimits, Objective};
use wsim_endpoints::Classifier;
use wsim_plan::PresetConfig;
use wsim_questions::Habits;
use wsim_questions::size::{self, Federation, Server, SizeConfig};
use wsim_report::answer::Answer;
use wsim_simulate::StopFlag;
use wsim_trace::ingest::Progress;

/// Estimate what a server without a log would need: load, CPU, memory, workers, with wide ranges.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Size {
    /// Accounts on the server
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200_000), required_unless_present = "habits_list")]
    users: Option<u32>,
    /// Rooms on the server [default: as many as the habits say]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rooms: Option<u32>,
    /// What other servers send: nothing, rooms of some dozen servers, public rooms of thousands
    #[arg(long, value_enum, default_value_t = FederationArg::Small)]
    federation: FederationArg,
    /// Bridges and bots
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    bridges: u32,
    /// Presence is switched off
    #[arg(long)]
    no_presence: bool,
    /// Set a habit: NAME=VALUE or NAME=LOW..HIGH; repeatable (see --list-habits)
    #[arg(long = "assume", value_name = "NAME=VALUE", help_heading = "Habits")]
    assumed: Vec<String>,
    /// Habits of your own, a changed copy of src/questions/habits.toml
    #[arg(long, value_name = "FILE", help_heading = "Habits")]
    habits: Option<PathBuf>,
    /// Print the habits with their ranges and sources, and stop
    #[arg(long = "list-habits", id = "habits_list", help_heading = "Habits")]
    list: bool,
    /// Borrow the habits of another server: its log, or a trace; repeatable
    #[arg(long, value_name = "LOG|TRACE", conflicts_with_all = ["assumed", "habits", "rooms", "bridges", "no_presence"], help_heading = "Habits")]
    like: Vec<std::ffi::OsString>,
    /// Accounts of the server of --like [default: users that its log shows]
    #[arg(long, value_name = "N", requires = "like", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Habits")]
    like_users: Option<u32>,
    /// Target that a plan must meet (see `wsim simulate --help`)
    #[arg(long, value_name = "TEXT", help_heading = "Simulation")]
    objective: Option<String>,
    /// Draws of the habits
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(5..=1000), help_heading = "Simulation")]
    draws: u32,
    /// Draws whose plans are simulated; 0: none, which is fast
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=20), help_heading = "Simulation")]
    simulated: u32,
    /// Cores shared by all processes and the database [default: unknown]
    #[arg(long, value_name = "N", value_parser = super::simulate::cores, help_heading = "Simulation")]
    cores: Option<f64>,
    /// Memory shared by all processes and the database: 8GB [default: unknown]
    #[arg(long, value_name = "SIZE", value_parser = super::simulate::memory, help_heading = "Simulation")]
    memory: Option<f64>,
    /// Seed of everything random
    #[arg(long, default_value_t = 1, help_heading = "Simulation")]
    seed: u64,
    /// Number of threads [default: all cores]
    #[arg(long, value_name = "N", help_heading = "Simulation")]
    threads: Option<std::num::NonZeroUsize>,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

/// How much other servers send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FederationArg {
    None,
    Small,
    Large,
}

const EXAMPLES: &str = "\
Examples:
  wsim size --users 2000
  wsim size --users 300 --federation large --bridges 3 --assume messages_per_hour=5..20
  wsim size --users 500 --rooms 900 --federation none --no-presence --json
  wsim size --users 500 --like trace.parquet --like-users 80";

const LONG: &str = "\
The load is made from habits: how many people are online at the busiest time, what each writes and reads, who is woken by it, what other \
servers and bridges send, and what a request costs. Each has a range and a source (--list-habits). Each of the draws takes a value of every \
range, makes the traffic of some minutes from it and screens the standard plans on it; of some draws the plans are simulated. So the ranges \
are wide: they say what is possible, not what will be. docs/questions.md has the limits.

With --like the habits are those of another server's log: its users are copied until there are as many as asked for, and the load is simulated for users who are \
half as active, as active and twice as active. For a server that has a log of its own use wsim analyse.

Examples:
  wsim size --users 2000
  wsim size --users 300 --federation large --bridges 3 --assume messages_per_hour=5..20
  wsim size --users 500 --rooms 900 --federation none --no-presence --json
  wsim size --users 500 --like trace.parquet --like-users 80";

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the habits cannot be read, or it was interrupted.
pub fn run(arguments: &Size) -> anyhow::Result<Exit> {
    let habits = habits(arguments)?;
    if arguments.list {
        list(&habits)?;
        return Ok(Exit::Done);
    }
    if !arguments.like.is_empty() {
        return like(arguments);
    }
    let server = server(arguments);
    let selected = arguments.table.select()?;
    let classifier = Classifier::new(&selected.table, &arguments.table.classifier_config())?;
    let progress = Arc::new(Progress::default());
    interrupt::watch(&progress);
    let config = SizeConfig {
        objective: objective(arguments)?,
        machine: MachineLimits { cores: arguments.cores, memory: arguments.memory },
        plans: PresetConfig::default(),
        draws: arguments.draws,
        simulated: arguments.simulated,
        seed: arguments.seed,
        threads: arguments.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, Into::into), Into::into),
        stop: StopFlag::from(Arc::clone(&progress.stop)),
    };
    let reporter = ProgressReporter::new("{bar:30} {msg} {pos} of {len}, {elapsed}", arguments.answer.is_silent());
    let found = size::size(&server, &habits, &classifier, &config, &mut |stage, done, all| reporter.update(stage, done, all))?;
    drop(reporter);
    arguments.answer.print("wsim.size/1", &found, || Answer::of_size(&server, &found, &config.objective.to_string()))?;
    Ok(Exit::Done)
}

/// Options of a log, for --like.
#[derive(Debug, Parser)]
struct OfLike {
    #[command(flatten)]
    log: OnLogArgs,
}

/// With the habits of another server.
fn like(arguments: &Size) -> anyhow::Result<Exit> {
    let mut words: Vec<std::ffi::OsString> = vec!["wsim size".into(), "--seed".into(), arguments.seed.to_string().into()];
    words.extend(["--replications".into(), "10".into()]);
    let mut option = |name: &str, value: Option<String>| words.extend(value.into_iter().flat_map(|value| [name.into(), value.into()]));
    option("--objective", arguments.objective.clone());
    option("--cores", arguments.cores.map(|cores| cores.to_string()));
    option("--memory", arguments.memory.map(|bytes| bytes.to_string()));
    option("--threads", arguments.threads.map(|threads| threads.to_string()));
    option("--synapse-version", arguments.table.synapse_version.clone());
    words.push("--".into());
    words.extend(arguments.like.iter().cloned());
    let parsed = OfLike::try_parse_from(words).map_err(|error| UsageError(error.to_string()))?;
    let log = parsed.log.read(arguments.answer.is_silent())?;
    let seen = log.data.profile.heavy_hitters.distinct_users;
    let like_users = arguments.like_users.unwrap_or_else(|| u32::try_from(seen).unwrap_or(u32::MAX)).max(1);
    let found = size::like(&log.input(), arguments.users.unwrap_or(1), like_users, &log.config, &log.watch)?;
    arguments.answer.print("wsim.size/1", &found, || Answer::of_like(&found, &log.config.objective.to_string()))?;
    Ok(Exit::Done)
}

fn server(arguments: &Size) -> Server {
    Server {
        users: arguments.users.unwrap_or(1),
        rooms: arguments.rooms,
        federation: match arguments.federation {
            FederationArg::None => Federation::None,
            FederationArg::Small => Federation::Small,
            FederationArg::Large => Federation::Large,
        },
        bridges: arguments.bridges,
        presence: !arguments.no_presence,
    }
}

fn habits(arguments: &Size) -> anyhow::Result<Habits> {
    let mut habits = match &arguments.habits {
        None => Habits::built_in(),
        Some(path) => {
            let text = wsim_text::read_text(path, HABITS_BYTES_MAX).with_context(|| format!("could not read {}", path.display()))?;
            Habits::from_toml(&text).with_context(|| format!("--habits: {}", path.display()))?
        }
    };
    for setting in &arguments.assumed {
        habits.set(setting).map_err(|error| UsageError(format!("--assume: {error}")))?;
    }
    Ok(habits)
}

fn objective(arguments: &Size) -> anyhow::Result<Objective> {
    let Some(text) = &arguments.objective else { return Ok(Objective::with_response_times(None)) };
    let parsed = text.parse().and_then(Objective::for_plans);
    Ok(parsed.map_err(|error| UsageError(format!("--objective: {error}")))?)
}

/// Prints every habit: range, unit, source.
fn list(habits: &Habits) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    for (name, habit) in &habits.habits {
        writeln!(out, "{name} = {} ({}..{})  {}", habit.typical, habit.low, habit.high, wsim_report::escape::visible(&habit.unit))?;
        writeln!(out, "    {}", wsim_report::escape::visible(&habit.source))?;
    }
    for (name, kind) in &habits.requests {
        let [low, typical, high] = kind.cpu_ms;
        writeln!(out, "CPU of {name} = {typical} ms ({low}..{high})")?;
        writeln!(out, "    {}", wsim_report::escape::visible(&kind.source))?;
    }
    Ok(())
}

const HABITS_BYTES_MAX: usize = 1_000_000;
