//! One module per proxy, all from the same routes.
//!
//! This file holds what they share: groups of servers with names, and which keys the rules of a plan need. Knows no syntax.

mod haproxy;
mod nginx;

use std::collections::BTreeSet;

use super::address::Address;
use super::routes::Target;
use super::{ConfigureError, Context, OutputFile};
use crate::plan::{Key, Plan, Pool, ProxyKind, Rule as Balance};

/// The files of the chosen proxy, below `proxy/NAME/`.
pub(super) fn files(context: &Context<'_>, _warnings: &mut Vec<String>) -> Result<Vec<OutputFile>, ConfigureError> {
    let upstreams = upstreams(context)?;
    match context.settings.proxy {
        ProxyKind::Nginx => nginx::files(context, &upstreams),
        ProxyKind::Haproxy => haproxy::files(context, &upstreams),
        other => Err(ConfigureError::Proxy(super::translate::name(other))),
    }
}

/// A group of servers.
pub(super) struct Upstream<'a> {
    /// Name in the proxy's files.
    pub(super) name: String,
    /// Who it is.
    pub(super) target: Target,
    /// The pool and its rule; `None` for the main process and stream writers.
    pub(super) pool: Option<(&'a Pool, Balance)>,
    /// In order.
    pub(super) servers: Vec<Member>,
}

/// One server of a group.
pub(super) struct Member {
    /// The process.
    pub(super) name: String,
    /// Where it listens.
    pub(super) address: Address,
    /// Share.
    pub(super) weight: u32,
}

impl Upstream<'_> {
    /// What it is for, as a comment.
    pub(super) fn purpose(&self, context: &Context<'_>) -> String {
        match &self.target {
            Target::Main => "The main process: everything that no line of the table sends elsewhere.".to_owned(),
            Target::Pool(_) => {
                let what = match self.pool.as_ref().map(|(_, rule)| &rule.key) {
                    _ if self.servers.len() == 1 => "One worker, so there is nothing to balance.".to_owned(),
                    Some(Some(key)) => {
                        format!("Balanced by {key}: requests of one {} meet the same worker and its warm caches.", subject(key))
                    }
                    _ => "Any worker can take any of these requests.".to_owned(),
                };
                format!("{}. {what}", self.groups(context).join(", "))
            }
            Target::Writers(_) => {
                format!("Writes the stream of {}: these requests must reach a writer.", self.groups(context).join(", "))
            }
        }
    }

    /// The endpoint groups that go here.
    fn groups<'c>(&self, context: &'c Context<'_>) -> Vec<&'c str> {
        let mut groups: Vec<&str> = Vec::new();
        for rule in context.routes.rules.iter().filter(|rule| rule.target == self.target) {
            if !groups.contains(&rule.group.as_str()) {
                groups.push(&rule.group);
            }
        }
        groups
    }
}

fn subject(key: &Key) -> String {
    match key {
        Key::User => "user".to_owned(),
        Key::Token => "device".to_owned(),
        Key::Address => "client address".to_owned(),
        Key::Origin => "remote server".to_owned(),
        Key::Room => "room".to_owned(),
        Key::Uri => "path".to_owned(),
        Key::Header(name) => format!("value of {name}"),
    }
}

/// The main process, then the pools that get requests, then the writers that do.
fn upstreams<'a>(context: &Context<'a>) -> Result<Vec<Upstream<'a>>, ConfigureError> {
    let (plan, cluster) = (context.plan, context.cluster);
    let main = Member { name: "main".to_owned(), address: cluster.main.clone(), weight: 1 };
    let mut upstreams = vec![Upstream { name: name(plan, &Target::Main), target: Target::Main, pool: None, servers: vec![main] }];
    let mut targets = context.routes.targets();
    targets.sort();
    for target in targets {
        let pool = match target {
            Target::Pool(index) => plan.pools.get(*index),
            _ => None,
        };
        let weights: Vec<u32> = match target {
            Target::Pool(index) => plan.members(*index).into_iter().map(|(_, weight)| weight).collect(),
            _ => Vec::new(),
        };
        let names = cluster.names(plan, target);
        let member = |(place, name): (usize, String)| {
            let address = cluster.worker(&name)?.clients.clone()?;
            Some(Member { name, address, weight: weights.get(place).copied().unwrap_or(1) })
        };
        let servers = names.into_iter().enumerate().filter_map(member).collect();
        let pool = match pool {
            Some(pool) => Some((pool, plan.rule(pool).map_err(|error| ConfigureError::Rule { pool: pool.name.clone(), error })?)),
            None => None,
        };
        upstreams.push(Upstream { name: name(plan, target), target: target.clone(), pool, servers });
    }
    Ok(upstreams)
}

/// The name of a group of servers. Names of pools and workers have no dot, so no two are the same.
pub(super) fn name(plan: &Plan, target: &Target) -> String {
    match target {
        Target::Main => "synapse_main".to_owned(),
        Target::Pool(index) => format!("synapse_{}", plan.pools.get(*index).map_or("", |pool| pool.name.as_str())),
        Target::Writers(names) => format!("synapse_writer.{}", names.join(".")),
    }
}

/// The keys that some rule uses.
fn keys(upstreams: &[Upstream<'_>]) -> BTreeSet<String> {
    upstreams.iter().filter_map(|upstream| upstream.pool.as_ref()?.1.key.as_ref()).map(ToString::to_string).collect()
}

/// The beginning of every file.
fn heading(context: &Context<'_>, comment: &str, what: &str) -> String {
    let lines = [
        format!("{what} for the plan {:?}, Synapse {}.", context.plan.name, context.plan.synapse),
        "Written by `wsim configure`; change plan.toml and write it again rather than this file.".to_owned(),
    ];
    lines.iter().map(|line| format!("{comment} {line}\n")).collect()
}

/// Largest upload, in MiB: Synapse's own default for `max_upload_size`.
const UPLOAD_MIB: u32 = 50;
/// Longest wait for an answer, in seconds: initial syncs of large accounts take minutes, long polls half a minute.
const WAIT_SECONDS: u32 = 600;

/// What the outside world may ask of Synapse, as the beginning of a path. The admin API is apart: see [`ADMIN`].
const PUBLIC: [&str; 3] = ["/_matrix", "/_synapse/client", "/_synapse/oidc"];
/// The admin API: only from the proxy's own machine, as Synapse's reverse proxy document leaves it out on purpose.
const ADMIN: &str = "/_synapse/admin";
