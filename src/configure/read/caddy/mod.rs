//! Caddy: Caddyfile, labels of caddy-docker-proxy and JSON, all as Caddy's routes.
//!
//! ```text
//! labels    ─▶ blocks ─┐
//! Caddyfile ─▶ tokens ─┴▶ directives (sorted as Caddy sorts them) ─┐
//! JSON      ─▶ tree ───────────────────────────────────────────────┴▶ routes ─▶ run (one request)
//! ```
//!
//! Sources: Caddy's `caddyconfig/httpcaddyfile` (order of directives, sorting by path), `modules/caddyhttp/matchers.go`,
//! `routes.go` (groups), `map/map.go`, `ip_matchers.go`, `vars.go`.

mod adapt;
mod json;
pub mod labels;
mod map;
mod matcher;
mod named;
mod route;
mod state;
mod text;
mod tokens;

use std::path::Path;
use std::sync::Arc;

use super::model::{Proxy, ReadError};
use super::pattern::PatternBudget;
use super::tree;
use wsim_nginx::Files;

/// Reads a Caddyfile.
///
/// # Errors
/// The text is not a Caddyfile.
pub fn read(path: &Path, text: &str, files: &dyn Files) -> Result<Proxy, ReadError> {
    let file: Arc<str> = path.to_string_lossy().into();
    let _budget = PatternBudget::start();
    let blocks = tokens::read(path, &file, text, files)?;
    Ok(adapt::proxy(&file, &blocks))
}

/// Reads labels of caddy-docker-proxy: all compose files are one configuration.
///
/// # Errors
/// A text is not YAML, or imports have no end.
pub fn read_labels(sources: &[(&Path, &str)], files: &dyn Files) -> Result<Proxy, ReadError> {
    let _budget = PatternBudget::start();
    let (mut trees, mut notes) = (Vec::new(), Vec::new());
    for (path, text) in sources {
        let file: Arc<str> = path.to_string_lossy().into();
        trees.push((Arc::clone(&file), tree::yaml(&file, text)?));
    }
    let segments = labels::segments(&trees, &mut notes);
    let Some((path, file)) = sources.first().map(|(path, _)| *path).zip(trees.first().map(|(file, _)| Arc::clone(file))) else {
        return Ok(adapt::proxy(&Arc::from(""), &[]));
    };
    let mut proxy = adapt::proxy(&file, &tokens::expanded(segments, path, files)?);
    proxy.notes.splice(0..0, notes);
    Ok(proxy)
}

/// Reads Caddy's JSON.
///
/// # Errors
/// The text is not JSON.
pub fn read_json(path: &Path, text: &str) -> Result<Proxy, ReadError> {
    let _budget = PatternBudget::start();
    let file: Arc<str> = path.to_string_lossy().into();
    Ok(json::proxy(&file, &tree::yaml(&file, text)?))
}

#[cfg(test)]
mod tests;
