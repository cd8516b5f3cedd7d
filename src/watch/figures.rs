//! The figures of the last minutes, as they are shown, printed and served.

use std::collections::BTreeMap;

use serde::Serialize;

use super::alarms::{Alarm, alarms};
use super::totals::Totals;
use wsim_advise::{Objective, ScreenConfig, screen};
use wsim_profile::{HeavyHitter, Profile};
use wsim_stats::Interval;

/// Everything that is known now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Identifies the form of this value.
    pub schema: &'static str,
    /// The time of the figures, RFC 3339.
    pub time: String,
    /// The same, µs since 1970.
    #[serde(skip)]
    pub time_us: i64,
    /// Length of the time that the figures are of, s.
    pub window_seconds: f64,
    /// Client and federation requests per second.
    pub requests_per_second: f64,
    /// CPU of requests; `None` where it is not logged.
    pub cores: Option<f64>,
    /// Groups with requests in the window, most CPU (then requests) first; requests between processes are the last.
    pub groups: Vec<GroupRow>,
    /// Processes or upstreams, busiest first.
    pub processes: Vec<ProcessRow>,
    /// The users with most load.
    pub users: Vec<UserRow>,
    /// How far the load may grow until the first limit; `None` where it is unknown.
    pub headroom: Option<Headroom>,
    /// Why there is no headroom.
    pub no_headroom: Option<String>,
    /// Terms of the objective that the window misses.
    pub alarms: Vec<Alarm>,
    /// The logs.
    pub inputs: Vec<InputRow>,
    /// Counters since the start.
    #[serde(skip)]
    pub(crate) totals: Totals,
}

/// One endpoint group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupRow {
    /// Id of the group.
    pub id: String,
    /// Requests per second.
    pub requests_per_second: f64,
    /// CPU of its requests.
    pub cores: Option<f64>,
    /// Median response time, long-poll waiting excluded.
    pub p50_ms: Option<f64>,
    /// Its 95th percentile.
    pub p95_ms: Option<f64>,
    /// Share of responses of 500 and up, or of none.
    pub errors: f64,
}

/// One process or upstream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProcessRow {
    /// As logged: must be escaped.
    pub name: String,
    /// Requests per second, those of other processes included.
    pub requests_per_second: f64,
    /// CPU of its requests.
    pub cores: Option<f64>,
    /// Share of a core with its background CPU, which is assumed.
    pub busy: Option<Interval>,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UserRow {
    /// As logged: must be escaped.
    pub name: String,
    /// Requests per second.
    pub requests_per_second: f64,
    /// CPU of the user's requests.
    pub cores: Option<f64>,
}

/// Distance to the first limit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Headroom {
    /// What runs out: `CPU`.
    pub limit: String,
    /// Where: a process. Must be escaped.
    #[serde(rename = "where")]
    pub place: String,
    /// Factor by which the load may grow until the limit is reached.
    pub factor: Interval,
}

/// One log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InputRow {
    /// Its path, without secrets; must be escaped.
    pub path: String,
    /// Its format; empty until it is known.
    pub format: String,
    /// Lines since the start.
    pub lines: u64,
    /// Requests among them.
    pub requests: u64,
    /// Lines that the format cannot explain.
    pub malformed: u64,
    /// What is wrong now, if something is.
    pub problem: Option<String>,
}

/// What figures are made of, apart from the profile.
pub(crate) struct Facts {
    pub(crate) time_us: i64,
    pub(crate) seconds: f64,
    pub(crate) inputs: Vec<InputRow>,
    pub(crate) totals: Totals,
}

/// Figures without any request.
pub(crate) fn nothing(facts: Facts) -> Figures {
    let Facts { time_us, seconds, inputs, totals } = facts;
    Figures {
        schema: SCHEMA,
        time: wsim_text::rfc3339(time_us),
        time_us,
        window_seconds: seconds,
        requests_per_second: 0.0,
        cores: None,
        groups: Vec::new(),
        processes: Vec::new(),
        users: Vec::new(),
        headroom: None,
        no_headroom: Some("no requests".to_owned()),
        alarms: Vec::new(),
        inputs,
        totals,
    }
}

/// The figures of a profile of the window.
pub(crate) fn figures(profile: &Profile, objective: &Objective, config: &ScreenConfig, facts: Facts) -> Figures {
    let seconds = facts.seconds;
    let advice = screen(profile, config);
    // A burst of a second says nothing of how busy a process is.
    let limits = if seconds >= LIMIT_SECONDS_MIN { advice.limits.as_slice() } else { &[] };
    let first = limits.first();
    let headroom = first.map(|limit| Headroom { limit: limit.kind.words().to_owned(), place: limit.place.clone(), factor: limit.headroom });
    let no_headroom = headroom.is_none().then(|| match advice.limits.first() {
        Some(_) => format!("less than {LIMIT_SECONDS_MIN:.0} s of the log so far"),
        None => advice.confidence.why.clone(),
    });
    let busy: BTreeMap<&str, Interval> = profile
        .deployment
        .processes
        .iter()
        .filter_map(|process| Some((process.name.as_str(), profile.coverage.factor.scaled(process.cpu_seconds? / seconds))))
        .collect();
    let mut processes: Vec<ProcessRow> = profile
        .processes
        .iter()
        .map(|process| ProcessRow {
            name: process.name.clone(),
            requests_per_second: (process.requests + process.internal_requests) as f64 / seconds,
            cores: process.cpu_seconds.map(|cpu| cpu / seconds),
            busy: busy.get(process.name.as_str()).copied().filter(|_| seconds >= LIMIT_SECONDS_MIN),
        })
        .collect();
    processes.sort_by(|a, b| {
        let key = |row: &ProcessRow| (row.cores.unwrap_or(0.0), row.requests_per_second);
        key(b).partial_cmp(&key(a)).unwrap_or(std::cmp::Ordering::Equal).then_with(|| a.name.cmp(&b.name))
    });
    Figures {
        requests_per_second: profile.requests as f64 / seconds,
        cores: profile.demand_is_logged().then(|| profile.groups.iter().filter_map(|group| group.cpu_seconds).sum::<f64>() / seconds),
        groups: groups(profile, seconds),
        processes,
        users: profile.heavy_hitters.users.iter().take(USERS_MAX).map(|user| user_row(user, profile, seconds)).collect(),
        headroom,
        no_headroom,
        alarms: alarms(objective, profile, limits),
        ..nothing(facts)
    }
}

fn groups(profile: &Profile, seconds: f64) -> Vec<GroupRow> {
    let logged = profile.demand_is_logged();
    let row = |group: &wsim_profile::GroupProfile| GroupRow {
        id: if group.internal { "between processes".to_owned() } else { group.id.clone() },
        requests_per_second: group.requests as f64 / seconds,
        cores: group.cpu_seconds.filter(|_| logged).map(|cpu| cpu / seconds),
        p50_ms: group.latency_ms.map(|latency| latency.p50),
        p95_ms: group.latency_ms.map(|latency| latency.p95),
        errors: group.errors as f64 / group.requests.max(1) as f64,
    };
    let (internal, others): (Vec<_>, Vec<_>) = profile.groups.iter().partition(|group| group.internal);
    others.into_iter().chain(internal).map(row).collect()
}

fn user_row(user: &HeavyHitter, profile: &Profile, seconds: f64) -> UserRow {
    UserRow {
        name: user.name.clone(),
        requests_per_second: user.requests as f64 / seconds,
        cores: user.cpu_seconds.filter(|_| profile.demand_is_logged()).map(|cpu| cpu / seconds),
    }
}

/// Whether CPU is that of request lines and not inferred: a few minutes of a proxy's log say too little of it.
trait IsLogged {
    fn demand_is_logged(&self) -> bool;
}

impl IsLogged for Profile {
    fn demand_is_logged(&self) -> bool {
        self.demand.method == wsim_profile::DemandMethod::Logged
    }
}

const SCHEMA: &str = "wsim.watch/1";
const USERS_MAX: usize = 20;
const LIMIT_SECONDS_MIN: f64 = 10.0;
