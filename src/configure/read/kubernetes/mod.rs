//! Kubernetes' objects as `kubectl get -o yaml` and `helm template` print them: routes, and the files in ConfigMaps and Secrets.
//!
//! ```text
//! manifests ─▶ documents ─▶ Objects ┬▶ Ingress            ─▶ what ingress-nginx makes of it, as nginx directives ─▶ nginx
//!                                   ├▶ IngressRoute, …    ─▶ Traefik's dynamic configuration                     ─▶ traefik
//!                                   ├▶ HTTPRoute          ─▶ gateway
//!                                   └▶ ConfigMap, Secret  ─▶ files, each read by its own program's reader
//! ```
//!
//! Owns the objects' meaning for routes: hosts, paths, the servers behind a Service. Knows nothing of Matrix. Sources: Kubernetes' API
//! reference (Ingress, Service), documentation and source of ingress-nginx (`internal/ingress/controller/location.go`, "Ingress Path
//! Matching", "Annotations"), Traefik's CRDs, Gateway API 1.2.

mod document;
mod gateway;
mod ingress;
mod objects;
mod traefik;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::model::{Note, Proxy, ReadError};
use objects::Objects;

pub(super) use document::is_manifest;

/// Whether a text has objects that route requests or hold files.
pub(super) fn is_of_use(file: &Arc<str>, text: &str) -> Result<bool, ReadError> {
    let wanted = |kind: &str| ROUTES.contains(&kind) || FILES.contains(&kind) || kind == "Service";
    Ok(document::objects(file, text)?.iter().any(|object| wanted(&object.kind)))
}

/// The files that ConfigMaps and Secrets hold, under paths below the manifest's.
///
/// # Errors
/// The text is not YAML.
pub fn files(path: &Path, text: &str) -> Result<Vec<(PathBuf, String)>, ReadError> {
    let file: Arc<str> = path.to_string_lossy().into();
    let objects = document::objects(&file, text)?;
    let files = objects.iter().filter(|object| FILES.contains(&object.kind.as_str())).flat_map(document::Object::files);
    Ok(files.map(|(name, text)| (path.join(name), text)).collect())
}

/// Reads the routes of several manifests together. `passing` names the ConfigMaps and Secrets with a proxy's configuration: what is sent
/// to such a proxy is evaluated by its own rules.
///
/// # Errors
/// A text is not YAML.
pub fn read(sources: &[(&Path, &str)], passing: &[String]) -> Result<Vec<Proxy>, ReadError> {
    let mut all = Vec::new();
    for (path, text) in sources {
        all.extend(document::objects(&path.to_string_lossy().into(), text)?);
    }
    let objects = Objects::new(all, passing);
    let mut proxies = Vec::new();
    proxies.extend(ingress::proxy(&objects));
    proxies.extend(traefik::proxy(&objects));
    proxies.extend(gateway::proxy(&objects));
    let unread = objects.all().iter().filter(|object| UNREAD.contains(&object.kind.as_str()));
    let notes: Vec<Note> = unread.map(|object| object.note(format!("a {} is not evaluated", object.kind))).collect();
    if let Some(first) = proxies.first_mut() {
        first.notes.extend(notes);
    }
    Ok(proxies)
}

const ROUTES: [&str; 3] = ["Ingress", "IngressRoute", "HTTPRoute"];
const FILES: [&str; 2] = ["ConfigMap", "Secret"];
/// Kinds that route or balance, and that no reader here evaluates.
const UNREAD: [&str; 7] =
    ["HTTPProxy", "VirtualService", "DestinationRule", "BackendTrafficPolicy", "ClientTrafficPolicy", "EnvoyPatchPolicy", "GRPCRoute"];

#[cfg(test)]
mod tests;
