//! The parts of a configuration that all its servers share.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::super::model::SourceLocation;
use super::super::pattern::Pattern;
use super::upstream::Upstream;
use wsim_nginx::Directive;
use wsim_plan::Network;

/// Upstreams, maps and variables of a configuration.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) upstreams: Vec<Upstream>,
    pub(super) maps: HashMap<String, Map>,
    /// Variables that some `set` declares; they are empty until it runs.
    pub(super) declared: HashSet<String>,
    /// `geo` blocks by variable.
    pub(super) geos: HashMap<String, Geo>,
    /// Variables of `split_clients`, programs and `geo` blocks that cannot be evaluated.
    pub(super) foreign: HashMap<String, (String, SourceLocation)>,
}

/// A `geo` block: a value for the client's network.
#[derive(Debug, Clone)]
pub(super) struct Geo {
    /// Networks with their values.
    pub(super) networks: Vec<(Network, String)>,
    pub(super) default: String,
}

impl Geo {
    /// Reads `geo [$remote_addr] $variable { … }`; `None` for another address or a directive that is not evaluated.
    pub(super) fn new(directive: &Directive) -> Option<Self> {
        if directive.arguments.len() > 1 && directive.argument(0) != "$remote_addr" {
            return None;
        }
        let mut geo = Self { networks: Vec::new(), default: String::new() };
        for entry in directive.block.as_deref().unwrap_or_default() {
            match (entry.name.as_str(), Network::parse(&entry.name)) {
                ("default", _) => entry.argument(0).clone_into(&mut geo.default),
                (_, Ok(network)) => geo.networks.push((network, entry.argument(0).to_owned())),
                _ => return None,
            }
        }
        Some(geo)
    }

    /// The value of the smallest network with the address.
    pub(super) fn value(&self, address: IpAddr) -> &str {
        let holding = self.networks.iter().filter(|(network, _)| network.contains(address));
        holding.max_by_key(|(network, _)| network.bits()).map_or(&self.default, |(_, value)| value)
    }
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
