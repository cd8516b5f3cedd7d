//! What the command prints at its end.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use wsim_matrix::provision::MissingItems;
use wsim_matrix::{Manifest, ReplayableShare, TierShare};
use wsim_replay::SkipReason;
use wsim_text::{self as text, plural};

/// Size of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct WorldCounts {
    copies: usize,
    users: usize,
    devices: usize,
    rooms: usize,
    memberships: usize,
    messages: usize,
    files: usize,
}

impl WorldCounts {
    /// Counts what is in a world, whether created yet or not.
    pub(super) fn of(manifest: &Manifest) -> Self {
        let users = || manifest.copies.iter().flat_map(|copy| &copy.users);
        let rooms = || manifest.copies.iter().flat_map(|copy| &copy.rooms);
        Self {
            copies: manifest.copies.len(),
            users: users().count(),
            devices: users().map(|user| user.devices.len()).sum(),
            rooms: rooms().count(),
            memberships: rooms().map(|room| room.members.len()).sum(),
            messages: rooms().map(|room| room.events.len().max(room.history as usize)).sum(),
            files: manifest.media.len(),
        }
    }
}

/// The result as text and as JSON.
pub(super) struct ProvisionSummary {
    text: String,
    json: Value,
}

impl ProvisionSummary {
    pub(super) fn of_dry_run(manifest: &Manifest, missing: &MissingItems, concurrency: usize, replayable: &ReplayableShare) -> Self {
        let counts = WorldCounts::of(manifest);
        let (quick, slow) = missing.duration_range(concurrency);
        let text = format!(
            "The world for this log:\n{}\nMissing at {}: {}, about {} to {}.\nNothing was sent.\n\n{}",
            counts_text(&counts),
            manifest.target,
            api_requests(missing),
            text::duration(quick.as_secs_f64()),
            text::duration(slow.as_secs_f64()),
            replayable_text(replayable)
        );
        let json = json!({
            "schema": "wsim.provision/1", "target": manifest.target, "dry_run": true, "world": counts, "missing_calls": missing.calls(),
            "estimate_seconds": [quick.as_secs_f64(), slow.as_secs_f64()], "coverage": replayable,
        });
        Self { text, json }
    }

    pub(super) fn of_run(manifest: &Manifest, missing: &MissingItems, took: Duration, replayable: &ReplayableShare, world: &Path) -> Self {
        let counts = WorldCounts::of(manifest);
        let without = manifest.copies.iter().flat_map(|copy| &copy.users).filter(|user| user.user_id.is_none()).count();
        let note = if without > 0 {
            let users = plural(without as u64, "user has", "users have");
            format!("{users} no account, because the list of tokens is too short.\n")
        } else {
            String::new()
        };
        let text = format!(
            "The world for this log, at {}:\n{}\n{}, {}. It is described in {}, which is secret.\n{note}\n{}",
            manifest.target,
            counts_text(&counts),
            api_requests(missing),
            text::duration(took.as_secs_f64()),
            world.display(),
            replayable_text(replayable)
        );
        let json = json!({
            "schema": "wsim.provision/1", "target": manifest.target, "dry_run": false, "server_name": manifest.server_name, "world": counts,
            "calls": missing.calls(), "seconds": took.as_secs_f64(), "users_without_account": without, "coverage": replayable,
        });
        Self { text, json }
    }

    pub(super) fn print(&self, json: bool, quiet: bool) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        if json {
            writeln!(out, "{:#}", self.json)?;
        } else if !quiet {
            write!(out, "{}", self.text)?;
        }
        Ok(())
    }
}

/// Prints the result of a purge.
pub(super) fn print_purged(before: &WorldCounts, json: bool, quiet: bool) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    if json {
        writeln!(out, "{:#}", json!({"schema": "wsim.provision/1", "purged": before}))?;
    } else if !quiet {
        writeln!(out, "Removed from the target:\n{}The world file was deleted.", counts_text(before))?;
    }
    Ok(())
}

fn counts_text(counts: &WorldCounts) -> String {
    let copies = if counts.copies > 1 { format!(" in {} copies", text::count(counts.copies as u64)) } else { String::new() };
    format!(
        "  {} with {}{copies}\n  {} with {} and {}\n  {}\n",
        plural(counts.users as u64, "user", "users"),
        plural(counts.devices as u64, "device", "devices"),
        plural(counts.rooms as u64, "room", "rooms"),
        plural(counts.memberships as u64, "membership", "memberships"),
        plural(counts.messages as u64, "message", "messages"),
        plural(counts.files as u64, "file", "files"),
    )
}

fn api_requests(missing: &MissingItems) -> String {
    plural(missing.calls() as u64, "API request", "API requests")
}

fn replayable_text(replayable: &ReplayableShare) -> String {
    let total = replayable.reads.requests();
    let mut lines = format!("Of {} in the log a replay would send\n", plural(total, "request", "requests"));
    for (name, tier) in [("by default", &replayable.reads), ("with --allow-writes", &replayable.writes)] {
        lines += &format!("  {name:<20} {}\n", part_text(tier.sent, total, tier.cpu_share));
    }
    lines + "Not sent even then:\n" + &skipped_text(&replayable.writes, total)
}

fn skipped_text(tier: &TierShare, total: u64) -> String {
    let lines = tier.skipped.iter().map(|(name, skipped)| {
        let reason = SkipReason::from_name(name).map_or(*name, SkipReason::describe);
        format!("  {reason}: {}\n", part_text(skipped.requests, total, skipped.cpu_share))
    });
    lines.collect()
}

/// A number of requests with its share of all requests and, if it is known, of the CPU time.
fn part_text(requests: u64, total: u64, cpu_share: Option<f64>) -> String {
    let cpu = cpu_share.map_or_else(String::new, |share| format!(", {} of the CPU time", text::percent(share)));
    format!("{} ({}{cpu})", text::count(requests), text::percent(requests as f64 / total.max(1) as f64))
}
