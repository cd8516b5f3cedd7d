//! What `wsim configure` writes, held against the real programs.
//!
//! `accepted`: nginx, HAProxy, Caddy and Apache take the files. `routing`: a real nginx, HAProxy, Caddy and Apache with the written files
//! send every row of the table, by every method, to the pool that classifier and plan name, and keyed requests to the very server.
//! `tables`: the same without a proxy, for every table. `traefik`: its files by their documented keys. The programs come by
//! `tests/proxies/install`; a test fails where one is missing.
#![expect(clippy::unwrap_used, reason = "a comparison that cannot go on has failed")]

mod accepted;
mod command;
mod logs;
mod net;
mod plans;
mod requests;
mod routing;
mod tables;
mod traefik;

use crate::proxy;
