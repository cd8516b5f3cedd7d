//! How pools are balanced: by connections that only wait, by a key that requests lack, by counts that processes do not share.

use super::super::read::KeyValue;
use super::finding::{Finding, SHOWN, Severity};
use super::observe::{Observation, Observed, PoolView};
use wsim_plan::ProxyKind;

/// Checks every pool that gets requests.
pub(super) fn check(observed: &Observed<'_>, findings: &mut Vec<Finding>) {
    for (index, pool) in observed.pools.iter().enumerate() {
        let observations: Vec<&Observation<'_>> =
            observed.observations.iter().filter(|observation| observation.pool() == Some(index)).collect();
        if observations.is_empty() || pool.pool.servers.len() < 2 {
            continue;
        }
        load_counts_polls(pool, &observations, findings);
        empty_key(pool, &observations, findings);
        no_zone(observed, pool, findings);
    }
}

/// Whether the rule counts requests in progress.
fn counts_load(pool: &PoolView) -> bool {
    let words = pool.pool.balance.to_ascii_lowercase();
    ["least", "random two", "p2c", "random(2)", "random_choose", "bybusyness"].iter().any(|word| words.starts_with(word))
}

fn load_counts_polls(pool: &PoolView, observations: &[&Observation<'_>], findings: &mut Vec<Finding>) {
    let syncs: Vec<&&Observation<'_>> = observations
        .iter()
        .filter(|observation| matches!(observation.endpoint.group.as_str(), "sync" | "initial_sync" | "sliding_sync"))
        .collect();
    if !counts_load(pool) || syncs.is_empty() {
        return;
    }
    findings.push(Finding {
        code: "least-conn-parked",
        severity: Severity::Warning,
        at: Some(pool.pool.at.clone()),
        what: format!("{} balances syncs by {}", pool.pool.name.escape_debug(), pool.pool.balance.escape_debug()),
        why: "a sync that waits counts as a connection: the rule evens out idle clients, not work".to_owned(),
        fix: "balance syncs by user (hash consistent); use least connections only for requests that do not wait".to_owned(),
        requests: syncs.len(),
        examples: syncs.iter().take(SHOWN).map(|observation| observation.shown()).collect(),
        also_at: Vec::new(),
        refused_by: Vec::new(),
    });
}

fn empty_key(pool: &PoolView, observations: &[&Observation<'_>], findings: &mut Vec<Finding>) {
    let empty: Vec<&&Observation<'_>> =
        observations.iter().filter(|observation| observation.key == KeyValue::Text(String::new())).collect();
    if empty.is_empty() {
        return;
    }
    let why = match pool.proxy {
        ProxyKind::Nginx => "nginx sends them to the servers in turn, so no user or room stays on one server",
        ProxyKind::Haproxy => "HAProxy sends them to the servers in turn, so no user or room stays on one server",
        ProxyKind::Caddy => "Caddy sends them to a random server, so no user or room stays on one server",
        ProxyKind::Traefik | ProxyKind::Apache | ProxyKind::Envoy => "no user or room stays on one server",
    };
    findings.push(Finding {
        code: "empty-key",
        // A few requests without a key are normal: a pool balanced by room also serves profile changes.
        severity: if empty.len() * 2 < observations.len() { Severity::Hint } else { Severity::Warning },
        at: Some(pool.pool.at.clone()),
        what: format!(
            "{} hashes a key that these requests do not have ({})",
            pool.pool.name.escape_debug(),
            pool.pool.balance.escape_debug()
        ),
        why: format!("{why}; X-Forwarded-For, for example, exists only behind another proxy"),
        fix: "hash a part that each of these requests has: the user in the access token, the room in the path, or the client's address"
            .to_owned(),
        requests: empty.len(),
        examples: empty.iter().take(SHOWN).map(|observation| observation.shown()).collect(),
        also_at: Vec::new(),
        refused_by: Vec::new(),
    });
}

fn no_zone(observed: &Observed<'_>, pool: &PoolView, findings: &mut Vec<Finding>) {
    let proxy = &observed.configuration.proxies[pool.proxy_index];
    let keyed = ["hash", "ip_hash"].iter().any(|word| pool.pool.balance.starts_with(word));
    if pool.proxy != ProxyKind::Nginx || proxy.processes == Some(1) || pool.pool.shared || keyed {
        return;
    }
    let processes = proxy.processes.map_or("one process per core".to_owned(), |count| format!("{count} processes"));
    let at = proxy.processes_at.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
    findings.push(Finding {
        code: "no-zone",
        severity: if counts_load(pool) { Severity::Warning } else { Severity::Hint },
        at: Some(pool.pool.at.clone()),
        what: format!("upstream {} has no zone, and nginx runs {processes}{at}", pool.pool.name.escape_debug()),
        why: "each process counts its own requests: rotation and connection counts differ between servers".to_owned(),
        fix: format!("add `zone {} 64k;` to the upstream", pool.pool.name.escape_debug()),
        examples: Vec::new(),
        requests: 0,
        also_at: Vec::new(),
        refused_by: Vec::new(),
    });
}
