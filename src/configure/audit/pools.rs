//! How pools are balanced: by connections that only wait, by a key that is not there, by counts that nobody shares.

use super::super::read::{KeyValue, ProxyName};
use super::finding::{Finding, SHOWN, Severity};
use super::observe::{PoolView, Seen, View};

/// Looks at every pool that gets requests.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (index, pool) in view.pools.iter().enumerate() {
        let seen: Vec<&Seen<'_>> = view.seen.iter().filter(|seen| seen.pool() == Some(index)).collect();
        if seen.is_empty() || pool.pool.servers.len() < 2 {
            continue;
        }
        parked(pool, &seen, findings);
        empty_key(pool, &seen, findings);
        no_zone(view, pool, findings);
    }
}

/// Whether the rule goes by requests in progress.
fn by_load(pool: &PoolView) -> bool {
    let words = pool.pool.balance.to_ascii_lowercase();
    ["least", "random two", "p2c", "random(2)", "random_choose"].iter().any(|word| words.starts_with(word))
}

fn parked(pool: &PoolView, seen: &[&Seen<'_>], findings: &mut Vec<Finding>) {
    let syncs: Vec<&&Seen<'_>> =
        seen.iter().filter(|seen| matches!(seen.endpoint.group.as_str(), "sync" | "initial_sync" | "sliding_sync")).collect();
    if !by_load(pool) || syncs.is_empty() {
        return;
    }
    findings.push(Finding {
        code: "least-conn-parked",
        severity: Severity::Warning,
        at: Some(pool.pool.at.clone()),
        what: format!("{} balances syncs by {}", pool.pool.name.escape_debug(), pool.pool.balance.escape_debug()),
        why: "a sync that waits for news counts as a connection: the rule evens out parked clients, not work".to_owned(),
        fix: "balance syncs by the user (hash consistent), and keep least connections for requests that do not wait".to_owned(),
        requests: syncs.len(),
        examples: syncs.iter().take(SHOWN).map(|seen| seen.shown()).collect(),
    });
}

fn empty_key(pool: &PoolView, seen: &[&Seen<'_>], findings: &mut Vec<Finding>) {
    let empty: Vec<&&Seen<'_>> = seen.iter().filter(|seen| seen.key == KeyValue::Text(String::new())).collect();
    if empty.is_empty() {
        return;
    }
    let why = match pool.proxy {
        ProxyName::Nginx => "nginx takes the next server in turn: they are spread, and nothing is kept together",
        ProxyName::Haproxy => "HAProxy takes the next server in turn: they are spread, and nothing is kept together",
        ProxyName::Caddy => "Caddy takes its fallback, a server at random: nothing is kept together",
        ProxyName::Traefik => "nothing is kept together",
    };
    findings.push(Finding {
        code: "empty-key",
        // A few without a key beside many with one are as meant: a pool by room has profile changes, too.
        severity: if empty.len() * 2 < seen.len() { Severity::Hint } else { Severity::Warning },
        at: Some(pool.pool.at.clone()),
        what: format!(
            "{} hashes something that these requests do not have ({})",
            pool.pool.name.escape_debug(),
            pool.pool.balance.escape_debug()
        ),
        why: format!("{why}; X-Forwarded-For, for one, is there only behind another proxy"),
        fix: "hash what every such request has: the access token's user, the room in the path, or the client's address".to_owned(),
        requests: empty.len(),
        examples: empty.iter().take(SHOWN).map(|seen| seen.shown()).collect(),
    });
}

fn no_zone(view: &View<'_>, pool: &PoolView, findings: &mut Vec<Finding>) {
    let proxy = &view.configuration.proxies[pool.proxy_index];
    let keyed = ["hash", "ip_hash"].iter().any(|word| pool.pool.balance.starts_with(word));
    if pool.proxy != ProxyName::Nginx || proxy.processes == Some(1) || pool.pool.shared || keyed {
        return;
    }
    let processes = proxy.processes.map_or("one process per core".to_owned(), |count| format!("{count} processes"));
    let at = proxy.processes_at.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
    findings.push(Finding {
        code: "no-zone",
        severity: if by_load(pool) { Severity::Warning } else { Severity::Hint },
        at: Some(pool.pool.at.clone()),
        what: format!("upstream {} has no zone, and nginx runs {processes}{at}", pool.pool.name.escape_debug()),
        why: "each process counts for itself: rotation and connection counts are uneven between servers".to_owned(),
        fix: format!("add `zone {} 64k;` to the upstream", pool.pool.name.escape_debug()),
        examples: Vec::new(),
        requests: 0,
    });
}
