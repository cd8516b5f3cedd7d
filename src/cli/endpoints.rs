//! `wsim endpoints`: prints an endpoint table, explains one request, classifies lines, compares releases.
//!
//! Wires `endpoints` to a terminal; every answer comes from there.

use std::io::{self, BufRead, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::UsageError;
use wsim_endpoints::{
    Change, Choice, Classifier, Difference, Endpoint, Explanation, Method, Options, ReleaseError, Row, Table, diff, explain, groups,
    read_own_table, table_for, words,
};
use wsim_http::query::without_token;

/// Show an endpoint table of Synapse, or how a request is classified and why.
///
/// The tables are those of docs/workers.md in every release of Synapse since 0.26. They say which requests a worker may
/// serve; what is in no row goes to the main process.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Endpoints {
    /// Method of the request to explain, or `-` to read `METHOD PATH` lines from standard input and print one JSON object
    /// a line.
    #[arg(value_name = "METHOD|-")]
    pub method: Option<String>,
    /// Path of the request, as it stands in a log: with its query if it has one.
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    /// Release of Synapse whose table applies, for example 1.157 or v1.98.0 [default: the newest wsim knows].
    #[arg(long, value_name = "RELEASE")]
    pub synapse_version: Option<String>,
    /// Use a table of your own: an Ansible endpoint list, a docs/workers.md, or a HAProxy path map.
    #[arg(long, value_name = "FILE", conflicts_with = "synapse_version")]
    pub table: Option<String>,
    /// Show what changed between two tables; each a release or a file as for --table.
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"], conflicts_with_all = ["method", "path", "table", "synapse_version"])]
    pub diff: Vec<String>,
    /// Send sliding sync to the workers that serve /sync. No table lists it, so by default it goes to the main process.
    #[arg(long)]
    pub sliding_sync_to_sync: bool,
    /// Match the path as nginx does, percent-decoded. By default it is matched as sent, as Synapse and HAProxy do.
    #[arg(long)]
    pub decoded_path: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command. Reads `input` only for `-`.
///
/// # Errors
/// The release, the file or the request cannot be read, or `out` cannot be written.
pub fn run(args: &Endpoints, out: &mut dyn Write, input: &mut dyn BufRead) -> anyhow::Result<()> {
    if let [from, to] = args.diff.as_slice() {
        let difference = diff(&table_named(from)?, &table_named(to)?);
        return if args.json { print_json(out, &difference) } else { Ok(print_difference(out, &difference)?) };
    }
    let Choice { table, release, newer_than_known } = choose(args)?;
    if newer_than_known {
        let newest = table.releases.last().map(ToString::to_string).unwrap_or_default();
        anstream::eprintln!("wsim knows Synapse up to {newest}, not {release}: using the table of {newest}, which may be out of date");
    }
    let options = Options { sliding_sync_to_sync: args.sliding_sync_to_sync, decoded_path: args.decoded_path };
    match (args.method.as_deref(), args.path.as_deref()) {
        (None, _) if args.json => print_json(out, &TableJson { table: &table, newer_than_known }),
        (None, _) => Ok(print_table(out, &table)?),
        (Some("-"), None) => classify_lines(&Classifier::new(&table, &options)?, out, input),
        (Some(path), None) if path.starts_with('/') || path.contains("://") => {
            explain_one(&Classifier::new(&table, &options)?, "GET", path, args.json, out)
        }
        (Some(_), None) => {
            Err(UsageError("give METHOD and PATH, for example: wsim endpoints GET /_matrix/client/v3/sync".to_owned()).into())
        }
        (Some(method), Some(path)) => explain_one(&Classifier::new(&table, &options)?, &method.to_uppercase(), path, args.json, out),
    }
}

fn choose(args: &Endpoints) -> anyhow::Result<Choice> {
    match &args.table {
        Some(file) => {
            let Choice { release, .. } = table_for(None)?;
            Ok(Choice { table: own_table(file)?, release, newer_than_known: false })
        }
        None => table_for(args.synapse_version.as_deref()).map_err(|error| wrong_usage("--synapse-version", &error)),
    }
}

/// A release, or else a file.
fn table_named(name: &str) -> anyhow::Result<Table> {
    match table_for(Some(name)) {
        Ok(choice) => Ok(choice.table),
        Err(_) if Path::new(name).is_file() => own_table(name),
        Err(error) => Err(wrong_usage("--diff", &error)),
    }
}

fn wrong_usage(flag: &str, error: &ReleaseError) -> anyhow::Error {
    UsageError(format!("{flag}: {error}")).into()
}

fn own_table(file: &str) -> anyhow::Result<Table> {
    let bytes = std::fs::read(file).with_context(|| format!("could not read {file}"))?;
    Ok(read_own_table(file, &bytes)?)
}

#[derive(Serialize)]
struct TableJson<'t> {
    #[serde(flatten)]
    table: &'t Table,
    newer_than_known: bool,
}

fn print_json(out: &mut dyn Write, value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = BufWriter::new(out);
    serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

// ---- `-`: one JSON object a line ----

/// What a line of standard input is.
#[derive(Serialize)]
struct Classified<'c> {
    method: &'c str,
    path: &'c str,
    group: &'c str,
    workers: &'c [String],
    stream: Option<&'c str>,
    pattern: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn classify_lines(classifier: &Classifier, out: &mut dyn Write, input: &mut dyn BufRead) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if input.read_until(b'\n', &mut line).context("could not read standard input")? == 0 {
            break;
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let (method, target) = match text.iter().position(u8::is_ascii_whitespace) {
            Some(space) => (&text[..space], without_protocol(text[space..].trim_ascii())),
            None => (text, &b""[..]),
        };
        let shown = without_token(target);
        let endpoint = classifier.endpoint(classifier.classify(Method::from_bytes(method), target));
        let classified = Classified {
            method: &String::from_utf8_lossy(method),
            path: &String::from_utf8_lossy(&shown),
            group: &endpoint.group,
            workers: &endpoint.workers,
            stream: endpoint.stream.as_deref(),
            pattern: endpoint.pattern.as_deref(),
            error: target.is_empty().then(|| format!("line {number}: expected METHOD PATH")),
        };
        serde_json::to_writer(&mut out, &classified).map_err(io::Error::from)?; // so that a closed pipe is seen as one
        writeln!(out)?;
    }
    Ok(out.flush()?)
}

/// A request line may have been pasted whole.
fn without_protocol(target: &[u8]) -> &[u8] {
    match memchr::memmem::rfind(target, b" HTTP/") {
        Some(end) => target[..end].trim_ascii_end(),
        None => target,
    }
}

// ---- METHOD PATH: one request, explained ----

#[derive(Serialize)]
struct Explained<'e> {
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

fn explain_one(classifier: &Classifier, method: &str, path: &str, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let explanation = explain(classifier, Method::from_bytes(method.as_bytes()), path.as_bytes())?;
    let endpoint = classifier.endpoint(explanation.endpoint);
    let shown = without_token(path.as_bytes());
    let shown = String::from_utf8_lossy(&shown);
    if json {
        let table = classifier.table();
        return print_json(
            out,
            &Explained {
                method,
                path: &shown,
                group: &endpoint.group,
                workers: &endpoint.workers,
                stream: endpoint.stream.as_deref(),
                pattern: endpoint.pattern.as_deref(),
                condition: endpoint.condition.as_deref(),
                any_worker: endpoint.any_worker,
                internal: endpoint.internal,
                table: &table.name,
                rows: explanation.rows.iter().map(|&row| &table.rows[row]).collect(),
                group_with_other_reading_of_path: explanation.otherwise.map(|other| classifier.endpoint(other).group.as_str()),
            },
        );
    }
    let mut page = Page::new(out);
    page.wrapped("", &format!("{method} {}", printable(&shown)))?;
    page.line("")?;
    print_endpoint(&mut page, endpoint)?;
    print_reasons(&mut page, classifier, endpoint, &explanation)?;
    Ok(())
}

fn print_endpoint(page: &mut Page<'_>, endpoint: &Endpoint) -> io::Result<()> {
    let own = endpoint.pattern.is_none() || endpoint.group == "initial_sync";
    let group = match groups::find(&endpoint.group).filter(|_| own) {
        Some(group) => format!("{} ({})", group.id, group.description),
        None => endpoint.group.clone(),
    };
    page.field("group", &group)?;
    page.field("workers", &workers_in_words(endpoint))?;
    if let Some(stream) = &endpoint.stream {
        let who = match endpoint.any_worker {
            true => "its writer is preferred, any worker above may serve it",
            false => "only its writer, or the main process where the stream has none, may serve it",
        };
        page.field("stream", &format!("{stream} ({who})"))?;
    }
    if let Some(condition) = &endpoint.condition {
        page.field("condition", &in_words(condition, words::condition(condition)))?;
    }
    if let Some(pattern) = &endpoint.pattern {
        page.field("pattern", &printable(pattern))?;
    }
    Ok(())
}

fn workers_in_words(endpoint: &Endpoint) -> String {
    match (endpoint.workers.is_empty(), endpoint.group.as_str()) {
        (false, _) => {
            let workers: Vec<String> = endpoint.workers.iter().map(|worker| in_words(&printable(worker), words::worker(worker))).collect();
            workers.join(", ")
        }
        (true, "not_matrix" | "invalid" | "well_known") => "none (the proxy's own business, or nobody's)".to_owned(),
        (true, "replication") => "none (between the processes, past the proxy)".to_owned(),
        (true, _) => "none (the main process only)".to_owned(),
    }
}

fn print_reasons(page: &mut Page<'_>, classifier: &Classifier, endpoint: &Endpoint, explanation: &Explanation) -> io::Result<()> {
    let table = classifier.table();
    page.line("")?;
    if explanation.rows.is_empty() {
        page.wrapped("", &format!("No row of {} matches this path and method.", printable(&table.name)))?;
    } else if table.first_match_only {
        page.wrapped("", &format!("Rows of {} that match; the first decides alone:", printable(&table.name)))?;
    } else {
        page.wrapped("", &format!("Rows of {} that match; the first decides, every one adds its worker:", printable(&table.name)))?;
    }
    for (place, &row) in explanation.rows.iter().enumerate() {
        let row = &table.rows[row];
        page.wrapped(&format!("{:>3}. ", place + 1), &printable(&row.pattern))?;
        page.wrapped("     ", &attributes(row).join(", "))?;
        if let Some(corrected) = &row.corrected_pattern {
            page.wrapped("     ", &format!("matched as {corrected}"))?;
        }
        for note in &row.notes {
            page.wrapped("     ", &in_words(note, words::note(note)))?;
        }
    }
    if !explanation.rows_of_other_methods.is_empty() {
        page.wrapped("", "Rows that match the path, but not the method:")?;
        for &row in &explanation.rows_of_other_methods {
            let row = &table.rows[row];
            page.wrapped("   - ", &format!("{} ({})", printable(&row.pattern), attributes(row).join(", ")))?;
        }
    }
    if explanation.query {
        let used = endpoint.group == "sync" || endpoint.group == "initial_sync";
        page.wrapped(
            "",
            match used {
                true => "Rows match the path without the query; the query tells an initial sync from another.",
                false => "Rows match the path without the query.",
            },
        )?;
    }
    if let Some(other) = explanation.otherwise {
        let other = classifier.endpoint(other);
        let sentence = match classifier.options().decoded_path {
            true => format!("Synapse and HAProxy match the path as sent, and for them this is {}.", other.group),
            false => format!("nginx matches the decoded path, and for it this is {} (see --decoded-path).", other.group),
        };
        page.wrapped("", &sentence)?;
    }
    Ok(())
}

// ---- the table ----

fn print_table(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    let mut page = Page::new(out);
    let releases = match (table.releases.first(), table.releases.last()) {
        (Some(first), Some(last)) if first != last => format!(", the same in {first} to {last}"),
        _ => String::new(),
    };
    let rows = table.rows.len();
    page.wrapped("", &format!("{} ({}{releases}): {rows} rows", printable(&table.name), table.document))?;
    let mut heading = String::new();
    for row in &table.rows {
        let section = row.section.as_deref().unwrap_or("(no heading)");
        let next = format!("{}: {}", printable(section), attributes(row).join(", "));
        if next != heading {
            page.line("")?;
            page.wrapped("", &next)?;
            heading = next;
        }
        page.wrapped("    ", &printable(&row.pattern))?;
        if let Some(corrected) = &row.corrected_pattern {
            page.wrapped("      ", &format!("does not compile; matched as {corrected}"))?;
        }
    }
    print_legend(&mut page, table)
}

/// Worker, group, methods, stream, condition, notes: what rows of one heading share.
fn attributes(row: &Row) -> Vec<String> {
    let mut attributes = vec![printable(&row.worker), format!("group {}", printable(&row.group))];
    if !row.methods.is_empty() {
        let methods: Vec<&str> = row.methods.iter().map(|method| method.name()).collect();
        attributes.push(format!("{} only", methods.join(" and ")));
    }
    attributes.extend(row.stream.iter().map(|stream| format!("stream {}", printable(stream))));
    attributes.extend(row.condition.iter().cloned());
    attributes.extend(row.notes.iter().cloned());
    attributes
}

fn print_legend(page: &mut Page<'_>, table: &Table) -> io::Result<()> {
    let mut terms: Vec<(&str, &str)> = Vec::new();
    for row in &table.rows {
        let conditions = row.condition.iter().filter_map(|name| Some((name.as_str(), words::condition(name)?)));
        let notes = row.notes.iter().filter_map(|name| Some((name.as_str(), words::note(name)?)));
        for term in conditions.chain(notes) {
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
    }
    if !terms.is_empty() {
        page.line("")?;
    }
    for (name, words) in terms {
        page.wrapped("", &format!("{name}: {words}"))?;
    }
    Ok(())
}

// ---- --diff ----

fn print_difference(out: &mut dyn Write, difference: &Difference) -> io::Result<()> {
    let mut page = Page::new(out);
    let count = |wanted: fn(&Change) -> bool| difference.changes.iter().filter(|change| wanted(change)).count();
    page.wrapped(
        "",
        &format!(
            "{} -> {}: {} rows added, {} changed, {} removed, {} unchanged",
            printable(&difference.from),
            printable(&difference.to),
            count(|change| matches!(change, Change::Added { .. })),
            count(|change| matches!(change, Change::Changed { .. })),
            count(|change| matches!(change, Change::Removed { .. })),
            difference.unchanged
        ),
    )?;
    for change in &difference.changes {
        match change {
            Change::Added { row } => print_row(&mut page, "+ ", row)?,
            Change::Removed { row } => print_row(&mut page, "- ", row)?,
            Change::Changed { before, after, fields } => {
                page.line("")?;
                page.wrapped("~ ", &printable(&after.pattern))?;
                if before.pattern != after.pattern {
                    page.wrapped("    was ", &printable(&before.pattern))?;
                }
                page.wrapped("    ", &attributes(after).join(", "))?;
                let (before, after) = (described(before, fields), described(after, fields));
                if before != after {
                    page.wrapped("    was ", &before.join(", "))?;
                    page.wrapped("    now ", &after.join(", "))?;
                }
            }
        }
    }
    Ok(())
}

fn print_row(page: &mut Page<'_>, sign: &str, row: &Row) -> io::Result<()> {
    page.line("")?;
    page.wrapped(sign, &printable(&row.pattern))?;
    page.wrapped("    ", &attributes(row).join(", "))
}

/// The fields that changed, other than the pattern, in words.
fn described(row: &Row, fields: &[&'static str]) -> Vec<String> {
    let or_none = |value: &Option<String>| value.as_deref().map_or_else(|| "none".to_owned(), printable);
    fields
        .iter()
        .filter_map(|&field| {
            let value = match field {
                "group" => printable(&row.group),
                "section" => or_none(&row.section),
                "methods" if row.methods.is_empty() => "all".to_owned(),
                "methods" => row.methods.iter().map(|method| method.name()).collect::<Vec<_>>().join(" and "),
                "condition" => or_none(&row.condition),
                "notes" if row.notes.is_empty() => "none".to_owned(),
                "notes" => row.notes.join(" and "),
                "corrected_pattern" => or_none(&row.corrected_pattern),
                _ => return None,
            };
            Some(format!("{field} {value}"))
        })
        .collect()
}

// ---- text ----

fn in_words(name: &str, words: Option<&str>) -> String {
    words.map_or_else(|| name.to_owned(), |words| format!("{name} ({words})"))
}

/// Text from outside without anything that a terminal would act on.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escaped = character.is_control().then(|| character.escape_default());
            let plain = (!character.is_control()).then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Writes lines of at most [`COLUMNS`] characters.
struct Page<'o> {
    out: &'o mut dyn Write,
}

impl<'o> Page<'o> {
    fn new(out: &'o mut dyn Write) -> Self {
        Self { out }
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    fn field(&mut self, name: &str, value: &str) -> io::Result<()> {
        self.wrapped(&format!("{name:<10} "), value)
    }

    /// Breaks between words, and inside of one that is longer than a line.
    fn wrapped(&mut self, first: &str, text: &str) -> io::Result<()> {
        let indent = if first.is_empty() { HANGING } else { first.chars().count() };
        let room = COLUMNS - indent;
        let mut line = String::new();
        let mut lines = Vec::new();
        for word in text.split(' ') {
            let mut word: Vec<char> = word.chars().collect();
            if !line.is_empty() && line.chars().count() + 1 + word.len() > room {
                lines.push(std::mem::take(&mut line));
            }
            while word.len() > room {
                let rest = word.split_off(room);
                lines.push(word.into_iter().collect());
                word = rest;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(word);
        }
        lines.push(line);
        for (index, line) in lines.iter().enumerate() {
            let line = match index {
                0 => format!("{first}{line}"),
                _ => format!("{:indent$}{line}", ""),
            };
            self.line(line.trim_end())?;
        }
        Ok(())
    }
}

const COLUMNS: usize = 100;
/// Indentation of the further lines of a paragraph that begins at the margin.
const HANGING: usize = 4;

const EXAMPLES: &str = "\
Examples:
  wsim endpoints --synapse-version 1.98
  wsim endpoints GET '/_matrix/client/v3/sync?timeout=0'
  wsim endpoints --diff 1.76 1.157
  printf 'PUT /_matrix/client/v3/rooms/!a:b/typing/@c:b\\n' | wsim endpoints -
  wsim endpoints --table workers.yml POST /_matrix/client/v3/keys/upload";

#[cfg(test)]
mod tests;
