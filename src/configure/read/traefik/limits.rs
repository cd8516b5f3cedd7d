//! What limits a request on its way through Traefik: sizes of bodies, time-outs.
//!
//! Sources: Traefik's documentation of the middlewares `buffering` and `chain`, of `serversTransports` (`forwardingTimeouts`), and of
//! entry points (`respondingTimeouts`). A number is one of seconds; 0 is no limit.

use std::collections::HashMap;

use super::super::tree::Node;
use super::super::units::{tighter, timeout};
use super::build::get;
use super::syntax::major_of;

/// The static configuration, as far as it concerns routes.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Statics {
    /// By the entry point's name.
    pub(super) entry_points: Vec<(String, EntryPoint)>,
    /// `serversTransport.forwardingTimeouts.responseHeaderTimeout`, milliseconds, for services without a transport of their own.
    pub(super) patience: Option<u64>,
    /// Traefik's major version, where some file names it.
    pub(super) major: Option<u32>,
    /// `core.defaultRuleSyntax`: the major version whose rules are read.
    pub(super) rule_syntax: Option<u32>,
}

/// An entry point of the static configuration.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EntryPoint {
    pub(super) port: Option<u16>,
    /// `transport.respondingTimeouts.writeTimeout`, milliseconds.
    pub(super) write_timeout: Option<u64>,
}

impl Statics {
    /// Of a version and nothing else.
    pub(in super::super) fn of_version(major: Option<u32>) -> Self {
        Self { major, ..Self::default() }
    }

    /// Reads all static configurations together.
    pub(super) fn of<'n>(roots: impl IntoIterator<Item = &'n Node>) -> Self {
        let mut statics = Self::default();
        for root in roots {
            let points = get(root, "entryPoints").map(Node::entries).unwrap_or_default();
            statics.entry_points.extend(points.iter().map(|(name, node)| (name.clone(), EntryPoint::of(node))));
            let transport = get(root, "serversTransport");
            statics.patience = tighter(statics.patience, transport.and_then(patience));
            let syntax = get(root, "core").and_then(|core| get(core, "defaultRuleSyntax")).and_then(Node::text);
            statics.rule_syntax = statics.rule_syntax.or(syntax.and_then(|name| major_of(&name)));
        }
        statics
    }

    /// The entry point of a name.
    pub(super) fn entry_point(&self, name: &str) -> Option<EntryPoint> {
        self.entry_points.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, point)| *point)
    }

    /// The shortest time for writing of any entry point, for routers that use all of them.
    pub(super) fn write_timeout(&self) -> Option<u64> {
        self.entry_points.iter().filter_map(|(_, point)| point.write_timeout).min()
    }
}

impl EntryPoint {
    fn of(node: &Node) -> Self {
        let address = get(node, "address").and_then(Node::text).unwrap_or_default();
        let address = address.split('/').next().unwrap_or_default();
        let timeouts = get(node, "transport").and_then(|transport| get(transport, "respondingTimeouts"));
        Self {
            port: address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()),
            write_timeout: timeouts.and_then(|timeouts| get(timeouts, "writeTimeout")).and_then(|node| timeout(node, SECOND)),
        }
    }
}

/// How long a transport waits for the beginning of a response, milliseconds.
pub(super) fn patience(transport: &Node) -> Option<u64> {
    get(transport, "forwardingTimeouts").and_then(|timeouts| get(timeouts, "responseHeaderTimeout")).and_then(|node| timeout(node, SECOND))
}

/// What a router's middlewares do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Effect {
    /// Some middleware changes the path.
    pub(super) rewrites: bool,
    /// The smallest `maxRequestBodyBytes`.
    pub(super) body_max: Option<u64>,
}

/// The effect of middlewares together, with those within chains.
pub(super) fn effect(names: &[String], by_name: &HashMap<&str, &Node>) -> Effect {
    let mut effect = Effect::default();
    let mut left: Vec<(String, usize)> = names.iter().map(|name| (name.clone(), 0)).collect();
    let mut budget = CHAINED_MAX;
    while let Some((name, depth)) = left.pop() {
        budget -= 1;
        if budget == 0 {
            break;
        }
        let bare = name.split('@').next().unwrap_or_default();
        let kinds = by_name.get(bare).map(|node| node.entries()).unwrap_or_default();
        for (kind, node) in kinds {
            match kind.to_ascii_lowercase().as_str() {
                "stripprefix" | "stripprefixregex" | "replacepath" | "replacepathregex" | "addprefix" => effect.rewrites = true,
                "buffering" => {
                    let size = get(node, "maxRequestBodyBytes").and_then(Node::number).and_then(|size| u64::try_from(size).ok());
                    effect.body_max = tighter(effect.body_max, size.filter(|size| *size > 0));
                }
                "chain" if depth < DEPTH_MAX => {
                    let inner = get(node, "middlewares").map(Node::items).unwrap_or_default();
                    // In Kubernetes each has a name and perhaps a namespace.
                    left.extend(inner.iter().filter_map(|item| Some((item.text().or_else(|| item.get("name")?.text())?, depth + 1))));
                }
                _ => {}
            }
        }
    }
    effect
}

/// Whole numbers are seconds, in milliseconds.
const SECOND: f64 = 1000.0;
const DEPTH_MAX: usize = 8;
const CHAINED_MAX: usize = 1000;
