//! `wsim whatif`: the same plan without presence or typing notices, with fewer of them, or with a writer of their own.

use clap::{Args, ValueEnum};

use super::answer::AnswerArgs;
use super::on_log::{OnLog, OnLogArgs};
use super::plan_arg::PlanArg;
use super::{Exit, UsageError};
use wsim_questions::what_if::{self, Supposed};
use wsim_questions::without_news::{News, with_share};
use wsim_report::answer::Answer;
use wsim_trace::Trace;

/// Say what presence or typing notices cost, and what it brings to switch them off or to give them a writer.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct WhatIf {
    /// What is switched off
    #[arg(value_enum)]
    news: NewsArg,
    /// Plan to simulate: a file or a standard plan
    #[arg(long, value_name = "FILE|PRESET", default_value = "monolith", help_heading = "Candidates")]
    plan: String,
    /// Share that is left, 0 to 1; repeatable
    #[arg(long = "share", value_name = "SHARE", default_values_t = [0.0, 0.5], help_heading = "Candidates")]
    shares: Vec<f64>,
    #[command(flatten)]
    log: OnLogArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NewsArg {
    Presence,
    Typing,
}

const EXAMPLES: &str = "\
Examples:
  wsim whatif presence /var/log/matrix-synapse/
  wsim whatif presence trace.parquet --plan 'synapse-docs 2' --share 0 --share 0.25
  wsim whatif typing trace.parquet";

const LONG: &str = "\
The log is read as it would be without presence (or typing notices): its own requests are gone, requests by which workers relay it to the writer are \
gone, and a sync that it woke waits on for the next news of its user. What woke a sync is known from the tokens in the log; a sync of which it is not \
known stays as it is. docs/questions.md has the limits.

Examples:
  wsim whatif presence /var/log/matrix-synapse/
  wsim whatif presence trace.parquet --plan 'synapse-docs 2' --share 0 --share 0.25
  wsim whatif typing trace.parquet";

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the log cannot be read, nothing can be simulated.
pub fn run(arguments: &WhatIf) -> anyhow::Result<Exit> {
    if let Some(share) = arguments.shares.iter().find(|share| !(0.0..1.0).contains(*share)) {
        return Err(UsageError(format!("--share: {share} is not from 0 to below 1")).into());
    }
    let plan = PlanArg::parse(&arguments.plan)?;
    let log = arguments.log.read(arguments.answer.is_silent())?;
    let plan = plan.into_plan(&log.config.plans)?;
    let news = match arguments.news {
        NewsArg::Presence => News::Presence,
        NewsArg::Typing => News::Typing,
    };
    let changed = |share: f64| {
        let trace = with_share(copy(&log), &log.data.endpoints, news, share, log.config.seed);
        let profile = log.profile_of(&trace);
        (trace, profile)
    };
    let supposed = Supposed { input: log.input(), plan: &plan, config: &log.config };
    let found = what_if::what_if(news, &supposed, &arguments.shares, &changed, &log.watch)?;
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
