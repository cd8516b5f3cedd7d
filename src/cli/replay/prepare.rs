//! The script of a replay, and a world for a dry run without a target.

use std::time::SystemTime;

use super::Replay;
use super::config::{ReplayConfig, TargetChoice};
use wsim_matrix::provision::{self, WorldConfig};
use wsim_matrix::{Manifest, Script, ScriptConfig, Survey, Tier};
use wsim_replay::ReplayedRequests;
use wsim_trace::Trace;

impl Replay {
    /// The highest tier of requests that may be sent.
    pub(super) fn tier(&self) -> Tier {
        Tier::highest_allowed(self.allow_writes, self.allow_dangerous)
    }
}

/// The world of a dry run, for which no target is asked: that of `--world`, else as it would be after provisioning.
pub(super) fn world_without_target(
    arguments: &Replay,
    config: &ReplayConfig,
    trace: &Trace,
    replayed: &ReplayedRequests,
) -> anyhow::Result<Manifest> {
    match (&arguments.world, &config.target) {
        (Some(path), TargetChoice::Server(_)) => Ok(Manifest::load(path)?),
        _ => Ok(placeholder_world(trace, replayed)),
    }
}

/// The world as it would be after provisioning everything that the requests need.
pub(super) fn placeholder_world(trace: &Trace, replayed: &ReplayedRequests) -> Manifest {
    let survey = Survey::from_rows(&trace.names, replayed.requests.iter().copied());
    let mut manifest = Manifest::new("http://dry-run.invalid", [0; 16]);
    provision::design(&mut manifest, &survey, &trace.names, &WorldConfig::default());
    manifest.with_placeholder_ids()
}

/// The script of the requests in a world.
pub(super) fn script(arguments: &Replay, world: &Manifest, trace: &Trace, replayed: &ReplayedRequests) -> Script {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Transaction ids start with it. It must be new, because a target responds to a known one from its cache.
    let run = format!("{:x}", since.as_micros());
    let config = ScriptConfig { allowed: arguments.tier(), seed: arguments.reading.seed, run, ..ScriptConfig::default() };
    Script::new(world, &trace.names, replayed.requests.iter().copied(), config)
}
