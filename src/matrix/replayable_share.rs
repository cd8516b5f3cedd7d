//! How much of a log can be replayed against a world: in requests and in CPU time, by reason.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Manifest, Script, ScriptConfig, Tier};
use wsim_replay::Unsendable;
use wsim_trace::{Names, Request, flag};

/// What a replay would send with and without `--allow-writes`.
#[derive(Debug, Serialize)]
pub struct ReplayableShare {
    /// By default.
    pub reads: TierShare,
    /// With `--allow-writes`.
    pub writes: TierShare,
}

/// What a replay would send of one tier and those below.
#[derive(Debug, Default, Serialize)]
pub struct TierShare {
    /// Requests that would be sent.
    pub sent: u64,
    /// Their share of the logged CPU time, 0 to 1; absent if none was logged.
    pub cpu_share: Option<f64>,
    /// Requests that would not be sent, by the name of the reason.
    pub skipped: BTreeMap<&'static str, SkippedRequests>,
}

/// Requests that are not sent for one reason.
#[derive(Debug, Default, Serialize)]
pub struct SkippedRequests {
    pub requests: u64,
    /// Their share of the logged CPU time, 0 to 1; absent if none was logged.
    pub cpu_share: Option<f64>,
}

impl ReplayableShare {
    /// For a world as it is. `requests` are in arrival order; those between Synapse's own processes are not counted.
    pub fn new(world: &Manifest, names: &Names, requests: &[Request], seed: u64) -> Self {
        let tier = |allowed| TierShare::new(world, names, requests, ScriptConfig { allowed, seed, ..ScriptConfig::default() });
        Self { reads: tier(Tier::Read), writes: tier(Tier::Write) }
    }
}

impl TierShare {
    fn new(world: &Manifest, names: &Names, requests: &[Request], config: ScriptConfig) -> Self {
        let script = Script::new(world, names, requests.iter().copied(), config);
        let mut by_reason: BTreeMap<Option<Unsendable>, (u64, u64)> = BTreeMap::new();
        for (request, row) in requests.iter().zip(0..).filter(|(request, _)| !request.has(flag::INTERNAL)) {
            let (count, cpu_us) = by_reason.entry(script.decide(row).err()).or_default();
            *count += 1;
            *cpu_us += u64::from(request.cpu_us);
        }
        let total_us: u64 = by_reason.values().map(|(_, cpu_us)| cpu_us).sum();
        let share = |cpu_us: u64| (total_us > 0).then(|| cpu_us as f64 / total_us as f64);
        let mut tier = Self::default();
        for (reason, (count, cpu_us)) in by_reason {
            match reason {
                None => (tier.sent, tier.cpu_share) = (count, share(cpu_us)),
                Some(reason) => {
                    tier.skipped.insert(reason.name(), SkippedRequests { requests: count, cpu_share: share(cpu_us) });
                }
            }
        }
        tier
    }

    /// All requests, sent or not.
    pub fn requests(&self) -> u64 {
        self.sent + self.skipped.values().map(|skipped| skipped.requests).sum::<u64>()
    }
}
