//! HAProxy: sections of lines, and frontends that route by HAProxy's rules.
//!
//! ```text
//! lines ─▶ words ─▶ sections ─▶ build (acls, rules, backends) ─▶ run (one request)
//! ```
//!
//! Source: HAProxy's `doc/configuration.txt` (sections 2.2 quoting, 4.2 rules, 7.1 acls, 7.3 samples).

mod build;
mod condition;
mod config;
mod hosts;
mod maps;
mod run;
mod sample;
mod server;
mod words;

use std::path::Path;

use super::model::{Proxy, ReadError};
use super::pattern::PatternBudget;
use wsim_nginx::Files;

/// Reads a configuration. Its maps and lists are read from their paths or from the configuration's folder.
///
/// # Errors
/// The text is not HAProxy configuration.
pub fn read(path: &Path, text: &str, files: &dyn Files) -> Result<Proxy, ReadError> {
    read_all(&[(path, text)], files)
}

/// Reads several files as one configuration, like HAProxy with several `-f`.
///
/// # Errors
/// A text is not HAProxy configuration.
pub fn read_all(sources: &[(&Path, &str)], files: &dyn Files) -> Result<Proxy, ReadError> {
    let _budget = PatternBudget::start();
    let mut lines = Vec::new();
    for (path, text) in sources {
        lines.append(&mut words::lines(path, text)?);
    }
    build::proxy(sources.first().map_or(Path::new(""), |(path, _)| *path), &lines, files)
}

#[cfg(test)]
mod tests;
