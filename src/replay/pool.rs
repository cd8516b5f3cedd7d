//! Keeps connections open between requests, and queues requests that wait for one.
//!
//! The number of open connections is limited. Idle ones are reused last in, first out, so that the server closes those that are not needed.
//! Knows nothing of what is sent. Invariant: `open` counts the connections that are idle, in use or being opened.

use std::collections::VecDeque;

use wsim_transport::{Connection, OutgoingRequest};

/// A request that is ready to be sent on a connection.
#[derive(Debug)]
pub(super) struct ReadyRequest {
    pub(super) slot: u32,
    pub(super) due_ns: u64,
    pub(super) request: OutgoingRequest,
}

/// The connections of a run.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Vec<Connection>,
    open: usize,
    open_max: usize,
    waiting: VecDeque<ReadyRequest>,
}

/// How a request gets its connection.
#[derive(Debug)]
pub(super) enum ConnectionGrant {
    /// Use this open connection.
    Reuse(Box<Connection>),
    /// Open a new one.
    Open,
    /// Wait until one is free.
    Wait,
}

impl Pool {
    pub(super) fn new(open_max: usize) -> Self {
        Self { idle: Vec::new(), open: 0, open_max: open_max.max(1), waiting: VecDeque::new() }
    }

    /// Number of requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A connection for one request.
    pub(super) fn acquire(&mut self) -> ConnectionGrant {
        while let Some(connection) = self.idle.pop() {
            if connection.is_open() {
                return ConnectionGrant::Reuse(Box::new(connection));
            }
            self.open -= 1;
        }
        if self.open < self.open_max {
            self.open += 1;
            return ConnectionGrant::Open;
        }
        ConnectionGrant::Wait
    }

    /// Lets a request wait.
    pub(super) fn enqueue(&mut self, ready: ReadyRequest) {
        self.waiting.push_back(ready);
    }

    /// Returns a connection after its request; `None` if it is closed.
    pub(super) fn release(&mut self, connection: Option<Connection>) {
        match connection {
            Some(connection) if connection.is_open() => self.idle.push(connection),
            _ => self.open -= 1,
        }
    }

    /// The first waiting request and its connection, if one is free.
    pub(super) fn next_waiting(&mut self) -> Option<(ReadyRequest, ConnectionGrant)> {
        if self.waiting.is_empty() {
            return None;
        }
        match self.acquire() {
            ConnectionGrant::Wait => None,
            grant => self.waiting.pop_front().map(|ready| (ready, grant)),
        }
    }

    /// Removes all waiting requests.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = ReadyRequest> + '_ {
        self.waiting.drain(..)
    }
}
