//! Parses configuration files and evaluates them: the server of each request.
//!
//! ```text
//! nginx      ┐ grammar ─▶ typed tree with lines ─▶ evaluator ┐
//! HAProxy    ┤                                               ├─▶ Site::route(request) ─▶ Routed
//! Caddy      ┤                                               │
//! Traefik    ┤                                               │
//! Apache     ┤                                               │
//! Envoy      ┤                                               │
//! Kubernetes ┘                                               ┘
//! Synapse's YAML ─▶ SynapseFiles: processes, listeners, stream writers, background roles
//! ```
//!
//! Owns the proxies' rules of precedence. Knows nothing of Matrix endpoints; of plans it only uses the list of proxies.
//! Invariant: parts that cannot be evaluated are reported with their location ([`RouteTarget::Unknown`], [`Note`]), never guessed; any
//! bytes end in a result, in bounded time and depth.

pub mod apache;
pub mod caddy;
mod compose;
pub mod detect;
pub mod envoy;
pub mod haproxy;
pub mod kubernetes;
pub mod model;
pub mod nginx;
pub mod pattern;
pub mod synapse;
pub mod traefik;
pub mod tree;
mod units;

pub use detect::{Detected, Kind, detect};
pub use model::{
    Delivery, Doubts, KeyValue, Note, Proxy, ReadError, Request, RouteTarget, Routed, Shadowed, Site, SourceLocation, Unknown,
    UpstreamPool, UpstreamServer, Words,
};
pub use wsim_nginx::files::BYTES_MAX;
pub use wsim_nginx::{Among, Disk, Files, NoFiles};
