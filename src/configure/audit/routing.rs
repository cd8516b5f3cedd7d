//! Requests in the wrong place: one finding for each group of endpoints and place.

use std::collections::{BTreeMap, BTreeSet};

use super::super::read::SourceLocation;
use super::finding::{Finding, SHOWN, Severity};
use super::observe::{Seen, View, Went};
use wsim_plan::known::{WriterLimit, writer_limit};

/// What makes findings one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Same {
    code: &'static str,
    what: String,
    at: Option<SourceLocation>,
}

/// The words of a finding beside what makes it one.
struct Words {
    severity: Severity,
    why: String,
    fix: String,
}

/// Findings under way.
struct Gathered {
    found: BTreeMap<Same, (Words, Vec<String>, BTreeSet<String>)>,
}

impl Gathered {
    fn add(&mut self, code: &'static str, severity: Severity, at: Option<&SourceLocation>, seen: &Seen<'_>, words: [String; 3]) {
        let [what, why, fix] = words;
        let same = Same { code, what, at: at.cloned() };
        let entry = self.found.entry(same).or_insert_with(|| (Words { severity, why, fix }, Vec::new(), BTreeSet::new()));
        entry.1.push(seen.shown());
        entry.2.insert(words_of(&seen.endpoint.group));
    }

    fn into_findings(self, findings: &mut Vec<Finding>) {
        for (same, (words, mut requests, groups)) in self.found {
            requests.sort();
            requests.dedup();
            let Words { severity, why, fix } = words;
            findings.push(Finding {
                code: same.code,
                severity,
                at: same.at,
                // Such as end with a colon name their groups.
                what: if same.what.ends_with(':') {
                    format!("{} {}", same.what, groups.into_iter().collect::<Vec<_>>().join(", "))
                } else {
                    same.what
                },
                why,
                fix,
                requests: requests.len(),
                examples: requests.into_iter().take(SHOWN).collect(),
            });
        }
    }
}

/// Looks at every example.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut gathered = Gathered { found: BTreeMap::new() };
    if view.seen.is_empty() && !view.configuration.proxies.is_empty() {
        findings.push(Finding {
            code: "no-matrix",
            severity: Severity::Error,
            at: view.configuration.proxies.iter().flat_map(|proxy| proxy.sites.first()).map(|site| site.location().clone()).next(),
            what: "no site of this proxy hands a Matrix request on to a server".to_owned(),
            why: "there is nothing to compare with the endpoint table".to_owned(),
            fix: "give the file with the server for /_matrix, or all files of the proxy".to_owned(),
            examples: Vec::new(),
            requests: 0,
        });
    }
    // Paths that exist nowhere only tell where everything else goes.
    for seen in view.seen.iter().filter(|seen| !matches!(seen.endpoint.group.as_str(), "matrix_other" | "synapse_other")) {
        match &seen.went {
            Went::Unknown(unknown) => gathered.add(
                "not-evaluated",
                Severity::Hint,
                Some(&unknown.at),
                seen,
                [
                    unknown.why.clone(),
                    "where these requests go is not known, so nothing is said of them".to_owned(),
                    "write the rule in plainer words, or look yourself".to_owned(),
                ],
            ),
            Went::Local(what) => local(what, seen, &mut gathered),
            Went::Pool(pool) => {
                if seen.rewritten {
                    rewritten(seen, &mut gathered);
                }
                if view.pools[*pool].main { at_main(view, seen, &mut gathered) } else { at_worker(view, seen, *pool, &mut gathered) }
            }
        }
    }
    gathered.into_findings(findings);
}

fn local(what: &str, seen: &Seen<'_>, gathered: &mut Gathered) {
    // The admin API is kept from the outside on purpose.
    if seen.example.target.starts_with("/_synapse/") || seen.endpoint.group == "sliding_sync" {
        return;
    }
    gathered.add(
        "not-routed",
        Severity::Hint,
        seen.rule.as_ref(),
        seen,
        [
            format!("requests of the Matrix API go to no server here: {what}"),
            "fine if these files are part of a larger configuration, else these requests fail".to_owned(),
            "give all files of the proxy, or add a rule that sends /_matrix to the main process".to_owned(),
        ],
    );
}

fn rewritten(seen: &Seen<'_>, gathered: &mut Gathered) {
    gathered.add(
        "path-rewritten",
        Severity::Error,
        seen.rule.as_ref(),
        seen,
        [
            "the path is handed on decoded or rewritten".to_owned(),
            "federation requests are signed over the path as sent, and room ids contain characters that change: 401, 404".to_owned(),
            "leave the path out of proxy_pass (proxy_pass http://pool;) and rewrite nothing below /_matrix".to_owned(),
        ],
    );
}

fn at_main(view: &View<'_>, seen: &Seen<'_>, gathered: &mut Gathered) {
    let (endpoint, at) = (seen.endpoint, seen.rule.as_ref());
    if let Some(stream) = &endpoint.stream
        && let Some(writers) = view.cluster().writers_of(stream)
        && !writers.names.iter().any(|name| name == "main" || name == "master")
    {
        not_on_writer(stream, &writers.names.join(", "), "the main process", endpoint.any_worker, seen, gathered);
        return;
    }
    if endpoint.workers.iter().all(|worker| worker == "media_repository") && !endpoint.workers.is_empty() {
        if let Some((false, setting)) = &view.cluster().media {
            gathered.add(
                "no-media",
                Severity::Error,
                at,
                seen,
                [
                    "media requests go to the main process, which serves none".to_owned(),
                    format!("enable_media_repo is false ({setting}), so they are answered with 404"),
                    "send /_matrix/media/, /_matrix/client/v1/media/ and /_matrix/federation/v1/media/ to the media worker".to_owned(),
                ],
            );
        }
        return;
    }
    let conditional = endpoint.condition.as_deref().is_some_and(|condition| CONDITIONAL.contains(&condition));
    let servable = !endpoint.workers.is_empty() && (endpoint.stream.is_none() || endpoint.any_worker) && !conditional;
    let has_workers = view.seen.iter().any(|other| other.pool().is_some_and(|pool| !view.pools[pool].main));
    // The admin API is rare, and mostly kept from the outside.
    if !servable || !has_workers || endpoint.group == "admin" {
        return;
    }
    // Part of a group on workers and part not is rarely meant.
    let partly = view.seen.iter().any(|other| {
        other.endpoint.group == endpoint.group
            && other.endpoint.stream == endpoint.stream
            && other.pool().is_some_and(|pool| !view.pools[pool].main)
    });
    let (severity, what) = if partly {
        (
            Severity::Warning,
            format!("part of {} goes to the main process, though a worker may serve it and the rest goes to workers", endpoint.group),
        )
    } else {
        (Severity::Hint, "these go to the main process, though a worker may serve them:".to_owned())
    };
    gathered.add(
        "served-by-main",
        severity,
        at,
        seen,
        [
            what,
            "the main process is the one that cannot be multiplied: what others may serve takes its time".to_owned(),
            "add the patterns of these groups to the rule of a worker pool; `wsim endpoints` prints them".to_owned(),
        ],
    );
}

fn at_worker(view: &View<'_>, seen: &Seen<'_>, pool: usize, gathered: &mut Gathered) {
    let (endpoint, at) = (seen.endpoint, seen.rule.as_ref());
    let name = view.pools[pool].pool.name.escape_debug().to_string();
    if endpoint.group == "sliding_sync" {
        return;
    }
    if endpoint.workers.is_empty() {
        let other = view.seen.iter().any(|other| {
            !other.endpoint.workers.is_empty()
                && path(&other.example.target) == path(&seen.example.target)
                && other.example.method != seen.example.method
        });
        if other {
            gathered.add(
                "wrong-method",
                Severity::Error,
                at,
                seen,
                [
                    format!("{} goes to {name}, which may serve other methods of these paths only:", seen.example.method),
                    "a worker has no handler for this method: 404 or 405".to_owned(),
                    "limit the rule to the methods of the table, and send the others to the main process".to_owned(),
                ],
            );
        } else {
            gathered.add(
                "cannot-serve",
                Severity::Error,
                at,
                seen,
                [
                    format!("only the main process serves these, but they go to {name}:"),
                    "a worker answers 404: logins, uploads or settings seem to be missing".to_owned(),
                    "narrow the rule down to the patterns of the endpoint table, and let the rest go to the main process".to_owned(),
                ],
            );
        }
        return;
    }
    if let Some(stream) = &endpoint.stream {
        stream_at_worker(view, seen, pool, stream, gathered);
    }
    resources(view, seen, pool, gathered);
    split(view, seen, pool, gathered);
}

fn stream_at_worker(view: &View<'_>, seen: &Seen<'_>, pool: usize, stream: &str, gathered: &mut Gathered) {
    let endpoint = seen.endpoint;
    let name = view.pools[pool].pool.name.escape_debug().to_string();
    let here = view.processes(pool);
    match view.cluster().writers_of(stream) {
        Some(writers) => {
            let strangers = here.iter().any(|process| process.is_none_or(|process| !writers.names.iter().any(|writer| writer == process)));
            if strangers && here.iter().any(Option::is_some) {
                not_on_writer(stream, &writers.names.join(", "), &name, endpoint.any_worker, seen, gathered);
            }
        }
        None if endpoint.any_worker => {}
        None if view.cluster().shared => {
            not_on_writer(stream, "the main process (stream_writers names nobody)", &name, false, seen, gathered);
        }
        None => {
            let servers = view.pools[pool].pool.servers.len();
            let mixed = view.seen.iter().any(|other| other.pool() == Some(pool) && other.endpoint.stream.as_deref() != Some(stream));
            if servers > 1 && writer_limit(stream) == Some(WriterLimit::ExactlyOne) {
                gathered.add(
                    "several-writers",
                    Severity::Error,
                    seen.rule.as_ref(),
                    seen,
                    [
                        format!("requests of the {stream} stream go to {servers} servers of {name}, but it has one writer"),
                        "all but the writer answer 404".to_owned(),
                        format!("send them to the one worker that stream_writers names for {stream}, or to the main process"),
                    ],
                );
            } else if mixed {
                gathered.add(
                    "writer-unknown",
                    Severity::Warning,
                    seen.rule.as_ref(),
                    seen,
                    [
                        format!("requests of the {stream} stream go to {name}, among others"),
                        format!("right only if stream_writers names that very worker for {stream}; any other answers 404"),
                        "give homeserver.yaml and the worker files too, then this is checked".to_owned(),
                    ],
                );
            }
        }
    }
}

fn not_on_writer(stream: &str, writers: &str, here: &str, any: bool, seen: &Seen<'_>, gathered: &mut Gathered) {
    let (severity, why) = if any {
        (Severity::Hint, "works, but every such request makes a further one to the writer".to_owned())
    } else {
        (Severity::Error, "a process that does not write the stream answers 404".to_owned())
    };
    gathered.add(
        "not-on-writer",
        severity,
        seen.rule.as_ref(),
        seen,
        [
            format!("requests of the {stream} stream go to {here}, but its writer is {writers}"),
            why,
            format!("send them to the writer, or change stream_writers: {stream}"),
        ],
    );
}

/// Whether the listener that is reached has what the request needs.
fn resources(view: &View<'_>, seen: &Seen<'_>, pool: usize, gathered: &mut Gathered) {
    let target = seen.example.target.as_str();
    let media = seen.endpoint.workers.iter().all(|worker| worker == "media_repository");
    let needed: &[&str] = if media {
        &["media"]
    } else if target.starts_with("/_matrix/federation/") || target.starts_with("/_matrix/key/") {
        &["federation"]
    } else {
        &["client"]
    };
    for server in &view.pools[pool].pool.servers {
        let Some(process) = view.cluster().at(&server.address) else {
            // Without any worker's file nothing can be said.
            if view.cluster().processes.iter().any(|process| !process.app.is_empty()) {
                gathered.add(
                    "unknown-server",
                    Severity::Warning,
                    Some(&view.pools[pool].pool.at),
                    seen,
                    [
                        format!("no process of these files listens at {}", server.address.escape_debug()),
                        "requests to it fail with 502, unless its file was left out".to_owned(),
                        "correct the port, or give the worker's file too".to_owned(),
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
            gathered.add(
                "missing-resource",
                Severity::Error,
                Some(at),
                seen,
                [
                    format!(
                        "{} gets {} requests, but its listener has no resource {}",
                        process.name.escape_debug(),
                        seen.endpoint.group,
                        needed.join(", ")
                    ),
                    "the worker answers 404".to_owned(),
                    format!("add {} to the names of the listener's resources", needed.join(", ")),
                ],
            );
        }
    }
}

/// Requests that must stay together.
fn split(view: &View<'_>, seen: &Seen<'_>, pool: usize, gathered: &mut Gathered) {
    let at = &view.pools[pool];
    let (endpoint, servers) = (seen.endpoint, at.pool.servers.len());
    if servers < 2 {
        return;
    }
    let (name, balance, at) = (at.pool.name.escape_debug(), at.pool.balance.escape_debug(), Some(&at.pool.at));
    let unreadable = matches!(seen.key, super::super::read::KeyValue::Unknown(_));
    let keeps_rooms = seen.varies.is_some_and(|varies| varies.keeps_rooms());
    let keeps_users = seen.varies.is_some_and(|varies| varies.keeps_users());
    match (endpoint.condition.as_deref(), endpoint.group.as_str()) {
        (Some("same_instance" | "single_instance" | "sso_only"), group) => gathered.add(
            "instance-split",
            Severity::Error,
            at,
            seen,
            [
                format!("{group} goes to {servers} servers of {name}, but must reach one and the same process"),
                "what one process began the next does not know: registration and logins fail at random".to_owned(),
                "send these to one server, or to the main process".to_owned(),
            ],
        ),
        (Some("same_room_same_instance"), _) if !keeps_rooms && !unreadable => gathered.add(
            "room-split",
            Severity::Error,
            at,
            seen,
            [
                format!("requests for a room's messages go to {servers} servers of {name} by {balance}"),
                "the table wants all of a room's on one server: pagination may skip or repeat events while history is purged".to_owned(),
                "balance this pool by the room in the path, or send /messages to a pool of one".to_owned(),
            ],
        ),
        (_, "sync" | "initial_sync") if !keeps_users && !unreadable => gathered.add(
            "user-split",
            Severity::Warning,
            at,
            seen,
            [
                format!("a user's syncs go to {servers} servers of {name} by {balance}"),
                "each server keeps its own cache of what the user saw: syncs take more time and memory, and presence flickers".to_owned(),
                "balance by the user: hash a map of the access token's first part, as docs/workers.md shows".to_owned(),
            ],
        ),
        (_, "event_sending") if !keeps_rooms && seen.varies.is_none() && !unreadable => gathered.add(
            "room-spread",
            Severity::Hint,
            at,
            seen,
            [
                format!("events of one room are sent through {servers} servers of {name} by {balance}"),
                "right, but each server loads the room's state for itself".to_owned(),
                "balance by the room in the path".to_owned(),
            ],
        ),
        _ => {}
    }
}

fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

fn words_of(group: &str) -> String {
    match group {
        "client_other" => "client API outside the table".to_owned(),
        "federation_other" => "federation API outside the table".to_owned(),
        "key_server" => "the server's signing keys".to_owned(),
        other => other.to_owned(),
    }
}

/// Conditions on the configuration, so that the main process is a right place.
const CONDITIONAL: [&str; 7] = [
    "sso_only",
    "presence_disabled",
    "msc3861_enabled",
    "same_instance",
    "single_instance",
    "same_room_same_instance",
    "requires_worker_main_http_uri",
];
