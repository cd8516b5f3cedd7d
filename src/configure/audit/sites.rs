//! Which of a proxy's sites are Matrix, and which requests are meant for each.
//!
//! A site is judged by its rules: a Matrix site sends some Matrix request elsewhere than the proxy's home page. A site with one rule for
//! everything counts if its server is one of Synapse's, by Synapse's listeners or by the other sites. Where clients and other servers have
//! sites of their own, each is asked what is meant for it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::read::{Note, Proxy, RouteTarget, Routed, Site, SourceLocation};
use super::{AuditConfig, Configuration, foreign, keys};

/// A site with the host name by which it is asked.
#[derive(Debug, Clone)]
pub(super) struct View<'p> {
    pub(super) proxy: usize,
    pub(super) site: &'p dyn Site,
    pub(super) host: Option<String>,
    pub(super) asked: Asked,
}

/// The requests that are meant for a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) clients: bool,
    pub(super) servers: bool,
}

impl Asked {
    /// Whether a request is meant for the site.
    pub(super) fn has(self, target: &str) -> bool {
        if is_federation(target) { self.servers } else { self.clients }
    }
}

/// Whether other servers send such a request.
pub(super) fn is_federation(target: &str) -> bool {
    target.starts_with("/_matrix/federation/") || target.starts_with("/_matrix/key/")
}

/// A site asked by one host name, and where it sends the probes.
struct Candidate<'p> {
    proxy: usize,
    site: &'p dyn Site,
    host: Option<String>,
    clients: Vec<RouteTarget>,
    servers: Vec<RouteTarget>,
    /// Where requests for the home page go.
    home: Vec<RouteTarget>,
    /// The addresses of all servers that get probes which only Synapse serves.
    addresses: BTreeSet<String>,
    /// Whether a probe is passed on by a rule that does not take the home page, to whatever server.
    has_own_rule: bool,
}

impl Candidate<'_> {
    fn probes(&self) -> impl Iterator<Item = &RouteTarget> {
        self.clients.iter().chain(&self.servers)
    }

    fn passes(&self) -> bool {
        self.probes().any(is_passed)
    }

    /// Whether no destination is known.
    fn is_unknown(&self) -> bool {
        self.probes().all(|target| matches!(target, RouteTarget::Unknown(_)))
    }

    /// Whether some rule is about Matrix: a probe goes elsewhere than the home page, or by another rule.
    fn is_about_matrix(&self) -> bool {
        let is_elsewhere = self.probes().any(|target| is_passed(target) && !self.home.contains(target));
        (is_elsewhere || self.has_own_rule) && !self.is_unknown()
    }

    /// Whether the site is meant for other servers, by its ports or its name.
    fn is_for_servers(&self) -> bool {
        let ports = self.site.ports();
        let by_port = !ports.is_empty() && ports.iter().all(|port| FEDERATION_PORTS.contains(port));
        let words = [self.site.name(), self.host.as_deref().unwrap_or_default()];
        by_port || words.iter().any(|word| word.to_ascii_lowercase().contains("federation"))
    }
}

/// The Matrix sites of all proxies.
#[derive(Debug, Default)]
pub(super) struct Sites<'p> {
    pub(super) views: Vec<View<'p>>,
    /// Pools of other sites, by the indexes of proxy and pool.
    pub(super) others: BTreeSet<(usize, usize)>,
    /// One of several sites of which none can be told to be Matrix.
    pub(super) undecided: Option<SourceLocation>,
}

/// Finds the Matrix sites of all proxies.
pub(super) fn of<'p>(configuration: &'p Configuration, config: &AuditConfig, notes: &mut Vec<Note>) -> Sites<'p> {
    let mut candidates = Vec::new();
    for (index, proxy) in configuration.proxies.iter().enumerate() {
        let found = if let Some(host) = &config.host { named(index, proxy, host) } else { every(index, proxy, notes) };
        candidates.extend(found.into_iter().filter(Candidate::passes));
    }
    let pools = |candidate: &Candidate<'_>| -> Vec<(usize, usize)> {
        let index = |target: &RouteTarget| if let RouteTarget::Pool(index) = target { Some((candidate.proxy, *index)) } else { None };
        candidate.probes().chain(&candidate.home).filter_map(index).collect()
    };
    let others = candidates.iter().flat_map(pools).collect();
    let first = candidates.first().map(|candidate| candidate.site.location().clone());
    let mut chosen: Vec<Candidate<'p>> = if config.host.is_some() { candidates } else { matrix(candidates, configuration, config, notes) };
    if let Some(next) = chosen.get(SITES_MAX) {
        let text = format!("this site and further ones are not checked, because {SITES_MAX} before it pass on Matrix requests, too");
        notes.push(Note { at: next.site.location().clone(), text });
        chosen.truncate(SITES_MAX);
    }
    let asked: Vec<Asked> = (0..chosen.len()).map(|index| asked(&chosen, index)).collect();
    let views = chosen.into_iter().zip(asked).filter(|(_, asked)| asked.clients || asked.servers);
    let view =
        |(candidate, asked): (Candidate<'p>, Asked)| View { proxy: candidate.proxy, site: candidate.site, host: candidate.host, asked };
    let views: Vec<View<'p>> = views.map(view).collect();
    let undecided = first.filter(|_| views.is_empty());
    Sites { views, others, undecided }
}

/// The sites that take a host name: of each set of ports one, as the proxy chooses it.
fn named<'p>(index: usize, proxy: &'p Proxy, host: &str) -> Vec<Candidate<'p>> {
    let fits = |site: &dyn Site| site.hosts().iter().map(|own| fit(own, host)).max().unwrap_or(0);
    let mut best: BTreeMap<&[u16], (usize, &'p dyn Site)> = BTreeMap::new();
    for site in &proxy.sites {
        let site = site.as_ref();
        let fit = fits(site);
        // Without a site of that name a port has its first one, if the site's kind has default sites at all.
        let entry = best.entry(site.ports()).or_insert((fit, site));
        if fit > entry.0 {
            *entry = (fit, site);
        }
    }
    let is_named_anywhere = best.values().any(|(fit, _)| *fit > 0);
    let sites = best.into_values().filter(|(fit, site)| *fit > 0 || !is_named_anywhere || site.hosts().is_empty());
    sites.map(|(_, site)| candidate(index, proxy, site, Some(host.to_owned()))).collect()
}

/// How well a site's name fits a host: exact, by a wildcard, by an expression, or not at all.
fn fit(own: &str, host: &str) -> usize {
    let (own, host) = (own.to_ascii_lowercase(), host.to_ascii_lowercase());
    if own == host {
        return 1000;
    }
    if let Some(pattern) = own.strip_prefix('~') {
        return usize::from(super::super::read::pattern::Pattern::new(pattern, true).is_ok_and(|pattern| pattern.matches(&host)));
    }
    let domain = own.strip_prefix("*.").or_else(|| own.strip_prefix('.'));
    match domain {
        Some(domain) if host.ends_with(&format!(".{domain}")) || (own.starts_with('.') && host == domain) => 2 + domain.len().min(900),
        _ => 0,
    }
}

/// Every site with every host name that its rules distinguish. There may be a hundred thousand sites or names.
fn every<'p>(index: usize, proxy: &'p Proxy, notes: &mut Vec<Note>) -> Vec<Candidate<'p>> {
    let hosts_max = (PROBED_MAX / proxy.sites.len().max(1)).max(1);
    let mut names: Vec<&str> = Vec::new();
    for name in &proxy.hosts {
        let bare = name.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(name.as_str(), |(bare, _)| bare);
        if names.len() <= hosts_max && !names.contains(&bare) {
            names.push(bare);
        }
    }
    if let Some(site) = proxy.sites.first().filter(|_| names.len() > hosts_max) {
        let text = format!("only the first {hosts_max} of {} host names are tried", proxy.hosts.len());
        notes.push(Note { at: site.location().clone(), text });
        names.truncate(hosts_max);
    }
    let mut found = Vec::new();
    for site in &proxy.sites {
        let site = site.as_ref();
        let own = host_of_site(site);
        // A request with a host that no rule asks for comes last.
        let tried = if own.is_some() || names.is_empty() {
            vec![own]
        } else {
            names.iter().map(|name| Some((*name).to_owned())).chain([Some(OTHER_HOST.to_owned())]).collect()
        };
        let mut of_site: Vec<Candidate<'p>> = Vec::new();
        for host in tried {
            let new = candidate(index, proxy, site, host);
            let is_known = |other: &Candidate<'_>| other.clients == new.clients && other.servers == new.servers && other.home == new.home;
            if !of_site.iter().any(is_known) {
                of_site.push(new);
            }
        }
        found.extend(of_site);
    }
    found
}

/// A host name that leads to a site: of several the one that looks like Matrix, else the first.
fn host_of_site(site: &dyn Site) -> Option<String> {
    let concrete = |own: &String| match own.as_str() {
        "" | "_" | "localhost" => None,
        pattern if pattern.starts_with('~') || pattern.contains(['{', '$']) => None,
        name => Some(match name.strip_prefix("*.") {
            Some(domain) => format!("matrix.{domain}"),
            None => name.trim_start_matches('.').to_owned(),
        }),
    };
    let names: Vec<String> = site.hosts().iter().take(NAMES_MAX).filter_map(concrete).collect();
    let likely = names.iter().find(|name| MATRIX_WORDS.iter().any(|word| name.contains(word)));
    likely.or(names.first()).cloned()
}

fn candidate<'p>(index: usize, proxy: &'p Proxy, site: &'p dyn Site, host: Option<String>) -> Candidate<'p> {
    let route = |(method, target): &(&str, &str)| site.route(&keys::typical_request(method, target, host.as_deref()));
    let routed = |probes: &[(&str, &str)]| -> Vec<Routed> { probes.iter().map(route).collect() };
    let (clients, servers, home) = (routed(&CLIENT_PROBES), routed(&SERVER_PROBES), routed(&HOME_PROBES));
    let is_of_home = |rule: &Option<SourceLocation>| home.iter().any(|page| page.rule == *rule);
    let is_own = |probe: &Routed| {
        matches!(probe.target, RouteTarget::Pool(_) | RouteTarget::Server(_)) && probe.rule.is_some() && !is_of_home(&probe.rule)
    };
    let has_own_rule = clients.iter().chain(&servers).any(is_own);
    let targets = |found: Vec<Routed>| -> Vec<RouteTarget> { found.into_iter().map(|routed| routed.target).collect() };
    let (clients, servers, home) = (targets(clients), targets(servers), targets(home));
    // The server of logouts may be matrix-authentication-service, which has a site of its own with one rule for everything.
    let of_synapse = CLIENT_PROBES.iter().zip(&clients).filter(|((_, target), _)| !foreign::may_be_meant(target)).map(|(_, found)| found);
    let addresses = of_synapse.chain(&servers).flat_map(|target| addresses(proxy, target)).collect();
    Candidate { proxy: index, site, host, clients, servers, home, addresses, has_own_rule }
}

fn addresses(proxy: &Proxy, target: &RouteTarget) -> Vec<String> {
    match target {
        RouteTarget::Server(address) => vec![address.clone()],
        RouteTarget::Pool(index) => {
            let servers = proxy.pools.get(*index).map(|pool| pool.servers.as_slice()).unwrap_or_default();
            servers.iter().map(|server| server.address.clone()).collect()
        }
        RouteTarget::Local(_) | RouteTarget::Unknown(_) => Vec::new(),
    }
}

/// The candidates that are Matrix.
fn matrix<'p>(
    candidates: Vec<Candidate<'p>>,
    configuration: &Configuration,
    config: &AuditConfig,
    notes: &mut Vec<Note>,
) -> Vec<Candidate<'p>> {
    let is_synapse = |address: &String| configuration.cluster.at(address).is_some() || config.main.contains(address);
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for candidate in &candidates {
        if candidate.is_about_matrix() {
            known.extend(candidate.addresses.iter().map(String::as_str));
        }
        known.extend(candidate.addresses.iter().filter(|address| is_synapse(address)).map(String::as_str));
    }
    let is_known = |candidate: &Candidate<'_>| {
        candidate.is_about_matrix() || candidate.addresses.iter().any(|address| known.contains(address.as_str()))
    };
    let mut chosen: Vec<bool> = candidates.iter().map(is_known).collect();
    if !chosen.contains(&true) {
        // One rule for everything at every site: names and ports are all that can tell.
        chosen = candidates.iter().map(looks_like_matrix).collect();
    }
    if !chosen.contains(&true) {
        // Sites with the same servers are all meant or none is; of others nothing tells which is Matrix.
        let is_same = candidates.iter().all(|candidate| candidate.addresses == candidates[0].addresses);
        chosen = vec![is_same; candidates.len()];
    }
    for (candidate, chosen) in candidates.iter().zip(&chosen) {
        if !chosen && candidate.is_unknown() {
            let text = format!("the site {} cannot be evaluated", candidate.site.name().escape_debug());
            notes.push(Note { at: candidate.site.location().clone(), text });
        }
    }
    candidates.into_iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(candidate, _)| candidate).collect()
}

fn looks_like_matrix(candidate: &Candidate<'_>) -> bool {
    let has_word = |text: &str| {
        let lower = text.to_ascii_lowercase();
        MATRIX_WORDS.iter().any(|word| lower.contains(word)) && !lower.contains("admin")
    };
    candidate.host.as_deref().is_some_and(has_word)
        || has_word(candidate.site.name())
        || candidate.is_for_servers()
        || candidate.addresses.iter().any(|address| has_word(address) || address.ends_with(":8008"))
}

/// The requests that are meant for one of the chosen sites.
fn asked(chosen: &[Candidate<'_>], index: usize) -> Asked {
    let own = &chosen[index];
    let others = || chosen.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, candidate)| candidate);
    let passes = |targets: &[RouteTarget]| targets.iter().any(is_passed);
    // A kind of requests that a site answers itself is not meant for it, if another site passes it on.
    let mut asked = Asked {
        clients: passes(&own.clients) || !others().any(|other| passes(&other.clients)),
        servers: passes(&own.servers) || !others().any(|other| passes(&other.servers)),
    };
    let for_servers = |candidate: &Candidate<'_>| candidate.is_for_servers() && passes(&candidate.servers);
    if own.is_for_servers() {
        if others().any(|other| !other.is_for_servers() && passes(&other.clients)) {
            asked.clients = false;
        }
    } else if others().any(for_servers) {
        // Its own rules for other servers, if it has any, count: these may also come to this port.
        let everything_else = own.clients.first();
        asked.servers &= own.servers.iter().any(|target| is_passed(target) && Some(target) != everything_else);
    }
    asked
}

fn is_passed(target: &RouteTarget) -> bool {
    matches!(target, RouteTarget::Pool(_) | RouteTarget::Server(_) | RouteTarget::Unknown(_))
}

/// Sites whose requests are all tried.
const SITES_MAX: usize = 100;
/// Pairs of site and host name that are probed.
const PROBED_MAX: usize = 20_000;
const NAMES_MAX: usize = 100;
const OTHER_HOST: &str = "other.example.net";
const FEDERATION_PORTS: [u16; 2] = [8448, 8048];
const MATRIX_WORDS: [&str; 3] = ["matrix", "synapse", "homeserver"];
const HOME_PROBES: [(&str, &str); 2] = [("GET", "/"), ("GET", "/favicon.ico")];
/// The first one only the main process serves.
const CLIENT_PROBES: [(&str, &str); 7] = [
    ("GET", "/_matrix/client/v3/pushers"),
    ("POST", "/_matrix/client/v3/logout"),
    ("GET", "/_matrix/client/versions"),
    ("GET", "/_matrix/client/v3/sync?since=s1"),
    ("GET", "/_matrix/client/r0/sync?since=s1"),
    ("PUT", "/_matrix/client/v3/rooms/!room:example.org/send/m.room.message/t1"),
    ("GET", "/_matrix/media/v3/download/example.org/abc"),
];
const SERVER_PROBES: [(&str, &str); 4] = [
    ("PUT", "/_matrix/federation/v1/send/t1"),
    ("GET", "/_matrix/federation/v1/event/$event"),
    ("GET", "/_matrix/federation/v1/version"),
    ("GET", "/_matrix/key/v2/server"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_exactly_by_its_domain_or_by_an_expression() {
        assert!(fit("matrix.example.org", "Matrix.example.org") > fit("*.example.org", "matrix.example.org"));
        assert!(fit("*.example.org", "matrix.example.org") > fit("~^matrix", "matrix.example.org"));
        assert!(fit("~^matrix", "matrix.example.org") > 0 && fit(".example.org", "example.org") > 0);
        assert_eq!([fit("*.example.org", "example.org"), fit("_", "example.org"), fit("*.org", "matrixorg")], [0, 0, 0]);
    }
}
