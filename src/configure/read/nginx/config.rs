//! The parts of a configuration that all its servers share.

use std::collections::{HashMap, HashSet};

use super::super::model::SourceLocation;
use super::super::pattern::Pattern;
use super::upstream::Upstream;

/// Upstreams, maps and variables of a configuration.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) upstreams: Vec<Upstream>,
    pub(super) maps: HashMap<String, Map>,
    /// Variables that some `set` declares; they are empty until it runs.
    pub(super) declared: HashSet<String>,
    /// Variables of `geo`, `split_clients` and programs.
    pub(super) foreign: HashMap<String, (String, SourceLocation)>,
}

/// A `map` block.
#[derive(Debug, Clone)]
pub(super) struct Map {
    pub(super) source: String,
    /// Values by the key in lower case.
    pub(super) exact: HashMap<String, String>,
    pub(super) patterns: Vec<(Result<Pattern, String>, String, SourceLocation)>,
    pub(super) default: String,
    /// `hostnames`, which is not evaluated.
    pub(super) hostnames: bool,
    pub(super) at: SourceLocation,
}
