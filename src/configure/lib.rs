//! Configuration files: written from a plan (proxy, Synapse, what starts the processes, a checklist), and read back to evaluate and audit them.
//!
//! ```text
//! plan  ──▶ translate (the proxy's own words) ──▶ cluster (processes, addresses) ──▶ routes (pattern → pool)
//!                                                                             ├──▶ proxy/*    one file set per proxy
//!                                                                             ├──▶ synapse/*  shared, workers, logs
//!                                                                             ├──▶ platform/* systemd, compose, Kubernetes, …
//!                                                                             └──▶ checklist
//! files ──▶ read (request → server) ──▶ audit (against the endpoint table) ──▶ findings, a plan
//! ```
//!
//! Knows nothing of simulation. Invariant: the files of all proxies are written from the same [`routes::Routes`], so they differ in
//! words only; parts of a plan that a proxy cannot express are listed in [`Configuration::warnings`].

pub mod address;
pub mod audit;
mod check;
mod checklist;
mod clients;
pub mod cluster;
pub mod extras;
mod metrics;
pub mod migration;
pub mod platform;
pub mod present;
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
use self::extras::Extras;
use self::platform::Platform;
use self::present::Present;
use self::routes::Routes;
use wsim_endpoints::ReleaseError;
use wsim_plan::{BalancerError, CheckedPlan, Fault, ProxyKind};

/// Input of a configuration besides its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigureConfig {
    /// Where Synapse runs.
    pub platform: Platform,
    /// The proxy to write for.
    pub proxy: ProxyKind,
    /// The release whose endpoint table and settings apply; `None` for the plan's release.
    pub synapse: Option<String>,
    /// The address at which the main process serves clients and federation.
    pub main: Address,
    /// The address at which the main process serves replication.
    pub main_replication: Address,
    /// The first port for workers and replication listeners without an address in the plan.
    pub base_port: u16,
    /// Add an `X-Upstream` header with the server's name to every response.
    pub expose_upstream: bool,
    /// The absolute path of the folder that contains `synapse/` where Synapse runs, which units and log settings contain.
    pub installed: String,
    /// Parts that are written only on request.
    pub extras: Extras,
    /// The deployment that the configuration is to replace, if there is one.
    pub present: Option<Present>,
    /// The folder of unix sockets for listeners without an address in the plan; `None` for ports.
    pub sockets: Option<String>,
    /// Redis; `None` for one beside Synapse without a password.
    pub redis: Option<Redis>,
}

/// Where Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    pub address: Address,
    /// The absolute path of a file with the password, as Synapse sees it.
    pub password_file: Option<String>,
}

impl Default for ConfigureConfig {
    fn default() -> Self {
        Self::on(Platform::Systemd)
    }
}

impl ConfigureConfig {
    /// The defaults of a platform.
    pub fn on(platform: Platform) -> Self {
        Self {
            platform,
            proxy: platform.proxies().first().copied().unwrap_or(ProxyKind::Nginx),
            synapse: None,
            main: platform.main(),
            main_replication: platform.main_replication(None),
            base_port: BASE_PORT,
            expose_upstream: false,
            installed: platform.installed().to_owned(),
            sockets: None,
            redis: None,
            extras: Extras::default(),
            present: None,
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
    /// Whether the file contains a secret, so that only its owner may read it.
    pub secret: bool,
}

impl OutputFile {
    /// A file without secrets.
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), secret: false }
    }
}

/// A finished configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The plan as configured: in the proxy's own words, every worker with an address.
    pub plan: CheckedPlan,
    /// The Synapse release that the files are for.
    pub release: String,
    pub cluster: Cluster,
    pub routes: Routes,
    /// Everything to write, sorted by path.
    pub files: Vec<OutputFile>,
    /// Differences from the plan because of the proxy or the release, one sentence each.
    pub warnings: Vec<String>,
}

impl Configuration {
    /// Whether the release has a secret for the workers.
    pub(crate) fn release_has_secret(&self) -> bool {
        self.release.parse().is_ok_and(|release| release::Known::new(&release).is_ok_and(|known| known.has_replication_secret()))
    }
}

/// Why a plan cannot be configured.
#[derive(Debug, Error)]
pub enum ConfigureError {
    /// The release has no table, or the text is not a release.
    #[error("synapse: {0}")]
    Release(#[from] ReleaseError),
    /// A release whose workers used another protocol.
    #[error("Synapse {0} is too old: configuration is written for {oldest} and later, whose workers communicate over Redis", oldest = release::OLDEST)]
    TooOld(String),
    /// The proxy's release lacks what was asked for.
    #[error("{option}: {problem}")]
    Extra {
        /// The option of the command line.
        option: &'static str,
        /// What is missing, and the way out.
        problem: String,
    },
    /// The proxy does not have the pool's rule, in its own words.
    #[error(transparent)]
    Balancer(#[from] BalancerError),
    /// The plan in the proxy's words breaks a rule of plans.
    #[error(transparent)]
    Plan(#[from] Fault),
    /// Text that would break a configuration file.
    #[error("pool {pool:?}: {what} {text:?} has a character that would end a word in a configuration file; remove it")]
    Text {
        pool: String,
        /// The kind of text: `server`, `pattern`, ….
        what: &'static str,
        /// The text.
        text: String,
    },
    /// A rule that no proxy has.
    #[error("pool {pool:?}: no proxy has the rule {balance:?}, which exists only for comparison")]
    NoSuchRule { pool: String, balance: String },
    /// No configuration is written for this proxy.
    #[error("no configuration is written for {0}; choose nginx, haproxy, caddy, traefik or apache")]
    Proxy(&'static str),
    /// A proxy that the platform does not have.
    #[error("--for: nothing is written for {platform} with {proxy}; choose --proxy {choices}")]
    PlatformProxy {
        platform: &'static str,
        proxy: &'static str,
        /// The keywords of the proxies that it has.
        choices: String,
    },
    /// Two containers of one name.
    #[error("worker {second:?} and {first} would both be called {service:?} among the containers; rename the worker's pool or the worker")]
    ServiceTwice {
        service: String,
        /// The process that has the name.
        first: String,
        /// The worker that would also get it.
        second: String,
    },
    /// A setting of Redis that the release does not have.
    #[error("--redis: Synapse {release} has no setting {setting}, which needs {since} or later")]
    Redis {
        release: String,
        setting: &'static str,
        /// The first release with the setting.
        since: &'static str,
    },
    /// An application that NixOS does not start.
    #[error("worker {worker:?}: NixOS starts generic workers only, not {app}; write for Synapse 1.59 or later")]
    NixosApp { worker: String, app: &'static str },
    /// An address that the release or the proxy cannot use.
    #[error("worker {worker:?} at {address}: {problem}")]
    Address {
        worker: String,
        address: String,
        /// The reason and the way out.
        problem: String,
    },
    /// Two listeners at one address.
    #[error("{first} and {second} would both listen at {address}; change the plan, --main or --base-port")]
    AddressTwice {
        address: String,
        /// The listener that has the address.
        first: String,
        /// The listener that would also get it.
        second: String,
    },
    /// No free port left for a worker.
    #[error("no port from {0} on is free for worker {1:?}; choose a lower --base-port")]
    NoPort(u16, String),
    /// A stream that the release's workers cannot write.
    #[error("workers of Synapse {release} cannot write {stream:?}, which needs {since} or later; remove it from [stream_writers]")]
    Stream {
        release: String,
        stream: String,
        /// The first release whose workers can write the stream.
        since: &'static str,
    },
    /// Several writers where the release allows one.
    #[error("Synapse {release} allows one writer of {stream:?} (several from {since} on); name one")]
    Writers {
        release: String,
        stream: String,
        /// The first release that allows several.
        since: &'static str,
    },
    /// A background role that the release cannot move to a worker.
    #[error("Synapse {release} has no setting {setting}, which needs {since} or later; remove it from [duties]")]
    BackgroundRole {
        release: String,
        setting: String,
        /// The first release with the setting.
        since: &'static str,
    },
    /// A worker that would need two programs.
    #[error(
        "worker {worker:?} would have to run {first} and {second}, which Synapse {release} has as separate programs; name two workers in [duties]"
    )]
    TwoApps { worker: String, first: &'static str, second: &'static str, release: String },
    /// A background role for the media repository, given to a worker without it.
    #[error("duties.media_instance_running_background_jobs: worker {0:?} serves no media; name a worker of the pool that takes \"media\"")]
    NoMedia(String),
    /// A selection of clients in a proxy for which none is written.
    #[error("pool {pool:?} selects clients by {lists}: no configuration of {proxy} is written for that; choose nginx, haproxy or caddy")]
    ClientLists { pool: String, lists: String, proxy: &'static str },
    /// A selection of users that a proxy cannot see.
    #[error(
        "pool {pool:?}: a proxy cannot tell the users {glob:?}: it sees a user only in the user_id= of a bridge's requests and, in base64, in Synapse's own tokens, where * cannot be matched; list the users one by one, or select by appservices, agents or addresses"
    )]
    HiddenUsers { pool: String, glob: String },
    /// A weight that the proxy does not take.
    #[error("pool {pool:?}: {proxy} accepts weights up to {most}, not {weight}; divide all weights")]
    Weight {
        pool: String,
        proxy: &'static str,
        /// The largest weight.
        most: u32,
        /// The weight in the plan.
        weight: u32,
    },
}

/// Turns a plan into files.
///
/// # Errors
/// The release or the proxy cannot do what the plan says.
pub fn configure(plan: &CheckedPlan, config: &ConfigureConfig) -> Result<Configuration, ConfigureError> {
    let mut warnings = Vec::new();
    check::check(plan)?;
    let synapse = config.synapse.as_ref().unwrap_or(&plan.synapse);
    let mut translated = translate::to_proxy(plan, config.proxy, &mut warnings)?;
    platform::reachable(&mut translated, config.platform, &mut warnings);
    let choice = wsim_endpoints::table_for(Some(synapse))?;
    if choice.newer_than_known {
        warnings.push(format!("Synapse {synapse} is newer than every known endpoint table; the newest table is used"));
    }
    let release = release::Known::new(&choice.release)?;
    check_redis(config, &release, synapse)?;
    let (plan, cluster) = cluster::assign_addresses(translated, &release, synapse, config, &mut warnings)?;
    let routes = Routes::new(&plan, &choice.table);
    let routes = if config.extras.authentication_service.is_some() { routes.with_authentication() } else { routes };
    for pool in &plan.pools {
        plan.balancer_config(pool)?;
    }
    let cluster = cluster.with_routes(&plan, &routes, &release, config)?;
    warnings.extend(plan.table_remarks(&choice.table));
    clients::check(&plan, config.proxy, &mut warnings)?;
    extras::check(&plan, config, &mut warnings)?;
    let context = Context { plan: &plan, release: &release, cluster: &cluster, routes: &routes, config };
    platform::check(&context)?;
    let mut files = Vec::new();
    if config.platform.takes_files() {
        files.extend(proxy::files(&context, &mut warnings)?);
        files.extend(synapse::files(&context));
        files.extend(metrics::files(&context));
    }
    platform::files(&context, &mut files, &mut warnings);
    files.push(OutputFile::new("plan.toml", plan.to_toml()));
    let checklist = checklist::text(&context, &warnings);
    files.push(OutputFile::new("CHECKLIST.md", checklist));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Configuration { release: plan.synapse.clone(), plan, cluster, routes, files, warnings })
}

fn check_redis(config: &ConfigureConfig, release: &release::Known, synapse: &str) -> Result<(), ConfigureError> {
    let Some(redis) = &config.redis else { return Ok(()) };
    let has_socket = matches!(redis.address, Address::Unix(_));
    for (asked, setting, since) in [(has_socket, "redis.path", "1.85"), (redis.password_file.is_some(), "redis.password_path", "1.116")] {
        if asked && !release.is_at_least(since) {
            return Err(ConfigureError::Redis { release: synapse.to_owned(), setting, since });
        }
    }
    Ok(())
}

/// The input of the modules that write files.
pub(crate) struct Context<'a> {
    pub(crate) plan: &'a CheckedPlan,
    pub(crate) release: &'a release::Known,
    pub(crate) cluster: &'a Cluster,
    pub(crate) routes: &'a Routes,
    pub(crate) config: &'a ConfigureConfig,
}

impl Context<'_> {
    /// Whether a secret for the workers is written: a deployment that has one keeps it.
    pub(crate) fn writes_secret(&self) -> bool {
        let has_one = self.config.present.as_ref().is_some_and(|present| present.has_secret);
        self.release.has_replication_secret() && !self.cluster.workers.is_empty() && !has_one
    }
}

/// The default first port for workers without an address.
pub const BASE_PORT: u16 = 18100;
