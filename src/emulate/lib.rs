//! The built-in emulated cluster: what a replay can aim at without any Synapse.
//!
//! ```text
//!          HTTP                  when, key, record                 instants
//! client ──────▶ front ───────────────────────────▶ clock ────────────────▶ model (simulate::cluster::Live)
//!          ◀──── world, api ◀──────────────────────   │   ◀──────────────── who has ended, and where
//!          answer            the process that answers
//! ```
//!
//! It is the simulation's own model (proxy, reactors, connections, locks, persisters, replication) on the wall clock: a request becomes an
//! arrival at the instant its head was read, and is answered when the model says so. Demand is time on the model's clock, no CPU is burnt, so there can be
//! more workers than cores; and what the simulation predicts can differ from what is measured only by the path between (sockets, threads, clocks).
//! Knows nothing of replay. What it does not emulate: what an answer's size costs, typing and receipts as news for others' syncs, encryption.

mod api;
mod demands;
mod front;
mod key;
mod model;
#[cfg(test)]
mod tests;
mod world;

pub use demands::Demands;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use demands::Book;
use front::Front;
use model::Clockwork;
use wsim_endpoints::ClassifierError;
use wsim_plan::Plan;
use wsim_simulate::deploy::DeployError;

/// What a cluster is like beside its plan.
#[derive(Clone)]
pub struct Settings {
    /// Where it listens; port 0 for any that is free.
    pub listen: SocketAddr,
    /// Everything random hangs on it.
    pub seed: u64,
    /// The registration's shared secret. Never printed.
    pub secret: String,
    /// What the homeserver calls itself.
    pub server_name: String,
    /// What requests cost that name no row.
    pub without_row: WithoutRow,
    /// What keyed pools hash of requests that name a row.
    pub keys: Keys,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listen, seed, secret: _, server_name, without_row, keys } = self;
        f.debug_struct("Settings")
            .field("listen", listen)
            .field("seed", seed)
            .field("server_name", server_name)
            .field("without_row", without_row)
            .field("keys", keys)
            .finish_non_exhaustive()
    }
}

impl Default for Settings {
    /// A free port on loopback, everything costs, keys of the requests themselves; the secret is empty and no account can be made.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: 1,
            secret: String::new(),
            server_name: "emulated.wsim.invalid".to_owned(),
            without_row: WithoutRow::Drawn,
            keys: Keys::OfRequest,
        }
    }
}

/// What a request costs that names no row of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutRow {
    /// What a logged one of its kind cost, drawn.
    Drawn,
    /// Nothing: it is answered at once, past the model (provisioning within a replay).
    Free,
}

/// Whose key a keyed pool hashes where a request names a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// That of the request, as a real proxy would: test users lie on the workers in another way than the logged ones.
    OfRequest,
    /// That of the logged request: users lie on the workers exactly as in the simulation.
    OfLog,
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum EmulateError {
    /// The plan cannot be laid out.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// The plan's release is unknown.
    #[error("the plan's Synapse release: {0}")]
    Release(String),
    /// The table of the plan's release cannot be used.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// Nobody can listen there.
    #[error("could not listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No thread.
    #[error("could not start a thread: {0}")]
    Thread(io::Error),
    /// More requests than can be numbered.
    #[error("more than four thousand million requests")]
    TooLong,
}

/// A running cluster; stopped when dropped.
#[derive(Debug)]
pub struct Cluster {
    address: SocketAddr,
    processes: Vec<String>,
    clock: Clockwork,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

impl Cluster {
    /// Starts a cluster of a plan on threads of its own; it answers when this returns.
    ///
    /// # Errors
    /// The plan cannot be laid out, or the address is taken.
    pub fn start(plan: &Plan, demands: Demands, settings: Settings) -> Result<Self, EmulateError> {
        let book = Book::new(demands, plan, settings.seed)?;
        let deployment = model::deployment(&book, plan)?;
        let processes: Vec<String> = deployment.topology.processes.iter().map(|process| process.name.clone()).collect();
        let pools = front::Pools::of(plan, &deployment);
        let unheard = |source| EmulateError::Listen { address: settings.listen, source };
        let listener = std::net::TcpListener::bind(settings.listen).map_err(unheard)?;
        let address = listener.local_addr().map_err(unheard)?;
        listener.set_nonblocking(true).map_err(unheard)?;
        let clock = Clockwork::start(Arc::clone(&book.prepared), deployment, settings.seed)?;
        let (stop, stopped) = oneshot::channel();
        let (names, commands) = (processes.clone(), clock.commands.clone());
        let server = thread::Builder::new().name("emulated-front".to_owned()).spawn(move || {
            front::serve(listener, Front::new(book, pools, &names, commands, settings), stopped);
        });
        Ok(Self { address, processes, clock, stop: Some(stop), server: Some(server.map_err(EmulateError::Thread)?) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its processes, main first: the names in `X-Upstream`.
    pub fn processes(&self) -> &[String] {
        &self.processes
    }

    /// Closes every connection and ends the threads.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Whoever ended before needs not be told.
        let _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
        self.clock.stop();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
    }
}
