//! nginx: sites that route by nginx's rules.
//!
//! ```text
//! files ─▶ wsim_nginx (directives, included ones in place) ─▶ build ─▶ Config (maps, upstreams) + servers ─▶ run (one request)
//! ```
//!
//! Sources: nginx's `src/http/ngx_http_core_module.c` (search of locations), `src/http/modules/ngx_http_rewrite_module.c`,
//! `ngx_http_map_module.c`, `ngx_http_proxy_module.c`. The grammar is that of [`wsim_nginx`].

mod build;
mod config;
mod location;
mod run;
mod scope;
mod upstream;
mod value;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use wsim_nginx::{Directive, Files, IncludeError};

use super::model::{Note, Proxy, ReadError, SourceLocation};
use super::pattern::PatternBudget;

/// Reads a configuration from its main file, or from a snippet that other files include.
///
/// # Errors
/// The text is not nginx configuration.
pub fn read(path: &Path, text: &str, files: &dyn Files) -> Result<Proxy, ReadError> {
    read_all(&[(path, text)], files)
}

/// Reads several files as one configuration; a file that another one includes is read once.
///
/// # Errors
/// A text is not nginx configuration.
pub fn read_all(sources: &[(&Path, &str)], files: &dyn Files) -> Result<Proxy, ReadError> {
    let _budget = PatternBudget::start();
    let mut notes = Vec::new();
    let mut trees = Vec::new();
    for (path, text) in sources {
        let tree = wsim_nginx::read(path, text, files)?;
        // mime.types routes nothing, so it may be missing.
        let missing = tree.missing.iter().filter(|include| !include.pattern.ends_with("mime.types"));
        notes.extend(missing.map(|include| Note {
            at: SourceLocation::new(&include.file, include.line),
            text: format!("included file {} does not exist", include.pattern.escape_debug()),
        }));
        trees.push((path, tree.directives));
    }
    let is_included = |path: &Path| {
        let is_same = |file: &Path| file == path || file.canonicalize().ok().is_some_and(|file| path.canonicalize().ok() == Some(file));
        trees.iter().any(|(other, directives)| **other != path && files_of(directives).iter().any(|file| is_same(Path::new(&**file))))
    };
    let included: Vec<bool> = trees.iter().map(|(path, _)| is_included(path)).collect();
    let kept = trees.into_iter().zip(included).filter(|(_, included)| !included);
    let kept: Vec<Directive> = kept.flat_map(|((_, directives), _)| directives).collect();
    Ok(build::proxy(&kept, notes))
}

/// The files that the directives come from.
fn files_of(directives: &[Directive]) -> BTreeSet<Arc<str>> {
    let mut found = BTreeSet::new();
    let mut rest: Vec<&Directive> = directives.iter().collect();
    while let Some(directive) = rest.pop() {
        found.insert(Arc::clone(&directive.file));
        rest.extend(directive.block.as_deref().unwrap_or_default());
    }
    found
}

fn location_of(directive: &Directive) -> SourceLocation {
    SourceLocation::new(&directive.file, directive.line)
}

impl From<IncludeError> for ReadError {
    fn from(error: IncludeError) -> Self {
        match error {
            IncludeError::Read { path, source } => Self::Open { file: path.display().to_string(), source },
            IncludeError::Syntax(error) => {
                Self::Syntax { at: SourceLocation::new(&error.file, error.line), message: format!("expected {}", error.expected) }
            }
            IncludeError::TooMany { ref file, line } => {
                let at = SourceLocation::new(file, line);
                let text = error.to_string();
                let message = text.strip_prefix(&format!("{file}:{line}: ")).unwrap_or(&text).to_owned();
                Self::Syntax { at, message }
            }
        }
    }
}

#[cfg(test)]
mod tests;
