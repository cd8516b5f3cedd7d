//! Requests that should or must reach one server of several.

use super::super::super::read::KeyValue;
use super::super::finding::Severity;
use super::super::keys;
use super::super::observe::{Observation, Observed};
use super::groups::FindingGroups;

fn changes_with_token(observed: &Observed<'_>, observation: &Observation<'_>) -> bool {
    let view = &observed.views[observation.view];
    let request = keys::typical_request(observation.example.method, &observation.example.target, view.host.as_deref());
    keys::changes_with_token(view.site, &request)
}

/// Requests that must all reach one server.
pub(super) fn split(observed: &Observed<'_>, observation: &Observation<'_>, pool: usize, groups: &mut FindingGroups) {
    let pool = &observed.pools[pool].pool;
    let (endpoint, servers) = (observation.endpoint, pool.servers.len());
    if servers < 2 {
        return;
    }
    let (name, balance, at) = (pool.name.escape_debug(), pool.balance.escape_debug(), Some(&pool.at));
    let unreadable = matches!(observation.key, KeyValue::Unknown(_));
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
