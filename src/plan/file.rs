//! Plan files: TOML made to be read and edited by hand.
//!
//! Reading checks everything ([`super::check`]) and names file, line and the way out. What is written reads back as the same plan.

use std::fmt::Write as _;

use thiserror::Error;
use toml::de::{DeTable, DeValue};

use super::check::{Fault, Step};
use super::duties::Duties;
use super::model::{Plan, Pool, ProxyKind, Selector, Writers};

/// Why a plan file is not a plan.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PlanError {
    /// Not TOML, a key that does not exist, or a value of the wrong kind.
    #[error("{path}:{line}: {message}")]
    Syntax {
        /// File as named on the command line.
        path: String,
        /// Line, from 1.
        line: usize,
        /// What the reader says.
        message: String,
    },
    /// Well formed, but no plan.
    #[error("{path}:{line}: {fault}")]
    Invalid {
        /// File as named on the command line.
        path: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong and the way out.
        fault: Box<Fault>,
    },
}

impl Plan {
    /// Reads a plan. `path` is only for messages.
    ///
    /// # Errors
    /// [`PlanError`] with the line at fault.
    pub fn from_toml(text: &str, path: &str) -> Result<Self, PlanError> {
        let plan: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            PlanError::Syntax { path: path.to_owned(), line, message: error.message().trim().replace('\n', ", ") }
        })?;
        plan.check().map_err(|fault| PlanError::Invalid {
            path: path.to_owned(),
            line: line_of(text, &fault.at),
            fault: Box::new(fault),
        })?;
        Ok(plan)
    }

    /// Writes a plan as a person would: a heading, the pools in order, the stream writers.
    pub fn to_toml(&self) -> String {
        let mut out = String::from(HEADING);
        line(&mut out, "name", &quoted(&self.name));
        line(&mut out, "synapse", &quoted(&self.synapse));
        out.push_str("\n[proxy]\n");
        let _ = writeln!(out, "kind = {}", quoted(proxy_word(self.proxy.kind)));
        if self.proxy.processes != 1 {
            out.push_str("# independent balancing states: an nginx upstream without a zone keeps one in each of its processes\n");
            let _ = writeln!(out, "processes = {}", self.proxy.processes);
        }
        if let Some(release) = &self.proxy.release {
            line(&mut out, "release", &quoted(release));
        }
        for pool in &self.pools {
            write_pool(&mut out, pool);
        }
        if !self.stream_writers.is_empty() {
            out.push_str("\n[stream_writers]\n");
            for (stream, writers) in &self.stream_writers {
                line(&mut out, &key(stream), &names(writers));
            }
        }
        write_duties(&mut out, &self.duties);
        out.push_str("\n# What no pool takes goes to the main process.\n");
        out
    }
}

fn names(writers: &Writers) -> String {
    match writers {
        Writers::One(name) => quoted(name),
        Writers::Several(names) => array(names.iter().map(|name| quoted(name))),
    }
}

fn write_duties(out: &mut String, duties: &Duties) {
    if duties.is_empty() {
        return;
    }
    out.push_str("\n# Work that no request asks for.\n[duties]\n");
    for (setting, workers) in duties.assigned() {
        let value = match (setting, workers) {
            ("pusher_instances", _) => duties.pusher_instances.as_ref().map(names),
            ("federation_sender_instances", _) => duties.federation_sender_instances.as_ref().map(names),
            (_, [worker, ..]) => Some(quoted(worker)),
            _ => None,
        };
        if let Some(value) = value {
            line(out, setting, &value);
        }
    }
}

fn write_pool(out: &mut String, pool: &Pool) {
    out.push_str("\n[[pool]]\n");
    line(out, "name", &quoted(&pool.name));
    line(out, "endpoints", &array(pool.endpoints.iter().map(selector)));
    if !pool.servers.is_empty() {
        line(out, "servers", &array(pool.servers.iter().map(|server| quoted(server))));
    }
    if let Some(workers) = pool.workers {
        line(out, "workers", &workers.to_string());
    }
    line(out, "balance", &quoted(&pool.balance));
    if let Some(key) = &pool.key {
        line(out, "key", &quoted(key));
    }
    if pool.cpu.to_bits() != 1.0_f64.to_bits() {
        line(out, "cpu", &toml::Value::Float(pool.cpu).to_string());
    }
}

fn selector(selector: &Selector) -> String {
    match selector {
        Selector::Group(group) => quoted(group),
        Selector::Pattern { pattern, methods } if methods.is_empty() => format!("{{pattern = {}}}", quoted(pattern)),
        Selector::Pattern { pattern, methods } => {
            let methods: Vec<String> = methods.iter().map(|method| quoted(method)).collect();
            format!("{{pattern = {}, methods = [{}]}}", quoted(pattern), methods.join(", "))
        }
    }
}

/// An array on one line, or filled lines where it would be long.
fn array(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    let flat = format!("[{}]", items.join(", "));
    if flat.len() <= WIDTH {
        return flat;
    }
    let mut out = String::from("[\n");
    let mut width = 0;
    for item in &items {
        if width > 0 && width + item.len() + 2 > WIDTH {
            out.push('\n');
            width = 0;
        }
        out.push_str(if width == 0 { "    " } else { " " });
        let _ = write!(out, "{item},");
        width += item.len() + 2;
    }
    out.push_str("\n]");
    out
}

fn line(out: &mut String, key: &str, value: &str) {
    let _ = writeln!(out, "{key} = {value}");
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if bare { name.to_owned() } else { serde_json::Value::from(name).to_string() }
}

fn proxy_word(kind: ProxyKind) -> &'static str {
    match kind {
        ProxyKind::Nginx => "nginx",
        ProxyKind::Haproxy => "haproxy",
        ProxyKind::Caddy => "caddy",
        ProxyKind::Traefik => "traefik",
        ProxyKind::Apache => "apache",
        ProxyKind::Envoy => "envoy",
    }
}

/// The line of the value at the end of a path, or of the deepest part of the path that exists.
fn line_of(text: &str, path: &[Step]) -> usize {
    let Ok(root) = DeTable::parse(text) else { return 1 };
    let mut start = 0;
    let mut here = DeValue::Table(root.into_inner());
    for step in path {
        let next = match step {
            Step::Key(name) => here.get(name.as_str()),
            Step::Index(index) => here.get(*index),
        };
        let Some(next) = next else { break };
        start = next.span().start;
        let next = next.get_ref().clone();
        here = next;
    }
    line_at(text, start)
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

const WIDTH: usize = 88;
const HEADING: &str = "\
# A plan for Synapse's workers: which requests go to which pool, and how each pool is balanced.
# Pools are tried in order; the first that names an endpoint gets it. Endpoint groups: `wsim endpoints`.
# Where addresses do not matter yet, `workers = 3` may stand instead of `servers`.

";

#[cfg(test)]
mod tests;
