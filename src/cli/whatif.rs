//! `wsim whatif`: the log as it would be with something else: without presence, with a federation sender down, with rotating tokens, with a burst of a
//! bot, with a worker more.

mod sender_logs;

use clap::{Args, ValueEnum};

use super::answer::AnswerArgs;
use super::on_log::{OnLog, OnLogArgs};
use super::plan_arg::PlanArg;
use super::{Exit, UsageError};
use wsim_plan::Glob;
use wsim_questions::bots::{BotsConfig, Observed, bots};
use wsim_questions::federation::{FederationConfig, federation};
use wsim_questions::moved_keys::added_worker;
use wsim_questions::tokens::{TokensConfig, tokens};
use wsim_questions::what_if::{self, Supposed};
use wsim_questions::without_news::{News, with_share};
use wsim_report::answer::Answer;
use wsim_trace::Trace;

/// Say what something else would change: presence or typing off, a federation sender down, rotating tokens, bursts of bots, a worker more.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct WhatIf {
    /// What is supposed
    #[arg(value_enum, value_name = "WHAT")]
    what: What,
    /// Plan to simulate, or to add a worker to: a file or a standard plan [default: monolith]
    #[arg(long, value_name = "FILE|PRESET", help_heading = "Candidates")]
    plan: Option<String>,
    /// presence, typing: share that is left, 0 to 1; repeatable [default: 0 and 0.5]
    #[arg(long = "share", value_name = "SHARE", help_heading = "Candidates")]
    shares: Vec<f64>,
    /// federation: how long a sender is down [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = seconds, help_heading = "Candidates")]
    down: Option<f64>,
    /// federation: number of senders; repeatable [default: 1, 2, 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "Candidates")]
    senders: Vec<u32>,
    /// tokens: life of an access token [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = seconds, help_heading = "Candidates")]
    life: Option<f64>,
    /// tokens: number of workers; repeatable [default: 1, 2, 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Candidates")]
    workers: Vec<u32>,
    /// bots: requests of a burst [default: the most in a second of the log]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Candidates")]
    burst: Option<u32>,
    /// bots: time in which the burst arrives [default: at once]
    #[arg(long, value_name = "TIME", value_parser = seconds, help_heading = "Candidates")]
    over: Option<f64>,
    /// bots: program that is a bot, like 'mautrix-*'; repeatable [default: requests with user_id=]
    #[arg(long = "agent", value_name = "GLOB", help_heading = "Candidates")]
    agents: Vec<String>,
    #[command(flatten)]
    log: OnLogArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Presence is off, or has a writer of its own
    Presence,
    /// Typing notices are off, or have a writer of their own
    Typing,
    /// A federation sender is down for a while; more senders
    Federation,
    /// Access tokens rotate, as with matrix-authentication-service
    Tokens,
    /// A bridge or bot sends a burst; a worker of its own
    Bots,
    /// A worker more in each pool with a hash
    Worker,
}

const EXAMPLES: &str = "\
Examples:
  wsim whatif presence /var/log/matrix-synapse/
  wsim whatif federation /var/log/matrix-synapse/ --down 10m --process-cpu cpu.csv
  wsim whatif worker trace.parquet --plan my-plan.toml";

const LONG: &str = "\
presence, typing: the log is read as it would be without presence (or typing notices): its own requests are gone, requests by which workers relay it to the \
writer are gone, and a sync that it woke waits on for the next news of its user. What woke a sync is known from the tokens in the log; a sync of which it is not \
known stays as it is.

federation: transactions in the logs of the federation senders (of the main process, where there is none) say what goes to which server; what is sent after an \
outage, and what more senders bring.

tokens: as if an authentication service issued tokens that rotate: what each worker has to ask the service, and how often users meet cold caches, by the key that \
the proxy hashes.

bots: a burst of a bridge's requests against one reactor and its socket, and with a worker of its own.

worker: which keys move, and how much of the load meets cold caches, if each pool with a hash gets a worker more.

docs/questions.md has the limits of each.

Examples:
  wsim whatif presence trace.parquet --plan 'synapse-docs 2' --share 0 --share 0.25
  wsim whatif federation /var/log/matrix-synapse/ --down 10m --process-cpu cpu.csv
  wsim whatif tokens /var/log/matrix-synapse/ --workers 4
  wsim whatif bots trace.parquet --burst 500 --over 2s
  wsim whatif worker trace.parquet --plan my-plan.toml";

impl WhatIf {
    /// Options that the question does not have.
    fn foreign(&self) -> Option<&'static str> {
        let news = matches!(self.what, What::Presence | What::Typing);
        let options = [
            ("--plan", self.plan.is_some(), news || self.what == What::Worker),
            ("--share", !self.shares.is_empty(), news),
            ("--down", self.down.is_some(), self.what == What::Federation),
            ("--senders", !self.senders.is_empty(), self.what == What::Federation),
            ("--life", self.life.is_some(), self.what == What::Tokens),
            ("--workers", !self.workers.is_empty(), self.what == What::Tokens),
            ("--burst", self.burst.is_some(), self.what == What::Bots),
            ("--over", self.over.is_some(), self.what == What::Bots),
            ("--agent", !self.agents.is_empty(), self.what == What::Bots),
        ];
        options.into_iter().find(|(_, is_given, is_known)| *is_given && !is_known).map(|(name, ..)| name)
    }
}

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the log cannot be read, nothing can be said of it.
pub fn run(arguments: &WhatIf) -> anyhow::Result<Exit> {
    if let Some(option) = arguments.foreign() {
        let what = arguments.what.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        return Err(UsageError(format!("{option} says nothing about {what}: see `wsim whatif --help`")).into());
    }
    match arguments.what {
        What::Presence => with_news(arguments, News::Presence),
        What::Typing => with_news(arguments, News::Typing),
        What::Federation => with_federation(arguments),
        What::Tokens => with_tokens(arguments),
        What::Bots => with_bots(arguments),
        What::Worker => with_worker(arguments),
    }
}

fn with_federation(arguments: &WhatIf) -> anyhow::Result<Exit> {
    let logs = sender_logs::read(&arguments.log.logs)?;
    let measured = match &arguments.log.reading.process_cpu {
        Some(path) => sender_logs::cpu_of_senders(&wsim_profile::ProcessCpu::read(path)?, logs.span_us()),
        None => None,
    };
    let senders = if arguments.senders.is_empty() { vec![1, 2, 4] } else { ascending(&arguments.senders) };
    let config = FederationConfig { down_seconds: arguments.down.unwrap_or(60.0), senders, measured };
    let found = federation(&logs, &config)?;
    arguments.answer.print("wsim.federation/1", &found, || Answer::of_federation(&found))?;
    Ok(Exit::Done)
}

fn with_tokens(arguments: &WhatIf) -> anyhow::Result<Exit> {
    let log = arguments.log.read(arguments.answer.is_silent())?;
    let workers = if arguments.workers.is_empty() { vec![1, 2, 4] } else { ascending(&arguments.workers) };
    let found = tokens(log.trace(), &TokensConfig { rotation_seconds: arguments.life.unwrap_or(300.0), workers })?;
    arguments.answer.print("wsim.tokens/1", &found, || Answer::of_tokens(&found))?;
    Ok(Exit::Done)
}

fn with_bots(arguments: &WhatIf) -> anyhow::Result<Exit> {
    let log = arguments.log.read(arguments.answer.is_silent())?;
    let profile = &log.data.profile;
    let config = BotsConfig {
        burst: arguments.burst,
        over_seconds: arguments.over.unwrap_or(0.0),
        agents: arguments.agents.iter().map(|text| Glob::from_text(text.as_str())).collect(),
    };
    let observed = Observed { seconds: profile.observed_seconds(), coverage: profile.coverage.factor };
    let found = bots(log.trace(), observed, &config)?;
    arguments.answer.print("wsim.bots/1", &found, || Answer::of_bots(&found))?;
    Ok(Exit::Done)
}

fn with_worker(arguments: &WhatIf) -> anyhow::Result<Exit> {
    let Some(plan) = &arguments.plan else {
        return Err(UsageError(
            "--plan is needed: the plan that gets a worker more, a file or a standard plan like 'synapse-docs 2'".to_owned(),
        )
        .into());
    };
    let plan = PlanArg::parse(plan)?;
    let log = arguments.log.read(arguments.answer.is_silent())?;
    let plan = plan.into_plan(&log.config.plans)?;
    let found = added_worker(log.trace(), &log.data.endpoints, &plan)?;
    arguments.answer.print("wsim.added_worker/1", &found, || Answer::of_added_worker(&found))?;
    Ok(Exit::Done)
}

fn ascending(numbers: &[u32]) -> Vec<u32> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Reads a time of up to a day.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = wsim_text::parse_duration(text).map(|duration| duration.as_secs_f64());
    seconds.filter(|seconds| (0.0..=86_400.0).contains(seconds)).ok_or_else(|| "give a time up to a day, like 10s or 2m".to_owned())
}

fn with_news(arguments: &WhatIf, news: News) -> anyhow::Result<Exit> {
    let shares = if arguments.shares.is_empty() { vec![0.0, 0.5] } else { arguments.shares.clone() };
    if let Some(share) = shares.iter().find(|share| !(0.0..1.0).contains(*share)) {
        return Err(UsageError(format!("--share: {share} is not from 0 to below 1")).into());
    }
    let plan = PlanArg::parse(arguments.plan.as_deref().unwrap_or("monolith"))?;
    let log = arguments.log.read(arguments.answer.is_silent())?;
    let plan = plan.into_plan(&log.config.plans)?;
    let changed = |share: f64| {
        let trace = with_share(copy(&log), &log.data.endpoints, news, share, log.config.seed);
        let profile = log.profile_of(&trace);
        (trace, profile)
    };
    let supposed = Supposed { input: log.input(), plan: &plan, config: &log.config };
    let found = what_if::what_if(news, &supposed, &shares, &changed, &log.watch)?;
    arguments.answer.print("wsim.whatif/1", &found, || Answer::of_what_if(&found))?;
    Ok(Exit::Done)
}

/// The trace of the log once more, to be changed.
fn copy(log: &OnLog) -> Trace {
    let trace = log.trace();
    let mut copy = Trace::new();
    copy.names = trace.names.clone();
    trace.requests().for_each(|request| copy.push(request));
    copy.seal();
    copy
}
