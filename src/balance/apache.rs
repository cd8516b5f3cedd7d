//! Apache httpd: `byrequests`, `bytraffic`, `bybusyness`.
//!
//! `modules/proxy/balancers/mod_lbmethod_*.c`, 2.4; from the source only. The state is in shared memory: one for all children.

use super::choice::PickContext;
use super::load::Load;
use super::rule::{Choose, Decision};
use super::server::Server;
use super::smooth::Smooth;

/// An `lbmethod` of Apache httpd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Apache {
    /// `byrequests`, the default: the recurrence of nginx's round robin.
    ByRequests,
    /// `bytraffic`: fewest bytes sent and received so far, over the load factor.
    ByTraffic,
    /// `bybusyness`: fewest in flight, ties as `byrequests`.
    ByBusyness,
}

/// A method with its state.
#[derive(Debug, Clone)]
pub(super) struct State {
    method: Apache,
    smooth: Smooth,
    bytes: Vec<u64>,
}

impl State {
    pub(super) fn new(method: Apache, servers: &[Server]) -> Self {
        Self { method, smooth: Smooth::new(servers.len()), bytes: vec![0; servers.len()] }
    }

    /// Records the bytes of a request and its response together.
    pub(super) fn record_bytes(&mut self, server: usize, bytes: u64) {
        self.bytes[server] += bytes;
    }
}

impl Choose for State {
    fn choose(&mut self, load: &Load, _: &mut PickContext<'_>) -> Decision {
        match self.method {
            Apache::ByRequests => self.smooth.pick(load),
            Apache::ByBusyness => self.smooth.pick_least(load),
            Apache::ByTraffic => {
                let traffic = |server: usize| self.bytes[server] / (FACTOR_SCALE * u64::from(load.members[server].weight));
                load.free().map(|(server, _)| server).min_by_key(|server| traffic(*server))
            }
        }
        .into()
    }
}

/// Apache keeps load factors in hundredths.
const FACTOR_SCALE: u64 = 100;
