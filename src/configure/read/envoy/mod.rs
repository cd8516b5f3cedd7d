//! Envoy: virtual hosts and clusters of a static configuration (`static_resources`), in YAML or JSON.
//!
//! ```text
//! tree ─▶ clusters (pools) ─▶ listeners ─▶ HTTP connection managers ─▶ virtual hosts ─▶ routes, of which the first that matches counts
//! ```
//!
//! Sources: Envoy's API reference (`config/route/v3/route_components.proto`, `config/cluster/v3/cluster.proto`,
//! `http_connection_manager.proto`: a route waits 15 s for a response unless it says otherwise) and `source/common/router/config_impl.cc`.
//! What comes from a server of configurations (RDS, CDS, EDS) is not there, and named.

mod build;
mod matching;
mod run;

use std::path::Path;
use std::sync::Arc;

use super::model::{Proxy, ReadError};
use super::pattern::PatternBudget;
use super::tree::{self, Node};

/// Reads a configuration.
///
/// # Errors
/// The text is not YAML.
pub fn read(path: &Path, text: &str) -> Result<Proxy, ReadError> {
    let _budget = PatternBudget::start();
    let file: Arc<str> = path.to_string_lossy().into();
    let root = tree::yaml(&file, text)?;
    Ok(build::proxy(&file, &root))
}

/// Whether a tree is Envoy's configuration.
pub(super) fn is_in(root: &Node, text: &str) -> bool {
    text.contains("type.googleapis.com/envoy") || root.get("static_resources").is_some() || root.get("dynamic_resources").is_some()
}

#[cfg(test)]
mod tests;
