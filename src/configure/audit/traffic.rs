//! The requests of a log that reached another process than the table says, and their cost.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::read::synapse::SynapseFiles;
use wsim_endpoints::Endpoint;
use wsim_trace::{Trace, flag};

/// Requests of one group that reached the wrong process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Misrouted {
    /// `served-by-main`, `cannot-serve`.
    pub code: &'static str,
    pub group: String,
    /// The upstream or process as the log names it.
    pub at: String,
    pub requests: u64,
    /// Number of these requests with status 404 or 405.
    #[serde(rename = "refused")]
    pub rejected: u64,
    /// CPU seconds of the requests whose log has them; `None` if no log has.
    pub cpu_seconds: Option<f64>,
}

/// The requests of the logs by their process.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Traffic {
    /// Number of requests whose log names an upstream or a process.
    pub placed: u64,
    /// Number of requests whose log names neither.
    pub unplaced: u64,
    /// The largest number of requests first.
    #[serde(rename = "strays")]
    pub misrouted: Vec<Misrouted>,
}

#[derive(Debug, Default)]
struct Tally {
    requests: u64,
    rejected: u64,
    cpu_us: u64,
    costed: u64,
}

/// Compares a trace with the table. `main` are the addresses and names of the main process.
pub fn traffic(trace: &Trace, endpoints: &[Endpoint], cluster: &SynapseFiles, main: &[String]) -> Traffic {
    let mut tallies: BTreeMap<(&str, &str, bool), Tally> = BTreeMap::new();
    let mut traffic = Traffic::default();
    for request in trace.requests() {
        let Some(endpoint) = endpoints.get(usize::from(request.endpoint.0)).filter(|endpoint| !endpoint.internal) else { continue };
        let at = if request.upstream.is_some() { request.upstream } else { request.process };
        if !at.is_some() {
            traffic.unplaced += 1;
            continue;
        }
        traffic.placed += 1;
        let at = trace.names.text(at);
        let address = at.rsplit([',', ' ']).next().unwrap_or(at);
        let is_main = is_main(address, cluster, main);
        let conditional =
            endpoint.condition.is_some() || endpoint.group == "admin" || endpoint.workers.iter().all(|worker| worker == "media_repository");
        let is_misrouted = if is_main {
            !endpoint.workers.is_empty() && !conditional && (endpoint.stream.is_none() || endpoint.any_worker)
        } else {
            endpoint.workers.is_empty() && ["client_other", "federation_other", "admin", "key_server"].contains(&endpoint.group.as_str())
        };
        if !is_misrouted {
            continue;
        }
        let tally = tallies.entry((endpoint.group.as_str(), at, is_main)).or_default();
        tally.requests += 1;
        tally.rejected += u64::from(matches!(request.status, 404 | 405));
        if request.has(flag::COST) {
            tally.costed += 1;
            tally.cpu_us += u64::from(request.cpu_us);
        }
    }
    traffic.misrouted = tallies
        .into_iter()
        .map(|((group, at, is_main), tally)| Misrouted {
            code: if is_main { "served-by-main" } else { "cannot-serve" },
            group: group.to_owned(),
            at: at.to_owned(),
            requests: tally.requests,
            rejected: tally.rejected,
            cpu_seconds: (tally.costed > 0).then_some(tally.cpu_us as f64 / 1e6),
        })
        .collect();
    traffic.misrouted.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.group.cmp(&b.group)));
    traffic
}

fn is_main(address: &str, cluster: &SynapseFiles, main: &[String]) -> bool {
    let bare = address.rsplit('/').next().unwrap_or(address);
    main.iter().any(|own| own == address || own == bare)
        || cluster.at(address).is_some_and(|process| process.name == "main")
        || matches!(bare, "main" | "master" | "homeserver")
}
