//! One server as a balancer's configuration describes it.

/// A server of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The text in the proxy's configuration, `host:port`: rings and rendezvous hashing hash it byte for byte.
    pub name: String,
    /// The server's URL, which Traefik hashes instead of the name.
    pub url: String,
    /// Share of the requests relative to the other servers, at least 1.
    pub weight: u32,
    /// HAProxy's `id`: the position in the backend from 1, unless the configuration sets another.
    pub id: u32,
    /// Most requests in flight (HAProxy `maxconn`, nginx `max_conns`); `None` for no limit.
    pub limit: Option<u32>,
}

impl Server {
    /// A server without a limit. `index` is its position in the pool, from 0.
    pub fn new(name: &str, weight: u32, index: usize) -> Self {
        Self {
            name: name.to_owned(),
            url: format!("http://{name}"),
            weight: weight.max(1),
            id: u32::try_from(index).map_or(u32::MAX, |index| index.saturating_add(1)),
            limit: None,
        }
    }

    /// The same server with at most this many requests in flight.
    #[must_use]
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }
}
