//! What the command prints at its end.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use wsim_matrix::provision::MissingItems;
use wsim_matrix::{Coverage, Manifest, TierCoverage};

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
    /// WorldCounts what is in a world, whether created yet or not.
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
    pub(super) fn of_dry_run(manifest: &Manifest, missing: &MissingItems, concurrency: usize, coverage: &Coverage) -> Self {
        let counts = WorldCounts::of(manifest);
        let (quick, slow) = missing.duration_range(concurrency);
        let text = format!(
            "The world for this log:\n{}\nMissing at {}: {} calls, about {} to {}.\nNothing was sent.\n\n{}",
            counts_text(&counts),
            manifest.target,
            missing.calls(),
            duration_text(quick),
            duration_text(slow),
            coverage_text(coverage)
        );
        let json = json!({
            "schema": "wsim.provision/1", "target": manifest.target, "dry_run": true, "world": counts, "missing_calls": missing.calls(),
            "estimate_seconds": [quick.as_secs_f64(), slow.as_secs_f64()], "coverage": coverage,
        });
        Self { text, json }
    }

    pub(super) fn of_run(manifest: &Manifest, missing: &MissingItems, took: Duration, coverage: &Coverage, world: &Path) -> Self {
        let counts = WorldCounts::of(manifest);
        let without = manifest.copies.iter().flat_map(|copy| &copy.users).filter(|user| user.user_id.is_none()).count();
        let note = if without > 0 {
            format!("{without} users have no account, because the list of tokens is too short.\n")
        } else {
            String::new()
        };
        let text = format!(
            "The world for this log, at {}:\n{}\n{} calls, {}. It is described in {}, which is secret.\n{note}\n{}",
            manifest.target,
            counts_text(&counts),
            missing.calls(),
            duration_text(took),
            world.display(),
            coverage_text(coverage)
        );
        let json = json!({
            "schema": "wsim.provision/1", "target": manifest.target, "dry_run": false, "server_name": manifest.server_name, "world": counts,
            "calls": missing.calls(), "seconds": took.as_secs_f64(), "users_without_account": without, "coverage": coverage,
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
    let WorldCounts { copies, users, devices, rooms, memberships, messages, files } = counts;
    let copies = if *copies > 1 { format!(" in {copies} copies") } else { String::new() };
    format!(
        "  {users} users with {devices} devices{copies}\n  {rooms} rooms with {memberships} memberships and {messages} messages\n  {files} files\n"
    )
}

fn coverage_text(coverage: &Coverage) -> String {
    let total = coverage.reads.requests();
    let mut text = format!("Of {total} requests in the log a replay would send\n");
    for (name, share) in [("by default", &coverage.reads), ("with --allow-writes", &coverage.writes)] {
        let cpu = share.cpu_share.map_or_else(String::new, |share| format!(", {:.1} % of the CPU time", share * 100.0));
        text += &format!("  {name:<20} {} ({:.1} %{cpu})\n", share.sent, percent(share.sent, total));
    }
    text + "Not sent even then:\n" + &skipped_text(&coverage.writes, total)
}

fn skipped_text(share: &TierCoverage, total: u64) -> String {
    let lines = share.skipped.iter().map(|(reason, skipped)| {
        let cpu = skipped.cpu_share.map_or_else(String::new, |share| format!(", {:.1} % of the CPU time", share * 100.0));
        format!("  {reason:<20} {} ({:.1} %{cpu})\n", skipped.requests, percent(skipped.requests, total))
    });
    lines.collect()
}

fn percent(part: u64, total: u64) -> f64 {
    100.0 * part as f64 / total.max(1) as f64
}

fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 90.0 { format!("{seconds:.1} s") } else { format!("{:.0} min", seconds / 60.0) }
}
