//! What a balancer is asked and what it answers.

use std::net::IpAddr;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

/// One request as far as a balancer can see it.
#[derive(Debug)]
pub struct Choice<'a> {
    /// What a keyed rule hashes, byte for byte as the proxy sees it; `None` or empty where the request has no such thing.
    pub key: Option<&'a [u8]>,
    /// The client's address, for rules that hash it. Without one they read the key as the text of an address.
    pub address: Option<IpAddr>,
    /// Where random rules draw from.
    pub random: &'a mut Xoshiro256PlusPlus,
}

impl Choice<'_> {
    /// The key, if there is one that is not empty.
    pub(super) fn text(&self) -> Option<&[u8]> {
        self.key.filter(|key| !key.is_empty())
    }

    /// The client's address, given or read from the key.
    pub(super) fn client(&self) -> Option<IpAddr> {
        self.address.or_else(|| address_of(self.key?))
    }
}

/// An address written as text.
pub(super) fn address_of(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// What a balancer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// This server. The caller owes a [`super::Balancer::done`] when the request ends.
    Server(Place),
    /// Every server that the rule may use is at its limit: the request waits. The caller keeps it, in [`super::Waiting`] or
    /// otherwise, and owes a [`super::Balancer::admit`] or [`super::Balancer::give_up`].
    Queue(Line),
    /// No server may be used and the proxy does not queue: it answers with an error.
    Unavailable,
}

impl Pick {
    /// The server's index, if the request got one.
    pub fn server(self) -> Option<usize> {
        match self {
            Self::Server(place) => Some(place.server()),
            Self::Queue(_) | Self::Unavailable => None,
        }
    }
}

/// A request's place: a server, and the proxy process whose books it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub(super) server: u32,
    pub(super) process: u32,
}

impl Place {
    /// A place put together again from its [`server`](Self::server) and [`process`](Self::process).
    pub fn new(server: u32, process: u32) -> Self {
        Self { server, process }
    }

    /// Index of the server, in configured order from 0.
    pub fn server(self) -> usize {
        self.server as usize
    }

    /// Index of the proxy process that chose, from 0.
    pub fn process(self) -> usize {
        self.process as usize
    }
}

/// Where a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// For this one server: a keyed rule chose it and holds on.
    Server(usize),
    /// For any server of the pool.
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
    // Below a number that was an index.
    usize::try_from(below(random, end as u64)).unwrap_or_default()
}
