//! Traefik's file provider: YAML or TOML with routers and services; and its labels in a compose file.
//!
//! Sources: Traefik's `pkg/muxer/http/mux.go` (priority: a rule's length unless it is set), `matcher.go`, `pkg/rules/parser.go`.
//! For two routers of equal priority that disagree, Traefik's order is undefined, so the result is unknown.

mod build;
pub mod labels;
mod rule;

use std::path::Path;
use std::sync::Arc;

use super::model::{Proxy, ReadError};
use super::pattern::PatternBudget;
use super::tree;

/// Reads the dynamic configuration of several files together.
///
/// # Errors
/// A text is neither YAML nor TOML.
pub fn read(sources: &[(&Path, &str)]) -> Result<Proxy, ReadError> {
    let _budget = PatternBudget::start();
    let mut trees = Vec::new();
    for (path, text) in sources {
        let file: Arc<str> = path.to_string_lossy().into();
        let toml = path.extension().is_some_and(|extension| extension == "toml");
        let root = if toml { tree::toml(&file, text)? } else { tree::yaml(&file, text)? };
        let root = if labels::are_in(&root) { labels::configuration(&root) } else { root };
        trees.push((file, root));
    }
    Ok(build::proxy(&trees))
}

#[cfg(test)]
mod tests;
