//! The files that `wsim configure` writes, checked with the real programs.
//!
//! `accepted`: nginx, HAProxy, Caddy and Apache accept the files. `routing`: a real nginx, HAProxy, Caddy and Apache with the written files
//! send every row of the endpoint table, by every method, to the pool that the classifier and the plan name, and requests with a key to
//! exactly the server of the key. `clients`: the same for pools of some clients. `tables`: the same without a proxy, for every table. `traefik`: its files contain documented keys only.
//! `extras`: what is written on request, with the proxies and promtool. `migration`: from deployments of several ages to plans.
//! `tests/proxies/install` installs the programs; a test fails if its program is missing.
#![expect(clippy::unwrap_used, reason = "a comparison that cannot continue has failed")]

mod accepted;
mod clients;
mod command;
mod expected;
mod extras;
mod logs;
mod migration;
mod net;
mod plans;
mod platforms;
pub(crate) mod proxies;
mod requests;
mod routing;
mod tables;
mod traefik;

use crate::proxy;
