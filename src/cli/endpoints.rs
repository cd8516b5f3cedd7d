//! `wsim endpoints`: prints an endpoint table, explains one request, classifies lines, compares releases.
//!
//! ```text
//! TableArgs ─▶ Table ─▶ printed, or compared with another
//!                  └──▶ Classifier ─▶ one request explained, or lines classified
//! ```

mod lines;
mod page;
mod print;

use std::io::{self, BufRead, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use super::UsageError;
use super::table_args::{TableArgs, read_table};
use wsim_endpoints::{Classifier, ClassifierConfig, Explanation, Method, Row, Table, diff, explain, table_for};
use wsim_logs::redact::scrub;

/// Print an endpoint table of Synapse, or how a request is classified and why
///
/// The tables are those of docs/workers.md in every release of Synapse since 0.26. They list the requests that a worker may serve;
/// all other requests go to the main process.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Endpoints {
    /// Method of the request to explain, or `-` to classify lines from stdin
    ///
    /// The lines are METHOD PATH or whole request lines; the output is one JSON object per line.
    #[arg(value_name = "METHOD|-")]
    method: Option<String>,
    /// Path of the request as in a log, query included
    #[arg(value_name = "PATH")]
    path: Option<String>,
    #[command(flatten)]
    table: TableArgs,
    /// Compare two tables, each a release or a file as for --table
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"], conflicts_with_all = ["method", "path", "table", "synapse_version"])]
    diff: Vec<String>,
    /// Match the percent-decoded path, as nginx does
    ///
    /// By default the path is matched as sent, as Synapse and HAProxy do.
    #[arg(long)]
    decoded_path: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  wsim endpoints --synapse-version 1.98
  wsim endpoints GET '/_matrix/client/v3/sync?timeout=0'
  wsim endpoints --diff 1.76 1.157
  printf 'PUT /_matrix/client/v3/rooms/!a:b/typing/@c:b\\n' | wsim endpoints -
  wsim endpoints --table workers.yml POST /_matrix/client/v3/keys/upload";

/// Runs the command. Reads `input` only for `-`.
///
/// # Errors
/// The release, the file or the request cannot be read, or `out` cannot be written.
pub fn run(args: &Endpoints, out: &mut dyn Write, input: &mut dyn BufRead) -> anyhow::Result<()> {
    if let [from, to] = args.diff.as_slice() {
        let difference = diff(&table_named(from)?, &table_named(to)?);
        return if args.json { print_json(out, &difference) } else { Ok(print::print_difference(out, &difference)?) };
    }
    let selected = args.table.select()?;
    let (table, newer_than_known) = (&selected.table, selected.newer_than_known);
    if newer_than_known {
        let newest = table.releases.last().map(ToString::to_string).unwrap_or_default();
        let release = selected.release;
        anstream::eprintln!("wsim knows Synapse up to {newest}, not {release}: using the table of {newest}, which may be out of date");
    }
    let config = ClassifierConfig { decoded_path: args.decoded_path, ..args.table.classifier_config() };
    let explain_request = |method: &str, path: &str, out: &mut dyn Write| explain_request((table, &config), method, path, args.json, out);
    match (args.method.as_deref(), args.path.as_deref()) {
        (None, _) if args.json => print_json(out, &TableJson { table, newer_than_known }),
        (None, _) => Ok(print::print_table(out, table)?),
        (Some("-"), None) => lines::classify_lines(&Classifier::new(table, &config)?, out, input),
        (Some(path), None) if path.starts_with('/') || path.contains("://") => explain_request("GET", path, out),
        (Some(_), None) => {
            Err(UsageError("give METHOD and PATH, for example: wsim endpoints GET /_matrix/client/v3/sync".to_owned()).into())
        }
        (Some(method), Some(path)) => explain_request(&method.to_uppercase(), path, out),
    }
}

/// The table of a release, or else of a file.
fn table_named(name: &str) -> anyhow::Result<Table> {
    match table_for(Some(name)) {
        Ok(selected) => Ok(selected.table),
        Err(_) if Path::new(name).is_file() => read_table(Path::new(name)),
        Err(error) => Err(UsageError(format!("--diff: {error}")).into()),
    }
}

fn explain_request(
    (table, config): (&Table, &ClassifierConfig),
    method: &str,
    path: &str,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let explanation = explain(table, config, Method::from_bytes(method.as_bytes()), path.as_bytes())?;
    let shown = scrub(path);
    if json {
        return print_json(out, &ExplanationJson::new(table, method, &shown, &explanation));
    }
    Ok(print::print_explanation(out, (table, config), &format!("{method} {shown}"), &explanation)?)
}

#[derive(Serialize)]
struct TableJson<'t> {
    #[serde(flatten)]
    table: &'t Table,
    newer_than_known: bool,
}

#[derive(Serialize)]
struct ExplanationJson<'e> {
    method: &'e str,
    path: &'e str,
    group: &'e str,
    workers: &'e [String],
    stream: Option<&'e str>,
    pattern: Option<&'e str>,
    condition: Option<&'e str>,
    any_worker: bool,
    internal: bool,
    table: &'e str,
    rows: Vec<&'e Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_with_other_reading_of_path: Option<&'e str>,
}

impl<'e> ExplanationJson<'e> {
    fn new(table: &'e Table, method: &'e str, path: &'e str, explanation: &'e Explanation) -> Self {
        let endpoint = &explanation.endpoint;
        Self {
            method,
            path,
            group: &endpoint.group,
            workers: &endpoint.workers,
            stream: endpoint.stream.as_deref(),
            pattern: endpoint.pattern.as_deref(),
            condition: endpoint.condition.as_deref(),
            any_worker: endpoint.any_worker,
            internal: endpoint.internal,
            table: &table.name,
            rows: explanation.rows.iter().map(|&row| &table.rows[row]).collect(),
            group_with_other_reading_of_path: explanation.otherwise.as_ref().map(|other| other.group.as_str()),
        }
    }
}

fn print_json(out: &mut dyn Write, value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = BufWriter::new(out);
    serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests;
