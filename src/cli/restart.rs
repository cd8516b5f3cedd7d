//! `wsim restart`: how long and how bad the restart of each process is, and in which order a rolling restart hurts least.

use clap::Args;

use super::answer::AnswerArgs;
use super::on_log::OnLogArgs;
use super::plan_arg::PlanArg;
use super::{Exit, UsageError};
use wsim_questions::restart::{self, RestartConfig};
use wsim_report::answer::Answer;

/// Say how long and how bad restarts are: of each process, and of all of them in several orders.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Restart {
    /// Plan to simulate: a file or a standard plan
    #[arg(long, value_name = "FILE|PRESET", required = true, help_heading = "Candidates")]
    plan: String,
    /// How long a process is down
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = seconds, help_heading = "Restart")]
    down: f64,
    /// How long to wait between two restarts
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = seconds, help_heading = "Restart")]
    pause: f64,
    /// CPU of a request right after a start, as a multiple of what it is later
    #[arg(long, value_name = "FACTOR", default_value_t = 2.0, help_heading = "Restart")]
    cold: f64,
    /// How long it takes until a third of that is left
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = seconds, help_heading = "Restart")]
    warming: f64,
    #[command(flatten)]
    log: OnLogArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

const EXAMPLES: &str = "\
Examples:
  wsim restart /var/log/matrix-synapse/ --plan 'synapse-docs 2'
  wsim restart trace.parquet --plan my-plan.toml --down 20s --pause 1m";

const LONG: &str = "\
A process that is down gets no new requests. Those that the proxy would send to it go to the others of its pool; where there is no other they wait until \
it is back. When it is back its caches are empty, and for a while requests cost it more (--cold, --warming; assumed). Each restart is simulated beside \
the plan without it, on the same requests. docs/questions.md has the limits.

Examples:
  wsim restart /var/log/matrix-synapse/ --plan 'synapse-docs 2'
  wsim restart trace.parquet --plan my-plan.toml --down 20s --pause 1m";

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the log cannot be read or is too short.
pub fn run(arguments: &Restart) -> anyhow::Result<Exit> {
    if !(1.0..=20.0).contains(&arguments.cold) {
        return Err(UsageError(format!("--cold: {} is not from 1 to 20", arguments.cold)).into());
    }
    let plan = PlanArg::parse(&arguments.plan)?;
    let log = arguments.log.read(arguments.answer.is_silent())?;
    let plan = plan.into_plan(&log.config.plans)?;
    let config = RestartConfig {
        down_seconds: arguments.down,
        pause_seconds: arguments.pause,
        cold: arguments.cold - 1.0,
        warming_seconds: arguments.warming,
        seed: log.config.seed,
        replications: log.config.replications,
    };
    let found = restart::restart(&log.input(), &plan, &config)?;
    arguments.answer.print("wsim.restart/1", &found, || Answer::of_restart(&found))?;
    Ok(Exit::Done)
}

/// Reads a time of up to an hour.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = wsim_text::parse_duration(text).map(|duration| duration.as_secs_f64());
    seconds.filter(|seconds| (0.0..=3600.0).contains(seconds)).ok_or_else(|| "give a time up to an hour, like 10s or 2m".to_owned())
}
