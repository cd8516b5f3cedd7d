//! The vocabulary of the tables in words: workers, conditions, notes.
//!
//! Source: Synapse's `docs/workers.md` in the releases that use them.

/// Rank of a worker type in lists: generic workers first, then the old types, then any other.
#[must_use]
pub fn worker_rank(worker: &str) -> usize {
    WORKERS.iter().position(|(name, _)| *name == worker).unwrap_or(WORKERS.len())
}

/// The description of a worker type.
#[must_use]
pub fn worker(name: &str) -> Option<&'static str> {
    find(&WORKERS, name)
}

/// The meaning of a condition.
#[must_use]
pub fn condition(name: &str) -> Option<&'static str> {
    find(&CONDITIONS, name)
}

/// The meaning of a note.
#[must_use]
pub fn note(name: &str) -> Option<&'static str> {
    find(&NOTES, name)
}

fn find(list: &[(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    list.iter().find(|(known, _)| *known == name).map(|(_, words)| *words)
}

const WORKERS: [(&str, &str); 8] = [
    ("generic_worker", "any generic worker"),
    ("synchrotron", "a synchrotron (Synapse before 1.18; now any generic worker)"),
    ("federation_reader", "a federation reader (Synapse before 1.18; now any generic worker)"),
    ("client_reader", "a client reader (Synapse before 1.18; now any generic worker)"),
    ("event_creator", "an event creator (Synapse before 1.18; now any generic worker)"),
    ("frontend_proxy", "a frontend proxy (Synapse before 1.67; now any generic worker)"),
    ("media_repository", "a media worker"),
    ("user_dir", "a user directory worker (deprecated since Synapse 1.59)"),
];

const CONDITIONS: [(&str, &str); 10] = [
    ("sso_only", "only where this kind of single sign-on is configured"),
    ("same_instance", "all such requests must reach one and the same worker"),
    ("same_room_same_instance", "all requests of a room must reach the same worker, and no history purge may run meanwhile"),
    ("single_instance", "only one worker may serve it"),
    ("requires_worker_main_http_uri", "the worker needs worker_main_http_uri set to the main process"),
    ("presence_disabled", "only where presence is switched off: GET passes through, PUT does nothing"),
    ("msc3861_enabled", "only where MSC3861 (delegated authentication) is enabled"),
    ("update_user_directory_from_worker", "listed for the worker that updates the user directory, but any worker may serve it"),
    ("single_writer", "the stream has one writer, and the request belongs there"),
    ("multi_writer", "the stream may have several writers; one of them should serve it"),
];

const NOTES: [(&str, &str); 4] = [
    ("single_process", "all single sign-on logins must reach one process"),
    ("get_only_by_comment", "for GET only, by a comment on this row alone"),
    ("any_worker", "any worker may serve it, though a writer of the stream is preferred"),
    ("unbalanced_parenthesis", "the document's pattern does not compile (a parenthesis is missing); the evident intent is matched"),
];
