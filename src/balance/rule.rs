//! What every family of rules can do for the balancer that runs it.

use super::choice::{Choice, Line};
use super::load::Load;
use super::server::Server;

/// What a rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Server(usize),
    Queue(Line),
    Unavailable,
}

impl From<Option<usize>> for Decision {
    fn from(server: Option<usize>) -> Self {
        server.map_or(Self::Unavailable, Self::Server)
    }
}

/// A rule with its state. The balancer keeps the [`Load`]; the rule reads it and keeps what else it needs.
pub(super) trait Choose {
    /// Chooses. The load is counted by the caller afterwards.
    fn choose(&mut self, load: &Load, choice: &mut Choice<'_>) -> Decision;

    /// The server of a key, where that depends on nothing else and every server is free; `None` for other rules.
    fn server_of_key(&self, _load: &Load, _key: &[u8]) -> Option<usize> {
        None
    }

    /// A request started on a server or ended there, or a server's queue changed; the load is counted already.
    fn moved(&mut self, _load: &Load, _server: usize) {}

    /// A server went or came back; the load says which are up. Most rules skip servers that are down when they choose.
    fn changed(&mut self, _servers: &[Server], _load: &Load) {}
}
