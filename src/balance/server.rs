//! One server as a balancer is told of it.

/// A server of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The text in the proxy's configuration, `host:port`: rings and rendezvous hashing hash it byte for byte.
    pub name: String,
    /// What Traefik hashes instead: the server's URL.
    pub url: String,
    /// Share relative to its neighbours, at least 1.
    pub weight: u32,
    /// HAProxy's `id`: the position in the backend from 1, unless the configuration says otherwise.
    pub id: u32,
    /// Most requests in flight (HAProxy `maxconn`, nginx `max_conns`); `None` for no limit.
    pub limit: Option<u32>,
}

impl Server {
    /// A server without a limit. `position` is its place in the pool from 0.
    pub fn new(name: &str, weight: u32, position: usize) -> Self {
        Self {
            name: name.to_owned(),
            url: format!("http://{name}"),
            weight: weight.max(1),
            id: u32::try_from(position).map_or(u32::MAX, |position| position.saturating_add(1)),
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
