//! Keeps connections open between requests, and queues requests that wait for one.
//!
//! The number of open connections is limited. Idle ones are reused last in, first out, so that the server closes those that are not needed.
//! Connections that carry several requests (HTTP/2) are shared: a new one is opened when all are full, one at a time. One that the server leaves
//! gets no further requests, and is closed after its last. Knows nothing of what is sent. Invariant: connections that are idle, shared, in use or
//! being opened are never more than allowed.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use wsim_transport::Connection;

/// A request that may be sent as soon as it has a connection. Its content is made then.
#[derive(Debug, Clone, Copy)]
pub(super) struct WaitingRequest {
    pub(super) slot: u32,
    pub(super) due_ns: u64,
    pub(super) dispatched_ns: u64,
}

/// Who waits for a connection.
#[derive(Debug)]
pub(super) enum Waiter {
    New(WaitingRequest),
    /// A request in flight that lost its connection and is sent again.
    Again(oneshot::Sender<Grant>),
}

/// The connections of a run.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Vec<Connection>,
    shared: Vec<Shared>,
    /// Connections that carry one request each, or are being opened.
    own: usize,
    /// Of these, those that are expected to be shared once they are open.
    opening: usize,
    /// Connections can be shared, as far as is known.
    shares: bool,
    open_max: usize,
    waiting: VecDeque<Waiter>,
}

/// A connection that carries several requests.
#[derive(Debug)]
struct Shared {
    handle: Connection,
    in_flight: usize,
    /// The server takes no further requests.
    is_left: bool,
}

/// How a request gets its connection.
#[derive(Debug)]
pub(super) enum Grant {
    /// Use this open connection.
    Kept(Connection),
    /// Use this connection beside other requests.
    Shared(Connection),
    /// Open a new one.
    Open,
}

/// What a request holds while it is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Own,
    Shared,
}

impl Pool {
    /// `shares`: connections speak HTTP/2, unless the first that is opened shows otherwise.
    pub(super) fn new(open_max: usize, shares: bool) -> Self {
        Self { idle: Vec::new(), shared: Vec::new(), own: 0, opening: 0, shares, open_max: open_max.max(1), waiting: VecDeque::new() }
    }

    /// Number of requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A connection for one request; `None` if it must wait.
    pub(super) fn acquire(&mut self) -> Option<Grant> {
        while let Some(mut connection) = self.idle.pop() {
            if connection.is_open() {
                self.own += 1;
                return Some(Grant::Kept(connection));
            }
        }
        if self.shares {
            if let Some(handle) = self.share() {
                return Some(Grant::Shared(handle));
            }
            // The others wait for the connection that is being opened.
            if self.opening > 0 {
                return None;
            }
        }
        if self.idle.len() + self.shared.len() + self.own >= self.open_max {
            return None;
        }
        self.own += 1;
        self.opening += usize::from(self.shares);
        Some(Grant::Open)
    }

    /// A handle of the shared connection with the fewest requests, if it can carry one more.
    fn share(&mut self) -> Option<Connection> {
        loop {
            let open = self.shared.iter_mut().enumerate().filter(|(_, shared)| !shared.is_left);
            let (index, shared) = open.min_by_key(|(_, shared)| shared.in_flight)?;
            if shared.handle.is_open() {
                let handle = if shared.in_flight < shared.handle.requests_max() { shared.handle.share() } else { None };
                shared.in_flight += usize::from(handle.is_some());
                return handle;
            }
            shared.is_left = true;
            if shared.in_flight == 0 {
                self.shared.swap_remove(index);
            }
        }
    }

    /// A new connection is open and carries its first request. Says what that request holds from now on.
    pub(super) fn on_opened(&mut self, connection: &Connection) -> Held {
        self.opening = self.opening.saturating_sub(1);
        match connection.share() {
            Some(handle) => {
                self.shared.push(Shared { handle, in_flight: 1, is_left: false });
                self.own -= 1;
                Held::Shared
            }
            None => {
                self.shares = false;
                Held::Own
            }
        }
    }

    /// Takes back a connection after its request; `None` if it is closed.
    pub(super) fn release(&mut self, connection: Option<Connection>, held: Held) {
        if held == Held::Own {
            self.own -= 1;
        }
        match connection {
            Some(connection) if connection.is_multiplexed() => {
                let Some(index) = self.shared.iter().position(|shared| shared.handle.is_same(&connection)) else { return };
                let shared = &mut self.shared[index];
                shared.in_flight = shared.in_flight.saturating_sub(1);
                if shared.in_flight == 0 && shared.is_left {
                    self.shared.swap_remove(index);
                }
            }
            Some(mut connection) => {
                let is_open = connection.is_open();
                self.idle.extend(is_open.then_some(connection));
            }
            None => {}
        }
    }

    /// Takes back what a request does not need after all.
    pub(super) fn give_back(&mut self, grant: Grant) {
        let held = grant.held();
        if matches!(grant, Grant::Open) {
            self.on_not_opened();
        }
        self.release(grant.into_kept(), held);
    }

    /// A connection could not be opened.
    pub(super) fn on_not_opened(&mut self) {
        self.opening = self.opening.saturating_sub(1);
    }

    /// Lets a request wait.
    pub(super) fn enqueue(&mut self, request: WaitingRequest) {
        self.waiting.push_back(Waiter::New(request));
    }

    /// Lets a request that is sent again wait, before those that have not been sent. The receiver fails if the run ends first; what it gets must
    /// be given back if it is not used.
    pub(super) fn enqueue_again(&mut self) -> oneshot::Receiver<Grant> {
        let (sender, receiver) = oneshot::channel();
        let place = self.waiting.partition_point(|waiter| matches!(waiter, Waiter::Again(_)));
        self.waiting.insert(place, Waiter::Again(sender));
        receiver
    }

    /// The first who waits and his connection, if one is free.
    pub(super) fn next_waiting(&mut self) -> Option<(Waiter, Grant)> {
        if self.waiting.is_empty() {
            return None;
        }
        let grant = self.acquire()?;
        self.waiting.pop_front().map(|waiter| (waiter, grant))
    }

    /// Closes idle connections that the server has closed.
    pub(super) fn close_ended(&mut self) {
        self.idle.retain_mut(Connection::is_open);
        self.shared.retain_mut(|shared| shared.in_flight > 0 || shared.handle.is_open());
    }

    /// Removes all waiting requests; those that were to be sent again fail.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = WaitingRequest> + '_ {
        self.waiting.drain(..).filter_map(|waiter| match waiter {
            Waiter::New(request) => Some(request),
            Waiter::Again(_) => None,
        })
    }
}

impl Grant {
    pub(super) fn held(&self) -> Held {
        if matches!(self, Self::Shared(_)) { Held::Shared } else { Held::Own }
    }

    pub(super) fn into_kept(self) -> Option<Connection> {
        match self {
            Self::Kept(connection) | Self::Shared(connection) => Some(connection),
            Self::Open => None,
        }
    }
}
