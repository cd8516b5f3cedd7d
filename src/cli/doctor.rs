//! `wsim doctor`: what the inputs can answer, what is missing for what, and how to get it.

use std::io::Write;
use std::sync::Arc;

use clap::Args;

use super::observed_arg::ObservedArgs;
use super::reading::{self, LogData, ReadArgs, ReadConfig};
use super::settings::SettingsArgs;
use super::{Exit, interrupt, terminal_width};
use wsim_advise::{InputFacts, questions};
use wsim_report::doctor::DoctorReport;
use wsim_report::{Style, TableChoice};
use wsim_trace::ingest::Progress;

/// Say what logs can answer, what is missing for which answer, and how to get it.
///
/// Reads the logs as `wsim analyse` does, and writes nothing.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE, after_long_help = EXAMPLE)]
pub struct Doctor {
    /// Log files, folders, globs, `-` (stdin), compressed or not; or one trace.parquet
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    observed: ObservedArgs,
    /// Print the findings as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print only errors; the exit status says whether a question cannot be answered
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
}

const EXAMPLE: &str = "\
Exit status: 0 everything can be answered, at least roughly; 3 something cannot.

Example:
  wsim doctor /var/log/nginx/matrix-access.log /var/log/matrix-synapse/";

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the logs cannot be read.
pub fn run(arguments: &Doctor) -> anyhow::Result<Exit> {
    let config = ReadConfig::new(&arguments.logs, &arguments.reading)?.observed(&arguments.observed)?;
    let config = config.quiet(arguments.quiet || arguments.json);
    let progress = Arc::new(Progress::default());
    interrupt::watch(&progress);
    let data = reading::read(&config, &progress)?;
    let notes = data.profile.deployment.warnings.iter().map(|warning| warning.text.clone()).collect();
    let found = questions(&data.profile, &facts(&data));
    let report = DoctorReport { inputs: data.summary.tallies.clone(), window: data.profile.window, questions: found, notes };
    if arguments.json {
        write!(std::io::stdout().lock(), "{}", report.json()?)?;
    } else if !arguments.quiet {
        let style = Style { colour: true, width: terminal_width(), tables: TableChoice::ALL };
        report.terminal(&mut anstream::stdout().lock(), style)?;
    }
    Ok(if report.leaves_questions() { Exit::Missed } else { Exit::Done })
}

fn facts(data: &LogData) -> InputFacts {
    let of_synapse = |format: &str| format.to_ascii_lowercase().contains("synapse");
    let inputs = || data.summary.tallies.iter().filter(|tally| tally.requests > 0);
    let proxy = inputs().filter(|tally| !of_synapse(&tally.format)).max_by_key(|tally| tally.requests);
    InputFacts {
        proxy_format: proxy.map(|tally| tally.format.clone()),
        has_synapse_log: inputs().any(|tally| of_synapse(&tally.format)),
        joined: data.summary.joined.as_ref().map_or(0, |joined| joined.joined),
        clock_offset_us: data.summary.joined.as_ref().map_or(0, |joined| joined.clock_offset_us),
        users_are_named: data.summary.users_are_named(),
        is_deployment_told: data.observed.is_some(),
    }
}
