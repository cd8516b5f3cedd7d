//! How proxies choose a server: the exact rules of nginx, HAProxy, Caddy, Traefik, Apache httpd and Envoy, and Synapse's own
//! sharding.
//!
//! Sees keys, numbers of requests in flight and weights; knows nothing of requests, plans or time. Which rule was compared
//! with which program, and how: `docs/balancers.md`.
//!
//! ```text
//! Algorithm ─┐
//! Server ×N ─┴─▶ Balancer ──pick(Choice)──▶ Pick::Server(Place)   the request runs there until done(place)
//!                                           Pick::Queue(Line)     it waits; Waiting says who is next when a place falls free
//!                                           Pick::Unavailable     the proxy answers with an error
//! ```
//!
//! Invariant: after as many `done` as picks that gave a server, nothing is in flight; the same servers, algorithm, seed and
//! calls give the same picks.

#![warn(missing_docs)]

mod apache;
mod balancer;
mod caddy;
mod choice;
mod comparators;
mod deadlines;
mod envoy;
mod haproxy;
mod hashes;
mod ketama;
mod load;
mod nginx;
mod queue;
mod rendezvous;
mod ring;
mod rule;
mod server;
mod smooth;
mod synapse;
mod traefik;

pub use apache::Apache;
pub use balancer::{Algorithm, Balancer, Observation, Setup};
pub use caddy::{Caddy, HashEra};
pub use choice::{Choice, Line, Pick, Place};
pub use comparators::Comparator;
pub use envoy::Envoy;
pub use haproxy::{Haproxy, HashFunction, HashType, KeyPart, Method};
pub use nginx::Nginx;
pub use queue::Waiting;
pub use server::Server;
pub use synapse::shard;
pub use traefik::Traefik;

#[cfg(test)]
mod tests;
