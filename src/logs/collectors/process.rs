//! The names by which collectors tell processes apart.

use std::borrow::Cow;

/// A process's name from that of a container, a unit, a file or a program: `/matrix-synapse`, `matrix-synapse-worker@reader1.service`,
/// `/var/log/matrix-synapse/reader1.log`. `None` for what is the same for all processes.
pub(super) fn named(written: &[u8]) -> Option<&[u8]> {
    let name = written.trim_ascii();
    let name = memchr::memrchr(b'/', name).map_or(name, |slash| &name[slash + 1..]);
    let name = match name.strip_suffix(b".service").or_else(|| name.strip_suffix(b".scope")) {
        Some(unit) => memchr::memchr(b'@', unit).map_or(unit, |at| &unit[at + 1..]),
        None => name.strip_suffix(b".log").unwrap_or(name),
    };
    let is_name = !name.is_empty() && name.len() <= NAME_MAX && name.iter().all(|byte| byte.is_ascii_graphic() || *byte >= 0x80);
    (is_name && !is_common(name)).then_some(name)
}

/// Programs that run others: their name says nothing of the process.
fn is_common(name: &[u8]) -> bool {
    const COMMON: [&[u8]; 12] =
        [b"docker", b"dockerd", b"podman", b"conmon", b"containerd", b"env", b"sh", b"bash", b"sudo", b"systemd", b"journal", b"-"];
    name.starts_with(b"python") || COMMON.contains(&name)
}

/// A pod and its container, whose name is left out where the pod's says it.
pub(super) fn of_pod<'a>(pod: &'a [u8], container: &[u8]) -> Cow<'a, [u8]> {
    let says = container.is_empty() || pod.split(|byte| *byte == b'-').any(|part| part == container);
    if says { Cow::Borrowed(pod) } else { Cow::Owned([pod, b"/", container].concat()) }
}

const NAME_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_tell_processes_apart() {
        for (written, name) in [
            ("/matrix-synapse", Some("matrix-synapse")),
            ("matrix-synapse-worker@reader1.service", Some("reader1")),
            ("matrix-synapse.service", Some("matrix-synapse")),
            ("/var/log/matrix-synapse/reader1.log", Some("reader1")),
            ("python3.11", None),
            ("docker.service", None),
            ("", None),
            ("a b", None),
        ] {
            assert_eq!(named(written.as_bytes()), name.map(str::as_bytes), "{written}");
        }
        assert_eq!(*of_pod(b"ess-synapse-main-0", b"synapse"), *b"ess-synapse-main-0");
        assert_eq!(*of_pod(b"matrix-0", b"nginx"), *b"matrix-0/nginx");
    }
}
