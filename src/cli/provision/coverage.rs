//! How much of a log can be replayed: by reason, in requests and in CPU time.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::window::Window;
use wsim_matrix::{Manifest, Script, Settings, Skip, Tier};
use wsim_trace::{Trace, flag};

/// What becomes of the rows with and without `--allow-writes`.
#[derive(Debug, Serialize)]
pub(super) struct Coverage {
    /// By default.
    pub(super) reads: Share,
    /// With `--allow-writes`.
    pub(super) writes: Share,
}

/// What becomes of the rows.
#[derive(Debug, Default, Serialize)]
pub(super) struct Share {
    /// Requests that would be sent.
    pub(super) sent: u64,
    /// Their share of the logged CPU time; absent where none was logged.
    pub(super) cpu_share: Option<f64>,
    /// Those that would not, and their share of the CPU time.
    pub(super) skipped: BTreeMap<&'static str, Skipped>,
}

/// Requests that are not sent for one reason.
#[derive(Debug, Default, Serialize)]
pub(super) struct Skipped {
    /// How many.
    pub(super) requests: u64,
    /// Their share of the logged CPU time.
    pub(super) cpu_share: Option<f64>,
}

impl Coverage {
    /// For a world as it is.
    pub(super) fn new(world: &Manifest, trace: &Trace, window: Window, seed: u64) -> Self {
        let share = |allowed| Share::new(world, trace, window, Settings { allowed, seed, ..Settings::default() });
        Self { reads: share(Tier::Read), writes: share(Tier::Write) }
    }
}

impl Share {
    fn new(world: &Manifest, trace: &Trace, window: Window, settings: Settings) -> Self {
        let script = Script::new(world, &trace.names, window.requests(trace), settings);
        let mut by_reason: BTreeMap<Option<Skip>, (u64, u64)> = BTreeMap::new();
        for (request, row) in window.requests(trace).zip(0..) {
            // Traffic between Synapse's own processes is nobody's request.
            if request.has(flag::INTERNAL) {
                continue;
            }
            let (requests, cpu_us) = by_reason.entry(script.decide(row).err()).or_default();
            *requests += 1;
            *cpu_us += u64::from(request.cpu_us);
        }
        let total: u64 = by_reason.values().map(|(_, cpu_us)| cpu_us).sum();
        let part = |cpu_us: u64| (total > 0).then(|| cpu_us as f64 / total as f64);
        let mut share = Self::default();
        for (reason, (requests, cpu_us)) in by_reason {
            match reason {
                None => (share.sent, share.cpu_share) = (requests, part(cpu_us)),
                Some(skip) => {
                    share.skipped.insert(skip.name(), Skipped { requests, cpu_share: part(cpu_us) });
                }
            }
        }
        share
    }

    /// All requests.
    pub(super) fn requests(&self) -> u64 {
        self.sent + self.skipped.values().map(|skipped| skipped.requests).sum::<u64>()
    }
}
