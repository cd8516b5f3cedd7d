//! Which software a process is, from its command line.
//!
//! The command line is written by whoever started the process, so it is text of a stranger: what is taken from it is cleaned in `name`.
//!
//! Sources: Synapse's `docs/workers.md`, `docs/systemd-with-workers`, `docker/start.py`, `docker/configure_workers_and_start.py` and the console
//! scripts of its package (1.163); PostgreSQL's process titles (`ps_status.c`); Redis' and Valkey's `setproctitle`.

use std::path::Path;

/// What a command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A process of Synapse.
    Synapse {
        /// It is the main process.
        is_main: bool,
        /// The files and folders of its configuration, in the order in which Synapse reads them.
        configuration: Vec<String>,
    },
    /// PostgreSQL's first process or one of its children.
    Postgres,
    /// Redis or a program that stands in for it, under its usual name.
    Redis(&'static str),
}

/// Recognises the command line of a process: words that end with a zero byte each, or the one text that a process gave itself as a title.
#[must_use]
pub fn identify(command_line: &[u8]) -> Option<Identity> {
    let mut words = command_line.split(|&byte| byte == 0).map(String::from_utf8_lossy);
    let first = words.next()?;
    if first.starts_with("postgres:") {
        return Some(Identity::Postgres);
    }
    // A title is one word with blanks: `redis-server 127.0.0.1:6379`.
    let program = base_name(first.split_ascii_whitespace().next()?);
    match program {
        "postgres" | "postmaster" => return Some(Identity::Postgres),
        "redis-server" | "keydb-server" => return Some(Identity::Redis("redis")),
        "valkey-server" => return Some(Identity::Redis("valkey")),
        _ => {}
    }
    if !(program.starts_with("python") || program.starts_with("pypy")) {
        return None;
    }
    let words: Vec<String> = words.map(|word| word.into_owned()).collect();
    synapse(&words)
}

/// The same for the words after the name of the Python interpreter.
fn synapse(words: &[String]) -> Option<Identity> {
    let mut at = 0;
    // Options of the interpreter, up to the module or the script.
    let is_main = loop {
        let word = words.get(at)?.as_str();
        match word {
            "-m" => break is_main_module(words.get(at + 1)?.strip_prefix("synapse.app.")?)?,
            "-X" | "-W" => at += 2,
            _ if word.starts_with("-msynapse.app.") => break is_main_module(word.strip_prefix("-msynapse.app.")?)?,
            _ if word.starts_with('-') => at += 1,
            _ => break is_main_script(base_name(word))?,
        }
    };
    let rest = words.get(at + 1..).unwrap_or_default();
    if rest.iter().any(|word| GENERATING.contains(&word.as_str())) {
        return None;
    }
    Some(Identity::Synapse { is_main, configuration: configuration(rest) })
}

/// Whether the module `synapse.app.NAME` is the main process; `None` for modules that serve nothing.
fn is_main_module(name: &str) -> Option<bool> {
    match name {
        "homeserver" => Some(true),
        // The names besides `generic_worker` are those of releases before 1.85.
        "generic_worker" | "appservice" | "client_reader" | "event_creator" | "federation_reader" | "federation_sender"
        | "frontend_proxy" | "media_repository" | "pusher" | "synchrotron" | "user_dir" => Some(false),
        _ => None,
    }
}

/// The same for a console script, which NixOS wraps.
fn is_main_script(name: &str) -> Option<bool> {
    match name.trim_start_matches('.').trim_end_matches("-wrapped") {
        "synapse_homeserver" => Some(true),
        "synapse_worker" => Some(false),
        _ => None,
    }
}

/// The arguments of `-c` and `--config-path`.
fn configuration(words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let path = match word.as_str() {
            "-c" | "--config-path" => words.next().map(String::as_str),
            word => word.strip_prefix("--config-path=").or_else(|| word.strip_prefix("-c").filter(|rest| !rest.is_empty())),
        };
        found.extend(path.filter(|path| !path.is_empty()).map(str::to_owned));
    }
    found
}

fn base_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or("")
}

/// Options with which Synapse writes files and ends.
const GENERATING: [&str; 3] = ["--generate-config", "--generate-keys", "--generate-missing-configs"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(words: &[&str]) -> Option<Identity> {
        identify(words.iter().flat_map(|word| word.bytes().chain([0])).collect::<Vec<u8>>().as_slice())
    }

    fn synapse(is_main: bool, configuration: &[&str]) -> Option<Identity> {
        Some(Identity::Synapse { is_main, configuration: configuration.iter().map(|path| (*path).to_owned()).collect() })
    }

    #[test]
    fn synapse_is_recognised_however_it_is_installed() {
        let debian = ["/opt/venvs/matrix-synapse/bin/python", "-m", "synapse.app.homeserver"];
        assert_eq!(
            of(&[&debian[..], &["--config-path=/etc/matrix-synapse/homeserver.yaml", "--config-path=/etc/matrix-synapse/conf.d/"]]
                .concat()),
            synapse(true, &["/etc/matrix-synapse/homeserver.yaml", "/etc/matrix-synapse/conf.d/"])
        );
        assert_eq!(
            of(&[
                "/usr/local/bin/python",
                "-B",
                "-X",
                "dev",
                "-m",
                "synapse.app.generic_worker",
                "-c",
                "/conf/homeserver.yaml",
                "-c/conf/w.yaml"
            ]),
            synapse(false, &["/conf/homeserver.yaml", "/conf/w.yaml"])
        );
        assert_eq!(
            of(&["/nix/store/x/bin/python3.12", "/nix/store/y/bin/.synapse_worker-wrapped", "--config-path", "w.yaml"]),
            synapse(false, &["w.yaml"])
        );
        assert_eq!(of(&["python3", "-m", "synapse.app.federation_sender"]), synapse(false, &[]));
    }

    #[test]
    fn what_only_names_synapse_is_not_synapse() {
        for words in [
            &["bash", "-c", "python -m synapse.app.homeserver"][..],
            &["sudo", "python3", "-m", "synapse.app.homeserver"],
            &["docker", "run", "x", "python", "-m", "synapse.app.homeserver"],
            &["python3", "job.py", "-m", "synapse.app.homeserver"],
            &["python3", "-m", "synapse.app.admin_cmd", "-c", "x"],
            &["python3", "-m", "synapse.app.homeserver", "--generate-config"],
            &["python3", "-m", "synapse.app.complement_fork_starter"],
            &["python3", "-m"],
            &["python3"],
            &["grep", "synapse.app.homeserver"],
            &[""],
            &[],
        ] {
            assert_eq!(of(words), None, "{words:?}");
        }
    }

    #[test]
    fn databases_are_recognised_by_program_and_by_title() {
        for words in [
            &["/usr/lib/postgresql/15/bin/postgres", "-D", "/var/lib/postgresql/15/main"][..],
            &["postgres: 15/main: synapse synapse 127.0.0.1(4711) idle"],
            &["postgres: checkpointer "],
        ] {
            assert_eq!(of(words), Some(Identity::Postgres), "{words:?}");
        }
        assert_eq!(of(&["/usr/bin/redis-server 127.0.0.1:6379"]), Some(Identity::Redis("redis")));
        assert_eq!(of(&["valkey-server", "*:6379"]), Some(Identity::Redis("valkey")));
        assert_eq!(of(&["/usr/bin/postgres_exporter"]), None);
        assert_eq!(of(&["redis-cli"]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = identify(&bytes);
        }
    }
}
