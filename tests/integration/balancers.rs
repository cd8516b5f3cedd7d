//! wsim's balancers compared with nginx, HAProxy and Caddy as Debian packages them.
//!
//! Each test starts a proxy on a free loopback port, in front of small servers that respond with their own name, sends requests through
//! it, and compares every server that responded with what `wsim route` (for keys) or the balancer (for requests held open) chooses.
//! `tests/proxies/install` installs the proxies; a test fails if its proxy is missing.
//!
//! `case` describes a pool and its requests, `compare` sends them and compares, and the file of each proxy has its configuration and cases.
#![expect(clippy::unwrap_used, reason = "a comparison that cannot continue has failed")]

mod caddy;
mod case;
mod client;
mod compare;
mod deployments;
mod echo;
mod haproxy;
mod nginx;
mod routing;

use self::case::{Case, Traffic, case, plan};
use self::compare::{compare_keys, compare_open_and_close, compare_shares, compare_waiting};
use crate::proxy;
