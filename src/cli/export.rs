//! `wsim export`: the requests of a log as a schedule for another load generator.
//!
//! ```text
//! logs ─▶ trace ─▶ script of the world, with placeholders ─▶ rows ─▶ files
//! ```

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::Exit;
use super::output::Output;
use super::reading::{self, Config, Read, Reading};
use wsim_endpoints::Endpoint;
use wsim_export::{self as export, Kind, Row, User, placeholder, write_locust};
use wsim_matrix::{LaneKind, Manifest, Placeholders, Script, Settings, Skip, Tier};
use wsim_trace::ingest::Progress;
use wsim_trace::{Request, flag};

/// Arguments of `wsim export`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Export {
    /// Log files, folders, globs or `-`, compressed or not; or one trace.parquet of an earlier run
    #[arg(value_name = "LOG|TRACE", required = true)]
    logs: Vec<String>,

    /// For which load generator (`--to` is the end of the log's part, as everywhere)
    #[arg(long = "for", value_name = "TOOL", value_parser = ["locust"], default_value = "locust", help_heading = "Schedule")]
    _tool: String,
    /// World that `wsim provision` made
    #[arg(long, value_name = "FILE", default_value = "world.json", help_heading = "Schedule")]
    world: PathBuf,
    /// Folder for the files; made if it is not there
    #[arg(long, value_name = "DIR", help_heading = "Schedule")]
    out: PathBuf,
    /// With requests that change state on the target
    #[arg(long, help_heading = "Schedule")]
    allow_writes: bool,
    /// With requests that change what cannot be changed back
    #[arg(long, help_heading = "Schedule")]
    allow_dangerous: bool,
    /// With the access tokens of the world, which are secret
    #[arg(long, help_heading = "Schedule")]
    with_tokens: bool,

    /// Print the result as JSON and nothing else
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print nothing but errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,

    #[command(flatten)]
    reading: Reading,
}

const EXAMPLES: &str = "\
Example:
  wsim export access.log --for locust --world world.json --allow-writes --with-tokens --out schedule";

const LONG: &str = "\
For loads that outgrow one machine: Locust's own master and workers play the schedule. The folder holds `locustfile.py`, which says how it is
started, `requests.jsonl` and `users.jsonl`. Positions, transaction ids and event ids are placeholders that the locustfile fills in while it
runs. Uploads of files are left out.

Example:
  wsim export access.log --for locust --world world.json --allow-writes --with-tokens --out schedule";

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the logs or the world cannot be read, the files cannot be written.
pub fn run(arguments: &Export) -> anyhow::Result<Exit> {
    let quiet = arguments.quiet || arguments.json;
    let output = Output { anonymise: None, out: PathBuf::new(), name: None, force: false, json: arguments.json, quiet };
    let config = Config::new(&arguments.logs, &arguments.reading, &output, true)?;
    let world = Manifest::load(&arguments.world)?;
    let read = reading::read(&config, &Arc::new(Progress::default()))?;
    let schedule = schedule(arguments, &config, &read, &world)?;
    std::fs::create_dir_all(&arguments.out).with_context(|| format!("could not make {}", arguments.out.display()))?;
    let written = write_locust(&arguments.out, &schedule.users, schedule.rows)?;
    show(arguments, &written, &schedule.skipped)?;
    Ok(Exit::Done)
}

/// What is written, and what is not.
struct Schedule<'a> {
    users: Vec<User>,
    rows: Vec<Row<'a>>,
    skipped: BTreeMap<Skip, u64>,
}

fn schedule<'a>(arguments: &Export, config: &Config, read: &'a Read, world: &Manifest) -> anyhow::Result<Schedule<'a>> {
    let Some(trace) = &read.trace else { anyhow::bail!("the logs left no requests to export") };
    let requests: Vec<Request> = config.window.requests(trace).filter(|request| !request.has(flag::INTERNAL)).collect();
    let allowed = match (arguments.allow_writes, arguments.allow_dangerous) {
        (_, true) => Tier::Dangerous,
        (true, false) => Tier::Write,
        (false, false) => Tier::Read,
    };
    let settings = Settings { allowed, seed: arguments.reading.seed, placeholders: Some(PLACEHOLDERS), ..Settings::default() };
    let mut script = Script::new(world, &trace.names, requests.iter().copied(), settings);
    let devices = script.devices();
    if devices == 0 {
        anyhow::bail!("{} has no users: run wsim provision with this log first", arguments.world.display());
    }
    let start_us = requests.first().map_or(0, |request| request.arrival_us);
    let (mut rows, mut skipped) = (Vec::with_capacity(requests.len()), BTreeMap::new());
    for (request, number) in requests.iter().zip(0_u32..) {
        match row(&mut script, number, request, start_us, &read.endpoints) {
            Ok(row) => rows.push(row),
            Err(skip) => *skipped.entry(skip).or_default() += 1,
        }
    }
    let token = |device| script.token(device, 0).filter(|_| arguments.with_tokens).map(str::to_owned);
    let users = (0..devices).filter(|&device| script.token(device, 0).is_some());
    let users = users.map(|device| User { name: format!("u{device}"), token: token(device) }).collect();
    Ok(Schedule { users, rows, skipped })
}

/// One request in the schedule's form.
///
/// # Errors
/// Why it is not in the schedule.
fn row<'a>(script: &mut Script, number: u32, request: &Request, start_us: i64, endpoints: &'a [Endpoint]) -> Result<Row<'a>, Skip> {
    let outgoing = script.request(number, 0)?;
    // Text only: a schedule holds no files.
    if outgoing.content_type.is_some_and(|kind| kind != "application/json") {
        return Err(Skip::NotProvisioned);
    }
    let body = String::from_utf8(outgoing.body.to_vec()).map_err(|_| Skip::NotProvisioned)?;
    let lane = script.lane(number);
    // Who has no token in the log is played by somebody who has.
    let user = lane.user % script.devices();
    if script.token(user, 0).is_none() {
        return Err(Skip::NotProvisioned);
    }
    let room = script.room(number, 0);
    Ok(Row {
        user: format!("u{user}").into(),
        at_us: u64::try_from(request.arrival_us - start_us).unwrap_or(0),
        group: endpoints.get(usize::from(request.endpoint.0)).map_or("", |endpoint| endpoint.group.as_str()).into(),
        kind: match lane.kind {
            LaneKind::Sync if outgoing.method == hyper::Method::POST => Kind::Sliding,
            LaneKind::Sync => Kind::Sync,
            LaneKind::Plain => Kind::Plain,
        },
        method: outgoing.method.as_str().to_owned().into(),
        target: outgoing.target.into(),
        room: room.map(|(room, _)| room.to_owned().into()),
        event: room.and_then(|(_, event)| event.map(|event| event.to_owned().into())),
        content_type: None,
        body: (!body.is_empty()).then(|| body.into()),
    })
}

fn show(arguments: &Export, written: &export::Written, skipped: &BTreeMap<Skip, u64>) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let left_out: BTreeMap<&str, u64> = skipped.iter().map(|(skip, &count)| (skip.name(), count)).collect();
    if arguments.json {
        let json = serde_json::json!({
            "schema": "wsim.export/1", "folder": arguments.out, "users": written.users, "requests": written.rows,
            "seconds": written.last_us as f64 / 1e6, "skipped": left_out,
        });
        writeln!(out, "{json:#}")?;
    } else if !arguments.quiet {
        let (folder, seconds) = (arguments.out.display(), written.last_us / 1_000_000);
        writeln!(out, "{} requests of {} users over {seconds} s, in {folder}", written.rows, written.users)?;
        for (reason, count) in left_out {
            writeln!(out, "  not in it: {reason:<18} {count}")?;
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
