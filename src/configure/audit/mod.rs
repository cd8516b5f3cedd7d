//! The audit of a configuration against the endpoint table of a release.
//!
//! ```text
//! table ─▶ examples (requests for every row) ─▶ observe (through the evaluators) ─▶ checks ─▶ findings
//!                                                                 └─▶ derive ─▶ a plan
//! logs  ─▶ traffic (requests that reached the wrong process) ──────────────────────▶ misrouted
//! ```
//!
//! Knows the table and the proxies' evaluators, not their syntax. Invariant: every finding has a location; a request that could not
//! be evaluated is counted and reported, and never becomes a finding about routing.

mod age;
mod clients;
mod delivery;
mod derive;
pub mod examples;
mod finding;
mod foreign;
mod keys;
mod observe;
mod pools;
pub mod route;
mod routing;
mod settings;
mod sites;
pub mod traffic;

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

pub use derive::Derived;
pub use finding::{Finding, Severity};

use super::read::synapse::SynapseFiles;
use super::read::{Files, Kind, Note, Proxy, ReadError, SourceLocation, apache, caddy, envoy, haproxy, kubernetes, nginx, traefik};
use wsim_endpoints::{Classifier, SelectedTable};

/// The parsed files.
#[derive(Debug, Default)]
pub struct Configuration {
    pub proxies: Vec<Proxy>,
    /// The processes in Synapse's files.
    pub cluster: SynapseFiles,
    /// The words of the proxies' files, to find which clients their rules select.
    words: clients::Words,
}

/// Input of the audit besides the files.
#[derive(Debug, Clone, Default)]
pub struct AuditConfig {
    /// Addresses of the main process, if the files do not contain them.
    pub main: Vec<String>,
    /// The host name of the Matrix site; `None` to find it by the rules.
    pub host: Option<String>,
    /// Addresses of servers that are no Synapse processes.
    pub not_synapse: Vec<String>,
    /// Files that were not read, and why.
    pub notes: Vec<Note>,
    /// Files that cannot be parsed, and the error with its place.
    pub unreadable: Vec<(SourceLocation, String)>,
}

/// The result of an audit.
#[derive(Debug, Serialize)]
pub struct Audit {
    /// The release whose table applies.
    pub synapse: String,
    /// Number of example requests.
    pub tried: usize,
    /// Number of example requests that could not be evaluated.
    pub not_evaluated: usize,
    /// Reason for taking a server as the main process, in words.
    pub main: String,
    /// The main process in logs: addresses, and `backend/server` as HAProxy writes it.
    #[serde(skip)]
    pub main_addresses: Vec<String>,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// Parts of the files that were read but not evaluated.
    pub notes: Vec<Note>,
    /// The plan that the configuration implements.
    #[serde(skip)]
    pub plan: Option<Derived>,
}

/// Parses files of known kinds; the files of one proxy are one configuration.
///
/// # Errors
/// A file cannot be read or parsed.
pub fn read(sources: &[(Kind, &Path, &str)], files: &dyn Files) -> Result<Configuration, ReadError> {
    let mut configuration = Configuration::default();
    let mut dynamic = Vec::new();
    let (mut nginx_files, mut haproxy_files, mut caddy_labels) = (Vec::new(), Vec::new(), Vec::new());
    let (mut manifests, mut statics, mut apache_files) = (Vec::new(), Vec::new(), Vec::new());
    let recording = clients::Recording::new(files);
    sources.iter().filter(|(kind, ..)| *kind != Kind::Synapse).for_each(|(_, _, text)| recording.add(text));
    let files: &dyn Files = &recording;
    for (kind, path, text) in &without_copies(sources) {
        match kind {
            Kind::Nginx => nginx_files.push((*path, *text)),
            Kind::Haproxy => haproxy_files.push((*path, *text)),
            Kind::Caddyfile => configuration.proxies.push(caddy::read(path, text, files)?),
            Kind::CaddyLabels => caddy_labels.push((*path, *text)),
            Kind::CaddyJson => configuration.proxies.push(caddy::read_json(path, text)?),
            Kind::Traefik => dynamic.push((*path, *text)),
            Kind::TraefikStatic => statics.push((*path, *text)),
            Kind::Envoy => configuration.proxies.push(envoy::read(path, text)?),
            Kind::Apache => apache_files.push((*path, *text)),
            Kind::Kubernetes => manifests.push((*path, *text)),
            Kind::Synapse => configuration.cluster.add(path, text)?,
        }
    }
    if !nginx_files.is_empty() {
        configuration.proxies.push(nginx::read_all(&nginx_files, files)?);
    }
    if !haproxy_files.is_empty() {
        configuration.proxies.push(haproxy::read_all(&haproxy_files, files)?);
    }
    if !caddy_labels.is_empty() {
        configuration.proxies.push(caddy::read_labels(&caddy_labels, files)?);
    }
    if !apache_files.is_empty() {
        configuration.proxies.push(apache::read_all(&apache_files, files)?);
    }
    if !dynamic.is_empty() {
        configuration.proxies.push(traefik::read_with(&dynamic, &statics)?);
    }
    configuration.proxies.extend(kubernetes::read(&manifests, &passing(sources))?);
    configuration.words = recording.into_words();
    Ok(configuration)
}

/// The sources without files in ConfigMaps and Secrets that lie beside the manifests, too, as `wsim configure` writes them.
fn without_copies<'s>(sources: &[(Kind, &'s Path, &'s str)]) -> Vec<(Kind, &'s Path, &'s str)> {
    let manifests: Vec<&Path> = sources.iter().filter(|(kind, ..)| *kind == Kind::Kubernetes).map(|(_, path, _)| *path).collect();
    let is_held = |path: &Path| manifests.iter().any(|manifest| path != *manifest && path.starts_with(manifest));
    let is_copy = |(kind, path, text): &(Kind, &Path, &str)| {
        let is_same = |(other_kind, other, own): &(Kind, &Path, &str)| {
            other_kind == kind && !is_held(other) && other.file_name() == path.file_name() && own.trim_end() == text.trim_end()
        };
        is_held(path) && sources.iter().any(is_same)
    };
    sources.iter().filter(|source| !is_copy(source)).copied().collect()
}

/// The ConfigMaps and Secrets that hold a proxy's configuration: the folders below manifests in which such files were found.
fn passing(sources: &[(Kind, &Path, &str)]) -> Vec<String> {
    let manifests: Vec<&Path> = sources.iter().filter(|(kind, ..)| *kind == Kind::Kubernetes).map(|(_, path, _)| *path).collect();
    let is_proxy = |kind: Kind| {
        matches!(
            kind,
            Kind::Nginx
                | Kind::Haproxy
                | Kind::Caddyfile
                | Kind::CaddyLabels
                | Kind::CaddyJson
                | Kind::Traefik
                | Kind::Apache
                | Kind::Envoy
        )
    };
    let held = sources.iter().filter(|(kind, path, _)| is_proxy(*kind) && manifests.iter().any(|manifest| path.starts_with(manifest)));
    held.filter_map(|(_, path, _)| Some(path.parent()?.file_name()?.to_string_lossy().into_owned())).collect()
}

/// Audits a configuration.
pub fn audit(configuration: &Configuration, choice: &SelectedTable, classifier: &Classifier, config: &AuditConfig) -> Audit {
    let examples = examples::of(classifier);
    let observed = observe::observe(configuration, &examples, classifier, config);
    let mut findings: Vec<Finding> = config.unreadable.iter().map(|(at, error)| unreadable(at, error)).collect();
    routing::check(&observed, &mut findings);
    pools::check(&observed, &mut findings);
    age::check(&observed, choice, &mut findings);
    delivery::check(&observed, &mut findings);
    settings::check(&observed, &choice.release, &mut findings);
    let findings = finding::sorted(findings);
    let plan = derive::plan(&observed, &choice.release.to_string());
    let mut notes = config.notes.clone();
    notes.extend(several_homeservers(configuration));
    notes.extend(configuration.proxies.iter().flat_map(|proxy| proxy.notes.clone()));
    notes.extend(observed.notes.iter().cloned());
    notes.extend(plan.iter().flat_map(|plan| plan.notes.clone()));
    // A file that several sites include says the same for each.
    let mut known = BTreeSet::new();
    notes.retain(|note| known.insert((note.at.clone(), note.text.clone())));
    Audit {
        synapse: choice.release.to_string(),
        tried: observed.observations.len(),
        not_evaluated: observed.unknown(),
        main: observed.main_evidence.clone(),
        main_addresses: observed.main_addresses(),
        findings,
        notes,
        plan,
    }
}

/// A note if the files are of several deployments, which have nothing to do with each other.
fn several_homeservers(configuration: &Configuration) -> Option<Note> {
    let names = configuration.cluster.server_names();
    let at = names.values().next().filter(|_| names.len() > 1)?.clone();
    let shown: Vec<String> = names.keys().map(|name| name.escape_debug().to_string()).collect();
    let text = format!("these are files of several homeservers ({}), audited as one; name the files of one of them", shown.join(", "));
    Some(Note { at, text })
}

/// A file of a folder that cannot be parsed: it may be one that Synapse reads.
fn unreadable(at: &SourceLocation, error: &str) -> Finding {
    let words = [
        format!("this file cannot be read: {error}"),
        "what it says is not in this audit, and its program does not read it either".to_owned(),
        "correct it".to_owned(),
    ];
    Finding::new("unreadable-file", Severity::Warning, Some(at.clone()), words)
}
