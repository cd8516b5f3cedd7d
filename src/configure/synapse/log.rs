//! Log settings: one file for each process, with request lines, in the format that wsim reads best.
//!
//! The format is exactly Synapse's default, which tools for Synapse logs expect.

use super::super::{Context, OutputFile};
use super::heading;

pub(super) fn files(context: &Context<'_>) -> Vec<OutputFile> {
    let mut files = vec![OutputFile::new("synapse/log.yaml", config(context, "homeserver", "the main process"))];
    for process in &context.cluster.workers {
        files.push(OutputFile::new(format!("synapse/log/{}.yaml", process.name), config(context, &process.name, &process.name)));
    }
    files
}

fn config(context: &Context<'_>, file: &str, process: &str) -> String {
    let handlers = if context.config.platform.has_containers() { CONSOLE.to_owned() } else { to_file(context, file) };
    format!(
        "{}version: 1

formatters:
  precise:
    format: '%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s'

handlers:
{handlers}
loggers:
  synapse.storage.SQL:
    # DEBUG would log contents of the database.
    level: INFO
  # \"Processed request\" lines with the CPU and database time of each request, for `wsim analyse`.
  synapse.access:
    level: INFO

root:
  level: INFO
  handlers: [{handler}]

disable_existing_loggers: false
",
        heading(context, &format!("Log settings of {process}")),
        handler = if context.config.platform.has_containers() { "console" } else { "buffer" }
    )
}

fn to_file(context: &Context<'_>, file: &str) -> String {
    format!(
        "  file:
    class: logging.handlers.TimedRotatingFileHandler
    formatter: precise
    filename: /var/log/matrix-synapse/{file}.log
    when: midnight
    # A week, so that wsim sees the busy hours of every weekday.
    backupCount: 7
    encoding: utf8
  {}
",
        if context.release.is_at_least("1.59") { PERIODIC } else { PLAIN }
    )
}

/// Containers log to their output, which their runtime keeps and rotates.
const CONSOLE: &str = "  console:
    class: logging.StreamHandler
    formatter: precise
    stream: ext://sys.stdout
";

const PERIODIC: &str = "buffer:
    # Lines are written ten at a time, or after five seconds.
    class: synapse.logging.handlers.PeriodicallyFlushingMemoryHandler
    target: file
    capacity: 10
    flushLevel: 30
    period: 5";

const PLAIN: &str = "buffer:
    class: logging.handlers.MemoryHandler
    target: file
    capacity: 1
    flushLevel: 30";
