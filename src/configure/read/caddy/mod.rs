//! Caddy: Caddyfile and JSON, both as Caddy's routes.
//!
//! ```text
//! Caddyfile ─▶ tokens ─▶ directives (sorted as Caddy sorts them) ─┐
//! JSON      ─▶ tree ───────────────────────────────────────────────┴▶ routes ─▶ run (one request)
//! ```
//!
//! Sources: Caddy's `caddyconfig/httpcaddyfile` (order of directives, sorting by path), `modules/caddyhttp/matchers.go`,
//! `routes.go` (groups), `map/map.go`, `ip_matchers.go`, `vars.go`.

mod adapt;
mod json;
mod map;
mod matcher;
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
