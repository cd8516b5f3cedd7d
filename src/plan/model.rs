//! The plan as data, exactly the TOML that people read and edit.

use serde::{Deserialize, Serialize};

use super::duties::Duties;

/// A topology. What no pool takes goes to the main process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name, one line.
    pub name: String,
    /// Synapse release whose endpoint table applies, for example `1.157`.
    pub synapse: String,
    /// The proxy in front.
    #[serde(default)]
    pub proxy: Proxy,
    /// Pools, first match wins.
    #[serde(default, rename = "pool", skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<Pool>,
    /// Stream name -> writer or writers.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub stream_writers: std::collections::BTreeMap<String, Writers>,
    /// Who does what no request asks for.
    #[serde(default, skip_serializing_if = "Duties::is_empty")]
    pub duties: Duties,
}

/// The proxy in front.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// Which program.
    pub kind: ProxyKind,
    /// Independent balancing states (nginx worker processes when the upstream has no `zone`).
    #[serde(default = "one")]
    pub processes: u32,
    /// Its release, where its rules changed: `2.6.2`; left out means the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
}

impl Proxy {
    /// The release as numbers, the third 0 where it is not written; `None` for the newest.
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

/// Supported proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyKind {
    /// nginx
    Nginx,
    /// HAProxy
    Haproxy,
    /// Caddy
    Caddy,
    /// Traefik
    Traefik,
    /// Apache httpd
    Apache,
    /// Envoy
    Envoy,
}

/// A pool of workers that serve the same endpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Name, unique in the plan.
    pub name: String,
    /// Groups or patterns that go here.
    pub endpoints: Vec<Selector>,
    /// Addresses, `host:port` or `host:port=weight`; empty while addresses do not matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// Number of workers where `servers` is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// The balancing rule in the proxy's own words (`round robin`, `hash consistent`, `least_conn`, `balance uri`, …).
    #[serde(default = "round_robin")]
    pub balance: String,
    /// What keyed rules hash: `user`, `token`, `address`, `origin`, `room`, `uri`, `header:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Cores one worker may use: 0.25 is a container limit of a quarter, 2.0 a machine twice as fast as where the log was written.
    #[serde(default = "full_core", skip_serializing_if = "is_full_core")]
    pub cpu: f64,
}

fn round_robin() -> String {
    "round robin".to_owned()
}

fn full_core() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_full_core(cpu: &f64) -> bool {
    (*cpu - 1.0).abs() < f64::EPSILON
}

/// What a pool takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected an endpoint group in quotes (\"sync\") or {pattern = \"^/_matrix/…\", methods = [\"GET\"]}")]
pub enum Selector {
    /// An endpoint group.
    Group(String),
    /// A pattern of one's own.
    Pattern {
        /// Regular expression searched in the path.
        pattern: String,
        /// Methods; empty means all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        methods: Vec<String>,
    },
}

/// One writer or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a worker's name in quotes or a list of names")]
pub enum Writers {
    /// One instance.
    One(String),
    /// Several instances, sharded by Synapse itself.
    Several(Vec<String>),
}

impl Writers {
    /// The instances, in configured order (the order Synapse's own sharding depends on).
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}
