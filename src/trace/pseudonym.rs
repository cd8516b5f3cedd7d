//! Pseudonyms: keyed hashes in place of names, equal for equal names.
//!
//! Owns what a pseudonym of each kind of name looks like, and which names are so common that they are kept. Knows nothing of traces.
//! Invariant: what is not in a list of this file is hashed, and without the key nobody can find a name by trying candidates.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The key of the pseudonyms. The same key gives the same pseudonyms for every log.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(secret)")
    }
}

impl Key {
    /// A key from secret bytes, of any length.
    pub fn from_bytes(secret: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "RFC 2104: any length")]
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    /// 64 bits of HMAC-SHA256 in hexadecimal: among ten million names the probability of any collision is 3e-6. Names of different
    /// kinds have independent hashes.
    fn hash(&self, kind: Kind, text: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(&[kind as u8]);
        mac.update(text.as_bytes());
        mac.finalize().into_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `@alice:example.org` -> `@u-0123…:s-4567…`; the server's part is that of [`Self::server`]. Any other text is hashed whole.
    pub fn user(&self, text: &str) -> String {
        match text.strip_prefix('@').map(|id| id.split_once(':').map_or((id, None), |(local, server)| (local, Some(server)))) {
            Some((local, Some(server))) => format!("@u-{}:{}", self.hash(Kind::User, local), self.server(server)),
            Some((local, None)) => format!("@u-{}", self.hash(Kind::User, local)),
            None => format!("u-{}", self.hash(Kind::User, text)),
        }
    }

    /// The same for room ids and aliases.
    pub fn room(&self, text: &str) -> String {
        let (sigil, letter) = match text.chars().next() {
            Some('!') => ("!", 'r'),
            Some('#') => ("#", 'a'),
            _ => return format!("r-{}", self.hash(Kind::Room, text)),
        };
        match text[1..].split_once(':') {
            Some((local, server)) => format!("{sigil}{letter}-{}:{}", self.hash(Kind::Room, local), self.server(server)),
            None => format!("{sigil}{letter}-{}", self.hash(Kind::Room, &text[1..])),
        }
    }

    /// A server name, or an address.
    pub fn server(&self, text: &str) -> String {
        format!("s-{}", self.hash(Kind::Server, text))
    }

    /// The family of a user agent if it is a well-known one, else a hash.
    pub fn agent(&self, text: &str) -> String {
        let known = AGENTS.iter().find(|known| known.eq_ignore_ascii_case(text));
        known.map_or_else(|| format!("a-{}", self.hash(Kind::Agent, text)), |known| (*known).to_owned())
    }

    /// The name of a process if it consists of a usual role and a number, else a hash.
    pub fn process(&self, text: &str) -> String {
        let role = text.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = &text[role.len()..];
        let role = role.strip_suffix(['-', '_']).unwrap_or(role);
        let usual = number.len() <= PROCESS_DIGITS_MAX && PROCESSES.contains(&role.replace('-', "_").as_str());
        if usual { text.to_owned() } else { format!("p-{}", self.hash(Kind::Process, text)) }
    }

    /// `backend/server` -> `b-0123…/` and the pseudonym of the server as [a process](Self::process), because some proxies call a server
    /// like the process behind it. Any other upstream is hashed whole.
    pub fn upstream(&self, text: &str) -> String {
        match text.rsplit_once('/') {
            Some((backend, server)) if !backend.is_empty() && !text.contains(':') => {
                format!("b-{}/{}", self.hash(Kind::Backend, backend), self.process(server))
            }
            _ if !text.contains(':') => self.process(text),
            _ => self.server(text),
        }
    }

    /// The name of a plan, a pool, an endpoint group or another thing that a user has named.
    pub fn label(&self, what: &str, text: &str) -> String {
        format!("{what}-{}", self.hash(Kind::Label, text))
    }
}

/// Keeps the hashes of equal texts of different kinds apart.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Kind {
    User = b'u',
    Room = b'r',
    Server = b's',
    Agent = b'a',
    Process = b'p',
    Backend = b'b',
    Label = b'l',
}

/// Clients, bots, bridges and servers in wide use, as their user agents begin (<https://matrix.org/ecosystem/>).
const AGENTS: [&str; 74] = [
    "AppleCoreMedia",
    "Beeper",
    "Cinny",
    "Circles",
    "Commet",
    "Conduit",
    "Conduwuit",
    "Construct",
    "Continuwuity",
    "Dalvik",
    "Dendrite",
    "Draupnir",
    "Element",
    "Element (desktop or browser)",
    "Element Call",
    "Element X",
    "ElementX",
    "Extera",
    "FluffyChat",
    "Fractal",
    "Go-http-client",
    "GrapheneOS",
    "HAProxy",
    "Hookshot",
    "Hydrogen",
    "Java",
    "Ketesa",
    "Kube-probe",
    "Maubot",
    "Mjolnir",
    "Mozilla",
    "NeoChat",
    "Nheko",
    "Nio",
    "PostmanRuntime",
    "Prometheus",
    "PyOIDC",
    "Quaternion",
    "Riot",
    "RiotX",
    "Ruma",
    "SchildiChat",
    "SchildiChat Next",
    "Sygnal",
    "Synapse",
    "Syphon",
    "Thunderbird",
    "Trixnity",
    "Tuwunel",
    "Wget",
    "Zabbix",
    "aiohttp",
    "axios",
    "curl",
    "gomuks",
    "hungryserv",
    "kvrocks",
    "libwww-perl",
    "matrix-authentication-service",
    "matrix-bot-sdk",
    "matrix-commander",
    "matrix-federation-tester",
    "matrix-js-sdk",
    "matrix-media-repo",
    "matrix-nio",
    "matrix-rust-sdk",
    "mautrix-go",
    "mautrix-python",
    "node-fetch",
    "okhttp",
    "python-requests",
    "undici",
    "weechat-matrix",
    "wsim-replay",
];

/// Roles of Synapse's processes in its documentation, the Ansible deployment and the Docker images.
const PROCESSES: [&str; 46] = [
    "account_data",
    "appservice",
    "appservice_worker",
    "background",
    "background_worker",
    "client",
    "client_reader",
    "client_worker",
    "device_lists",
    "event_creator",
    "event_persister",
    "events",
    "events_persister",
    "federation",
    "federation_inbound",
    "federation_reader",
    "federation_receiver",
    "federation_sender",
    "federation_worker",
    "frontend_proxy",
    "generic",
    "generic_worker",
    "homeserver",
    "initial_sync",
    "main",
    "master",
    "media",
    "media_repository",
    "media_worker",
    "presence",
    "push_rules",
    "pusher",
    "receipts",
    "room_worker",
    "stdin",
    "stream_writer",
    "synapse",
    "synapse_main",
    "sync",
    "sync_worker",
    "synchrotron",
    "thread_subscriptions",
    "to_device",
    "typing",
    "user_dir",
    "worker",
];

const PROCESS_DIGITS_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::from_bytes(b"a key for tests")
    }

    #[test]
    fn a_pseudonym_is_hmac_sha256_of_the_kind_and_the_name() {
        // printf 'uplanted' | openssl dgst -sha256 -hmac 'a key for tests'
        assert_eq!(key().user("@planted"), "@u-b86ed2df4c275640");
    }

    #[test]
    fn users_and_rooms_keep_their_server() {
        let server = key().server("example.org");
        assert!(server.starts_with("s-") && server.len() == 18, "{server}");
        for name in [key().user("@alice:example.org"), key().room("!abc:example.org"), key().room("#town:example.org")] {
            assert_eq!(name.split_once(':').unwrap().1, server);
        }
        assert_eq!(key().user("@alice:example.org").split(':').next().unwrap(), key().user("@alice"), "a token names the localpart only");
        assert_ne!(key().user("alice"), key().room("alice"));
        assert_ne!(key().user("@alice"), Key::from_bytes(b"another").user("@alice"));
        assert!(key().room("é:x").starts_with("r-"));
    }

    #[test]
    fn only_listed_agents_and_processes_are_kept() {
        assert_eq!((key().agent("element"), key().agent("Mozilla")), ("Element".to_owned(), "Mozilla".to_owned()));
        assert!(key().agent("acme-bot").starts_with("a-"));
        for kept in ["main", "generic_worker1", "generic-worker-12", "federation_sender"] {
            assert_eq!(key().process(kept), kept);
        }
        for hashed in ["acme", "acme_worker1", "worker49151", "127.0.0.1"] {
            assert!(key().process(hashed).starts_with("p-"), "{hashed}");
        }
    }

    #[test]
    fn an_upstream_is_still_found_by_the_name_of_its_process() {
        assert_eq!(key().upstream("acme-backend/acme_worker1").rsplit('/').next().unwrap(), key().process("acme_worker1"));
        assert_eq!(key().upstream("client/generic_worker1").rsplit('/').next(), Some("generic_worker1"));
        for hashed in ["10.0.0.1:8083", "unix:/run/acme/worker1.sock", "http://acme:8083/", "acme"] {
            let pseudonym = key().upstream(hashed);
            assert!(pseudonym.len() == 18 && !pseudonym.contains("acme"), "{hashed} became {pseudonym}");
        }
    }

    #[test]
    fn the_lists_are_sorted() {
        assert!(AGENTS.is_sorted() && PROCESSES.is_sorted());
    }
}
