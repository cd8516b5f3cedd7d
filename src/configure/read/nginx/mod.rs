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
mod known;
mod listen;
mod location;
mod passing;
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
    let mut missing = Vec::new();
    for (path, text) in sources {
        let with_image = known::WithImage(files);
        let is_of_manager = known::is_of_manager(text);
        let tree = wsim_nginx::read(path, text, if is_of_manager { &with_image } else { files })?;
        if is_of_manager {
            let text =
                "a site of Nginx Proxy Manager: what it includes from conf.d/include and is not there is taken as in the manager's image";
            notes.push(Note { at: SourceLocation::new(&path.to_string_lossy().into(), 0), text: text.to_owned() });
        }
        for include in &tree.missing {
            let at = SourceLocation::new(&include.file, include.line);
            let effect = if routes_nothing(&include.pattern) {
                "is taken to route nothing"
            } else {
                missing.push(at.clone());
                "may route requests, so those that it could take are not evaluated"
            };
            // mime.types may always be missing.
            if !include.pattern.ends_with("mime.types") {
                let text = format!("the included file {} does not exist; it {effect}", include.pattern.escape_debug());
                notes.push(Note { at, text });
            }
        }
        for include in &tree.unmatched {
            let at = SourceLocation::new(&include.file, include.line);
            missing.push(at.clone());
            notes.push(Note { at, text: format!("no file matches the include {}", include.pattern.escape_debug()) });
        }
        trees.push((path, tree.directives));
    }
    let is_included = |path: &Path| {
        let is_same = |file: &Path| file == path || file.canonicalize().ok().is_some_and(|file| path.canonicalize().ok() == Some(file));
        trees.iter().any(|(other, directives)| **other != path && files_of(directives).iter().any(|file| is_same(Path::new(&**file))))
    };
    let included: Vec<bool> = trees.iter().map(|(path, _)| is_included(path)).collect();
    let kept = trees.into_iter().zip(included).filter(|(_, included)| !included);
    let kept: Vec<Directive> = kept.flat_map(|((_, directives), _)| directives).collect();
    Ok(Proxy { missing, ..build::proxy(&kept, notes) })
}

/// A proxy of directives that were not read from a file of nginx: those that a controller makes of other objects.
pub(super) fn of_directives(directives: &[Directive], notes: Vec<Note>) -> Proxy {
    let _budget = PatternBudget::start();
    build::proxy(directives, notes)
}

/// Whether an included file, by its name, has settings of a kind that route nothing: encryption, headers, logs.
pub(super) fn routes_nothing(pattern: &str) -> bool {
    const NAMES: [&str; 26] = [
        "resolver",
        "mime.types",
        "proxy_param",
        "proxy-param",
        "proxy_header",
        "fastcgi",
        "uwsgi",
        "scgi",
        "ssl",
        "tls",
        "letsencrypt",
        "certbot",
        "dhparam",
        "security",
        "header",
        "gzip",
        "brotli",
        "cors",
        "log",
        "robots",
        "favicon",
        "cache",
        "geoip",
        "real_ip",
        "realip",
        "hsts",
    ];
    let lower = pattern.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    NAMES.iter().any(|known| name.contains(known))
        || known::routes_nothing(&lower)
        || lower.contains("letsencrypt")
        || lower.contains("/modules-enabled/")
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
