//! Traefik's file provider: YAML or TOML with routers and services; and its labels in a compose file. Of the static configuration the
//! entry points' ports and time-outs.
//!
//! Sources: Traefik's `pkg/muxer/http/mux.go` (priority: a rule's length unless it is set), `matcher.go`, `pkg/rules/parser.go`.
//! For two routers of equal priority that disagree, Traefik's order is undefined, so the result is unknown.

mod build;
pub mod labels;
mod limits;
mod rule;
mod syntax;

use std::path::Path;
use std::sync::Arc;

use super::model::{Proxy, ReadError};
use super::pattern::PatternBudget;
use super::tree::{self, Node};
pub(super) use limits::Statics;
pub(super) use syntax::major_of_image;

/// Reads the dynamic configuration of several files together.
///
/// # Errors
/// A text is neither YAML nor TOML.
pub fn read(sources: &[(&Path, &str)]) -> Result<Proxy, ReadError> {
    read_with(sources, &[])
}

/// Reads the dynamic and the static configuration together.
///
/// # Errors
/// A text is neither YAML nor TOML.
pub fn read_with(sources: &[(&Path, &str)], statics: &[(&Path, &str)]) -> Result<Proxy, ReadError> {
    let (mut trees, mut major) = (Vec::new(), None);
    for (path, text) in sources {
        let (file, root) = parsed(path, text)?;
        let root = if labels::are_in(&root) {
            major = major.or(labels::major(&root));
            labels::configuration(&root)
        } else {
            root
        };
        trees.push((file, root));
    }
    let statics = statics.iter().map(|(path, text)| parsed(path, text).map(|(_, root)| root)).collect::<Result<Vec<Node>, _>>()?;
    Ok(of_trees(&trees, &Statics { major, ..Statics::of(&statics) }))
}

/// A proxy of trees with `http.routers`, `http.services`, …
pub(super) fn of_trees(trees: &[(Arc<str>, Node)], statics: &Statics) -> Proxy {
    let _budget = PatternBudget::start();
    build::proxy(trees, statics)
}

fn parsed(path: &Path, text: &str) -> Result<(Arc<str>, Node), ReadError> {
    let file: Arc<str> = path.to_string_lossy().into();
    let toml = path.extension().is_some_and(|extension| extension == "toml");
    let root = if toml { tree::toml(&file, text)? } else { tree::yaml(&file, text)? };
    Ok((file, root))
}

#[cfg(test)]
mod tests;
