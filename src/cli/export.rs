//! `wsim export`: writes the requests of a log as a schedule for another load generator.
//!
//! ```text
//! logs ─▶ trace ─▶ script of the world, with placeholders ─▶ rows ─▶ files
//! ```

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::output;
use super::reading::{self, AnonymiseArgs, LogData, ReadArgs, ReadConfig};
use super::{Exit, gaps};
use wsim_endpoints::Endpoint;
use wsim_export::{self as export, Kind, Row, User, placeholder, write_locust};
use wsim_folder::OutputFolder;
use wsim_matrix::{LaneKind, Manifest, Placeholders, Script, ScriptConfig, Tier};
use wsim_replay::Unsendable;
use wsim_report::escape;
use wsim_text::{self as text, plural};
use wsim_trace::Request;
use wsim_trace::ingest::Progress;

/// Arguments of `wsim export`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Export {
    /// Log files, folders, globs, `-` (stdin), compressed or not; or one trace.parquet
    #[arg(value_name = "LOG|TRACE", required = true)]
    logs: Vec<String>,

    /// Load generator to write for
    #[arg(long = "for", value_name = "TOOL", value_parser = ["locust"], default_value = "locust", help_heading = "Schedule")]
    _tool: String,
    /// World file of `wsim provision`
    #[arg(long, value_name = "FILE", default_value = "world.json", help_heading = "Schedule")]
    world: PathBuf,
    /// Folder to write; it must be empty or not exist yet
    #[arg(long, value_name = "DIR", help_heading = "Schedule")]
    out: PathBuf,
    /// Also export requests that change state
    #[arg(long, help_heading = "Schedule")]
    allow_writes: bool,
    /// Also export requests that cannot be undone
    #[arg(long, help_heading = "Schedule")]
    allow_dangerous: bool,
    /// Write the world's access tokens, which are secret
    #[arg(long, help_heading = "Schedule")]
    with_tokens: bool,

    /// Keep gaps of the log too [default: 10 s for each]
    #[arg(long, help_heading = "Schedule")]
    keep_gaps: bool,
    /// Replace a schedule that wsim wrote there before
    #[arg(long, help_heading = "Output")]
    force: bool,
    #[command(flatten)]
    anonymise: AnonymiseArgs,
    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print only errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,

    #[command(flatten)]
    reading: ReadArgs,
}

const EXAMPLES: &str = "\
Example:
  wsim export access.log --for locust --world world.json --allow-writes --with-tokens --out schedule";

const LONG: &str = "\
For load that outgrows one machine: Locust's master and workers send the schedule. The folder contains `locustfile.py`, which explains how to \
start it, `requests.jsonl` and `users.jsonl`. Sync positions, transaction ids and event ids are placeholders that the locustfile fills in at run \
time. File uploads are left out.

Example:
  wsim export access.log --for locust --world world.json --allow-writes --with-tokens --out schedule";

/// Runs the command.
///
/// # Errors
/// The arguments make no sense, the logs or the world cannot be read, or the files cannot be written.
pub fn run(arguments: &Export) -> anyhow::Result<Exit> {
    let quiet = arguments.quiet || arguments.json;
    arguments.anonymise.require_kept_key()?;
    let config = ReadConfig::new(&arguments.logs, &arguments.reading)?.quiet(quiet).anonymised(&arguments.anonymise)?;
    let world = Manifest::load(&arguments.world)?;
    let folder = OutputFolder::create_at(&arguments.out, arguments.force)?;
    // The folder may hold tokens.
    folder.make_private()?;
    let data = reading::read(&config, &Arc::new(Progress::default()))?;
    let schedule = schedule(arguments, &config, &data, &world)?;
    let written = write_locust(folder.path(), &schedule.users, schedule.rows)?;
    let path = output::finish_folder(folder, false)?;
    let shown = if arguments.anonymise.wanted() { Path::new("OUT") } else { &path };
    if let Some(left_out) = schedule.left_out_time.filter(|_| !quiet) {
        writeln!(std::io::stderr(), "note: {left_out}")?;
    }
    show(arguments, shown, &written, &schedule.skipped)?;
    Ok(Exit::Done)
}

/// The rows and users to write, and what is left out.
struct Schedule<'a> {
    users: Vec<User>,
    rows: Vec<Row<'a>>,
    skipped: BTreeMap<Unsendable, u64>,
    /// Sentences about the time that no log covers.
    left_out_time: Option<String>,
}

fn schedule<'a>(arguments: &Export, config: &ReadConfig, data: &'a LogData, world: &Manifest) -> anyhow::Result<Schedule<'a>> {
    let Some(trace) = &data.trace else { anyhow::bail!("no requests are left in the logs to export") };
    let (replayed, left_out_time) = gaps::replayed_requests(trace, config.range, arguments.keep_gaps);
    let allowed = Tier::highest_allowed(arguments.allow_writes, arguments.allow_dangerous);
    let script_config = ScriptConfig { allowed, seed: arguments.reading.seed, placeholders: Some(PLACEHOLDERS), ..ScriptConfig::default() };
    let mut script = Script::new(world, &trace.names, replayed.requests.iter().copied(), script_config);
    let devices = script.devices();
    if devices == 0 {
        anyhow::bail!("{} has no users: run wsim provision with this log first", arguments.world.display());
    }
    let start_us = replayed.requests.first().map_or(0, |request| replayed.offset_us(request));
    let (mut rows, mut skipped) = (Vec::with_capacity(replayed.requests.len()), BTreeMap::new());
    for (request, index) in replayed.requests.iter().zip(0_u32..) {
        match row(&mut script, index, replayed.offset_us(request) - start_us, request, &data.endpoints) {
            Ok(row) => rows.push(row),
            Err(reason) => *skipped.entry(reason).or_default() += 1,
        }
    }
    let token = |device| script.token(device, 0).filter(|_| arguments.with_tokens).map(str::to_owned);
    let users = (0..devices).filter(|&device| script.token(device, 0).is_some());
    let users = users.map(|device| User { name: format!("u{device}"), token: token(device) }).collect();
    Ok(Schedule { users, rows, skipped, left_out_time })
}

/// A request as a row of the schedule.
///
/// # Errors
/// Why the schedule leaves it out.
fn row<'a>(script: &mut Script, index: u32, at_us: u64, logged: &Request, endpoints: &'a [Endpoint]) -> Result<Row<'a>, Unsendable> {
    let request = script.request(index, 0)?;
    // A schedule is text, so it has no file uploads.
    if request.content_type.is_some_and(|kind| kind != "application/json") {
        return Err(Unsendable::NotProvisioned);
    }
    let body = String::from_utf8(request.body.to_vec()).map_err(|_| Unsendable::NotProvisioned)?;
    let lane = script.lane(index);
    // A request without a user is sent by a user of the world.
    let user = lane.user % script.devices();
    if script.token(user, 0).is_none() {
        return Err(Unsendable::NotProvisioned);
    }
    let room = script.room(index, 0);
    Ok(Row {
        user: format!("u{user}").into(),
        at_us,
        group: endpoints.get(usize::from(logged.endpoint.0)).map_or("", |endpoint| endpoint.group.as_str()).into(),
        kind: match lane.kind {
            LaneKind::Sync if request.method == hyper::Method::POST => Kind::Sliding,
            LaneKind::Sync => Kind::Sync,
            LaneKind::Plain => Kind::Plain,
        },
        method: request.method.as_str().to_owned().into(),
        target: request.target.into(),
        room: room.map(|(room, _)| room.to_owned().into()),
        event: room.and_then(|(_, event)| event.map(|event| event.to_owned().into())),
        content_type: None,
        body: (!body.is_empty()).then(|| body.into()),
    })
}

fn show(arguments: &Export, folder: &Path, written: &export::Written, skipped: &BTreeMap<Unsendable, u64>) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    if arguments.json {
        let left_out: BTreeMap<&str, u64> = skipped.iter().map(|(reason, &count)| (reason.name(), count)).collect();
        let json = serde_json::json!({
            "schema": "wsim.export/1", "folder": folder, "users": written.users, "requests": written.rows,
            "seconds": written.last_us as f64 / 1e6, "skipped": left_out,
        });
        writeln!(out, "{json:#}")?;
    } else if !arguments.quiet {
        let folder = escape::visible(&folder.to_string_lossy()).into_owned();
        let (requests, users) = (plural(written.rows, "request", "requests"), plural(written.users, "user", "users"));
        writeln!(out, "{requests} of {users} over {}, in {folder}", text::duration(written.last_us as f64 / 1e6))?;
        for (reason, &count) in skipped {
            writeln!(out, "  left out: {}: {}", reason.describe(), text::count(count))?;
        }
        writeln!(out, "Next: locust -f {folder}/locustfile.py --headless --host URL")?;
    }
    Ok(())
}

const PLACEHOLDERS: Placeholders = Placeholders {
    transaction: placeholder::TRANSACTION,
    since: placeholder::SINCE,
    position: placeholder::POSITION,
    from: placeholder::FROM,
    event: placeholder::EVENT,
};
