//! Whether the listeners at the destinations offer what the requests need.

use super::super::finding::Severity;
use super::super::observe::{Observation, Observed};
use super::groups::FindingGroups;

/// Whether the listener at the destination offers the resource that the request needs.
pub(super) fn resources(observed: &Observed<'_>, observation: &Observation<'_>, pool: usize, groups: &mut FindingGroups) {
    let target = observation.example.target.as_str();
    let media = observation.endpoint.workers.iter().all(|worker| worker == "media_repository");
    let needed: &[&str] = if media {
        &["media"]
    } else if target.starts_with("/_matrix/key/") {
        &["federation", "keys"]
    } else if target.starts_with("/_matrix/federation/") {
        &["federation"]
    } else {
        &["client"]
    };
    for server in &observed.pools[pool].pool.servers {
        let Some(process) = observed.cluster().at(&server.address) else {
            // Without any worker file the listeners are unknown.
            let has_workers = observed.cluster().processes.iter().any(|process| !process.app.is_empty());
            if has_workers && !observed.cluster().is_ambiguous(&server.address) {
                groups.add(
                    "unknown-server",
                    Severity::Warning,
                    Some(&observed.pools[pool].pool.at),
                    observation,
                    [
                        format!("no process of these files listens at {}", server.address.escape_debug()),
                        "requests to it fail with 502, unless the file of that process is missing here".to_owned(),
                        "correct the port, or add the worker's file to the audit".to_owned(),
                    ],
                );
            }
            continue;
        };
        let has = process.listeners.iter().any(|listener| {
            listener.resources.iter().any(|own| needed.contains(&own.as_str()) || (media && process.media == Some(true) && own == "client"))
        });
        if !has {
            let at = process.listeners.first().map_or(&process.at, |listener| &listener.at);
            groups.add(
                "missing-resource",
                Severity::Error,
                Some(at),
                observation,
                [
                    format!(
                        "{} gets {} requests, but its listener has no resource {}",
                        process.name.escape_debug(),
                        observation.endpoint.group,
                        needed.join(" or ")
                    ),
                    "the worker responds with 404".to_owned(),
                    format!("add {} to the names of the listener's resources", needed[0]),
                ],
            );
        }
    }
}
