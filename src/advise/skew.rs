//! How uneven a keyed pool will be: heavy hitters, and the unequal arcs of a hash ring.
//!
//! For users with CPU shares s over N servers under even hashing the coefficient of variation of a server's load is
//! sqrt((N-1) * sum s^2). The variance of a ring's arcs adds to it. The busiest of N servers is expected near
//! 1 + CV * sqrt(2 ln N) times the mean (the usual bound on the maximum of N normal values).

use wsim_endpoints::groups::is_federation;
use wsim_plan::{Key, Pool, Rule, Selector};
use wsim_profile::{EndpointProfile, HeavyHitter, Profile};

/// The concentration of the load over the values of one key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Skew<'a> {
    /// Sum of squared shares, 0 (very many equal values) to 1 (one value).
    pub(super) hhi: f64,
    /// The value with the largest share, with that share of the pool's load.
    pub(super) top: Option<(&'a HeavyHitter, f64)>,
}

impl<'a> Skew<'a> {
    /// A rule without a key spreads the load evenly.
    pub(super) const EVEN: Skew<'static> = Skew { hhi: 0.0, top: None };

    /// The concentration for a pool's rule. The profile gives shares of *all* load, that between processes included, so they are scaled to the
    /// requests that have the key: a room, a remote server, or any client. Values beyond the twenty listed count as even.
    /// `of_pool`: all load over the pool's, for a pool of some users, of whom alone it can get any.
    pub(super) fn for_rule(rule: &Rule, pool: &Pool, profile: &'a Profile, of_pool: f64) -> Self {
        let hitters = &profile.heavy_hitters;
        let Some(key) = &rule.key else { return Self::EVEN };
        match key {
            Key::Room => Self::from_list(&hitters.rooms, scale(profile, has_room)),
            Key::Origin => Self::from_list(&hitters.origins, scale(profile, is_federation)),
            Key::Address if only_federation(pool) => Self::from_list(&hitters.origins, scale(profile, is_federation)),
            Key::Address if !hitters.addresses.is_empty() => Self::from_list(&hitters.addresses, scale(profile, |_| true)),
            // Where addresses are unknown, users give a lower bound: one address sends at least what one of its users does.
            key if key.is_keyed_by_user() && selects_users(pool) => Self::from_selected(pool, profile, of_pool),
            key if key.is_keyed_by_user() => Self::from_users(profile),
            _ => Self::EVEN,
        }
    }

    /// All requests of a bridge carry its token, so its most active user is a lower bound on the bridge's share.
    fn from_users(profile: &'a Profile) -> Self {
        let hitters = &profile.heavy_hitters;
        let clients = scale(profile, |_| true);
        let listed = Self::from_list(&hitters.users, clients);
        let bridges = Self::from_list(&hitters.appservices, clients);
        let hhi = hitters.user_hhi.unwrap_or(listed.hhi).max(bridges.hhi).clamp(0.0, 1.0);
        let larger = |skew: &Self| skew.top.map_or(0.0, |(_, share)| share);
        Self { hhi, top: if larger(&bridges) > larger(&listed) { bridges.top } else { listed.top } }
    }

    /// The users and bridges that a pool selects; lists of other kinds are not looked at.
    fn from_selected(pool: &Pool, profile: &'a Profile, of_pool: f64) -> Self {
        let Ok(selectors) = pool.client_selectors() else { return Self::EVEN };
        let globs = || selectors.users.iter().chain(&selectors.appservices);
        let hitters = &profile.heavy_hitters;
        let mut seen: Vec<&HeavyHitter> = Vec::new();
        for heavy in hitters.users.iter().chain(&hitters.appservices).filter(|heavy| globs().any(|glob| glob.matches_user(&heavy.name))) {
            if !seen.iter().any(|other| other.name == heavy.name) {
                seen.push(heavy);
            }
        }
        Self::from_hitters(seen.into_iter(), of_pool)
    }

    fn from_list(list: &'a [HeavyHitter], scale: f64) -> Self {
        Self::from_hitters(list.iter(), scale)
    }

    fn from_hitters(list: impl Iterator<Item = &'a HeavyHitter> + Clone, scale: f64) -> Self {
        let share = |heavy: &HeavyHitter| (heavy.share * scale).clamp(0.0, 1.0);
        let hhi: f64 = list.clone().map(|heavy| share(heavy).powi(2)).sum();
        let top = list.map(|heavy| (heavy, share(heavy))).max_by(|a, b| a.1.total_cmp(&b.1));
        Self { hhi: hhi.min(1.0), top }
    }

    /// Variance of a server's load in units of its squared mean, for `servers` equal servers.
    pub(super) fn variance(&self, ring_variation: f64, servers: usize) -> f64 {
        if servers < 2 {
            return 0.0;
        }
        (servers as f64 - 1.0) * self.hhi + ring_variation.powi(2)
    }
}

/// How many standard deviations above the mean the busiest of `servers` is expected.
pub(super) fn expected_maximum(servers: usize) -> f64 {
    (2.0 * (servers.max(1) as f64).ln()).sqrt()
}

/// All load divided by the load of the classes that have the key.
fn scale(profile: &Profile, has_key: fn(&str) -> bool) -> f64 {
    let sum = |keep: &dyn Fn(&EndpointProfile) -> bool| -> f64 {
        profile.endpoints.iter().filter(|endpoint| keep(endpoint)).map(|endpoint| endpoint.cpu_seconds).sum()
    };
    let between: f64 = profile.between_processes.iter().map(|endpoint| endpoint.cpu_seconds).sum();
    let (all, keyed) = (sum(&|_| true) + between, sum(&|endpoint| has_key(&endpoint.group)));
    if keyed > 0.0 { (all / keyed).max(1.0) } else { 1.0 }
}

fn selects_users(pool: &Pool) -> bool {
    !pool.users.is_empty() || !pool.appservices.is_empty()
}

fn has_room(group: &str) -> bool {
    matches!(group, "event_sending" | "pagination" | "client" | "typing" | "receipts")
}

fn only_federation(pool: &Pool) -> bool {
    pool.endpoints.iter().all(|selector| match selector {
        Selector::Group(group) => is_federation(group),
        Selector::Pattern { pattern, .. } => pattern.contains("/_matrix/federation/"),
    })
}
