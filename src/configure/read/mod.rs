//! Configuration text → where each request goes.
//!
//! ```text
//! nginx      ┐ grammar ─▶ typed tree with places ─▶ evaluator ┐
//! HAProxy    ┤                                                ├─▶ Site::route(request) ─▶ Routed
//! Caddy      ┤                                                │
//! Traefik    ┘                                                ┘
//! Synapse's YAML ─▶ Cluster: processes, listeners, stream writers, duties
//! ```
//!
//! Owns the proxies' rules of precedence. Knows nothing of Matrix endpoints and plans. Invariant: what cannot be evaluated is
//! said with its place ([`RouteTarget::Unknown`], [`Note`]), never guessed; any bytes end in a result, in bounded time and depth.

pub mod caddy;
pub mod detect;
pub mod haproxy;
pub mod model;
pub mod nginx;
pub mod pattern;
pub mod synapse;
pub mod traefik;
pub mod tree;

pub use detect::{Kind, detect};
pub use model::{
    KeyValue, Note, Proxy, ReadError, Request, RouteTarget, Routed, Site, SourceLocation, Unknown, UpstreamPool, UpstreamServer,
};
pub use wsim_nginx::{Disk, Files, NoFiles};
