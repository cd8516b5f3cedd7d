//! The meaning of a pool's `balance` words for capacity: even, by load, or by a key, and which key.
//!
//! Knows the words of nginx, HAProxy, Caddy, Traefik, Apache and Envoy, not their exact choices. Facts from their sources:
//! nginx `ngx_http_upstream_*_module.c`, HAProxy `doc/configuration.txt`, Caddy `selectionpolicies.go`, Traefik
//! `pkg/server/service/loadbalancer`, Apache `mod_lbmethod_*`, Envoy `load_balancing_policies`.

use std::fmt;

use thiserror::Error;

use super::model::{Pool, ProxyKind};

/// The part of a request that a keyed rule hashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// The user, as far as the proxy can tell (nginx's map on `syt_` tokens).
    User,
    /// The access token: one device of a user.
    Token,
    /// The client's address.
    Address,
    /// The remote server of a federation request.
    Origin,
    /// The room in the path.
    Room,
    /// The path, with or without its query.
    Uri,
    /// Another request header.
    Header(String),
}

impl Key {
    /// Reads the `key` of a plan file.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim().to_ascii_lowercase().as_str() {
            "user" => Self::User,
            "token" => Self::Token,
            "address" => Self::Address,
            "origin" => Self::Origin,
            "room" => Self::Room,
            "uri" => Self::Uri,
            other => Self::Header(other.strip_prefix("header:").filter(|name| !name.is_empty())?.to_owned()),
        })
    }

    /// Whether all requests of one user go to one server.
    pub fn is_keyed_by_user(&self) -> bool {
        match self {
            Self::User | Self::Token | Self::Address => true,
            Self::Header(name) => matches!(name.as_str(), "authorization" | "x-access-token" | "x-forwarded-for"),
            Self::Origin | Self::Room | Self::Uri => false,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::Token => f.write_str("token"),
            Self::Address => f.write_str("address"),
            Self::Origin => f.write_str("origin"),
            Self::Room => f.write_str("room"),
            Self::Uri => f.write_str("uri"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

/// How a rule spreads requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Each server its weight's share: rotation, or random draws.
    Even,
    /// By requests in progress, including waiting long polls.
    LeastBusy,
    /// All requests with one key go to one server.
    Keyed {
        /// Whether servers own arcs of a hash ring: few keys move when servers change, but the arcs differ in length.
        ring: bool,
    },
}

/// A balancing rule with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub spread: Spread,
    /// `Some` exactly for [`Spread::Keyed`].
    pub key: Option<Key>,
}

/// Why `balance` and `key` of a pool are not a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnknownRule {
    /// Unknown words.
    #[error(
        "balance {0:?} is no rule known here; try \"round robin\", \"hash\", \"hash consistent\", \"least_conn\", \"random\", \"ip_hash\", \"balance source\", \"balance uri\" or \"balance hdr(NAME)\""
    )]
    Balance(String),
    /// A keyed rule without a key.
    #[error("balance {0:?} hashes a key; add key = \"user\", \"token\", \"address\", \"origin\", \"room\", \"uri\" or \"header:NAME\"")]
    NoKey(String),
    /// An unknown key.
    #[error("key {0:?} is not user, token, address, origin, room, uri or header:NAME")]
    Key(String),
}

impl Rule {
    /// The rule of a pool behind a given proxy.
    ///
    /// An explicit `key` is kept for keyed rules and ignored for the others. Without one the key is taken from the rule's own words:
    /// `ip_hash` and `source` hash the address, `hdr(X-Matrix-Room)` the room, `hash $mxid_localpart` the user.
    pub fn from_pool(pool: &Pool, proxy: ProxyKind) -> Result<Self, UnknownRule> {
        let stated = match &pool.key {
            Some(text) => Some(Key::parse(text).ok_or_else(|| UnknownRule::Key(text.clone()))?),
            None => None,
        };
        let words = normalise(&pool.balance);
        if let Some(spread) = keyless(&words) {
            return Ok(Self { spread, key: None });
        }
        let (ring, implied) = keyed(&words, proxy).ok_or_else(|| UnknownRule::Balance(pool.balance.clone()))?;
        let key = stated.or(implied).ok_or_else(|| UnknownRule::NoKey(pool.balance.clone()))?;
        Ok(Self { spread: Spread::Keyed { ring }, key: Some(key) })
    }

    /// Coefficient of variation of the servers' shares with equal weights, caused by the hash alone.
    ///
    /// nginx: 160 points a server, 1/sqrt(160). HAProxy: 16 nodes a server and the nearest on either side, 1/sqrt(32). Envoy:
    /// a ring of 1024 points over all servers, 1/sqrt(1024/N). Modulo and rendezvous hashing: 0.
    pub fn ring_variation(&self, proxy: ProxyKind, servers: usize) -> f64 {
        match (self.spread, proxy) {
            (Spread::Keyed { ring: true }, ProxyKind::Nginx) => NGINX_POINTS.sqrt().recip(),
            (Spread::Keyed { ring: true }, ProxyKind::Haproxy) => (2.0 * HAPROXY_NODES).sqrt().recip(),
            (Spread::Keyed { ring: true }, ProxyKind::Envoy) => (servers as f64 / ENVOY_RING).sqrt(),
            _ => 0.0,
        }
    }

    /// Whether the rule sends all requests of one room to one server.
    pub fn is_keyed_by_room(&self) -> bool {
        self.key == Some(Key::Room)
    }

    /// Whether the rule sends all requests of one user to one server.
    pub fn is_keyed_by_user(&self) -> bool {
        self.key.as_ref().is_some_and(Key::is_keyed_by_user)
    }
}

/// Lower case, one blank between words, without the directive's name before the rule.
pub(super) fn normalise(balance: &str) -> String {
    let words: Vec<String> = balance.split_whitespace().map(|word| word.trim_matches(';').to_ascii_lowercase()).collect();
    let text = words.join(" ");
    for directive in ["balance ", "lb_policy ", "lbmethod=", "strategy: ", "strategy "] {
        if let Some(rest) = text.strip_prefix(directive) {
            return rest.to_owned();
        }
    }
    text
}

/// Rules without a key.
fn keyless(words: &str) -> Option<Spread> {
    let even =
        ["round robin", "round_robin", "roundrobin", "round-robin", "static-rr", "weighted_round_robin", "wrr", "byrequests", "bytraffic"];
    let busy = [
        "least_conn",
        "least conn",
        "leastconn",
        "least_request",
        "least request",
        "least_time",
        "leasttime",
        "bybusyness",
        "p2c",
        "random two least_conn",
        "random two",
        "join the shortest busy queue",
        "power of two on busy requests",
    ];
    if even.contains(&words) || (words.starts_with("random") && words == "random") {
        return Some(Spread::Even);
    }
    // HAProxy's random(n) and Caddy's random_choose n take the less loaded of n draws.
    let drawn = words.starts_with("random(") || words.starts_with("random_choose");
    (drawn || busy.contains(&words)).then_some(Spread::LeastBusy)
}

/// Rules with a key: whether they use a ring, and the key their words imply.
fn keyed(words: &str, proxy: ProxyKind) -> Option<(bool, Option<Key>)> {
    let consistent = words.contains("consistent");
    let first = words.split([' ', '(']).next()?;
    Some(match first {
        "hash" => {
            let subject = words.trim_start_matches("hash").replace("consistent", "");
            (consistent, named(subject.trim()))
        }
        "ip_hash" | "client_ip_hash" | "hrw" => (false, Some(Key::Address)),
        "source" => (consistent, Some(Key::Address)),
        "uri" | "uri_hash" => (consistent, Some(Key::Uri)),
        "hdr" => (consistent, header(words.split(['(', ')']).nth(1)?)),
        "header" => (false, header(words.split(' ').nth(1)?)),
        "url_param" | "query" => (consistent, None),
        "ring_hash" | "ring-hash" => (true, None),
        "maglev" => (false, None),
        // HAProxy's `hash-type consistent` alone says nothing of the key.
        "hash-type" if proxy == ProxyKind::Haproxy => (consistent, None),
        _ => return None,
    })
}

/// The key behind an nginx variable or a HAProxy sample.
fn named(subject: &str) -> Option<Key> {
    match subject.trim_start_matches('$') {
        "mxid_localpart" => Some(Key::User),
        "room_name" | "room_id" => Some(Key::Room),
        "remote_addr" | "binary_remote_addr" | "http_x_forwarded_for" => Some(Key::Address),
        "http_authorization" => Some(Key::Token),
        "request_uri" | "uri" => Some(Key::Uri),
        _ => None,
    }
}

/// The key behind a request header.
fn header(name: &str) -> Option<Key> {
    match name {
        "" => None,
        "authorization" | "x-access-token" => Some(Key::Token),
        "x-matrix-room" => Some(Key::Room),
        "x-forwarded-for" | "x-real-ip" => Some(Key::Address),
        other => Some(Key::Header(other.to_owned())),
    }
}

const NGINX_POINTS: f64 = 160.0;
const HAPROXY_NODES: f64 = 16.0;
const ENVOY_RING: f64 = 1024.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(balance: &str, key: Option<&str>, proxy: ProxyKind) -> Result<Rule, UnknownRule> {
        let pool = Pool {
            name: "p".to_owned(),
            endpoints: Vec::new(),
            servers: Vec::new(),
            workers: Some(2),
            balance: balance.to_owned(),
            key: key.map(str::to_owned),
            cpu: 1.0,
            ..Pool::default()
        };
        Rule::from_pool(&pool, proxy)
    }

    #[test]
    fn the_words_of_every_proxy_are_understood() {
        use ProxyKind::{Apache, Caddy, Envoy, Haproxy, Nginx, Traefik};
        let cases = [
            ("round robin", None, Nginx, Spread::Even, None),
            ("balance static-rr", None, Haproxy, Spread::Even, None),
            ("lb_policy random", None, Caddy, Spread::Even, None),
            ("lbmethod=bybusyness", None, Apache, Spread::LeastBusy, None),
            ("random(2)", None, Haproxy, Spread::LeastBusy, None),
            ("p2c", None, Traefik, Spread::LeastBusy, None),
            ("hash consistent", Some("user"), Nginx, Spread::Keyed { ring: true }, Some(Key::User)),
            ("hash $mxid_localpart consistent;", None, Nginx, Spread::Keyed { ring: true }, Some(Key::User)),
            ("hash $http_x_forwarded_for", None, Nginx, Spread::Keyed { ring: false }, Some(Key::Address)),
            ("balance hdr(X-Access-Token)", None, Haproxy, Spread::Keyed { ring: false }, Some(Key::Token)),
            ("balance hdr(X-Matrix-Room)", None, Haproxy, Spread::Keyed { ring: false }, Some(Key::Room)),
            ("balance uri whole", None, Haproxy, Spread::Keyed { ring: false }, Some(Key::Uri)),
            ("ring_hash", Some("header:X-User"), Envoy, Spread::Keyed { ring: true }, Some(Key::Header("x-user".to_owned()))),
        ];
        for (balance, key, proxy, spread, expected) in cases {
            assert_eq!(rule(balance, key, proxy), Ok(Rule { spread, key: expected }), "{balance}");
        }
    }

    #[test]
    fn a_pool_without_a_valid_rule_is_an_error() {
        assert!(matches!(rule("by the moon", None, ProxyKind::Nginx), Err(UnknownRule::Balance(_))));
        assert!(matches!(rule("hash consistent", None, ProxyKind::Nginx), Err(UnknownRule::NoKey(_))));
        assert!(matches!(rule("hash", Some("colour"), ProxyKind::Nginx), Err(UnknownRule::Key(_))));
    }

    #[test]
    fn a_ring_has_its_own_variation() {
        let ring = rule("hash consistent", Some("user"), ProxyKind::Nginx).unwrap();
        assert!((ring.ring_variation(ProxyKind::Nginx, 4) - 0.079).abs() < 0.001);
        assert!((ring.ring_variation(ProxyKind::Haproxy, 4) - 0.177).abs() < 0.001);
        assert!((ring.ring_variation(ProxyKind::Envoy, 4) - 0.0625).abs() < 1e-9);
        let modulo = rule("hash", Some("user"), ProxyKind::Nginx).unwrap();
        assert!(modulo.ring_variation(ProxyKind::Nginx, 4) < 1e-12);
    }
}
