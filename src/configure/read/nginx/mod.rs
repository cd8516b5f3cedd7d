//! nginx: the tree of directives with their places, and sites that route as nginx does.
//!
//! ```text
//! files ─▶ tree (includes in place) ─▶ build ─▶ Config (maps, upstreams) + servers ─▶ run (one request)
//! ```
//!
//! Sources: nginx's `src/http/ngx_http_core_module.c` (search of locations), `src/http/modules/ngx_http_rewrite_module.c`,
//! `ngx_http_map_module.c`, `ngx_http_proxy_module.c`. The grammar is that of [`wsim_logs::formats::nginx_config`].

mod build;
mod location;
mod run;
mod scope;
mod text;
mod tree;
mod upstream;
mod value;

use std::path::Path;

use super::files::Files;
use super::model::{Proxy, ReadError};

/// Reads a configuration from its main file, or from a snippet that others include.
///
/// # Errors
/// The text is no nginx configuration.
pub fn read(path: &Path, text: &str, files: &dyn Files) -> Result<Proxy, ReadError> {
    read_all(&[(path, text)], files)
}

/// Reads several files as one configuration; one that another includes is read once.
///
/// # Errors
/// One is no nginx configuration.
pub fn read_all(sources: &[(&Path, &str)], files: &dyn Files) -> Result<Proxy, ReadError> {
    let mut notes = Vec::new();
    let mut trees = Vec::new();
    for (path, text) in sources {
        trees.push((path, tree::read(path, text, files, &mut notes)?));
    }
    let included = |path: &Path| {
        let same = |place: &Path| place == path || place.canonicalize().ok().is_some_and(|place| path.canonicalize().ok() == Some(place));
        trees.iter().any(|(own, tree)| **own != path && tree::files(tree).iter().any(|file| same(Path::new(&**file))))
    };
    let kept: Vec<tree::Directive> = trees.iter().filter(|(path, _)| !included(path)).flat_map(|(_, tree)| tree.clone()).collect();
    Ok(build::proxy(&kept, notes))
}

#[cfg(test)]
mod tests;
