//! A plan in the words of the proxy to configure.
//!
//! A plan for this proxy keeps its words. A rule of another proxy becomes the most similar rule of this one, with a warning if the key
//! changes. Knows the words, not the files.

use super::ConfigureError;
use wsim_plan::{CheckedPlan, Key, Plan, Pool, ProxyKind, Rule, Spread};

/// The plan for `proxy`.
///
/// # Errors
/// No configuration is written for this proxy.
pub fn to_proxy(plan: &CheckedPlan, proxy: ProxyKind, warnings: &mut Vec<String>) -> Result<Plan, ConfigureError> {
    if proxy == ProxyKind::Envoy {
        return Err(ConfigureError::Proxy("Envoy"));
    }
    let mut translated = plan.clone().into_plan();
    if plan.proxy.kind == proxy {
        let by_header = |pool: &&Pool| pool.size() > 1 && pool.balance.to_ascii_lowercase().replace('-', "_").contains("x_forwarded_for");
        for pool in plan.pools.iter().filter(by_header) {
            warnings.push(format!(
                "pool {:?} hashes X-Forwarded-For as received: this is right only behind another proxy that sets the header, otherwise clients choose their worker",
                pool.name
            ));
        }
        return Ok(translated);
    }
    translated.proxy.kind = proxy;
    translated.proxy.release = None;
    for ((pool, rule), out) in plan.pools.iter().zip(plan.rules()).zip(&mut translated.pools) {
        translate(pool, rule, proxy, out, warnings);
    }
    Ok(translated)
}

fn translate(pool: &Pool, rule: &Rule, proxy: ProxyKind, out: &mut Pool, warnings: &mut Vec<String>) {
    let (words, key) = words(rule, proxy);
    if let Some(lost) = rule.key.as_ref().filter(|lost| key.as_ref() != Some(*lost)) {
        let instead = key.as_ref().map_or_else(|| "uses the workers in turn".to_owned(), |key| format!("balances by {key}"));
        if pool.size() > 1 {
            warnings.push(format!(
                "pool {:?}: {} cannot choose a server by {lost}, so it {instead}: requests that belong together are spread over {} workers",
                pool.name,
                proxy.name(),
                pool.size()
            ));
        }
    }
    out.key = key.map(|key| key.to_string());
    out.balance = words;
}

/// The words of a rule in a proxy, and the key that the proxy really uses.
fn words(rule: &Rule, proxy: ProxyKind) -> (String, Option<Key>) {
    let plain = |text: &str| (text.to_owned(), None);
    let Some(key) = &rule.key else {
        return plain(match (rule.spread, proxy) {
            (Spread::LeastBusy, ProxyKind::Haproxy) => "leastconn",
            (Spread::LeastBusy, ProxyKind::Traefik) => "p2c",
            (Spread::LeastBusy, ProxyKind::Apache) => "bybusyness",
            (Spread::LeastBusy, _) => "least_conn",
            (_, ProxyKind::Haproxy) => "roundrobin",
            (_, ProxyKind::Traefik) => "wrr",
            (_, ProxyKind::Apache) => "byrequests",
            (_, ProxyKind::Caddy) => "round_robin",
            _ => "round robin",
        });
    };
    let ring = rule.spread == Spread::Keyed { ring: true };
    match proxy {
        ProxyKind::Haproxy => (haproxy(key, ring), Some(key.clone())),
        ProxyKind::Caddy => (caddy(key), Some(key.clone())),
        ProxyKind::Traefik => ("hrw".to_owned(), Some(Key::Address)),
        ProxyKind::Apache => plain("byrequests"),
        _ => (if ring { "hash consistent" } else { "hash" }.to_owned(), Some(key.clone())),
    }
}

fn haproxy(key: &Key, ring: bool) -> String {
    let rule = match key {
        Key::Address => "source".to_owned(),
        Key::Uri => "uri whole".to_owned(),
        Key::Header(name) => format!("hdr({name})"),
        Key::User | Key::Token | Key::Origin | Key::Room => format!("hash var(txn.wsim_{key})"),
    };
    if ring { rule + " hash-type consistent" } else { rule }
}

fn caddy(key: &Key) -> String {
    match key {
        Key::Address => "ip_hash".to_owned(),
        Key::Uri => "uri_hash".to_owned(),
        Key::Header(name) => format!("header {name}"),
        Key::User | Key::Token | Key::Origin | Key::Room => format!("header X-Wsim-{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_plan::{Preset, PresetConfig};

    #[test]
    fn every_standard_plan_becomes_one_that_every_proxy_has_the_rules_for() {
        let kinds = [ProxyKind::Nginx, ProxyKind::Haproxy, ProxyKind::Caddy, ProxyKind::Traefik, ProxyKind::Apache];
        for preset in Preset::all() {
            for n in preset.workers.clone() {
                let plan = preset.plan(n, &PresetConfig::default()).unwrap();
                for proxy in kinds {
                    let translated = to_proxy(&plan, proxy, &mut Vec::new()).unwrap();
                    let translated = translated.check().unwrap_or_else(|fault| panic!("{} {proxy:?}: {fault}", plan.name));
                    for pool in &translated.pools {
                        translated.balancer_config(pool).unwrap_or_else(|error| panic!("{} {proxy:?}: {error}", plan.name));
                    }
                }
            }
        }
    }

    #[test]
    fn a_key_that_a_proxy_cannot_see_gives_a_warning() {
        let plan = Preset::find("sync-split").unwrap().plan(2, &PresetConfig::default()).unwrap();
        let mut warnings = Vec::new();
        let translated = to_proxy(&plan, ProxyKind::Apache, &mut warnings).unwrap();
        assert_eq!((translated.pools[0].balance.as_str(), translated.pools[0].key.as_deref()), ("byrequests", None));
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("cannot choose a server by user"), "{warnings:?}");
        let mut warnings = Vec::new();
        let translated = to_proxy(&plan, ProxyKind::Haproxy, &mut warnings).unwrap();
        assert_eq!(translated.pools[0].balance, "hash var(txn.wsim_user) hash-type consistent");
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn a_key_that_clients_can_choose_gives_a_warning() {
        let plan = Preset::find("mdad-generic").unwrap().plan(2, &PresetConfig::default()).unwrap();
        let mut warnings = Vec::new();
        to_proxy(&plan, ProxyKind::Nginx, &mut warnings).unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains("clients choose their worker"), "{warnings:?}");
    }
}
