//! Requests that change a stream, at processes that may not be its writer.

use super::super::finding::Severity;
use super::super::observe::{Observation, Observed};
use super::groups::FindingGroups;
use wsim_plan::known::{WriterLimit, writer_limit};

pub(super) fn stream_at_worker(
    observed: &Observed<'_>,
    observation: &Observation<'_>,
    pool: usize,
    stream: &str,
    groups: &mut FindingGroups,
) {
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

pub(super) fn not_on_writer(stream: &str, writers: &str, here: &str, any: bool, observation: &Observation<'_>, groups: &mut FindingGroups) {
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
