//! What is wrong with a configuration, against the endpoint table of a release.
//!
//! ```text
//! table ─▶ examples (real requests for every row) ─▶ observe (through the evaluators) ─▶ checks ─▶ findings
//!                                                                       └─▶ derive ─▶ a plan
//! logs  ─▶ traffic (which requests really went elsewhere) ─────────────────────────────▶ strays
//! ```
//!
//! Knows the table and the proxies' evaluators, not their syntax. Invariant: every finding names a place; what could not be
//! evaluated is counted and said, and never becomes a finding about routing.

mod age;
mod derive;
pub mod examples;
mod finding;
mod keys;
mod observe;
mod pools;
mod routing;
mod settings;
pub mod traffic;

use std::path::Path;

use serde::Serialize;

pub use derive::Derived;
pub use finding::{Finding, Severity};

use super::read::synapse::Cluster;
use super::read::{Files, Kind, Note, Proxy, ReadError, caddy, haproxy, nginx, traefik};
use wsim_endpoints::{Choice, Classifier};

/// Files that were read.
#[derive(Debug, Default)]
pub struct Configuration {
    /// Proxies.
    pub proxies: Vec<Proxy>,
    /// Synapse's own files.
    pub cluster: Cluster,
}

/// What the audit is told beside the files.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Addresses of the main process, where the files do not say.
    pub main: Vec<String>,
}

/// What the audit found.
#[derive(Debug, Serialize)]
pub struct Audit {
    /// Release whose table applies.
    pub synapse: String,
    /// Requests that were tried.
    pub tried: usize,
    /// Of those, such as could not be evaluated.
    pub not_evaluated: usize,
    /// How the main process was told.
    pub main: String,
    /// Servers that are the main process: addresses, and `backend/server` as HAProxy logs it.
    #[serde(skip)]
    pub main_addresses: Vec<String>,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// What was left out of account.
    pub notes: Vec<Note>,
    /// The plan it amounts to.
    #[serde(skip)]
    pub plan: Option<Derived>,
}

/// Reads files of known kinds together; those of one proxy are one configuration.
///
/// # Errors
/// One of them cannot be read.
pub fn read(sources: &[(Kind, &Path, &str)], files: &dyn Files) -> Result<Configuration, ReadError> {
    let mut configuration = Configuration::default();
    let mut dynamic = Vec::new();
    let (mut nginx_files, mut haproxy_files) = (Vec::new(), Vec::new());
    for (kind, path, text) in sources {
        match kind {
            Kind::Nginx => nginx_files.push((*path, *text)),
            Kind::Haproxy => haproxy_files.push((*path, *text)),
            Kind::Caddyfile => configuration.proxies.push(caddy::read(path, text, files)?),
            Kind::CaddyJson => configuration.proxies.push(caddy::read_json(path, text)?),
            Kind::Traefik => dynamic.push((*path, *text)),
            // Entry points and logs: nothing in it says where a request goes.
            Kind::TraefikStatic => {}
            Kind::Synapse => configuration.cluster.add(path, text)?,
        }
    }
    if !nginx_files.is_empty() {
        configuration.proxies.push(nginx::read_all(&nginx_files, files)?);
    }
    if !haproxy_files.is_empty() {
        configuration.proxies.push(haproxy::read_all(&haproxy_files, files)?);
    }
    if !dynamic.is_empty() {
        configuration.proxies.push(traefik::read(&dynamic)?);
    }
    Ok(configuration)
}

/// Audits a configuration.
pub fn audit(configuration: &Configuration, choice: &Choice, classifier: &Classifier, settings: &Settings) -> Audit {
    let examples = examples::of(classifier);
    let view = observe::observe(configuration, &examples, classifier, settings);
    let mut findings = Vec::new();
    routing::check(&view, &mut findings);
    pools::check(&view, &mut findings);
    age::check(&view, choice, &mut findings);
    settings::check(&configuration.cluster, &choice.release, &mut findings);
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.code.cmp(b.code)).then_with(|| a.at.cmp(&b.at)));
    let plan = derive::plan(&view, &choice.release.to_string());
    let mut notes: Vec<Note> = configuration.proxies.iter().flat_map(|proxy| proxy.notes.clone()).collect();
    notes.extend(plan.iter().flat_map(|plan| plan.notes.clone()));
    Audit {
        synapse: choice.release.to_string(),
        tried: view.seen.len(),
        not_evaluated: view.unknown(),
        main: view.main_told.clone(),
        main_addresses: view.main_addresses(),
        findings,
        notes,
        plan,
    }
}
