//! What this machine gives a generator: open files.

/// Descriptors that a program needs beside its connections: logs, reports, threads' event queues.
#[cfg(unix)]
const OTHER_DESCRIPTORS: u64 = 64;

/// Raises the limit on open files as far as the system allows, if `connections` need it. Returns how many connections may be open at the
/// same time, if that is fewer.
#[cfg(unix)]
pub fn raise_descriptor_limit(connections: usize) -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = connections as u64 + OTHER_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
    let enough = |most: Option<u64>| most.is_none_or(|most| most >= wanted);
    if enough(limit.current) {
        return None;
    }
    let raised = Rlimit { current: if enough(limit.maximum) { Some(wanted) } else { limit.maximum }, maximum: limit.maximum };
    let allowed = if setrlimit(Resource::Nofile, raised).is_ok() { raised.current } else { limit.current };
    if enough(allowed) {
        return None;
    }
    let left = allowed.unwrap_or(u64::MAX).saturating_sub(OTHER_DESCRIPTORS);
    Some(usize::try_from(left).unwrap_or(usize::MAX).max(1))
}

/// Elsewhere the limit is not known.
#[cfg(not(unix))]
pub fn raise_descriptor_limit(_: usize) -> Option<usize> {
    None
}
