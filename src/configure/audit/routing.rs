//! Requests that reach the wrong process: one finding for each cause, with all its requests.

mod groups;
mod resources;
mod split;
mod writers;

use super::super::read::Words;
use super::finding::{Finding, Severity};
use super::observe::{Destination, Observation, Observed};
use groups::FindingGroups;
use resources::resources;
use split::split;
use writers::{not_on_writer, stream_at_worker};

/// Checks where every example goes.
pub(super) fn check(observed: &Observed<'_>, findings: &mut Vec<Finding>) {
    let mut groups = FindingGroups::default();
    if observed.observations.is_empty() && !observed.configuration.proxies.is_empty() {
        findings.extend(nothing_to_check(observed));
    } else if !observed.observations.is_empty() && observed.unknown() == observed.observations.len() {
        findings.push(nothing_evaluated(observed));
    }
    // Paths that exist nowhere only show where all other requests go.
    for observation in
        observed.observations.iter().filter(|observation| !matches!(observation.endpoint.group.as_str(), "matrix_other" | "synapse_other"))
    {
        match &observation.destination {
            Destination::Unknown(unknown) => groups.add(
                "not-evaluated",
                Severity::Hint,
                Some(&unknown.at),
                observation,
                [
                    unknown.why.clone(),
                    "the destination of these requests is unknown, so they are not checked".to_owned(),
                    "simplify the rule, or check it by hand".to_owned(),
                ],
            ),
            Destination::Local(what) => local(what, observation, &mut groups),
            Destination::Foreign => {}
            Destination::Pool(pool) => {
                if observation.rewritten {
                    rewritten(observed, observation, *pool, &mut groups);
                }
                if observed.pools[*pool].main {
                    at_main(observed, observation, &mut groups);
                } else {
                    at_worker(observed, observation, *pool, &mut groups);
                }
            }
        }
    }
    groups.into_findings(findings);
}

/// No site passes a Matrix request on, or the files that would are not there.
fn nothing_to_check(observed: &Observed<'_>) -> Option<Finding> {
    let missing = observed.configuration.proxies.iter().flat_map(|proxy| &proxy.missing).next();
    let first = observed.configuration.proxies.iter().flat_map(|proxy| proxy.sites.first()).map(|site| site.location()).next();
    if let Some(at) = &observed.undecided {
        let words = [
            "several sites pass on every request, each to a server of its own, and nothing tells which is Matrix".to_owned(),
            "nothing was checked".to_owned(),
            "name the host with --host, or add homeserver.yaml".to_owned(),
        ];
        return Some(Finding::error("nothing-evaluated", Some(at.clone()), words));
    }
    let words = match missing {
        Some(_) => (
            "nothing-evaluated",
            "no Matrix request is passed on by these files, and files that they include are not there",
            "the rules may be in the missing files, so nothing was checked",
            "name the missing files, or the folder that has them; the list below says which",
        ),
        None => (
            "no-matrix",
            "no site of this proxy passes a Matrix request to a server",
            "nothing can be compared with the endpoint table",
            "name the file with the server for /_matrix, or all files of the proxy",
        ),
    };
    let (code, what, why, fix) = words;
    Some(Finding::error(code, missing.or(first).cloned(), [what.to_owned(), why.to_owned(), fix.to_owned()]))
}

/// Every request has an unknown destination.
fn nothing_evaluated(observed: &Observed<'_>) -> Finding {
    let at = observed.observations.iter().find_map(|observation| match &observation.destination {
        Destination::Unknown(unknown) => Some(unknown.at.clone()),
        _ => None,
    });
    let what = format!("none of the {} example requests could be evaluated", observed.observations.len());
    let why = "nothing was checked: that there are no other findings means nothing".to_owned();
    Finding::error("nothing-evaluated", at, [what, why, "see the reason at the finding not-evaluated".to_owned()])
}

fn local(what: &str, observation: &Observation<'_>, groups: &mut FindingGroups) {
    // Many proxies block the admin API on purpose.
    if observation.example.target.starts_with("/_synapse/") || observation.endpoint.group == "sliding_sync" {
        return;
    }
    groups.add(
        "not-routed",
        Severity::Hint,
        observation.rule.as_ref(),
        observation,
        [
            format!("requests of the Matrix API reach no server here: {what}"),
            "correct if these files are part of a larger configuration; otherwise these requests fail".to_owned(),
            "name all files of the proxy, or add a rule that sends /_matrix to the main process".to_owned(),
        ],
    );
}

fn rewritten(observed: &Observed<'_>, observation: &Observation<'_>, pool: usize, groups: &mut FindingGroups) {
    let fix = match observed.configuration.proxies[observed.pools[pool].proxy_index].words {
        Words::Apache => {
            "pass on with ProxyPass … nocanon and AllowEncodedSlashes NoDecode, and without RewriteRule [P]: other ways encode the path again"
        }
        _ => "remove the path from proxy_pass (proxy_pass http://pool;) and do not rewrite paths below /_matrix",
    };
    groups.add(
        "path-rewritten",
        Severity::Error,
        observation.rule.as_ref(),
        observation,
        [
            "the path is passed on decoded or rewritten".to_owned(),
            "signatures of federation requests cover the path as sent, and room ids contain characters that decoding changes: 401, 404"
                .to_owned(),
            fix.to_owned(),
        ],
    );
}

fn at_main(observed: &Observed<'_>, observation: &Observation<'_>, groups: &mut FindingGroups) {
    let (endpoint, at) = (observation.endpoint, observation.rule.as_ref());
    if let Some(stream) = &endpoint.stream
        && let Some(writers) = observed.cluster().writers_of(stream)
        && !writers.names.iter().any(|name| name == "main" || name == "master")
    {
        not_on_writer(stream, &writers.names.join(", "), "the main process", endpoint.any_worker, observation, groups);
        return;
    }
    if endpoint.workers.iter().all(|worker| worker == "media_repository") && !endpoint.workers.is_empty() {
        if let Some((false, setting)) = &observed.cluster().media {
            groups.add(
                "no-media",
                Severity::Error,
                at,
                observation,
                [
                    "media requests go to the main process, which serves no media".to_owned(),
                    format!("enable_media_repo is false ({setting}), so these requests get 404"),
                    "send /_matrix/media/, /_matrix/client/v1/media/ and /_matrix/federation/v1/media/ to the media worker".to_owned(),
                ],
            );
        }
        return;
    }
    let conditional = endpoint.condition.as_deref().is_some_and(|condition| CONDITIONAL.contains(&condition));
    let servable = !endpoint.workers.is_empty() && (endpoint.stream.is_none() || endpoint.any_worker) && !conditional;
    let has_workers = observed.observations.iter().any(|other| other.pool().is_some_and(|pool| !observed.pools[pool].main));
    // Requests of the admin API are rare, and most proxies block them.
    if !servable || !has_workers || endpoint.group == "admin" {
        return;
    }
    // A group that is only partly on workers is rarely intended.
    let partly = observed.observations.iter().any(|other| {
        other.endpoint.group == endpoint.group
            && other.endpoint.stream == endpoint.stream
            && other.pool().is_some_and(|pool| !observed.pools[pool].main)
    });
    let (severity, what) = if partly {
        (
            Severity::Warning,
            format!("part of {} goes to the main process; workers could serve it, and serve the rest of the group", endpoint.group),
        )
    } else {
        (Severity::Hint, "the main process serves requests that workers could serve:".to_owned())
    };
    groups.add(
        "served-by-main",
        severity,
        at,
        observation,
        [
            what,
            "the main process is the only one that cannot be split: requests that workers could serve use its CPU".to_owned(),
            "add the patterns of these groups to the rule of a worker pool; `wsim endpoints` prints them".to_owned(),
        ],
    );
}

fn at_worker(observed: &Observed<'_>, observation: &Observation<'_>, pool: usize, groups: &mut FindingGroups) {
    let (endpoint, at) = (observation.endpoint, observation.rule.as_ref());
    let name = observed.pools[pool].pool.name.escape_debug().to_string();
    if endpoint.group == "sliding_sync" {
        return;
    }
    if matches!(endpoint.group.as_str(), "federation_other" | "key_server") {
        outside_table(&name, observation, groups);
        resources(observed, observation, pool, groups);
        return;
    }
    if endpoint.workers.is_empty() {
        let other = observed.observations.iter().any(|other| {
            !other.endpoint.workers.is_empty()
                && path(&other.example.target) == path(&observation.example.target)
                && other.example.method != observation.example.method
        });
        if other {
            groups.add(
                "wrong-method",
                Severity::Error,
                at,
                observation,
                [
                    format!("{} requests go to {name}, which can serve these paths with other methods only:", observation.example.method),
                    "a worker has no handler for this method and responds with 404 or 405".to_owned(),
                    "limit the rule to the methods in the endpoint table, and send other methods to the main process".to_owned(),
                ],
            );
        } else {
            groups.add(
                "cannot-serve",
                Severity::Error,
                at,
                observation,
                [
                    format!("requests that only the main process can serve go to {name}:"),
                    "a worker responds with 404: logins, uploads or settings fail".to_owned(),
                    "limit the rule to the patterns of the endpoint table, and send all other requests to the main process".to_owned(),
                ],
            );
        }
        return;
    }
    if let Some(stream) = &endpoint.stream {
        stream_at_worker(observed, observation, pool, stream, groups);
    }
    resources(observed, observation, pool, groups);
    split(observed, observation, pool, groups);
}

/// Requests of other servers that no row of the table has: a worker answers them all the same, because its resource `federation` is that of
/// the main process (`synapse/app/generic_worker.py`).
fn outside_table(name: &str, observation: &Observation<'_>, groups: &mut FindingGroups) {
    groups.add(
        "outside-table",
        Severity::Hint,
        observation.rule.as_ref(),
        observation,
        [
            format!("requests that Synapse's documentation gives to no worker go to {name}:"),
            "works: a worker with the resource federation serves them, too".to_owned(),
            "nothing, unless a later release says otherwise".to_owned(),
        ],
    );
}

fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// Conditions of the table under which the main process is a correct destination.
const CONDITIONAL: [&str; 7] = [
    "sso_only",
    "presence_disabled",
    "msc3861_enabled",
    "same_instance",
    "single_instance",
    "same_room_same_instance",
    "requires_worker_main_http_uri",
];
