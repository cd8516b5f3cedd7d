//! wsim's own classes, for paths that no row of a table matches: they go to the main process, or to no Synapse process at all.
//!
//! Knows nothing of tables and methods: a path has the same class for all methods, so that a preflight (`OPTIONS`) is counted with the
//! request that it announces, as a proxy routes it.

use super::Endpoint;
use super::between_processes;

/// The class of a path that no row matches, in the order of the first endpoint ids, which are the same for every table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Class {
    /// Not routable: no target, binary data, `CONNECT host:port`, the HTTP/2 preface.
    Invalid,
    /// Everything outside Matrix: scanners, a web client, `favicon.ico`.
    NotMatrix,
    /// Sliding sync (MSC3575 and its simplified form, MSC4186): in no table, though a worker can serve it.
    SlidingSync,
    /// Client API that is in no row.
    ClientOther,
    /// Federation API that is in no row.
    FederationOther,
    /// Signing keys.
    KeyServer,
    /// Media, if the table has no row for it.
    Media,
    /// `/_synapse/admin`.
    Admin,
    /// `/_synapse/client`: pages of a login.
    Sso,
    /// `/.well-known/matrix`.
    WellKnown,
    /// `/health`.
    Health,
    /// `/_synapse/metrics`.
    Metrics,
    /// Traffic between Synapse's own processes that the main process serves, or that no list below names.
    Replication,
    /// Other paths below `/_matrix`.
    MatrixOther,
    /// Other paths below `/_synapse`.
    SynapseOther,
    /// The classes of traffic between Synapse's own processes that a stream's writer serves: [`between_processes`].
    Presence,
    SendEvents,
    FederationEvents,
    CurrentState,
    Typing,
    ToDevice,
    Receipts,
    AccountData,
    DeviceLists,
    PushRules,
}

impl Class {
    /// All classes in the order of their numbers.
    pub(super) const ALL: [Self; 25] = [
        Self::Invalid,
        Self::NotMatrix,
        Self::SlidingSync,
        Self::ClientOther,
        Self::FederationOther,
        Self::KeyServer,
        Self::Media,
        Self::Admin,
        Self::Sso,
        Self::WellKnown,
        Self::Health,
        Self::Metrics,
        Self::Replication,
        Self::MatrixOther,
        Self::SynapseOther,
        Self::Presence,
        Self::SendEvents,
        Self::FederationEvents,
        Self::CurrentState,
        Self::Typing,
        Self::ToDevice,
        Self::Receipts,
        Self::AccountData,
        Self::DeviceLists,
        Self::PushRules,
    ];

    pub(super) const fn group(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotMatrix => "not_matrix",
            Self::SlidingSync => "sliding_sync",
            Self::ClientOther => "client_other",
            Self::FederationOther => "federation_other",
            Self::KeyServer => "key_server",
            Self::Media => "media",
            Self::Admin => "admin",
            Self::Sso => "sso",
            Self::WellKnown => "well_known",
            Self::Health => "health",
            Self::Metrics => "metrics",
            Self::Replication
            | Self::Presence
            | Self::SendEvents
            | Self::FederationEvents
            | Self::CurrentState
            | Self::Typing
            | Self::ToDevice
            | Self::Receipts
            | Self::AccountData
            | Self::DeviceLists
            | Self::PushRules => REPLICATION,
            Self::MatrixOther => "matrix_other",
            Self::SynapseOther => "synapse_other",
        }
    }

    /// The endpoint of the class, with no worker.
    pub(super) fn endpoint(self) -> Endpoint {
        let kind = between_processes::KINDS.iter().find(|kind| kind.class == self);
        Endpoint {
            group: self.group().to_owned(),
            workers: Vec::new(),
            stream: kind.map(|kind| kind.stream.to_owned()),
            condition: None,
            any_worker: false,
            pattern: kind.map(|kind| kind.pattern.to_owned()),
            internal: self.group() == REPLICATION,
        }
    }

    /// The class of a path.
    pub(super) fn of(path: &[u8]) -> Self {
        if let Some(rest) = below(path, b"/_matrix") {
            Self::of_matrix(rest)
        } else if let Some(rest) = below(path, b"/_synapse") {
            Self::of_synapse(rest)
        } else if below(path, b"/.well-known/matrix").is_some() {
            Self::WellKnown
        } else if path == b"/health" {
            Self::Health
        } else if path.iter().any(u8::is_ascii_control) {
            Self::Invalid
        } else {
            Self::NotMatrix
        }
    }

    fn of_matrix(path: &[u8]) -> Self {
        if let Some(rest) = below(path, b"/client") {
            match rest {
                b"/unstable/org.matrix.simplified_msc3575/sync" | b"/unstable/org.matrix.msc3575/sync" => Self::SlidingSync,
                _ if below(rest, b"/v1/media").is_some() => Self::Media,
                _ => Self::ClientOther,
            }
        } else if let Some(rest) = below(path, b"/federation") {
            if below(rest, b"/v1/media").is_some() { Self::Media } else { Self::FederationOther }
        } else if below(path, b"/media").is_some() {
            Self::Media
        } else if below(path, b"/key").is_some() {
            Self::KeyServer
        } else {
            Self::MatrixOther
        }
    }

    fn of_synapse(path: &[u8]) -> Self {
        if let Some(rest) = below(path, b"/replication") {
            return between_processes::class_of(rest);
        }
        [(&b"/admin"[..], Self::Admin), (b"/client", Self::Sso), (b"/metrics", Self::Metrics)]
            .into_iter()
            .find_map(|(folder, class)| below(path, folder).map(|_| class))
            .unwrap_or(Self::SynapseOther)
    }
}

const REPLICATION: &str = "replication";

/// The rest of `path` after `folder`: empty, or starting with a slash.
fn below<'p>(path: &'p [u8], folder: &[u8]) -> Option<&'p [u8]> {
    path.strip_prefix(folder).filter(|rest| matches!(rest.first(), None | Some(b'/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_indices_in_the_list() {
        for (index, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, index);
        }
    }

    #[test]
    fn every_kind_of_path_has_its_class() {
        let cases = [
            ("/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", "sliding_sync"),
            ("/_matrix/client/unstable/org.matrix.msc3575/sync", "sliding_sync"),
            ("/_matrix/client/v3/logout", "client_other"),
            ("/_matrix/client", "client_other"),
            ("/_matrix/clients", "matrix_other"),
            ("/_matrix/client/v1/media/download/a/b", "media"),
            ("/_matrix/federation/v1/media/download/a", "media"),
            ("/_matrix/media/v3/upload", "media"),
            ("/_matrix/federation/v1/openid/userinfo", "federation_other"),
            ("/_matrix/key/v2/server", "key_server"),
            ("/_matrix/app/v1/ping", "matrix_other"),
            ("/_synapse/admin/v1/server_version", "admin"),
            ("/_synapse/client/saml2/metadata.xml", "sso"),
            ("/_synapse/replication/fed_send_edu/1", "replication"),
            ("/_synapse/metrics", "metrics"),
            ("/_synapse/mas/sync_devices", "synapse_other"),
            ("/.well-known/matrix/client", "well_known"),
            ("/.well-known/acme-challenge/x", "not_matrix"),
            ("/health", "health"),
            ("/healthz", "not_matrix"),
            ("/", "not_matrix"),
            ("", "not_matrix"),
            ("/wp-login.php", "not_matrix"),
            ("/_matrixx/client", "not_matrix"),
            ("/\u{16}\u{3}\u{1}", "invalid"),
        ];
        for (path, group) in cases {
            assert_eq!(Class::of(path.as_bytes()).group(), group, "{path}");
        }
        assert!(Class::Replication.endpoint().internal);
        assert!(!Class::Admin.endpoint().internal);
    }
}
