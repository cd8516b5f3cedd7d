//! What the inputs themselves say against a verdict: interrupted reading, files that could not be read, the same requests twice, clocks
//! that disagree. What the requests say is in the crate `profile`.

use std::collections::{BTreeSet, HashSet};

use super::ReadSummary;
use super::damage;
use super::duplicates::duplicate_inputs;
use wsim_logs::source::log_name;
use wsim_profile::{Deployment, WarningEffect};
use wsim_text::{count, duration, list, plural};
use wsim_trace::ingest::LineTally;

impl ReadSummary {
    /// Adds what the reader of a verdict must know to what the requests tell.
    pub(super) fn warn(&self, deployment: &mut Deployment) {
        if self.cut_short {
            deployment.warn(
                WarningEffect::NoVerdict,
                "reading was interrupted: the peak, and whole processes, may be in what was not read".to_owned(),
            );
        } else if self.partial {
            deployment.warn(
                WarningEffect::Partial,
                "reading was interrupted: the figures are of what had come until then, and the peak may be missing".to_owned(),
            );
        }
        self.warn_of_unread(deployment);
        self.warn_of_duplicates(deployment);
        self.warn_of_clocks(deployment);
        self.warn_of_hosts(deployment);
        for text in
            deployment.warnings.iter().filter(|warning| warning.effect >= WarningEffect::Partial).map(|warning| warning.text.clone())
        {
            if !deployment.notes.contains(&text) {
                deployment.notes.push(text);
            }
        }
    }

    /// A log of which nothing was read may be all that there is of a process; the loss of a part makes the figures doubtful.
    fn warn_of_unread(&self, deployment: &mut Deployment) {
        let Some(lost) = self.lost() else { return };
        let read: HashSet<String> = self.tallies.iter().filter(|tally| tally.requests > 0).map(|tally| log_name(&tally.path)).collect();
        let unread: Vec<&str> = damage::damages(&self.tallies)
            .map(|(path, _)| path)
            .filter(|path| !read.contains(&log_name(path)))
            .filter(|path| !self.tallies.iter().any(|tally| tally.path == *path && tally.requests > 0))
            .collect();
        let of_processes = deployment.processes.iter().any(|process| process.own_log);
        let proxied = self.tallies.iter().any(|tally| tally.requests > 0 && !tally.format.starts_with("synapse"));
        if unread.is_empty() || !of_processes || proxied {
            deployment.warn(WarningEffect::Partial, lost);
            return;
        }
        let (verb, is) = if unread.len() == 1 { ("was", "is") } else { ("were", "are") };
        deployment.warn(
            WarningEffect::NoVerdict,
            format!("{} {verb} not read, so that the log of a whole process {is} missing: mend it, or leave it out", list(&shown(&unread))),
        );
    }

    fn warn_of_duplicates(&self, deployment: &mut Deployment) {
        for same in &self.same_requests {
            let (Some(one), Some(other)) = (self.tallies.get(same.one as usize), self.tallies.get(same.other as usize)) else { continue };
            let what =
                format!("{} and {} hold the same requests ({} of {} looked at", one.path, other.path, count(same.same), count(same.of));
            let clocks = clock_difference(same.clock_offset_us);
            // Only without a trace are a proxy's and Synapse's logs compared: nothing joins them then.
            let text = if is_synapse(one) == is_synapse(other) {
                let way_out = if self.requests_kept && same.clock_offset_us == 0 {
                    "give one of the files, or --dedupe"
                } else {
                    "give one of the files"
                };
                format!("{what}{clocks}): they are counted twice; {way_out}")
            } else {
                format!("{what}{clocks}): without a trace they are not joined and counted twice; leave out --no-trace, or give one of them")
            };
            let whole = same.same as f64 >= SAME_SHARE * same.of as f64;
            deployment.warn(if whole { WarningEffect::NoVerdict } else { WarningEffect::Doubt }, text);
        }
        let found = |tally: &LineTally| {
            let is = |index: u32| self.tallies.get(index as usize).is_some_and(|other| std::ptr::eq(other, tally));
            self.same_requests.iter().any(|same| is(same.one) || is(same.other))
        };
        let (pairs, more) = duplicate_inputs(&self.tallies);
        for (one, other) in pairs.into_iter().filter(|(one, other)| is_synapse(one) == is_synapse(other) && (!found(one) || !found(other)))
        {
            deployment.warn(
                WarningEffect::Doubt,
                format!(
                    "{} and {} hold the same number of requests over the same time: if they are the same requests, give only one of them",
                    one.path, other.path
                ),
            );
        }
        if more > 0 {
            deployment.warn(WarningEffect::Doubt, format!("{} look like copies of others, too", plural(more, "more input", "more inputs")));
        }
        let duplicates: u64 = self.tallies.iter().map(|tally| tally.duplicates).sum();
        if duplicates > 0 {
            deployment.warn(
                WarningEffect::Told,
                format!("{} in more than one input counted once", plural(duplicates, "request was", "requests were")),
            );
        }
    }

    /// Two servers behind one proxy share its log, and nothing but the host tells their requests apart.
    fn warn_of_hosts(&self, deployment: &mut Deployment) {
        let hosts: BTreeSet<&str> = self.tallies.iter().flat_map(|tally| &tally.hosts).map(String::as_str).collect();
        let hosts: Vec<&str> = hosts.into_iter().collect();
        if hosts.len() < 2 {
            return;
        }
        deployment.warn(
            WarningEffect::Told,
            format!(
                "Matrix requests to {} are all counted as Synapse's ({}): if some are another server's, name this one's with --virtual-host",
                plural(hosts.len() as u64, "virtual host", "virtual hosts"),
                list(&shown(&hosts))
            ),
        );
    }

    fn warn_of_clocks(&self, deployment: &mut Deployment) {
        let Some(joined) = self.joined else { return };
        if joined.clock_offset_us != 0 {
            let seconds = joined.clock_offset_us.unsigned_abs() as f64 / 1e6;
            let which = if joined.clock_offset_us > 0 { "behind" } else { "ahead of" };
            let beyond_half_hours = joined.clock_offset_us.unsigned_abs() % HALF_HOUR_US;
            let is_zone = beyond_half_hours.min(HALF_HOUR_US - beyond_half_hours) < ZONE_TOLERANCE_US;
            let zone = if is_zone { ", as another time zone would be (--tz)" } else { "" };
            deployment.warn(
                WarningEffect::Told,
                format!(
                    "the proxy's clock is {} {which} Synapse's{zone}: its requests are moved by that and joined ({} of {})",
                    duration(seconds),
                    count(joined.joined),
                    count(joined.proxy_requests.min(joined.synapse_requests))
                ),
            );
        }
        let common = joined.proxy_requests.saturating_sub(deployment.foreign_requests).min(joined.synapse_requests);
        if joined.joined * 2 < common && common >= JOINED_EXPECTED {
            deployment.warn(
                WarningEffect::Doubt,
                format!(
                    "only {} of {} requests were found in both the proxy's and Synapse's logs; the others are counted as one side logged them. If the logs cover the same time, check --tz",
                    count(joined.joined),
                    count(common)
                ),
            );
        }
    }
}

/// `, with clocks 1 h apart`.
fn clock_difference(offset_us: i64) -> String {
    if offset_us == 0 { String::new() } else { format!(", with clocks {} apart", duration(offset_us.unsigned_abs() as f64 / 1e6)) }
}

fn is_synapse(tally: &LineTally) -> bool {
    tally.format.starts_with("synapse")
}

fn shown(paths: &[&str]) -> Vec<String> {
    let mut shown: Vec<String> = paths.iter().take(PATHS_MAX).map(|path| (*path).to_owned()).collect();
    let more = paths.len().saturating_sub(PATHS_MAX);
    shown.extend((more > 0).then(|| format!("{more} more")));
    shown
}

const PATHS_MAX: usize = 5;
/// Share of the looked at requests in two inputs from which on one input is a copy.
const SAME_SHARE: f64 = 0.9;
const HALF_HOUR_US: u64 = 1_800_000_000;
const ZONE_TOLERANCE_US: u64 = 5_000_000;
/// Fewer requests in both logs say nothing.
const JOINED_EXPECTED: u64 = 20;
