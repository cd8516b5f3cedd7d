//! Synapse's log by its other lines, because few of them are requests.

use memchr::memmem;

/// A line of Synapse's log in the default format (`2026-… - synapse.…`, `… - twisted - …`), in that of its systemd units
/// (`synapse.access.http.8008: [GET-1] …`), or in Python's (`INFO:synapse.…`).
pub(super) fn is_text(line: &[u8]) -> bool {
    contains(line, b" - synapse.")
        || contains(line, b":synapse.")
        || (line.starts_with(b"synapse.") && contains(line, b": "))
        || (contains(line, b" - twisted - ") && contains(line, b" - INFO - "))
}

/// Synapse's JSON formatters: Terse and plain, their predecessor, Google's.
pub(super) fn is_json(line: &[u8]) -> bool {
    let keys = [&b"\"namespace\""[..], b"\"log_namespace\"", b"\"severity\""];
    keys.into_iter().any(|key| contains(line, key)) && (contains(line, b"\"synapse.") || contains(line, b"\"twisted"))
}

fn contains(line: &[u8], text: &[u8]) -> bool {
    memmem::find(line, text).is_some()
}
