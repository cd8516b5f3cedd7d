//! Response times of a plan without a simulation: an open queueing approximation, with its range.
//!
//! The log's response times were made at the busy share of the processes that wrote it. Under processor sharing the part of a response that is CPU
//! and waits for CPU is stretched by `1 / (1 - busy)` (M/G/1, processor sharing: insensitive to the law of demands), so a plan under which the
//! process is busier or less busy stretches that part by `(1 - busy then) / (1 - busy now)`. How large the part is in the slow requests that a
//! percentile is about, no profile tells: the best estimate takes the mean's, the range goes from none of the response to all of it.
//!
//! Where waits for database connections make the times, or a process is near its limit, this says nothing, and the answer is that a
//! simulation is needed.

use serde::Serialize;

use super::law::Law;
use super::load::endpoint_facts;
use super::model::{Meets, PlanSummary, ProcessSummary};
use super::objective::{LatencyTerm, Objective, Statistic};
use super::own::OwnDeployment;
use wsim_plan::Destination;
use wsim_profile::{EndpointProfile, GroupProfile, Profile, Quantiles};
use wsim_stats::Interval;
use wsim_text::prose;

/// One term of the objective about a response time, for one plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EstimatedTerm {
    /// As in the objective: `p95 sync < 500ms`.
    pub term: String,
    /// The value in the log; `None` where it has no times.
    pub logged_ms: Option<f64>,
    /// `None`: only a simulation can tell.
    pub estimate_ms: Option<Interval>,
    pub meets: Meets,
    #[serde(skip)]
    pub(super) below_ms: f64,
}

impl EstimatedTerm {
    /// Whether the term is left to a simulation.
    pub fn needs_simulation(&self) -> bool {
        self.meets == Meets::Maybe
    }

    /// `p95 sync < 500ms: about 120 ms (90–180 ms), 140 ms in the log`.
    pub(super) fn text(&self) -> String {
        let mut parts: Vec<String> =
            self.estimate_ms.map(|estimate| format!("about {}", prose::milliseconds_range(estimate))).into_iter().collect();
        parts.extend(self.logged_ms.map(|logged| format!("{} in the log", prose::milliseconds(logged))));
        if parts.is_empty() { format!("{}: unknown", self.term) } else { format!("{}: {}", self.term, parts.join(", ")) }
    }

    /// Estimate over limit; 1 where nothing is known.
    pub(super) fn margin(&self) -> f64 {
        self.estimate_ms.map_or(1.0, |estimate| estimate.value / self.below_ms)
    }
}

/// What the times in the log were made at: the busy share of the processes that wrote it, over the whole log.
pub(super) struct ObservedTimes<'a> {
    profile: &'a Profile,
    busy: Interval,
    /// Nothing but CPU makes requests wait.
    by_cpu: bool,
}

impl<'a> ObservedTimes<'a> {
    /// `alone`: the main process's busy share at the peak if it serves everything itself.
    pub(super) fn new(profile: &'a Profile, law: &Law, own: Option<&OwnDeployment<'_>>, alone: Interval) -> Self {
        let serving: Vec<Interval> = own.map_or_else(
            || vec![alone],
            |own| own.processes.iter().filter(|process| process.process.requests > 0).map(|process| process.busy).collect(),
        );
        let mean = serving.iter().map(|busy| busy.value).sum::<f64>() / serving.len().max(1) as f64;
        let low = serving.iter().map(|busy| busy.low).fold(mean, f64::min);
        let high = serving.iter().map(|busy| busy.high).fold(mean, f64::max);
        let connections = profile.processes.iter().filter_map(|process| process.database).map(|load| load.waiting / load.busy.max(1e-9));
        Self {
            profile,
            busy: at(Interval::new(mean, low, high), law.rest, over_peak(profile, profile.peaks.mean.cores)),
            by_cpu: connections.fold(0.0, f64::max) < WAITS_MAX,
        }
    }

    /// The terms of the objective about response times, for a plan.
    pub(super) fn terms(&self, plan: &PlanSummary, objective: &Objective) -> Vec<EstimatedTerm> {
        let of_term = |term: &LatencyTerm| {
            let estimate_ms = self.estimate(plan, term);
            let meets = match estimate_ms {
                Some(estimate) if estimate.high < term.below_ms => Meets::Yes,
                Some(estimate) if estimate.low >= term.below_ms => Meets::No,
                _ => Meets::Maybe,
            };
            EstimatedTerm { term: term.to_string(), logged_ms: self.logged(term), estimate_ms, meets, below_ms: term.below_ms }
        };
        objective.latencies.iter().map(of_term).collect()
    }

    fn logged(&self, term: &LatencyTerm) -> Option<f64> {
        let times = match &term.group {
            Some(id) => self.profile.groups.iter().find(|group| group.id == *id)?.latency_ms,
            None => self.profile.work_ms,
        };
        times.map(|times| of(&times, term.statistic))
    }

    fn estimate(&self, plan: &PlanSummary, term: &LatencyTerm) -> Option<Interval> {
        let presses = plan.processes.iter().filter_map(|process| process.connections).any(|share| share.high >= CONNECTIONS_MAX);
        if !self.by_cpu || presses || self.busy.high >= BUSY_MAX {
            return None;
        }
        let groups = self.profile.groups.iter().filter(|group| !group.internal);
        let logged = self.logged(term)?;
        match &term.group {
            Some(id) => Some(self.stretch(plan, groups.clone().find(|group| group.id == *id)?)?.scaled(logged)),
            None => {
                let all = groups.clone().map(|group| group.requests).sum::<u64>() as f64;
                let stretches: Vec<(f64, Interval)> = groups
                    .filter(|group| group.requests as f64 >= all * SHARE_OF_REQUESTS_MIN && group.latency_ms.is_some())
                    .map(|group| Some((group.requests as f64, self.stretch(plan, group)?)))
                    .collect::<Option<_>>()?;
                let weight: f64 = stretches.iter().map(|(requests, _)| requests).sum();
                let mean = stretches.iter().map(|(requests, stretch)| requests * stretch.value).sum::<f64>() / weight.max(1.0);
                let low = stretches.iter().map(|(_, stretch)| stretch.low).fold(mean, f64::min);
                let high = stretches.iter().map(|(_, stretch)| stretch.high).fold(mean, f64::max);
                (weight > 0.0).then(|| Interval::new(mean, low, high).scaled(logged))
            }
        }
    }

    /// Response times of a group under a plan over those in the log.
    fn stretch(&self, plan: &PlanSummary, group: &GroupProfile) -> Option<Interval> {
        let then = self.busy_under(plan, group)?;
        if then.high >= BUSY_MAX {
            return None;
        }
        let ratio = |now: f64, then: f64| (1.0 - now) / (1.0 - then);
        let best = ratio(self.busy.value, then.value);
        let (least, most) = (ratio(self.busy.high, then.low), ratio(self.busy.low, then.high));
        let mean_ms = group.latency_ms.as_ref().map_or(0.0, |times| times.mean);
        let cpu_ms = group.cpu_ms.map_or(mean_ms / 2.0, |cpu| cpu.value) / (1.0 - self.busy.value);
        let part = if mean_ms > 0.0 { (cpu_ms / mean_ms).clamp(0.0, 1.0) } else { 1.0 };
        let value = 1.0 - part + part * best;
        Some(Interval::new(value, least.min(1.0).min(value), most.max(1.0).max(value)))
    }

    /// The busy share in the busiest hour of the processes that serve a group, by its requests.
    fn busy_under(&self, plan: &PlanSummary, group: &GroupProfile) -> Option<Interval> {
        let classes = self.profile.endpoints.iter().filter(|endpoint| endpoint.group == group.id && endpoint.requests > 0);
        let (mut requests, mut sum) = (0.0, Interval::exact(0.0));
        for class in classes {
            let weight = class.requests as f64;
            sum = sum.plus(serving(plan, class)?.scaled(weight));
            requests += weight;
        }
        let hour = over_peak(self.profile, self.profile.peaks.busy_hour.cores);
        let idle = plan.processes.first().map_or(Interval::exact(0.0), |main| main.idle);
        (requests > 0.0).then(|| at(sum.scaled(1.0 / requests), idle, hour))
    }
}

/// The busy share at the peak of the processes that serve a class: of several their mean, at the upper end that of the busiest.
fn serving(plan: &PlanSummary, class: &EndpointProfile) -> Option<Interval> {
    let of: Vec<&ProcessSummary> = match plan.plan.route(endpoint_facts(class)) {
        Destination::Main => plan.processes.iter().filter(|process| process.is_main()).collect(),
        Destination::Pool(pool) => {
            let workers = plan.plan.workers();
            let members = plan.plan.members(pool).iter().filter_map(|member| workers.get(member.worker));
            members.filter_map(|worker| plan.processes.iter().find(|process| process.name == worker.name)).collect()
        }
        Destination::Writer(stream) => {
            let names = plan.plan.stream_writers.get(&stream)?.names();
            plan.processes.iter().filter(|process| names.contains(&process.name)).collect()
        }
    };
    let count = of.len() as f64;
    let mean = |bound: fn(Interval) -> f64| of.iter().map(|process| bound(process.peak)).sum::<f64>() / count;
    let high = of.iter().map(|process| process.peak.high).fold(0.0, f64::max);
    (!of.is_empty()).then(|| Interval::new(mean(|peak| peak.value), mean(|peak| peak.low), high))
}

/// A busy share at another load than the peak's, `share` of it: the idle part stays.
fn at(peak: Interval, idle: Interval, share: f64) -> Interval {
    let of = |peak: f64, idle: f64| idle.min(peak) + (peak - idle).max(0.0) * share;
    Interval::new(of(peak.value, idle.value), of(peak.low, idle.low), of(peak.high, idle.high))
}

/// The CPU of a span over that of the busiest five minutes, at most 1.
fn over_peak(profile: &Profile, cores: Option<f64>) -> f64 {
    match (cores, profile.peaks.five_minutes.cores) {
        (Some(cores), Some(peak)) if peak > 0.0 => (cores / peak).min(1.0),
        _ => 1.0,
    }
}

fn of(times: &Quantiles, statistic: Statistic) -> f64 {
    match statistic {
        Statistic::Mean => times.mean,
        Statistic::P50 => times.p50,
        Statistic::P95 => times.p95,
        Statistic::P99 => times.p99,
    }
}

/// Busy share from which a queue's mean depends on what a profile does not show.
const BUSY_MAX: f64 = 0.9;
/// Waits for connections, in transactions, from which they make the times.
const WAITS_MAX: f64 = 0.25;
/// Busy share of a plan's connections from which their waits do.
const CONNECTIONS_MAX: f64 = 0.8;
/// Groups with fewer of the requests hardly move a percentile of all.
const SHARE_OF_REQUESTS_MIN: f64 = 0.01;

#[cfg(test)]
mod tests {
    use crate::fixture::ProfileFixture;
    use crate::{Advice, Meets, ScreenConfig, screen};
    use wsim_profile::{GroupProfile, Profile, Quantiles};
    use wsim_stats::Interval;

    /// One process, 50 % busy with /sync of 10 ms, half of whose time is CPU and waits for it.
    fn profile() -> Profile {
        let mut profile = ProfileFixture::new().class("sync", 0.48, 48).build();
        let times = Quantiles { p50: 30.0, p90: 80.0, p95: 100.0, p99: 200.0, p999: 400.0, max: 500.0, mean: 40.0 };
        profile.groups = vec![GroupProfile {
            id: "sync".to_owned(),
            internal: false,
            requests: 144_000,
            cpu_seconds: Some(1440.0),
            cpu_ms: Some(Interval::exact(10.0)),
            latency_ms: Some(times),
            waiting_ms: None,
            long_polls: 0,
            errors: 0,
            aborted: 0,
            bytes_sent: 0,
            workers: vec!["generic_worker".to_owned()],
            stream: None,
        }];
        profile.work_ms = Some(times);
        profile.peaks.mean = profile.peaks.five_minutes;
        profile.peaks.busy_hour = profile.peaks.five_minutes;
        profile
    }

    fn advice(objective: &str, profile: &Profile) -> Advice {
        let simulate_command = "wsim simulate homeserver.log --objective x".to_owned();
        screen(profile, &ScreenConfig { objective: objective.parse().unwrap(), simulate_command, ..ScreenConfig::default() })
    }

    fn estimate(advice: &Advice, plan: &str) -> (Option<Interval>, Meets) {
        let plan = advice.candidates.iter().find(|candidate| candidate.plan.name == plan).unwrap();
        (plan.response_times[0].estimate_ms, plan.response_times[0].meets)
    }

    #[test]
    fn the_deployment_that_wrote_the_log_keeps_its_times_and_a_less_busy_process_is_faster() {
        let advice = advice("p95 sync < 150ms, busy < 70%", &profile());
        let (alone, meets) = estimate(&advice, "monolith");
        let alone = alone.unwrap();
        assert!((alone.value - 100.0).abs() < 1e-6 && alone.low < 100.0 && alone.high > 100.0, "{alone:?}");
        assert_eq!(meets, Meets::Yes, "{alone:?}");
        // Two sync workers at some 26 % each: half of the time is stretched by 0.5 / 0.74.
        let (split, _) = estimate(&advice, "sync-split 2");
        let split = split.unwrap();
        assert!(split.value < 95.0 && split.value > 70.0 && split.low < split.value && split.high >= split.value, "{split:?}");
        assert!(advice.verdict.text.contains("p95 sync < 150ms: about 100 ms"), "{}", advice.verdict.text);
        assert_eq!(advice.recommended.map(|index| advice.candidates[index].workers), Some(0));
    }

    #[test]
    fn a_term_that_lies_within_the_range_needs_a_simulation_and_one_far_below_it_is_missed() {
        let open = advice("p95 < 75ms, busy < 70%", &profile());
        assert_eq!(estimate(&open, "sync-split 2").1, Meets::Maybe);
        assert!(open.verdict.text.contains("needs a simulation: wsim simulate homeserver.log"), "{}", open.verdict.text);
        let missed = advice("p95 < 10ms", &profile());
        assert_eq!((estimate(&missed, "monolith").1, missed.recommended), (Meets::No, None));
        assert!(missed.verdict.text.contains("p95 work < 10ms"), "{}", missed.verdict.text);
    }

    #[test]
    fn where_a_queue_is_near_its_limit_or_connections_make_the_times_nothing_is_estimated() {
        let mut busy = profile();
        busy.endpoints[0].peak_cpu_seconds *= 1.9;
        assert_eq!(estimate(&advice("p95 < 150ms", &busy), "monolith"), (None, Meets::Maybe));
        let mut waiting = profile();
        waiting.processes = vec![wsim_profile::ProcessProfile {
            name: "main".to_owned(),
            requests: 1,
            internal_requests: 0,
            cpu_seconds: Some(1.0),
            process_cpu_seconds: None,
            db_seconds: Some(1.0),
            database: Some(wsim_profile::DatabaseLoad { window: waiting.window, busy: 2.0, waiting: 1.0, transaction_ms: 100.0 }),
            utilisation: Some(0.5),
        }];
        let waiting = advice("p95 < 150ms", &waiting);
        assert_eq!(estimate(&waiting, "monolith"), (None, Meets::Maybe));
        assert!(waiting.verdict.text.contains("needs a simulation"), "{}", waiting.verdict.text);
        let mut timeless = profile();
        timeless.work_ms = None;
        assert_eq!(estimate(&advice("p95 < 150ms", &timeless), "monolith"), (None, Meets::Maybe));
    }
}
