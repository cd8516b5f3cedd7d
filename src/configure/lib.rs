//! A plan becomes files: a proxy's configuration, Synapse's, systemd units and a list of steps. And back: files become what goes where, and
//! what is wrong with it.
//!
//! ```text
//! Plan ──▶ translate (the proxy's own words) ──▶ cluster (who listens where) ──▶ routes (pattern → pool)
//!                                                                             ├──▶ proxy/*    one file set per proxy
//!                                                                             ├──▶ synapse/*  shared, workers, logs, units
//!                                                                             └──▶ checklist
//! files ──▶ read (what goes where) ──▶ audit (against the endpoint table) ──▶ findings, a plan
//! ```
//!
//! Knows nothing of simulation. Invariant: all proxies are written from the same [`routes::Routes`], so they differ in words only,
//! and what a proxy cannot say stands in [`Configuration::warnings`].

pub mod address;
pub mod audit;
mod check;
mod checklist;
pub mod cluster;
pub mod folder;
pub mod proxy;
pub mod read;
pub mod release;
pub mod resource;
pub mod routes;
mod synapse;
pub mod translate;

pub use checklist::{CONNECTIONS, MEMORY_MIB};

use thiserror::Error;

use self::address::Address;
use self::cluster::Cluster;
use self::routes::Routes;
use wsim_endpoints::ReleaseError;
use wsim_plan::{BalancerError, CheckedPlan, Fault, ProxyKind};

/// What a configuration is to be like, beside its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigureConfig {
    /// The proxy to write for.
    pub proxy: ProxyKind,
    /// Release whose endpoint table and settings apply; the plan's if `None`.
    pub synapse: Option<String>,
    /// Where the main process serves clients and federation.
    pub main: Address,
    /// Where the main process answers its workers.
    pub main_replication: Address,
    /// First port for workers, and replication listeners, whose address the plan leaves open.
    pub base_port: u16,
    /// Add an `X-Upstream` header that names the answering server to every answer.
    pub expose_upstream: bool,
    /// Where the `synapse/` folder will lie on the server, as an absolute path: units and log settings name it.
    pub installed: String,
}

impl Default for ConfigureConfig {
    fn default() -> Self {
        Self {
            proxy: ProxyKind::Nginx,
            synapse: None,
            main: Address::tcp("127.0.0.1", 8008),
            main_replication: Address::tcp("127.0.0.1", 9093),
            base_port: BASE_PORT,
            expose_upstream: false,
            installed: "/etc/matrix-synapse/wsim".to_owned(),
        }
    }
}

/// One file of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Relative path, `/` between folders.
    pub path: String,
    /// Contents.
    pub text: String,
    /// Readable by its owner only: it holds a secret.
    pub secret: bool,
}

impl OutputFile {
    /// A file that anyone may read.
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), secret: false }
    }
}

/// A finished configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The plan as configured: in the proxy's own words, every worker with an address.
    pub plan: CheckedPlan,
    /// The release written for.
    pub release: String,
    /// Who listens where and does what.
    pub cluster: Cluster,
    /// Which requests go where.
    pub routes: Routes,
    /// Everything to write, sorted by path.
    pub files: Vec<OutputFile>,
    /// What the proxy or the release cannot do as planned, and what was done instead; one sentence each.
    pub warnings: Vec<String>,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigureError {
    /// The release has no table, or is no release.
    #[error("synapse: {0}")]
    Release(#[from] ReleaseError),
    /// A release whose workers spoke another protocol.
    #[error("Synapse {0} is too old: configuration is written for {oldest} and later, whose workers speak over Redis", oldest = release::OLDEST)]
    TooOld(String),
    /// The proxy does not have the pool's rule, in its own words.
    #[error(transparent)]
    Balancer(#[from] BalancerError),
    /// The plan in the proxy's words breaks a rule of plans.
    #[error(transparent)]
    Plan(#[from] Fault),
    /// Text that would break a configuration file.
    #[error("pool {pool:?}: {what} {text:?} has a character that would end a word in a configuration file; write it without")]
    Text {
        /// Pool.
        pool: String,
        /// What it is.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// A rule that no proxy has.
    #[error("pool {pool:?}: no proxy has the rule {balance:?}; it exists to compare others with")]
    NoSuchRule {
        /// Pool.
        pool: String,
        /// What was written.
        balance: String,
    },
    /// No configuration is written for this proxy.
    #[error("no configuration is written for {0}; choose nginx, haproxy, caddy, traefik or apache")]
    Proxy(&'static str),
    /// An address that the release or the proxy cannot use.
    #[error("worker {worker:?} at {address}: {problem}")]
    Address {
        /// Worker.
        worker: String,
        /// Its address.
        address: String,
        /// Why not, and what to do.
        problem: String,
    },
    /// Two things at one address.
    #[error("{first} and {second} would both listen at {address}; change the plan, --main or --base-port")]
    AddressTwice {
        /// Address.
        address: String,
        /// Who has it.
        first: String,
        /// Who would get it too.
        second: String,
    },
    /// No free port left for a worker.
    #[error("no port from {0} on is free for worker {1:?}; choose a lower --base-port")]
    NoPort(u16, String),
    /// A stream that the release's workers cannot write.
    #[error("Synapse {release} has no worker that writes {stream:?}: that came with {since}; take it out of [stream_writers]")]
    Stream {
        /// Release.
        release: String,
        /// Stream.
        stream: String,
        /// The first release that can.
        since: &'static str,
    },
    /// Several writers where the release allows one.
    #[error("Synapse {release} allows one writer of {stream:?}: several came with {since}; name one")]
    Writers {
        /// Release.
        release: String,
        /// Stream.
        stream: String,
        /// The first release that allows several.
        since: &'static str,
    },
    /// A background role that the release cannot move to a worker.
    #[error("Synapse {release} has no setting {setting}: that came with {since}; take it out of [duties]")]
    BackgroundRole {
        /// Release.
        release: String,
        /// Setting.
        setting: String,
        /// The first release with it.
        since: &'static str,
    },
    /// A worker that would need two programs.
    #[error(
        "worker {worker:?} would have to run {first} and {second}, which Synapse {release} has as separate programs; name two workers in [duties]"
    )]
    TwoApps {
        /// Worker.
        worker: String,
        /// One program.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Release.
        release: String,
    },
    /// A background role for the media repository, given to a worker without it.
    #[error("duties.media_instance_running_background_jobs: worker {0:?} serves no media; name a worker of the pool that takes \"media\"")]
    NoMedia(String),
    /// A weight that the proxy does not take.
    #[error("pool {pool:?}: {proxy} takes weights up to {most}, not {weight}; divide them all")]
    Weight {
        /// Pool.
        pool: String,
        /// Proxy.
        proxy: &'static str,
        /// Largest.
        most: u32,
        /// Asked for.
        weight: u32,
    },
}

/// Turns a plan into files.
///
/// # Errors
/// [`ConfigureError`] names what the release or the proxy cannot do.
pub fn configure(plan: &CheckedPlan, config: &ConfigureConfig) -> Result<Configuration, ConfigureError> {
    let mut warnings = Vec::new();
    check::check(plan)?;
    let synapse = config.synapse.as_ref().unwrap_or(&plan.synapse);
    let translated = translate::to_proxy(plan, config.proxy, &mut warnings)?;
    let choice = wsim_endpoints::table_for(Some(synapse))?;
    if choice.newer_than_known {
        warnings.push(format!("Synapse {synapse} is newer than every endpoint table here; the newest one is used"));
    }
    let release = release::Known::new(&choice.release)?;
    let (plan, cluster) = cluster::assign_addresses(translated, &release, synapse, config)?;
    let routes = Routes::new(&plan, &choice.table);
    for pool in &plan.pools {
        plan.balancer_config(pool)?;
    }
    let cluster = cluster.with_routes(&plan, &routes, &release)?;
    warnings.extend(routes.warnings(&plan));
    let context = Context { plan: &plan, release: &release, cluster: &cluster, routes: &routes, config };
    let mut files = proxy::files(&context, &mut warnings)?;
    files.extend(synapse::files(&context));
    files.push(OutputFile::new("plan.toml", plan.to_toml()));
    let checklist = checklist::text(&context, &warnings);
    files.push(OutputFile::new("CHECKLIST.md", checklist));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Configuration { release: plan.synapse.clone(), plan, cluster, routes, files, warnings })
}

/// Everything a writer of files needs.
pub(crate) struct Context<'a> {
    pub(crate) plan: &'a CheckedPlan,
    pub(crate) release: &'a release::Known,
    pub(crate) cluster: &'a Cluster,
    pub(crate) routes: &'a Routes,
    pub(crate) config: &'a ConfigureConfig,
}

/// First port given to workers without an address, unless another is asked for.
pub const BASE_PORT: u16 = 18100;
