//! The arguments of `wsim replay`, checked and typed.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use hyper::header::HeaderName;

use super::super::UsageError;
use super::Replay;
use wsim_advise::{Objective, ObjectiveError};
use wsim_endpoints::Endpoint;
use wsim_logs::range;
use wsim_logs::time::Zone;
use wsim_replay::guard::GuardOverrides;
use wsim_replay::{EngineConfig, Pace, ReplayedRequests, TrafficConfig};
use wsim_transport::{Target, TransportConfig};

/// Where requests are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TargetChoice {
    /// A running homeserver.
    Server(Target),
    /// The built-in cluster.
    Emulated,
}

/// What `wsim replay` does.
pub(super) struct ReplayConfig {
    pub(super) target: TargetChoice,
    pub(super) traffic: TrafficConfig,
    pub(super) engine: EngineConfig,
    pub(super) transport: TransportConfig,
    /// `User-Agent` of the run. Checks and priming have that of `transport`.
    pub(super) user_agent: String,
    pub(super) overrides: GuardOverrides,
    pub(super) start_at: Option<SystemTime>,
    /// What is expected of every run.
    pub(super) expected: Objective,
    /// Whether the largest load is looked for at which that holds.
    pub(super) is_search: bool,
}

impl ReplayConfig {
    pub(super) fn new(arguments: &Replay) -> anyhow::Result<Self> {
        let usage = |name: &str, error: &dyn std::fmt::Display| UsageError(format!("{name}: {error}"));
        for (name, value, most) in [("--speed", arguments.speed, 1000.0), ("--load", arguments.load, 1000.0)] {
            if !(value > 0.0 && value <= most) {
                return Err(UsageError(format!("{name}: {value} must be above 0 and at most {most}")).into());
            }
        }
        let target = match arguments.target.as_str() {
            "emulated" => TargetChoice::Emulated,
            url => TargetChoice::Server(url.parse().map_err(|error| usage("--target", &error))?),
        };
        let header: Result<HeaderName, _> = arguments.upstream_header.parse();
        Ok(Self {
            target,
            traffic: TrafficConfig {
                speed: arguments.speed,
                load: arguments.load,
                ramp_seconds: arguments.ramp,
                seed: arguments.reading.seed,
                shard: arguments.shard,
            },
            engine: EngineConfig {
                connections_max: arguments.max_connections,
                timeout: arguments.timeout,
                pace: if arguments.precise { Pace::Precise } else { Pace::Sleep },
                ..EngineConfig::default()
            },
            transport: TransportConfig {
                http2: arguments.http2,
                ca: arguments.ca.clone(),
                insecure: arguments.insecure,
                response_timeout: arguments.timeout,
                upstream_header: header.map_err(|error| usage("--upstream-header", &error))?,
                ..TransportConfig::default()
            },
            user_agent: format!("wsim-replay/{} (run {})", env!("CARGO_PKG_VERSION"), run_id()),
            overrides: arguments.allowed.overrides(),
            start_at: arguments.start_at.as_deref().map(|text| start_at(text, &arguments.reading.zone()?)).transpose()?,
            expected: expected(arguments)?,
            is_search: arguments.find_limit.is_some(),
        })
    }
}

impl ReplayConfig {
    /// Whether the speed is applied to the trace before everything else: the emulated cluster and its prediction have the clock of the trace.
    pub(super) fn rewrites_trace(&self) -> bool {
        self.target == TargetChoice::Emulated && self.traffic.speed != 1.0
    }
}

/// What `--find-limit` and `--expect` ask for, and the defaults that they do not replace.
fn expected(arguments: &Replay) -> anyhow::Result<Objective> {
    let read = |name: &str, text: Option<&str>| -> anyhow::Result<Option<Objective>> {
        text.map(str::parse).transpose().map_err(|error: ObjectiveError| UsageError(format!("{name}: {error}")).into())
    };
    let mut all = read("--find-limit", arguments.find_limit.as_deref())?.unwrap_or_else(Objective::nothing);
    let name = if arguments.expect.is_some() { "--expect" } else { "--find-limit" };
    if let Some(more) = read("--expect", arguments.expect.as_deref())? {
        all.busy = all.busy.min(more.busy);
        all.connections = all.connections.min(more.connections);
        all.latencies.extend(more.latencies);
        all.outcomes.extend(more.outcomes);
    }
    all.for_replays().map_err(|error| UsageError(format!("{name}: {error}")).into())
}

/// For each endpoint class, by its id, whether `--only` or `--skip` leave it out.
pub(super) fn left_out(endpoints: &[Endpoint], only: &[String], skip: &[String]) -> anyhow::Result<Vec<bool>> {
    for name in only.iter().chain(skip) {
        if !endpoints.iter().any(|endpoint| endpoint.group == *name) {
            return Err(UsageError(format!("{name:?} is not an endpoint group; `wsim endpoints` lists them")).into());
        }
    }
    let named = |names: &[String], endpoint: &Endpoint| names.contains(&endpoint.group);
    Ok(endpoints.iter().map(|endpoint| named(skip, endpoint) || (!only.is_empty() && !named(only, endpoint))).collect())
}

/// Checks that requests of the groups are replayed of which something is expected.
pub(super) fn check_groups(
    expected: &Objective,
    endpoints: &[Endpoint],
    replayed: &ReplayedRequests,
    left_out: &[bool],
) -> anyhow::Result<()> {
    let mut is_present = vec![false; endpoints.len()];
    for request in &replayed.requests {
        if let Some(present) = is_present.get_mut(usize::from(request.endpoint.0)) {
            *present = true;
        }
    }
    let sent = endpoints.iter().zip(is_present).zip(left_out).filter(|((_, present), left_out)| *present && !**left_out);
    let groups: BTreeSet<&str> = sent.map(|((endpoint, _), _)| endpoint.group.as_str()).collect();
    let groups: Vec<&str> = groups.into_iter().collect();
    Ok(expected.check_groups(&groups).map_err(|error| UsageError(format!("--expect: {error}")))?)
}

/// Parses `i/N`; `i` counts from 0 like the completion index of a Kubernetes Job.
pub(super) fn shard(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
    match parsed {
        Some((part, of)) if part < of => Ok((part, of)),
        Some((part, of)) => Err(format!("{part} is not below {of}: shards count from 0, 0/{of} to {}/{of}", of.saturating_sub(1))),
        None => Err("write it as 0/4: the first of four".to_owned()),
    }
}

/// Parses `9464`, `127.0.0.1:9464` or `[::1]:9464`.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse().map_err(|_| "write a port like 9464, or an address with a port like 10.0.0.5:9464".to_owned())
}

/// Reads `90`, `90s`, `5m` or `1h30m` as seconds.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let duration = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => wsim_text::parse_duration(text),
    };
    match duration.map(|duration| duration.as_secs_f64()) {
        Some(seconds) if seconds <= AHEAD_MAX.as_secs_f64() => Ok(seconds),
        Some(_) => Err("give at most seven days (168h)".to_owned()),
        None => Err("write a time like 90s, 5m or 1h30m".to_owned()),
    }
}

/// Reads how long to wait for a response: above 0 and at most an hour.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        seconds if seconds > 0.0 && seconds <= 3600.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give a time above 0 and at most an hour".to_owned()),
    }
}

fn start_at(text: &str, zone: &Zone) -> anyhow::Result<SystemTime> {
    let at = range::parse(text, zone, jiff::Timestamp::now(), false).map_err(|error| UsageError(format!("--start-at: {error}")))?;
    let since_epoch = Duration::from_micros(u64::try_from(at).unwrap_or(0));
    let start = SystemTime::UNIX_EPOCH + since_epoch;
    if start.duration_since(SystemTime::now()).is_ok_and(|ahead| ahead > AHEAD_MAX) {
        return Err(UsageError(format!("--start-at: {text:?} is more than seven days ahead")).into());
    }
    Ok(start)
}

/// The longest time that a replay may wait or ramp: anything longer is a slip.
const AHEAD_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Identifies a run in the target's logs: seconds since the epoch.
fn run_id() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_loopback() {
        assert_eq!(listen("9464").unwrap().to_string(), "127.0.0.1:9464");
        assert_eq!(listen(":0").unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(listen("[::1]:9464").unwrap().to_string(), "[::1]:9464");
        assert!(listen("localhost").is_err() && listen("70000").is_err() && listen("").is_err());
    }

    #[test]
    fn shards_and_times_are_parsed() {
        assert_eq!(shard("0/4"), Ok((0, 4)));
        assert!(shard("4/4").is_err() && shard("1").is_err() && shard("a/b").is_err());
        assert_eq!((seconds("90"), seconds("1.5m"), seconds("2h")), (Ok(90.0), Ok(90.0), Ok(7200.0)));
        assert_eq!((timeout("2s"), timeout("1500ms")), (Ok(Duration::from_secs(2)), Ok(Duration::from_millis(1500))));
        assert!(["0", "61m", "soon", "-1s"].iter().all(|text| timeout(text).is_err()));
        for text in ["soon", "-1", "", "nan", "inf", "1e308", "99999999999999999999", "169h"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_start_in_the_far_future_is_a_slip() {
        let zone = Zone::utc();
        assert!(start_at("9999-12-30", &zone).unwrap_err().to_string().contains("more than seven days ahead"));
        assert!(start_at("-1h", &zone).is_ok(), "a start that has passed is reported when the run begins");
    }
}
