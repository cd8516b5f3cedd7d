//! The plan as data: exactly the TOML that people read and edit.

use serde::{Deserialize, Serialize};

use super::background_roles::BackgroundRoles;
use super::cpu::{Machine, ProcessLimit, full_core, is_full_core, is_usual_period, usual_period};
use super::writers::Writers;

/// A topology of workers. Requests that no pool takes go to the main process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// One line of text.
    pub name: String,
    /// Synapse release whose endpoint table applies, for example `1.157`.
    pub synapse: String,
    #[serde(default)]
    pub proxy: Proxy,
    /// In order: the first pool that names an endpoint takes it.
    #[serde(default, rename = "pool", skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<Pool>,
    /// The writers of each stream, by the stream's name.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub stream_writers: std::collections::BTreeMap<String, Writers>,
    /// The workers for work that no request asks for.
    #[serde(default, rename = "duties", skip_serializing_if = "BackgroundRoles::is_empty")]
    pub background_roles: BackgroundRoles,
    /// The machine that all processes share; `None`: each process has a core of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// CPU limits of single processes: `main`, stream writers, workers with a limit other than their pool's.
    #[serde(default, rename = "process", skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub processes: std::collections::BTreeMap<String, ProcessLimit>,
}

/// The proxy in front.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    pub kind: ProxyKind,
    /// Independent balancing states: nginx worker processes, if the upstream has no `zone`.
    #[serde(default = "one")]
    pub processes: u32,
    /// The release, for example `2.6.2`, where the rules of releases differ; `None` means the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
}

impl Proxy {
    /// The release as three numbers, the last 0 if it is not written; `None` for the newest.
    pub fn release(&self) -> Option<[u32; 3]> {
        let mut numbers = self.release.as_ref()?.split('.').map(|number| number.parse().unwrap_or(u32::MAX));
        Some(std::array::from_fn(|_| numbers.next().unwrap_or(0)))
    }
}

fn one() -> u32 {
    1
}

impl Default for Proxy {
    fn default() -> Self {
        Self { kind: ProxyKind::Nginx, processes: 1, release: None }
    }
}

/// A reverse proxy with known balancing rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyKind {
    Nginx,
    Haproxy,
    Caddy,
    Traefik,
    /// Apache httpd.
    Apache,
    Envoy,
}

impl ProxyKind {
    pub const ALL: [Self; 6] = [Self::Nginx, Self::Haproxy, Self::Caddy, Self::Traefik, Self::Apache, Self::Envoy];

    /// The word for the proxy in plan files and on the command line.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Apache => "apache",
            Self::Envoy => "envoy",
        }
    }

    /// The proxy of a keyword.
    pub fn from_keyword(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.keyword() == word)
    }

    /// The name of the program as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Caddy => "Caddy",
            Self::Traefik => "Traefik",
            Self::Apache => "Apache httpd",
            Self::Envoy => "Envoy",
        }
    }
}

/// A pool of workers that serve the same endpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Unique in the plan.
    pub name: String,
    /// The endpoints that the pool takes.
    pub endpoints: Vec<Selector>,
    /// Only requests of these users, as globs: `@_telegram_*`. See [`super::clients`].
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Only requests that a bridge or bot makes for these users: globs over the `user_id=` of its requests.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Vec::is_empty")]
    pub appservices: Vec<String>,
    /// Only requests of these programs: globs over the `User-Agent` before the version.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// Only requests from these networks: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Only requests with an access token that begins like this: `syt_*`.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<String>,
    /// Addresses, `host:port` or `host:port=weight`; empty if only the number of workers matters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// Number of workers if `servers` is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// `worker_name` of the workers, in the order of the servers; a worker without one gets the pool's name and its number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The balancing rule in the proxy's own words (`round robin`, `hash consistent`, `least_conn`, `balance uri`, …).
    #[serde(default = "round_robin")]
    pub balance: String,
    /// The key that keyed rules hash: `user`, `token`, `address`, `origin`, `room`, `uri`, `header:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Cores one worker may use: 0.25 is a container limit of a quarter, 2.0 a machine twice as fast as where the log was written.
    #[serde(default = "full_core", skip_serializing_if = "is_full_core")]
    pub cpu: f64,
    /// Length of a period of the CPU limit, ms.
    #[serde(default = "usual_period", skip_serializing_if = "is_usual_period")]
    pub cpu_period: f64,
}

impl Default for Pool {
    /// A pool without a name, endpoints or workers, in turn.
    fn default() -> Self {
        Self {
            name: String::new(),
            endpoints: Vec::new(),
            users: Vec::new(),
            appservices: Vec::new(),
            agents: Vec::new(),
            addresses: Vec::new(),
            tokens: Vec::new(),
            servers: Vec::new(),
            workers: None,
            names: Vec::new(),
            balance: round_robin(),
            key: None,
            cpu: full_core(),
            cpu_period: usual_period(),
        }
    }
}

/// A list that is not empty: an empty list of users would be read as nobody by some and as everybody by others.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let list = Vec::<String>::deserialize(deserializer)?;
    if list.is_empty() {
        return Err(serde::de::Error::custom("the list is empty: leave it out to take the requests of everybody"));
    }
    Ok(list)
}

fn round_robin() -> String {
    "round robin".to_owned()
}

/// A set of endpoints that a pool takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected an endpoint group in quotes (\"sync\") or {pattern = \"^/_matrix/…\", methods = [\"GET\"]}")]
pub enum Selector {
    /// An endpoint group.
    Group(String),
    /// Requests whose path matches a pattern.
    Pattern {
        /// A regular expression that is searched in the path.
        pattern: String,
        /// Empty for all methods.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        methods: Vec<String>,
    },
}

impl Selector {
    /// Whether the selector takes a class of requests: a group, or a row of the endpoint table by every method.
    pub fn is_row(&self, is_row: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Group(_) => true,
            Self::Pattern { pattern, methods } => methods.is_empty() && is_row(pattern),
        }
    }
}
