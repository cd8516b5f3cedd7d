//! Plan files: TOML made to be read and edited by hand.
//!
//! Reading includes the check ([`super::check`]); messages name file, line and the way out.
//! Invariant: a written plan reads back as the same plan.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use thiserror::Error;
use toml::de::{DeTable, DeValue};

use super::background_roles::BackgroundRoles;
use super::check::{Fault, PathStep};
use super::checked::CheckedPlan;
use super::cpu::{self, Machine, ProcessLimit};
use super::model::{Plan, Pool, Selector};
use super::writers::Writers;

/// Why a file is not a plan.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PlanError {
    /// Not TOML, a key that does not exist, or a value of the wrong kind.
    #[error("{path}:{line}: {message}")]
    Syntax {
        /// The file as named on the command line.
        path: String,
        /// Counted from 1.
        line: usize,
        /// The message of the TOML parser.
        message: String,
    },
    /// TOML of the right form, but not a plan that could run.
    #[error("{path}:{line}: {fault}")]
    Invalid {
        /// The file as named on the command line.
        path: String,
        /// Counted from 1.
        line: usize,
        fault: Box<Fault>,
    },
}

impl Plan {
    /// Reads and checks a plan. `path` is only for messages.
    ///
    /// # Errors
    /// The text is not a plan; the message names the line.
    pub fn from_toml(text: &str, path: &str) -> Result<CheckedPlan, PlanError> {
        let plan: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            PlanError::Syntax { path: path.to_owned(), line, message: error.message().trim().replace('\n', ", ") }
        })?;
        plan.check().map_err(|fault| PlanError::Invalid { path: path.to_owned(), line: line_of(text, &fault.path), fault: Box::new(fault) })
    }

    /// Writes a plan for people to read and edit: a heading, the pools in order, the stream writers, the background roles.
    pub fn to_toml(&self) -> String {
        let mut out = String::from(HEADING);
        line(&mut out, "name", &quoted(&self.name));
        line(&mut out, "synapse", &quoted(&self.synapse));
        out.push_str("\n[proxy]\n");
        let _ = writeln!(out, "kind = {}", quoted(self.proxy.kind.keyword()));
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
        write_roles(&mut out, &self.background_roles);
        write_processes(&mut out, &self.processes);
        if let Some(machine) = &self.machine {
            write_machine(&mut out, machine);
        }
        out.push_str("\n# All other requests go to the main process.\n");
        out
    }
}

fn names(writers: &Writers) -> String {
    match writers {
        Writers::One(name) => quoted(name),
        Writers::Several(names) => array(names.iter().map(|name| quoted(name))),
    }
}

fn write_roles(out: &mut String, roles: &BackgroundRoles) {
    if roles.is_empty() {
        return;
    }
    out.push_str("\n# Work that no request asks for.\n[duties]\n");
    for (setting, workers) in roles.assigned() {
        let value = match (setting, workers) {
            ("pusher_instances", _) => roles.pusher_instances.as_ref().map(names),
            ("federation_sender_instances", _) => roles.federation_sender_instances.as_ref().map(names),
            (_, [worker, ..]) => Some(quoted(worker)),
            _ => None,
        };
        if let Some(value) = value {
            line(out, setting, &value);
        }
    }
}

fn write_processes(out: &mut String, processes: &BTreeMap<String, ProcessLimit>) {
    if !processes.is_empty() {
        out.push_str("\n# CPU limits of single processes: cores, and the period of the limit in ms.\n");
    }
    for (name, limit) in processes {
        let _ = writeln!(out, "[process.{}]", key(name));
        line(out, "cpu", &toml::Value::Float(limit.cpu).to_string());
        if !cpu::is_usual_period(&limit.cpu_period) {
            line(out, "cpu_period", &number(limit.cpu_period));
        }
    }
}

fn write_machine(out: &mut String, machine: &Machine) {
    out.push_str("\n# The machine that all processes and the database share.\n[machine]\n");
    line(out, "cores", &number(machine.cores));
    if let Some(contention) = machine.contention {
        line(out, "contention", &number(contention));
    }
    if !machine.measured.is_empty() {
        let one = |one: &cpu::MeasuredCpu| format!("{{processes = {}, cpu_ms = {}}}", number(one.processes), number(one.cpu_ms));
        line(out, "measured", &array(machine.measured.iter().map(one)));
    }
}

/// A number as short as possible: 20, not 20.0.
fn number(value: f64) -> String {
    let text = toml::Value::Float(value).to_string();
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn write_pool(out: &mut String, pool: &Pool) {
    out.push_str("\n[[pool]]\n");
    line(out, "name", &quoted(&pool.name));
    line(out, "endpoints", &array(pool.endpoints.iter().map(selector)));
    for (kind, globs) in pool.client_lists() {
        if !globs.is_empty() {
            line(out, kind, &array(globs.iter().map(|glob| quoted(glob))));
        }
    }
    if !pool.servers.is_empty() {
        line(out, "servers", &array(pool.servers.iter().map(|server| quoted(server))));
    }
    if let Some(workers) = pool.workers {
        line(out, "workers", &workers.to_string());
    }
    if !pool.names.is_empty() {
        line(out, "names", &array(pool.names.iter().map(|name| quoted(name))));
    }
    line(out, "balance", &quoted(&pool.balance));
    if let Some(key) = &pool.key {
        line(out, "key", &quoted(key));
    }
    if pool.cpu.to_bits() != 1.0_f64.to_bits() {
        line(out, "cpu", &toml::Value::Float(pool.cpu).to_string());
    }
    if !cpu::is_usual_period(&pool.cpu_period) {
        line(out, "cpu_period", &number(pool.cpu_period));
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

/// The line of the value at the end of a path, or of the deepest existing part of the path.
fn line_of(text: &str, path: &[PathStep]) -> usize {
    let Ok(root) = DeTable::parse(text) else { return 1 };
    let mut start = 0;
    let mut here = DeValue::Table(root.into_inner());
    for step in path {
        let next = match step {
            PathStep::Key(name) => here.get(name.as_str()),
            PathStep::Index(index) => here.get(*index),
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
# Where addresses do not matter yet, write `workers = 3` instead of `servers`.

";

#[cfg(test)]
mod tests;
