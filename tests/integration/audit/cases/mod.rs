//! Small configurations from public deployments, each with its right answer.

mod delivery;
mod folders;
mod languages;
mod public;
mod sites;
mod synapse_files;
mod written;

use serde_json::Value;

use super::{assert_has, audit, findings, folder};
use crate::support::{run_in, wsim};

pub(super) fn of(file: &str) -> (i32, Value) {
    audit(&[&format!("cases/{file}")], &[])
}

pub(super) fn with_severity(json: &Value, severity: &str) -> Vec<String> {
    findings(json).into_iter().filter(|finding| finding.starts_with(severity)).collect()
}

pub(super) fn main_process(json: &Value) -> &str {
    json["main"].as_str().unwrap()
}

/// Names and servers of the derived plan's pools.
pub(super) fn pools(json: &Value) -> Vec<(String, Vec<String>)> {
    let plan = wsim::plan::Plan::from_toml(json["plan"].as_str().unwrap(), "plan.toml").unwrap();
    plan.pools.iter().map(|pool| (pool.name.clone(), pool.servers.clone())).collect()
}
