//! From a pool's words to the proxy's exact rule: the configuration that `plan` passes to `balance`.
//!
//! Without a `release` the proxy's newest rules apply. Only two rules depend on it, because they differ between releases in use:
//! Caddy's hashing, and the ties of HAProxy's `leastconn`.

use thiserror::Error;

use super::model::{Plan, Pool, Proxy, ProxyKind};
use super::rule::{Key, normalise};
use super::server::ServerError;
use wsim_balance::{
    Algorithm, Apache, BalancerConfig, Caddy, Comparator, Envoy, Haproxy, HashEra, HashFunction, HashMethod, HashType, KeyPart, Nginx,
    Server, Traefik,
};

/// Why a pool has no exact balancer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BalancerError {
    /// The proxy has no such rule.
    #[error("pool {pool:?}: {proxy} has no rule {balance:?}; it has {known}")]
    NotInProxy {
        pool: String,
        proxy: &'static str,
        balance: String,
        /// The rules that the proxy has, as a list in words.
        known: &'static str,
    },
    /// A word beside the rule that means nothing here.
    #[error("pool {pool:?}: {word:?} in balance {balance:?} is not understood; {hint}")]
    Word {
        pool: String,
        balance: String,
        word: String,
        /// The words that are possible here.
        hint: &'static str,
    },
    /// A server cannot be read.
    #[error("pool {pool:?}: {error}")]
    Server { pool: String, error: ServerError },
}

impl Plan {
    /// The configuration of a pool's balancer. Servers are the addresses as written. Where the plan only counts workers, rings and
    /// rendezvous hashing use the workers' names: a layout of the same kind, but not the one that real addresses will give.
    ///
    /// # Errors
    /// The proxy does not have the pool's rule, or a server cannot be read.
    pub fn balancer_config(&self, pool: &Pool) -> Result<BalancerConfig, BalancerError> {
        let servers = pool.servers().map_err(|error| BalancerError::Server { pool: pool.name.clone(), error })?;
        let servers: Vec<Server> =
            servers.iter().enumerate().map(|(index, server)| Server::new(&server.name, server.weight, index)).collect();
        let weighted = servers.iter().any(|server| server.weight != 1);
        let algorithm = Words::of(pool).algorithm(&self.proxy, weighted)?;
        Ok(BalancerConfig { algorithm, servers, processes: self.proxy.processes })
    }
}

/// The words of a pool's rule.
struct Words<'p> {
    pool: &'p Pool,
    /// Lower case, one blank between words.
    text: String,
}

impl<'p> Words<'p> {
    fn of(pool: &'p Pool) -> Self {
        Self { pool, text: normalise(&pool.balance) }
    }

    fn algorithm(&self, proxy: &Proxy, weighted: bool) -> Result<Algorithm, BalancerError> {
        match self.text.as_str() {
            "join the shortest busy queue" => return Ok(Algorithm::Comparator(Comparator::ShortestBusyQueue)),
            "power of two on busy requests" => return Ok(Algorithm::Comparator(Comparator::TwoBusyChoices)),
            _ => {}
        }
        match proxy.kind {
            ProxyKind::Nginx => self.nginx().map(Algorithm::Nginx),
            ProxyKind::Haproxy => self.haproxy(proxy).map(Algorithm::Haproxy),
            ProxyKind::Caddy => self.caddy(proxy, weighted).map(Algorithm::Caddy),
            ProxyKind::Traefik => self.traefik().map(Algorithm::Traefik),
            ProxyKind::Apache => self.apache().map(Algorithm::Apache),
            ProxyKind::Envoy => self.envoy().map(Algorithm::Envoy),
        }
    }

    fn nginx(&self) -> Result<Nginx, BalancerError> {
        Ok(match self.text.as_str() {
            text if is_round_robin(text) => Nginx::RoundRobin,
            text if is_least(text) => Nginx::LeastConnections,
            "ip_hash" => Nginx::IpHash,
            "random" => Nginx::Random,
            "random two" | "random two least_conn" => Nginx::RandomTwo,
            text if self.first() == "hash" => {
                if text.ends_with(" consistent") {
                    Nginx::Consistent
                } else {
                    Nginx::Hash
                }
            }
            _ => {
                return Err(
                    self.not_in("nginx", "round robin, least_conn, hash, hash consistent, ip_hash, random and random two least_conn")
                );
            }
        })
    }

    fn haproxy(&self, proxy: &Proxy) -> Result<Haproxy, BalancerError> {
        Ok(match self.first() {
            _ if is_round_robin(&self.text) => Haproxy::RoundRobin,
            _ if is_least(&self.text) => Haproxy::LeastConnections { random_ties: is_at_least(proxy, 3, 2) },
            "static-rr" => Haproxy::StaticRoundRobin,
            "random" => Haproxy::Random { draws: self.in_brackets().map_or(Some(2), |draws| draws.parse().ok()).unwrap_or(2).max(1) },
            "source" => Haproxy::Source(self.hash_type(1)?),
            "uri" => {
                let (part, next) = self.uri()?;
                Haproxy::Key { part, hash: self.hash_type(next)? }
            }
            "url_param" => {
                // Names of parameters are case-sensitive: taken from the words as written.
                let name = self.pool.balance.split_whitespace().skip_while(|word| !word.eq_ignore_ascii_case("url_param")).nth(1);
                let is_uri = self.pool.key.as_deref().and_then(Key::parse) == Some(Key::Uri);
                let part = if is_uri { KeyPart::Parameter(name.unwrap_or_default().trim_matches(';').to_owned()) } else { KeyPart::Whole };
                Haproxy::Key { part, hash: self.hash_type(2)? }
            }
            "hdr" => Haproxy::Key { part: KeyPart::FirstValue, hash: self.hash_type(1)? },
            "hash" => {
                let expression = self.words().skip(1).take_while(|word| !HASH_WORDS.contains(word)).count();
                Haproxy::Key { part: KeyPart::Whole, hash: self.hash_type(1 + expression)? }
            }
            "hash-type" => Haproxy::Key { part: KeyPart::Whole, hash: self.hash_type(0)? },
            _ => {
                let known = "roundrobin, static-rr, leastconn, random(N), source, uri, url_param NAME, hdr(NAME) and hash EXPRESSION";
                return Err(self.not_in("HAProxy", known));
            }
        })
    }

    /// `uri` with its parameters, and the number of words read.
    fn uri(&self) -> Result<(KeyPart, usize), BalancerError> {
        let (mut whole, mut depth, mut length) = (false, None, None);
        let mut read = 1;
        let mut words = self.words().skip(1).peekable();
        while let Some(word) = words.next_if(|word| !HASH_WORDS.contains(word)) {
            read += 1;
            match word {
                "whole" => whole = true,
                "depth" | "len" => {
                    read += 1;
                    let number = words.next().and_then(|number| number.parse().ok());
                    let number = Some(number.ok_or_else(|| self.wrong(word, "a number follows depth and len"))?);
                    if word == "depth" { depth = number } else { length = number }
                }
                other => return Err(self.wrong(other, "uri may be followed by whole, depth N and len N")),
            }
        }
        Ok((KeyPart::Uri { whole, depth, length }, read))
    }

    /// `hash-type …`, `hash-balance-factor N` and `hash-key …`, from the word at index `start` on. The bare word `consistent` means
    /// `hash-type consistent`.
    fn hash_type(&self, start: usize) -> Result<HashType, BalancerError> {
        let mut hash = HashType::default();
        let (mut factor, mut key) = (None, "id");
        let mut function = None;
        let mut mixed = false;
        let mut is_ring = false;
        let mut words = self.words().skip(start);
        while let Some(word) = words.next() {
            match word {
                "hash-type" | "map-based" => {}
                "consistent" => is_ring = true,
                "avalanche" => mixed = true,
                "hash-balance-factor" => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    factor = Some(number.ok_or_else(|| self.wrong(word, "a percentage follows hash-balance-factor"))?);
                }
                "hash-key" => key = words.next().unwrap_or("id"),
                other => function = Some(hash_function(other).ok_or_else(|| self.wrong(other, HASH_HINT))?),
            }
        }
        hash.function = function.unwrap_or(HashFunction::Sdbm);
        hash.avalanche = mixed || (is_ring && function.is_none());
        if is_ring {
            // A factor of 0 is none.
            let balance_factor = factor.filter(|factor| *factor > 0);
            hash.method = HashMethod::Consistent { balance_factor, by_address: self.by_address(key)? };
        }
        Ok(hash)
    }

    fn by_address(&self, key: &str) -> Result<Option<Vec<(std::net::Ipv4Addr, u16)>>, BalancerError> {
        let with_port = match key {
            "id" => return Ok(None),
            "addr" => false,
            "addr-port" => true,
            other => return Err(self.wrong(other, "hash-key is id, addr or addr-port")),
        };
        let hint = "hash-key addr and addr-port need servers with IPv4 addresses";
        let servers = self.pool.servers().map_err(|error| BalancerError::Server { pool: self.pool.name.clone(), error })?;
        let address = |server: super::server::Server| {
            let (host, port) = server.name.rsplit_once(':')?;
            Some((host.parse().ok()?, if with_port { port.parse().ok()? } else { 0 }))
        };
        let addresses: Option<Vec<_>> = servers.into_iter().map(address).collect();
        Ok(Some(addresses.ok_or_else(|| self.wrong(key, hint))?))
    }

    fn caddy(&self, proxy: &Proxy, weighted: bool) -> Result<Caddy, BalancerError> {
        let hash = || {
            Caddy::Hash(match () {
                () if is_at_least(proxy, 2, 8) => HashEra::XxHash,
                () if is_after(proxy, [2, 6, 2]) => HashEra::UpstreamFirst,
                () => HashEra::KeyFirst,
            })
        };
        Ok(match self.first() {
            _ if is_round_robin(&self.text) && !weighted => Caddy::RoundRobin,
            _ if is_round_robin(&self.text) => Caddy::WeightedRoundRobin,
            "weighted_round_robin" if self.words().count() == 1 => Caddy::WeightedRoundRobin,
            "weighted_round_robin" => {
                return Err(self.wrong(self.words().nth(1).unwrap_or_default(), "write the weights as servers = [\"host:port=2\", …]"));
            }
            _ if is_least(&self.text) => Caddy::LeastConnections,
            "random" => Caddy::Random,
            "random_choose" => {
                Caddy::RandomChoose { sample: self.words().nth(1).and_then(|number| number.parse().ok()).unwrap_or(2).max(2) }
            }
            "first" => Caddy::First,
            "query" if self.pool.key.as_deref().and_then(Key::parse) == Some(Key::Uri) => {
                return Err(self.wrong("query", "the key of this rule is the parameter's value, not the URI: name another key"));
            }
            "ip_hash" | "client_ip_hash" | "uri_hash" | "query" | "header" | "hash" => hash(),
            _ => {
                let known = "random, round_robin, weighted_round_robin, least_conn, random_choose N, first, ip_hash, client_ip_hash, uri_hash, query NAME and header NAME";
                return Err(self.not_in("Caddy", known));
            }
        })
    }

    fn traefik(&self) -> Result<Traefik, BalancerError> {
        Ok(match self.text.as_str() {
            "wrr" => Traefik::WeightedRoundRobin,
            text if is_round_robin(text) => Traefik::WeightedRoundRobin,
            "p2c" => Traefik::TwoChoices,
            "hrw" | "hash" => Traefik::HighestRandomWeight,
            "leasttime" | "least_time" => Traefik::LeastTime,
            _ => return Err(self.not_in("Traefik", "wrr, p2c, hrw and leasttime")),
        })
    }

    fn apache(&self) -> Result<Apache, BalancerError> {
        Ok(match self.text.as_str() {
            "byrequests" => Apache::ByRequests,
            text if is_round_robin(text) => Apache::ByRequests,
            "bytraffic" => Apache::ByTraffic,
            text if is_least(text) => Apache::ByBusyness,
            _ => return Err(self.not_in("Apache httpd", "byrequests, bytraffic and bybusyness")),
        })
    }

    fn envoy(&self) -> Result<Envoy, BalancerError> {
        Ok(match self.text.as_str() {
            text if is_round_robin(text) => Envoy::RoundRobin,
            text if is_least(text) => Envoy::LeastRequest { choices: 2 },
            "random" => Envoy::Random,
            "ring_hash" | "ring-hash" => Envoy::RING_HASH,
            "maglev" => Envoy::MAGLEV,
            _ => return Err(self.not_in("Envoy", "round_robin, least_request, random, ring_hash and maglev")),
        })
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split(' ')
    }

    /// The first word, without brackets after it.
    fn first(&self) -> &str {
        self.text.split([' ', '(']).next().unwrap_or_default()
    }

    fn in_brackets(&self) -> Option<&str> {
        self.text.split_once('(').map(|(_, rest)| rest.trim_end_matches(')'))
    }

    fn not_in(&self, proxy: &'static str, known: &'static str) -> BalancerError {
        BalancerError::NotInProxy { pool: self.pool.name.clone(), proxy, balance: self.pool.balance.clone(), known }
    }

    fn wrong(&self, word: &str, hint: &'static str) -> BalancerError {
        BalancerError::Word { pool: self.pool.name.clone(), balance: self.pool.balance.clone(), word: word.to_owned(), hint }
    }
}

fn is_round_robin(words: &str) -> bool {
    ["round robin", "round_robin", "roundrobin", "round-robin"].contains(&words)
}

fn is_least(words: &str) -> bool {
    ["least_conn", "least conn", "leastconn", "least_request", "least request", "bybusyness"].contains(&words)
}

fn hash_function(word: &str) -> Option<HashFunction> {
    Some(match word {
        "sdbm" => HashFunction::Sdbm,
        "djb2" => HashFunction::Djb2,
        "wt6" => HashFunction::Wt6,
        "crc32" => HashFunction::Crc32,
        "none" => HashFunction::Number,
        _ => return None,
    })
}

/// Whether the proxy's release is at least this one; a plan that names none means the newest.
fn is_at_least(proxy: &Proxy, major: u32, minor: u32) -> bool {
    proxy.release().is_none_or(|[a, b, _]| (a, b) >= (major, minor))
}

fn is_after(proxy: &Proxy, release: [u32; 3]) -> bool {
    proxy.release().is_none_or(|of| of > release)
}

/// Words that end the rule's own.
const HASH_WORDS: [&str; 5] = ["hash-type", "consistent", "map-based", "hash-balance-factor", "hash-key"];
const HASH_HINT: &str = "after the rule there may be hash-type map-based or consistent, one of sdbm, djb2, wt6, crc32 and none, avalanche, hash-balance-factor N, hash-key addr-port";

#[cfg(test)]
mod tests;
