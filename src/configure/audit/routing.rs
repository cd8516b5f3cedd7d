//! Requests that reach the wrong process: one finding for each cause, with all its requests.

use std::collections::{BTreeMap, BTreeSet};

use super::super::read::{SourceLocation, Words};
use super::finding::{Finding, SHOWN, Severity};
use super::keys;
use super::observe::{Destination, Observation, Observed};
use wsim_plan::known::{WriterLimit, writer_limit};

/// Requests with equal keys are one finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct FindingKey {
    code: &'static str,
    what: String,
    at: Option<SourceLocation>,
}

/// The texts of a finding that are not part of its key.
struct FindingText {
    severity: Severity,
    why: String,
    fix: String,
}

/// Findings by their keys, while requests are added.
struct FindingGroups {
    /// The texts, the requests, and the names of the requests' groups.
    found: BTreeMap<FindingKey, (FindingText, Vec<String>, BTreeSet<String>)>,
}

impl FindingGroups {
    fn add(
        &mut self,
        code: &'static str,
        severity: Severity,
        at: Option<&SourceLocation>,
        observation: &Observation<'_>,
        words: [String; 3],
    ) {
        let [what, why, fix] = words;
        let key = FindingKey { code, what, at: at.cloned() };
        let entry = self.found.entry(key).or_insert_with(|| (FindingText { severity, why, fix }, Vec::new(), BTreeSet::new()));
        entry.1.push(observation.shown());
        entry.2.insert(group_title(&observation.endpoint.group));
    }

    fn into_findings(self, findings: &mut Vec<Finding>) {
        for (key, (text, mut requests, groups)) in self.found {
            requests.sort();
            requests.dedup();
            let FindingText { severity, why, fix } = text;
            findings.push(Finding {
                code: key.code,
                severity,
                at: key.at,
                // A text that ends with a colon is followed by the names of the groups.
                what: if key.what.ends_with(':') {
                    format!("{} {}", key.what, groups.into_iter().collect::<Vec<_>>().join(", "))
                } else {
                    key.what
                },
                why,
                fix,
                requests: requests.len(),
                examples: requests.into_iter().take(SHOWN).collect(),
                also_at: Vec::new(),
                refused_by: Vec::new(),
            });
        }
    }
}

/// Checks where every example goes.
pub(super) fn check(observed: &Observed<'_>, findings: &mut Vec<Finding>) {
    let mut groups = FindingGroups { found: BTreeMap::new() };
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

fn stream_at_worker(observed: &Observed<'_>, observation: &Observation<'_>, pool: usize, stream: &str, groups: &mut FindingGroups) {
    let endpoint = observation.endpoint;
    let name = observed.pools[pool].pool.name.escape_debug().to_string();
    let here = observed.processes(pool);
    match observed.cluster().writers_of(stream) {
        Some(writers) => {
            let has_other_process =
                here.iter().any(|process| process.is_none_or(|process| !writers.names.iter().any(|writer| writer == process)));
            if has_other_process && here.iter().any(Option::is_some) {
                not_on_writer(stream, &writers.names.join(", "), &name, endpoint.any_worker, observation, groups);
            }
        }
        None if endpoint.any_worker => {}
        None if observed.cluster().shared => {
            not_on_writer(stream, "the main process (stream_writers has no entry)", &name, false, observation, groups);
        }
        None => {
            let servers = observed.pools[pool].pool.servers.len();
            let mixed =
                observed.observations.iter().any(|other| other.pool() == Some(pool) && other.endpoint.stream.as_deref() != Some(stream));
            if servers > 1 && writer_limit(stream) == Some(WriterLimit::ExactlyOne) {
                groups.add(
                    "several-writers",
                    effect(stream).0,
                    observation.rule.as_ref(),
                    observation,
                    [
                        format!("requests of the {stream} stream go to {servers} servers of {name}, but the stream has one writer"),
                        format!("of all servers except the writer: {}", effect(stream).1),
                        format!("send them to the worker that stream_writers names for {stream}, or to the main process"),
                    ],
                );
            } else if mixed {
                groups.add(
                    "writer-unknown",
                    Severity::Warning,
                    observation.rule.as_ref(),
                    observation,
                    [
                        format!("requests of the {stream} stream go to {name}, together with other requests"),
                        format!("correct only if stream_writers names this worker for {stream}; of any other worker: {}", effect(stream).1),
                        "add homeserver.yaml and the worker files to the audit, which then checks this".to_owned(),
                    ],
                );
            }
        }
    }
}

fn not_on_writer(stream: &str, writers: &str, here: &str, any: bool, observation: &Observation<'_>, groups: &mut FindingGroups) {
    let (severity, why) = match (any, effect(stream)) {
        (true, _) => (Severity::Hint, HANDED_ON),
        (false, effect) => effect,
    };
    let why = why.to_owned();
    groups.add(
        "not-on-writer",
        severity,
        observation.rule.as_ref(),
        observation,
        [
            format!("requests of the {stream} stream go to {here}, but its writer is {writers}"),
            why,
            format!("send them to the writer, or change stream_writers: {stream}"),
        ],
    );
}

/// What a process does with a request that changes a stream of which it is not the writer. Sources: `synapse/rest/client/room.py` and
/// `push_rule.py` (an exception), `synapse/storage/databases/main/` (assertions), `synapse/handlers/account_data.py`, `presence.py` and
/// `device.py` (a request to the writer).
fn effect(stream: &str) -> (Severity, &'static str) {
    match stream {
        "account_data" | "presence" | "device_lists" | "events" => (Severity::Hint, HANDED_ON),
        "typing" | "push_rules" => (Severity::Error, "a process that is not the writer raises an exception, and the client gets 500"),
        _ => (Severity::Error, "an assertion fails in a process that is not the writer, and the client gets 500"),
    }
}

const HANDED_ON: &str = "works, but each of these requests causes another one to the writer";

/// Whether the listener at the destination offers the resource that the request needs.
fn resources(observed: &Observed<'_>, observation: &Observation<'_>, pool: usize, groups: &mut FindingGroups) {
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

fn changes_with_token(observed: &Observed<'_>, observation: &Observation<'_>) -> bool {
    let view = &observed.views[observation.view];
    let request = keys::typical_request(observation.example.method, &observation.example.target, view.host.as_deref());
    keys::changes_with_token(view.site, &request)
}

/// Requests that must all reach one server.
fn split(observed: &Observed<'_>, observation: &Observation<'_>, pool: usize, groups: &mut FindingGroups) {
    let pool = &observed.pools[pool].pool;
    let (endpoint, servers) = (observation.endpoint, pool.servers.len());
    if servers < 2 {
        return;
    }
    let (name, balance, at) = (pool.name.escape_debug(), pool.balance.escape_debug(), Some(&pool.at));
    let unreadable = matches!(observation.key, super::super::read::KeyValue::Unknown(_));
    let is_keyed_by_room = observation.key_inputs.is_some_and(|key_inputs| key_inputs.is_keyed_by_room());
    let is_keyed_by_user = observation.key_inputs.is_some_and(|key_inputs| key_inputs.is_keyed_by_user());
    match (endpoint.condition.as_deref(), endpoint.group.as_str()) {
        (Some("same_instance" | "single_instance" | "sso_only"), group) => groups.add(
            "instance-split",
            Severity::Error,
            at,
            observation,
            [
                format!("requests of {group} go to {servers} servers of {name}, but must all reach one process"),
                "each process keeps its own sessions: registration and logins fail at random".to_owned(),
                "send these requests to one server, or to the main process".to_owned(),
            ],
        ),
        (Some("same_room_same_instance"), _) if !is_keyed_by_room && !unreadable => groups.add(
            "room-split",
            Severity::Error,
            at,
            observation,
            [
                format!("requests for a room's messages go to {servers} servers of {name} by {balance}"),
                "Synapse expects all of a room's requests on one server: pagination may skip or repeat events while history is purged"
                    .to_owned(),
                "balance this pool by the room in the path, or send /messages to a pool with one server".to_owned(),
            ],
        ),
        // `/rooms/ID/initialSync` is about one room.
        (_, "initial_sync") if is_keyed_by_room && observation.example.target.contains("/rooms/") => {}
        (_, "sync" | "initial_sync") if is_keyed_by_user && observed.short_lived_tokens && changes_with_token(observed, observation) => groups.add(
            "short-lived-tokens",
            Severity::Warning,
            at,
            observation,
            [
                format!("{name} is balanced by the access token ({balance}), and matrix-authentication-service gives out new ones every few minutes"),
                "these tokens name no user, so with each new one a user's syncs move to another server and its cold caches".to_owned(),
                "balance by the client's address ($remote_addr, behind another proxy the first of X-Forwarded-For), or by the user that \
                 /_matrix/client/v3/account/whoami gives for the token, asked once per token and kept"
                    .to_owned(),
            ],
        ),
        (_, "sync" | "initial_sync") if !is_keyed_by_user && !unreadable => groups.add(
            "user-split",
            Severity::Warning,
            at,
            observation,
            [
                format!("a user's syncs go to {servers} servers of {name} by {balance}"),
                "each server has its own cache of the user's syncs: syncs take more time and memory, and presence flickers".to_owned(),
                "balance by user: hash the user part of the access token with a map, as in docs/workers.md".to_owned(),
            ],
        ),
        (_, "event_sending") if !is_keyed_by_room && observation.key_inputs.is_none() && !unreadable => groups.add(
            "room-spread",
            Severity::Hint,
            at,
            observation,
            [
                format!("events of one room are sent through {servers} servers of {name} by {balance}"),
                "correct, but each server loads the room's state separately".to_owned(),
                "balance by the room in the path".to_owned(),
            ],
        ),
        _ => {}
    }
}

fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

fn group_title(group: &str) -> String {
    match group {
        "client_other" => "client API outside the table".to_owned(),
        "federation_other" => "federation API outside the table".to_owned(),
        "key_server" => "the server's signing keys".to_owned(),
        other => other.to_owned(),
    }
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
