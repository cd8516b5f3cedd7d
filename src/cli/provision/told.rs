//! What the command says: while it works, and at its end.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::stderr_is_terminal;
use super::coverage::{Coverage, Share};
use wsim_matrix::Manifest;
use wsim_matrix::provision::{Gaps, Progress};

/// How much there is of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    copies: usize,
    users: usize,
    devices: usize,
    rooms: usize,
    memberships: usize,
    messages: usize,
    files: usize,
}

impl Counts {
    /// Of a world, whether made yet or not.
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

/// The result in words and as JSON.
pub(super) struct Told {
    text: String,
    json: Value,
}

impl Told {
    /// Of a dry run.
    pub(super) fn planned(manifest: &Manifest, gaps: &Gaps, concurrency: usize, coverage: &Coverage) -> Self {
        let counts = Counts::of(manifest);
        let (quick, slow) = gaps.time(concurrency);
        let text = format!(
            "The world for this log:\n{}\nMissing at {}: {} calls, about {} to {}.\nNothing was sent.\n\n{}",
            counted(&counts),
            manifest.target,
            gaps.calls(),
            time(quick),
            time(slow),
            covered(coverage)
        );
        let json = json!({
            "schema": "wsim.provision/1", "target": manifest.target, "dry_run": true, "world": counts, "missing_calls": gaps.calls(),
            "estimate_seconds": [quick.as_secs_f64(), slow.as_secs_f64()], "coverage": coverage,
        });
        Self { text, json }
    }

    /// Of a finished run.
    pub(super) fn made(manifest: &Manifest, gaps: &Gaps, took: Duration, coverage: &Coverage, world: &Path) -> Self {
        let counts = Counts::of(manifest);
        let without = manifest.copies.iter().flat_map(|copy| &copy.users).filter(|user| user.user_id.is_none()).count();
        let note =
            if without > 0 { format!("{without} users have no account: the list of tokens was too short.\n") } else { String::new() };
        let text = format!(
            "The world for this log, at {}:\n{}\n{} calls, {}. It stands in {}, which is secret.\n{note}\n{}",
            manifest.target,
            counted(&counts),
            gaps.calls(),
            time(took),
            world.display(),
            covered(coverage)
        );
        let json = json!({
            "schema": "wsim.provision/1", "target": manifest.target, "dry_run": false, "server_name": manifest.server_name, "world": counts,
            "calls": gaps.calls(), "seconds": took.as_secs_f64(), "users_without_account": without, "coverage": coverage,
        });
        Self { text, json }
    }

    /// Prints it.
    pub(super) fn show(&self, json: bool, quiet: bool) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        if json {
            writeln!(out, "{:#}", self.json)?;
        } else if !quiet {
            write!(out, "{}", self.text)?;
        }
        Ok(())
    }
}

/// The end of a purge.
pub(super) fn purged(before: &Counts, json: bool, quiet: bool) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    if json {
        writeln!(out, "{:#}", json!({"schema": "wsim.provision/1", "purged": before}))?;
    } else if !quiet {
        writeln!(out, "Removed from the target:\n{}The world file is deleted.", counted(before))?;
    }
    Ok(())
}

fn counted(counts: &Counts) -> String {
    let Counts { copies, users, devices, rooms, memberships, messages, files } = counts;
    let copies = if *copies > 1 { format!(" in {copies} copies") } else { String::new() };
    format!(
        "  {users} users with {devices} devices{copies}\n  {rooms} rooms with {memberships} memberships and {messages} messages\n  {files} files\n"
    )
}

fn covered(coverage: &Coverage) -> String {
    let total = coverage.reads.requests();
    let mut text = format!("Of {total} requests in the log a replay would send\n");
    for (name, share) in [("by default", &coverage.reads), ("with --allow-writes", &coverage.writes)] {
        let cpu = share.cpu_share.map_or_else(String::new, |share| format!(", {:.1} % of the CPU time", share * 100.0));
        text += &format!("  {name:<20} {} ({:.1} %{cpu})\n", share.sent, percent(share.sent, total));
    }
    text + "Not even then:\n" + &skipped(&coverage.writes, total)
}

fn skipped(share: &Share, total: u64) -> String {
    let lines = share.skipped.iter().map(|(reason, skipped)| {
        let cpu = skipped.cpu_share.map_or_else(String::new, |share| format!(", {:.1} % of the CPU time", share * 100.0));
        format!("  {reason:<20} {} ({:.1} %{cpu})\n", skipped.requests, percent(skipped.requests, total))
    });
    lines.collect()
}

fn percent(part: u64, total: u64) -> f64 {
    100.0 * part as f64 / total.max(1) as f64
}

fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 90.0 { format!("{seconds:.1} s") } else { format!("{:.0} min", seconds / 60.0) }
}

/// A bar on standard error, if that is a terminal.
pub(super) struct Watching(Option<ProgressBar>);

impl Watching {
    pub(super) fn new(quiet: bool) -> Self {
        if quiet || !stderr_is_terminal() {
            return Self(None);
        }
        let style =
            ProgressStyle::with_template("{msg:22} {bar:30} {pos} of {len}, {eta} left").unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(Some(ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(8)).with_style(style)))
    }

    pub(super) fn show(&self, progress: Progress) {
        let Some(bar) = &self.0 else { return };
        if progress.done == 0 {
            bar.reset();
            bar.set_message(progress.stage);
            bar.set_length(progress.total as u64);
        }
        bar.set_position(progress.done as u64);
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
