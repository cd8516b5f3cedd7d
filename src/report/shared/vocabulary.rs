//! Words for what a plan and a profile contain: proxies, selectors, balancing rules, worker types, windows of time.

use super::escape;
use wsim_plan::{Pool, ProxyKind, Selector};
use wsim_profile::{GroupProfile, Window};
use wsim_text as text;
use wsim_trace::ingest::LineTally;

/// The processes that may serve a group: worker types, a stream writer, or only the main process.
pub(crate) fn served_by(group: &GroupProfile) -> String {
    if group.internal {
        return "between processes".to_owned();
    }
    let mut parts: Vec<String> = group.stream.iter().map(|stream| format!("{stream} stream writer")).collect();
    parts.extend(group.workers.iter().cloned());
    if parts.is_empty() { "main process only".to_owned() } else { parts.join(", ") }
}

pub(crate) fn proxy_name(kind: ProxyKind) -> &'static str {
    match kind {
        ProxyKind::Nginx => "nginx",
        ProxyKind::Haproxy => "HAProxy",
        ProxyKind::Caddy => "Caddy",
        ProxyKind::Traefik => "Traefik",
        ProxyKind::Apache => "Apache",
        ProxyKind::Envoy => "Envoy",
    }
}

/// The group id or pattern that a selector of a pool matches.
pub(crate) fn selector(selector: &Selector) -> String {
    match selector {
        Selector::Group(group) => escape::page(group, 40),
        Selector::Pattern { pattern, .. } => escape::page(pattern, 60),
    }
}

/// `hash consistent by user, 0.25 cores each`.
pub(crate) fn balancing_rule(pool: &Pool) -> String {
    let mut rule = escape::page(&pool.balance, 60);
    if let Some(key) = &pool.key {
        rule.push_str(" by ");
        rule.push_str(&escape::page(key, 40));
    }
    if (pool.cpu - 1.0).abs() > f64::EPSILON {
        rule.push_str(&format!(", {} cores each", text::number(pool.cpu)));
        if pool.cpu < 1.0 && pool.cpu_period.to_bits() != wsim_plan::cpu::PERIOD_MS.to_bits() {
            rule.push_str(&format!(" in periods of {} ms", text::tick(pool.cpu_period)));
        }
    }
    rule
}

/// What was assumed about the times in an input, and which of its requests were left out; empty if there is nothing to say.
pub(crate) fn input_note(input: &LineTally) -> String {
    let mut notes: Vec<String> = input.stamp_note.iter().cloned().collect();
    if input.outside > 0 {
        notes.push(format!("{} outside --from/--to left out", text::plural(input.outside, "request", "requests")));
    }
    if input.without_clock > 0 {
        notes.push(format!("{} without a time stamp left out", text::plural(input.without_clock, "request", "requests")));
    }
    if input.doubled_hour > 0 {
        let requests = text::plural(input.doubled_hour, "request", "requests");
        notes.push(format!("{requests} in the hour that came twice, read as of the first pass"));
    }
    if input.missing_hour > 0 {
        let requests = text::plural(input.missing_hour, "request", "requests");
        notes.push(format!("{requests} in an hour that clocks skipped"));
    }
    notes.extend(input.read_error.clone());
    notes.join("; ")
}

/// `2026-11-02 14:05:00 to 14:10:00 UTC (5 min)`.
pub(crate) fn window(window: Window) -> String {
    text::time_span(window.start_us, window.end_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture;

    #[test]
    fn a_group_names_the_processes_that_may_serve_it() {
        let report = fixture::report();
        let served = |id: &str| served_by(report.profile.groups.iter().find(|group| group.id == id).unwrap());
        assert_eq!(served("sync"), "generic_worker");
        assert_eq!(served("typing"), "typing stream writer");
        assert_eq!(served("client_other"), "main process only");
        assert_eq!(served("replication"), "between processes");
    }
}
