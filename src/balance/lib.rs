//! How proxies choose a server: the exact rules of nginx, HAProxy, Caddy, Traefik, Apache httpd and Envoy, Synapse's own sharding,
//! and for comparison two rules that no proxy has ([`Comparator`]).
//!
//! A rule sees the request's key and client address, each server's name, weight and load, what was observed of earlier responses, and
//! random numbers of a seed. It knows nothing else of a request, and nothing of plans; the caller says what time it is. Each process of the proxy has a rule's state of its own
//! ([`BalancerConfig::processes`]). `docs/balancers.md` says for each rule with which program it was compared and how, and why the
//! rules are written here instead of taken from a library.
//!
//! ```text
//! BalancerConfig { algorithm, servers, processes }
//!         │
//!         ▼
//!     Balancer ──pick(PickContext)──▶ Pick::Server(ServerSlot)   in flight until release(slot)
//!                                     Pick::Queue(QueueId)       waits; WaitingQueues finds the next request for a free server
//!                                     Pick::Unavailable          the proxy responds with an error
//! ```
//!
//! Invariant: once every slot is released, nothing is in flight; the same configuration, seed and calls give the same picks.

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
pub use balancer::{Algorithm, Balancer, BalancerConfig, Observation};
pub use caddy::{Caddy, HashEra};
pub use choice::{Pick, PickContext, QueueId, ServerSlot};
pub use comparators::Comparator;
pub use envoy::Envoy;
pub use haproxy::{Haproxy, HashFunction, HashMethod, HashType, KeyPart};
pub use nginx::Nginx;
pub use queue::WaitingQueues;
pub use server::Server;
pub use synapse::shard;
pub use traefik::Traefik;

#[cfg(test)]
mod tests;
