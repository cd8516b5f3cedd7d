//! What a balancer sees of a request, and what it decides.

use std::net::IpAddr;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

/// The part of a request that a proxy's rule looks at, and the rule's source of randomness.
#[derive(Debug)]
pub struct PickContext<'a> {
    /// The text that a keyed rule hashes, byte for byte as the proxy sees it; `None` or empty where the request has none.
    pub key: Option<&'a [u8]>,
    /// The client's address, for rules that hash it. Without an address they parse the key as one.
    pub address: Option<IpAddr>,
    /// The generator that random rules draw from.
    pub random: &'a mut Xoshiro256PlusPlus,
}

impl PickContext<'_> {
    /// The key, unless it is missing or empty.
    pub(super) fn non_empty_key(&self) -> Option<&[u8]> {
        self.key.filter(|key| !key.is_empty())
    }

    /// The client's address: the given one, or else the key parsed as an address.
    pub(super) fn client_address(&self) -> Option<IpAddr> {
        self.address.or_else(|| parse_address(self.key?))
    }
}

/// Parses an address written as text.
pub(super) fn parse_address(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// A balancer's decision about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The request goes to this server. The caller must call [`super::Balancer::release`] when the request ends.
    Server(ServerSlot),
    /// Every server that the rule may use is at its limit, so the request waits. The caller keeps the request, in
    /// [`super::WaitingQueues`] or otherwise, and must later call [`super::Balancer::start_queued`] or
    /// [`super::Balancer::leave_queue`].
    Queue(QueueId),
    /// No server is usable and the proxy does not queue: the proxy responds with an error.
    Unavailable,
}

impl Pick {
    /// The server's index, if the request got a server.
    pub fn server(self) -> Option<usize> {
        match self {
            Self::Server(slot) => Some(slot.server()),
            Self::Queue(_) | Self::Unavailable => None,
        }
    }
}

/// The server of one request in flight, and the proxy process that counts the request there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerSlot {
    pub(super) server: u32,
    pub(super) process: u32,
}

impl ServerSlot {
    /// Restores a slot from its [`server`](Self::server) and [`process`](Self::process).
    pub fn new(server: u32, process: u32) -> Self {
        Self { server, process }
    }

    pub(super) fn from_indices(server: usize, process: usize) -> Self {
        let narrow = |index| u32::try_from(index).unwrap_or(u32::MAX);
        Self { server: narrow(server), process: narrow(process) }
    }

    /// Index of the server, in configured order from 0.
    pub fn server(self) -> usize {
        self.server as usize
    }

    /// Index of the proxy process that chose the server, from 0.
    pub fn process(self) -> usize {
        self.process as usize
    }
}

/// The queue in which a request waits for a server to become free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueId {
    /// The queue of one server: a keyed rule chose this server and does not change its choice.
    Server(usize),
    /// The queue of the pool: any server that becomes free takes the request.
    Pool,
}

/// A number below `end`, all equally likely up to a part in 2^64 / `end`; 0 where `end` is 0.
///
/// Multiplication instead of division (Lemire, "Fast Random Integer Generation in an Interval", 2019, without the rejection).
pub(super) fn below(random: &mut Xoshiro256PlusPlus, end: u64) -> u64 {
    let wide = u128::from(random.next_u64()) * u128::from(end);
    (wide >> 64) as u64
}

/// [`below`] for an index.
pub(super) fn index_below(random: &mut Xoshiro256PlusPlus, end: usize) -> usize {
    // The result is below `end`, which is a usize.
    usize::try_from(below(random, end as u64)).unwrap_or_default()
}
