//! The page in Prometheus' text format.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Source;
use crate::StopReason;
use crate::record::{BOUNDS_MS, GroupTotals, RunningTotals};

/// All metric families of a run.
pub(super) fn page(source: Option<&Source>) -> String {
    let mut page = Page(String::new());
    page.family("wsim_replay_running", "gauge", "1 once a run has begun.");
    page.sample("wsim_replay_running", &[], u8::from(source.is_some()));
    let Some(source) = source else { return page.0 };
    let running_totals = source.live_stats.totals().unwrap_or_default();
    page.schedule(source);
    page.totals(&running_totals);
    page.last_window(source);
    page.stopped(source);
    page.times(&running_totals);
    page.0
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _infallible = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let _infallible = write!(self.0, "{}{label}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(text));
        }
        let _infallible = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn schedule(&mut self, source: &Source) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let live = &source.live;
        self.one("wsim_replay_schedule_requests", "gauge", "Requests of the whole schedule.", source.scheduled);
        self.one("wsim_replay_scheduled_total", "counter", "Requests that are due.", count(&live.due));
        self.one("wsim_replay_in_flight", "gauge", "Requests in flight.", count(&live.in_flight));
        self.one(
            "wsim_replay_waiting",
            "gauge",
            "Requests that wait for an earlier request of their user or for a connection.",
            count(&live.waiting),
        );
    }

    fn totals(&mut self, running_totals: &RunningTotals) {
        let totals = &running_totals.outcomes;
        self.one("wsim_replay_sent_total", "counter", "Requests sent that have ended: completed or failed.", totals.sent());
        self.family("wsim_replay_completed_total", "counter", "Complete responses, by class of status.");
        for (class, count) in running_totals.by_class.iter().enumerate() {
            let name = if class == 0 { "other".to_owned() } else { format!("{class}xx") };
            self.sample("wsim_replay_completed_total", &[("class", &name)], count);
        }
        self.family("wsim_replay_failed_total", "counter", "Requests without a complete response, by failure.");
        for (kind, count) in &totals.failed {
            self.sample("wsim_replay_failed_total", &[("kind", kind)], count);
        }
        self.family("wsim_replay_not_sent_total", "counter", "Requests not sent, by reason.");
        for (reason, count) in &totals.skipped {
            self.sample("wsim_replay_not_sent_total", &[("reason", reason)], count);
        }
    }

    fn last_window(&mut self, source: &Source) {
        let Some(last_window) = source.live_stats.last_window() else { return };
        let seconds = |ns: u64| ns as f64 / 1e9;
        self.family("wsim_replay_lateness_seconds", "gauge", "Lateness of the generator in the last five seconds.");
        for (quantile, ns) in
            [("0.5", last_window.lateness_p50_ns), ("0.99", last_window.lateness_p99_ns), ("1", last_window.lateness_max_ns)]
        {
            self.sample("wsim_replay_lateness_seconds", &[("quantile", quantile)], seconds(ns));
        }
        self.one("wsim_replay_rate", "gauge", "Requests per second that ended in the last five seconds.", last_window.rate());
    }

    fn stopped(&mut self, source: &Source) {
        let reason = source.stop.reason();
        let broken = matches!(reason, Some(StopReason::Errors { .. } | StopReason::RateLimited { .. }));
        self.one("wsim_replay_breaker_open", "gauge", "1 if errors or rate limits of the target stopped the run.", u8::from(broken));
        self.one("wsim_replay_stopped", "gauge", "1 if the run was stopped early, for any reason.", u8::from(reason.is_some()));
    }

    fn times(&mut self, running_totals: &RunningTotals) {
        let seen = |group: &&GroupTotals| group.long_polls > 0 || group.buckets.iter().any(|&count| count > 0);
        let groups: Vec<&GroupTotals> = running_totals.groups.iter().filter(seen).collect();
        let name = "wsim_replay_response_seconds";
        self.family(name, "histogram", "Response time without long polls, from the intended instant, by endpoint group.");
        for group in &groups {
            let mut below = 0;
            for (index, count) in group.buckets.iter().enumerate() {
                below += count;
                let bound = BOUNDS_MS.get(index).map_or_else(|| "+Inf".to_owned(), |ms| (*ms as f64 / 1e3).to_string());
                self.sample(&format!("{name}_bucket"), &[("group", &group.id), ("le", &bound)], below);
            }
            self.sample(&format!("{name}_sum"), &[("group", &group.id)], group.sum_ns as f64 / 1e9);
            self.sample(&format!("{name}_count"), &[("group", &group.id)], below);
        }
        self.family("wsim_replay_long_polls_total", "counter", "Long polls that got a response, by endpoint group.");
        for group in &groups {
            self.sample("wsim_replay_long_polls_total", &[("group", &group.id)], group.long_polls);
        }
    }
}

/// A label's value, escaped: a user's own endpoint table may give its groups any name.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_line() {
        let mut page = Page(String::new());
        page.sample("x", &[("group", "a\"} 1\nb\\")], 3);
        assert_eq!(page.0, "x{group=\"a\\\"} 1\\nb\\\\\"} 3\n");
    }

    #[test]
    fn before_a_run_the_page_says_only_that() {
        assert_eq!(page(None).lines().last(), Some("wsim_replay_running 0"));
    }

    #[test]
    fn buckets_are_cumulative_and_end_in_the_count() {
        let mut buckets = [0; BOUNDS_MS.len() + 1];
        (buckets[0], buckets[1], buckets[BOUNDS_MS.len()]) = (2, 3, 1);
        let group = GroupTotals { id: "sync".to_owned(), buckets, sum_ns: 1_500_000_000, long_polls: 4 };
        let mut page = Page(String::new());
        page.times(&RunningTotals { groups: vec![group, GroupTotals::default()], ..RunningTotals::default() });
        for line in [
            "wsim_replay_response_seconds_bucket{group=\"sync\",le=\"0.005\"} 2",
            "wsim_replay_response_seconds_bucket{group=\"sync\",le=\"0.01\"} 5",
            "wsim_replay_response_seconds_bucket{group=\"sync\",le=\"30\"} 5",
            "wsim_replay_response_seconds_bucket{group=\"sync\",le=\"+Inf\"} 6",
            "wsim_replay_response_seconds_sum{group=\"sync\"} 1.5",
            "wsim_replay_response_seconds_count{group=\"sync\"} 6",
            "wsim_replay_long_polls_total{group=\"sync\"} 4",
        ] {
            assert!(page.0.lines().any(|one| one == line), "{line}: {}", page.0);
        }
    }
}
