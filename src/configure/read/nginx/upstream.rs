//! `upstream` blocks.

use super::super::model::{Note, UpstreamPool, UpstreamServer};

use super::location_of;
use wsim_nginx::Directive;

/// A pool and the key of its rule.
#[derive(Debug, Clone)]
pub(super) struct Upstream {
    pub(super) pool: UpstreamPool,
    pub(super) hash: Hash,
}

/// The key of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hash {
    Nothing,
    /// A text with variables.
    Text(String),
    /// `ip_hash`
    Address,
}

/// Reads an `upstream` block.
pub(super) fn upstream(directive: &Directive, notes: &mut Vec<Note>) -> Upstream {
    let mut pool = UpstreamPool {
        name: directive.argument(0).to_owned(),
        servers: Vec::new(),
        balance: "round robin".to_owned(),
        shared: false,
        at: location_of(directive),
    };
    let mut hash = Hash::Nothing;
    for inner in directive.block.as_deref().unwrap_or_default() {
        match inner.name.as_str() {
            "server" => {
                let options = inner.arguments.get(1..).unwrap_or_default();
                if options.iter().any(|option| option == "down" || option == "backup") {
                    continue;
                }
                let weight = options.iter().find_map(|option| option.strip_prefix("weight=")).and_then(|weight| weight.parse().ok());
                pool.servers.push(UpstreamServer { address: address(inner.argument(0), 80), name: None, weight: weight.unwrap_or(1) });
            }
            "zone" => pool.shared = true,
            "hash" => {
                hash = Hash::Text(inner.argument(0).to_owned());
                pool.balance = words(inner);
            }
            "ip_hash" => {
                hash = Hash::Address;
                pool.balance = words(inner);
            }
            "least_conn" | "random" | "least_time" => {
                hash = Hash::Nothing;
                pool.balance = words(inner);
            }
            "sticky" => notes.push(Note { at: location_of(inner), text: "sticky sessions are not evaluated".to_owned() }),
            _ => {}
        }
    }
    Upstream { pool, hash }
}

/// A server's address with its port.
pub(super) fn address(text: &str, default_port: u16) -> String {
    let is_port = |(host, port): (&str, &str)| {
        let whole = !host.contains(':') || host.ends_with(']');
        whole && !host.is_empty() && port.parse::<u16>().is_ok()
    };
    let has_port = text.starts_with("unix:") || text.rsplit_once(':').is_some_and(is_port);
    if has_port { text.to_owned() } else { format!("{text}:{default_port}") }
}

fn words(directive: &Directive) -> String {
    std::iter::once(directive.name.as_str()).chain(directive.arguments.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}
