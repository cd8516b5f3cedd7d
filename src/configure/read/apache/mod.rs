//! Apache httpd: virtual hosts that pass on by mod_proxy's and mod_rewrite's rules.
//!
//! ```text
//! lines ─▶ sections ─▶ build (hosts, balancers) ─▶ run (one request: rewrite, then pass)
//! ```
//!
//! Not evaluated, and said so where it matters: `<If>`, `SetHandler` and `RewriteRule` within sections, `RewriteMap`, `mapping=`.
//! The sources are named in each file.

mod build;
mod expand;
mod expression;
mod lines;
mod pass;
mod rewrite;
mod run;
mod section;
mod target;
mod uri;

use std::path::Path;

use super::model::{Note, Proxy, ReadError};
use super::pattern::PatternBudget;
use wsim_nginx::Files;

/// Reads a configuration from its main file, or from the file of a site.
///
/// # Errors
/// The text is not Apache's configuration.
pub fn read(path: &Path, text: &str, files: &dyn Files) -> Result<Proxy, ReadError> {
    read_all(&[(path, text)], files)
}

/// Reads several files as one configuration; a file that another one includes is read once.
///
/// # Errors
/// A text is not Apache's configuration.
pub fn read_all(sources: &[(&Path, &str)], files: &dyn Files) -> Result<Proxy, ReadError> {
    let _budget = PatternBudget::start();
    let trees: Vec<(&Path, lines::Tree)> =
        sources.iter().map(|(path, text)| Ok((*path, lines::read(path, text, files)?))).collect::<Result<_, ReadError>>()?;
    let is_same =
        |one: &Path, other: &Path| one == other || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other));
    let is_included =
        |path: &Path| trees.iter().any(|(other, tree)| *other != path && tree.included.iter().any(|included| is_same(included, path)));
    let kept: Vec<bool> = trees.iter().map(|(path, _)| !is_included(path)).collect();
    let (mut notes, mut missing, mut directives) = (Vec::new(), Vec::new(), Vec::new());
    for ((_, tree), _) in trees.into_iter().zip(kept).filter(|(_, kept)| *kept) {
        for (pattern, at) in tree.missing {
            let effect = if super::nginx::routes_nothing(&pattern) {
                "is taken to route nothing"
            } else {
                missing.push(at.clone());
                "may route requests, so those that it could take are not evaluated"
            };
            notes.push(Note { at, text: format!("the included file {} does not exist; it {effect}", pattern.escape_debug()) });
        }
        directives.extend(tree.directives);
    }
    Ok(build::proxy(&directives, notes, missing))
}

#[cfg(test)]
mod tests;
