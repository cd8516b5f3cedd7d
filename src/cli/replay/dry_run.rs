//! `--dry-run`: what a replay would send and what it would leave out.

use std::collections::BTreeMap;
use std::io::Write;

use super::super::Exit;
use super::super::reading::LogData;
use super::Replay;
use wsim_matrix::Script;
use wsim_replay::{ReplayedRequests, SkipReason};
use wsim_report::escape;
use wsim_text as text;

/// Number of requests that are printed.
const SHOWN: usize = 20;

/// Requests of an endpoint that the trace file does not list.
const UNKNOWN: &str = "unknown";

/// Counts and CPU time of an endpoint group.
#[derive(Default)]
struct Group {
    sent: u64,
    skipped: BTreeMap<SkipReason, u64>,
    cpu_us: u64,
    cpu_skipped_us: u64,
}

/// Prints the first requests as they would be sent, and counts for each endpoint group.
pub(super) fn show(
    arguments: &Replay,
    data: &LogData,
    replayed: &ReplayedRequests,
    mut script: Script,
    left_out: &[bool],
) -> anyhow::Result<Exit> {
    let rows = replayed.rows(&script, left_out);
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    let mut shown = Vec::new();
    for ((row, request), number) in rows.iter().zip(&replayed.requests).zip(0_u32..) {
        // A trace file that somebody damaged or made may lack the endpoint.
        let id = data.endpoints.get(usize::from(request.endpoint.0)).map_or(UNKNOWN, |endpoint| endpoint.group.as_str());
        let group = groups.entry(id).or_default();
        group.cpu_us += u64::from(request.cpu_us);
        let mut skip = row.skip;
        if skip.is_none() && shown.len() < SHOWN {
            match script.request(number, 0) {
                Ok(request) => shown.push(format!("{} {}", request.method, request.target)),
                Err(reason) => skip = Some(SkipReason::Content(reason)),
            }
        }
        match skip {
            None => group.sent += 1,
            Some(reason) => {
                *group.skipped.entry(reason).or_default() += 1;
                group.cpu_skipped_us += u64::from(request.cpu_us);
            }
        }
    }
    let mut out = anstream::stdout().lock();
    if arguments.output.json {
        let groups: Vec<_> = groups.iter().map(|(id, group)| json(id, group)).collect();
        writeln!(out, "{}", serde_json::json!({ "scheduled": rows.len(), "groups": groups, "first_requests": shown }))?;
        return Ok(Exit::Done);
    }
    writeln!(out, "The first requests that would be sent:\n")?;
    for line in &shown {
        writeln!(out, "  {}", escape::terminal(line, 160))?;
    }
    writeln!(out, "\n  {:<28} {:>9} {:>9}  {:>12}  left out, by reason", "group", "sent", "left out", "CPU left out")?;
    let all = groups.values().fold((0, 0, 0, 0), |(sent, out, cpu, cpu_out), group| {
        (sent + group.sent, out + group.skipped.values().sum::<u64>(), cpu + group.cpu_us, cpu_out + group.cpu_skipped_us)
    });
    for (id, group) in &groups {
        let reasons: Vec<String> =
            group.skipped.iter().map(|(reason, count)| format!("{}: {}", reason.describe(), text::count(*count))).collect();
        let left: u64 = group.skipped.values().sum();
        let cpu = share(group.cpu_skipped_us, group.cpu_us);
        writeln!(
            out,
            "  {:<28} {:>9} {:>9}  {:>12}  {}",
            escape::terminal(id, 28),
            text::count(group.sent),
            text::count(left),
            cpu,
            reasons.join("; ")
        )?;
    }
    writeln!(out, "  {:<28} {:>9} {:>9}  {:>12}", "all", text::count(all.0), text::count(all.1), share(all.3, all.2))?;
    Ok(Exit::Done)
}

fn json(id: &str, group: &Group) -> serde_json::Value {
    let skipped: BTreeMap<&str, u64> = group.skipped.iter().map(|(reason, count)| (reason.name(), *count)).collect();
    serde_json::json!({
        "id": id,
        "sent": group.sent,
        "skipped": skipped,
        "cpu_seconds": group.cpu_us as f64 / 1e6,
        "cpu_seconds_skipped": group.cpu_skipped_us as f64 / 1e6,
    })
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 { "–".to_owned() } else { text::percent(part as f64 / whole as f64) }
}
