//! The interface between a family of rules and the balancer that runs it.

use super::choice::{PickContext, QueueId};
use super::load::Load;

/// A rule's decision, before the balancer counts the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Server(usize),
    Queue(QueueId),
    Unavailable,
}

impl From<Option<usize>> for Decision {
    fn from(server: Option<usize>) -> Self {
        server.map_or(Self::Unavailable, Self::Server)
    }
}

/// A rule with its state. The balancer keeps the [`Load`]; the rule reads it and keeps only what the load does not hold.
pub(super) trait Choose {
    /// Chooses a server. The balancer counts the request afterwards.
    fn choose(&mut self, load: &Load, context: &mut PickContext<'_>) -> Decision;

    /// The server of a key while every server is free, if the key alone decides it; `None` for all other rules.
    fn server_of_key(&self, _load: &Load, _key: &[u8]) -> Option<usize> {
        None
    }

    /// Called after the load of a server changed: a request started there, ended there, or its queue changed.
    fn on_load_change(&mut self, _load: &Load, _server: usize) {}
}
