//! Connections that are kept between requests, and requests that wait for one.
//!
//! At most so many are open; idle ones are taken last in first out, so that those not needed grow old and are closed by the server. Knows
//! nothing of what is sent. Invariant: `open` is the number of connections idle, in use or being opened.

use std::collections::VecDeque;

use wsim_transport::{Connection, Outgoing};

/// A request that could be sent, were there a connection.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) slot: u32,
    pub(super) due_ns: u64,
    pub(super) outgoing: Outgoing,
}

/// All connections of a run.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Vec<Connection>,
    open: usize,
    open_max: usize,
    waiting: VecDeque<Ready>,
}

/// What a request gets.
#[derive(Debug)]
pub(super) enum Place {
    /// A connection that is open.
    Kept(Box<Connection>),
    /// Leave to open one.
    New,
    /// Nothing yet.
    None,
}

impl Pool {
    pub(super) fn new(open_max: usize) -> Self {
        Self { idle: Vec::new(), open: 0, open_max: open_max.max(1), waiting: VecDeque::new() }
    }

    /// How many requests wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A place for one request.
    pub(super) fn take(&mut self) -> Place {
        while let Some(connection) = self.idle.pop() {
            if connection.is_open() {
                return Place::Kept(Box::new(connection));
            }
            self.open -= 1;
        }
        if self.open < self.open_max {
            self.open += 1;
            return Place::New;
        }
        Place::None
    }

    /// A request lines up.
    pub(super) fn line_up(&mut self, ready: Ready) {
        self.waiting.push_back(ready);
    }

    /// A connection comes back, or is gone.
    pub(super) fn give_back(&mut self, connection: Option<Connection>) {
        match connection {
            Some(connection) if connection.is_open() => self.idle.push(connection),
            _ => self.open -= 1,
        }
    }

    /// The first that waits, if there is a place for it.
    pub(super) fn next(&mut self) -> Option<(Ready, Place)> {
        if self.waiting.is_empty() {
            return None;
        }
        match self.take() {
            Place::None => None,
            place => self.waiting.pop_front().map(|ready| (ready, place)),
        }
    }

    /// Takes out every request that waits.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Ready> + '_ {
        self.waiting.drain(..)
    }
}
