//! `wsim presets`: what the layouts of guides and playbooks, and plans of your own, would cost and bring on this log.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::answer::AnswerArgs;
use super::on_log::OnLogArgs;
use super::plan_arg::PlanArg;
use super::{Exit, UsageError};
use wsim_plan::PresetConfig;
use wsim_questions::layouts::layouts;
use wsim_questions::presets::{self, Compared, ComparisonConfig, Machine};
use wsim_questions::prices::Prices;
use wsim_report::answer::Answer;

/// Compare the layouts of guides and playbooks on your log: processes, CPU, memory, response times, cost.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Presets {
    /// Plan file or standard plan to compare too; repeatable
    #[arg(long = "plan", value_name = "FILE|PRESET", help_heading = "Candidates")]
    plans: Vec<String>,
    /// Compare only the main process alone and the plans of --plan
    #[arg(long, requires = "plans", help_heading = "Candidates")]
    only: bool,
    /// Prices of a month (TOML): currency, core, gb, and miss, the price of a missed objective
    #[arg(long, value_name = "FILE", help_heading = "Candidates")]
    prices: Option<PathBuf>,
    /// PostgreSQL's max_connections [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Simulation")]
    max_connections: Option<u32>,
    #[command(flatten)]
    log: OnLogArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

const EXAMPLES: &str = "\
Examples:
  wsim presets /var/log/matrix-synapse/
  wsim presets trace.parquet --plan my-plan.toml --plan 'sync-split 2' --prices prices.toml
  wsim presets trace.parquet --memory 8GB --max-connections 100";

const LONG: &str = "\
Every layout is simulated on the same traffic, that of the busiest hour. CPU and memory are those of all processes of Synapse; what a layout brings \
is the 95th percentile of response times beside that of the main process alone. Where the ranges of both overlap nobody can tell them apart.

A file of prices (for a month):
  currency = \"EUR\"
  core = 8.0      # one core
  gb = 2.5        # one GB of memory
  miss = 100.0    # a month in which the objective is missed; optional

A plan costs the cores that it needs at the peak over the busy share of the objective, and its memory. With `miss`, the expected cost of a plan has \
that price times the probability of missing the objective, and its regret is its expected cost over the lowest.

Examples:
  wsim presets /var/log/matrix-synapse/
  wsim presets trace.parquet --plan my-plan.toml --plan 'sync-split 2' --prices prices.toml
  wsim presets trace.parquet --memory 8GB --max-connections 100";

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the log cannot be read, nothing can be simulated.
pub fn run(arguments: &Presets) -> anyhow::Result<Exit> {
    let prices = arguments.prices.as_deref().map(prices).transpose()?;
    let named = arguments.plans.iter().map(|text| PlanArg::parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let log = arguments.log.read(arguments.answer.is_silent())?;
    let plans = compared(named, arguments.only, &log.config.plans)?;
    let config = ComparisonConfig {
        sweep: log.config.clone(),
        prices,
        machine: Machine { memory: arguments.log.memory, max_connections: arguments.max_connections },
    };
    let found = presets::compare(&log.input(), &plans, &config, &log.watch)?;
    arguments.answer.print("wsim.presets/1", &found, || Answer::of_presets(&found))?;
    Ok(if found.cheapest.is_some() { Exit::Done } else { Exit::Missed })
}

/// The layouts, then the plans that were named.
fn compared(named: Vec<PlanArg>, only: bool, config: &PresetConfig) -> anyhow::Result<Vec<Compared>> {
    let mut plans: Vec<Compared> = Vec::new();
    let known = layouts(config).into_iter().filter(|layout| !only || layout.plan.worker_count() == 0);
    plans.extend(known.map(|layout| Compared { plan: layout.plan, source: layout.source.to_owned() }));
    for plan in named {
        let plan = plan.into_plan(config)?;
        if plans.iter().any(|other| other.plan.name == plan.name && other.plan != plan) {
            return Err(UsageError(format!("--plan: there is another plan of the name {}: give it a name of its own", plan.name)).into());
        }
        if plans.iter().all(|other| other.plan != plan) {
            plans.push(Compared { plan, source: "--plan".to_owned() });
        }
    }
    Ok(plans)
}

fn prices(path: &Path) -> anyhow::Result<Prices> {
    let text = wsim_text::read_text(path, PRICES_BYTES_MAX).with_context(|| format!("could not read {}", path.display()))?;
    let prices = Prices::from_toml(&text).map_err(|error| UsageError(format!("--prices: {}: {error}", path.display())))?;
    Ok(prices)
}

const PRICES_BYTES_MAX: usize = 100_000;
