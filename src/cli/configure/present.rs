//! The deployment that `--from` names: its files as the audit reads them.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;

use super::super::UsageError;
use super::super::audit::sort::{self, Sorted};
use wsim_configure::address::Address;
use wsim_configure::audit::{self, AuditConfig};
use wsim_configure::migration::PresentProxy;
use wsim_configure::present::Present;
use wsim_configure::read::synapse::SynapseFiles;
use wsim_configure::read::{Among, Files, Kind, SourceLocation};
use wsim_endpoints::{Classifier, ClassifierConfig, table_for};

/// What the files say.
pub(super) struct Deployment {
    pub(super) files: SynapseFiles,
    pub(super) present: Present,
    pub(super) proxy: PresentProxy,
}

/// Reads the files of a deployment of a release.
pub(super) fn read(paths: &[String], release: &str) -> anyhow::Result<Deployment> {
    // MIGRATION.md is carried out elsewhere than wsim was called.
    let paths: Vec<String> = paths
        .iter()
        .map(|path| std::path::absolute(path).map_or_else(|_| path.clone(), |path| path.to_string_lossy().into_owned()))
        .collect();
    let sorted = sort::sort(&paths, None)?;
    let Sorted { configurations, given, held, broken, .. } = &sorted;
    if let Some((_, problem)) = broken.first() {
        return Err(UsageError(format!("--from: {problem}")).into());
    }
    let sources: Vec<(Kind, &Path, &str)> =
        configurations.iter().map(|(kind, path, text)| (*kind, path.as_path(), text.as_str())).collect();
    let disk = Among::new(given).with_texts(held);
    let configuration = audit::read(&sources, &disk)?;
    if !configuration.cluster.shared {
        return Err(UsageError(format!("--from: {} has no homeserver.yaml; name the file or its folder", paths.join(", "))).into());
    }
    let choice = table_for(Some(release)).map_err(|error| UsageError(format!("--synapse-version: {error}")))?;
    let classifier = Classifier::new(&choice.table, &ClassifierConfig::default())?;
    let audit_config = AuditConfig::default();
    let audited = audit::audit(&configuration, &choice, &classifier, &audit_config);
    let main = audited.main_addresses.iter().find_map(|address| Address::parse(address).ok());
    let requests: Vec<String> =
        audit::examples::of(&classifier).iter().map(|example| format!("{} {}", example.method, example.target)).collect();
    let answers = audit::route::routes(&configuration, &classifier, &audit_config, &requests);
    let rules: BTreeSet<SourceLocation> = answers.into_iter().filter_map(|answer| answer.rule).collect();
    // What an earlier `wsim configure` wrote is replaced as a whole, with its groups of servers.
    let pools = configuration.proxies.iter().flat_map(|proxy| &proxy.pools).map(|pool| &*pool.at.file);
    let own = pools.filter(|name| Path::new(name).file_name().is_some_and(|name| name.to_string_lossy().starts_with("wsim-")));
    let names: BTreeSet<&str> = rules.iter().map(|rule| &*rule.file).chain(own).collect();
    let mut files = Vec::new();
    for name in names {
        let text = match configurations.iter().find(|(_, path, _)| path.to_string_lossy() == name) {
            Some((_, _, text)) => text.clone(),
            None => disk.read(Path::new(name)).with_context(|| format!("--from: could not read {name}"))?,
        };
        files.push((name.to_owned(), text));
    }
    let proxy = PresentProxy { kind: configuration.proxies.first().map(|proxy| proxy.kind), files, rules };
    let present = Present::of(&configuration.cluster, main.as_ref());
    Ok(Deployment { files: configuration.cluster, present, proxy })
}
