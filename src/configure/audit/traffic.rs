//! Which requests of a log really went elsewhere than the table says, and what that cost.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::read::synapse::Cluster;
use wsim_endpoints::Endpoint;
use wsim_trace::{Trace, flag};

/// Requests of one group at one process where they do not belong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stray {
    /// `served-by-main`, `cannot-serve`.
    pub code: &'static str,
    /// Endpoint group.
    pub group: String,
    /// The upstream or process, as the log names it.
    pub at: String,
    /// How many.
    pub requests: u64,
    /// Of those, answered with 404 or 405.
    pub refused: u64,
    /// CPU seconds, of the requests whose log tells; `None` where none does.
    pub cpu_seconds: Option<f64>,
}

/// What the logs say.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Traffic {
    /// Requests whose log names an upstream or a process.
    pub placed: u64,
    /// Requests whose log does not.
    pub unplaced: u64,
    /// Most requests first.
    pub strays: Vec<Stray>,
}

#[derive(Debug, Default)]
struct Tally {
    requests: u64,
    refused: u64,
    cpu_us: u64,
    costed: u64,
}

/// Compares a trace with the table. `main` are the addresses and names of the main process.
pub fn traffic(trace: &Trace, endpoints: &[Endpoint], cluster: &Cluster, main: &[String]) -> Traffic {
    let mut tallies: BTreeMap<(&str, &str, bool), Tally> = BTreeMap::new();
    let mut told = Traffic::default();
    for request in trace.requests() {
        let Some(endpoint) = endpoints.get(usize::from(request.endpoint.0)).filter(|endpoint| !endpoint.internal) else { continue };
        let at = if request.upstream.is_some() { request.upstream } else { request.process };
        if !at.is_some() {
            told.unplaced += 1;
            continue;
        }
        told.placed += 1;
        let at = trace.names.text(at);
        let address = at.rsplit([',', ' ']).next().unwrap_or(at);
        let is_main = is_main(address, cluster, main);
        let conditional =
            endpoint.condition.is_some() || endpoint.group == "admin" || endpoint.workers.iter().all(|worker| worker == "media_repository");
        let stray = if is_main {
            !endpoint.workers.is_empty() && !conditional && (endpoint.stream.is_none() || endpoint.any_worker)
        } else {
            endpoint.workers.is_empty() && ["client_other", "federation_other", "admin", "key_server"].contains(&endpoint.group.as_str())
        };
        if !stray {
            continue;
        }
        let tally = tallies.entry((endpoint.group.as_str(), at, is_main)).or_default();
        tally.requests += 1;
        tally.refused += u64::from(matches!(request.status, 404 | 405));
        if request.has(flag::COST) {
            tally.costed += 1;
            tally.cpu_us += u64::from(request.cpu_us);
        }
    }
    told.strays = tallies
        .into_iter()
        .map(|((group, at, is_main), tally)| Stray {
            code: if is_main { "served-by-main" } else { "cannot-serve" },
            group: group.to_owned(),
            at: at.to_owned(),
            requests: tally.requests,
            refused: tally.refused,
            cpu_seconds: (tally.costed > 0).then_some(tally.cpu_us as f64 / 1e6),
        })
        .collect();
    told.strays.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.group.cmp(&b.group)));
    told
}

fn is_main(address: &str, cluster: &Cluster, main: &[String]) -> bool {
    let bare = address.rsplit('/').next().unwrap_or(address);
    main.iter().any(|own| own == address || own == bare)
        || cluster.at(address).is_some_and(|process| process.name == "main")
        || matches!(bare, "main" | "master" | "homeserver")
}
