//! The built-in emulated cluster: a target for replays without any Synapse.
//!
//! ```text
//!          HTTP                    time, key, record                      times
//! client ──────▶ frontend ──────────────────────────▶ model thread ──────────────▶ model (simulate::cluster::LiveRun)
//!          ◀──── homeserver, api ◀───────────────────      │      ◀────────────── completed requests
//!         response              the process that served the request
//! ```
//!
//! The cluster is the simulation's own model (proxy, reactors, connections, locks, persisters, replication) on the wall
//! clock: a request arrives in the model at the time its head was read, and gets its response when the model has
//! completed it. Service takes time on the model's clock and no CPU, so there can be more workers than cores; and a
//! measurement can differ from the simulation's prediction only by the path between (sockets, threads, clocks). Knows
//! nothing of replay. Not emulated: the cost of a response's size, typing and receipts as wake-ups of other users'
//! syncs, encryption.

mod api;
mod costs;
mod frontend;
mod homeserver;
mod key;
mod model_thread;
mod offline;
#[cfg(test)]
mod tests;

pub use costs::LoggedCosts;
pub use offline::OfflineHomeserver;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use costs::CostTable;
use frontend::HttpFrontend;
use model_thread::ModelThread;
use wsim_endpoints::ClassifierError;
use wsim_plan::CheckedPlan;
use wsim_simulate::deploy::DeployError;

/// The properties of a cluster beside its plan.
#[derive(Clone)]
pub struct EmulationConfig {
    /// Address to listen on; port 0 for any free port.
    pub listen: SocketAddr,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Shared secret of the registration API. Never printed.
    pub secret: String,
    pub server_name: String,
    /// The costs of requests that name no row.
    pub without_row: WithoutRow,
    /// The key of requests that name a row, in keyed pools.
    pub key_source: KeySource,
}

impl fmt::Debug for EmulationConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listen, seed, secret: _, server_name, without_row, key_source } = self;
        f.debug_struct("EmulationConfig")
            .field("listen", listen)
            .field("seed", seed)
            .field("server_name", server_name)
            .field("without_row", without_row)
            .field("key_source", key_source)
            .finish_non_exhaustive()
    }
}

impl Default for EmulationConfig {
    /// A free port on loopback, costs for all requests, keys from the requests themselves; the secret is empty, so no account can be made.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: 1,
            secret: String::new(),
            server_name: "emulated.wsim.invalid".to_owned(),
            without_row: WithoutRow::Drawn,
            key_source: KeySource::Request,
        }
    }
}

/// The costs of a request that names no row of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutRow {
    /// The costs of a random similar logged request.
    Drawn,
    /// No costs: the response is immediate and bypasses the model (provisioning within a replay).
    Free,
}

/// Where the key of a request that names a row is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySource {
    /// From the request, as in a real proxy: test users are distributed over the workers in another way than the logged users.
    Request,
    /// From the logged request: users are distributed over the workers exactly as in the simulation.
    Log,
}

/// Why a cluster could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EmulateError {
    /// The plan cannot be deployed.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// The plan's release is unknown.
    #[error("the plan's Synapse release: {0}")]
    Release(String),
    /// The endpoint table of the plan's release cannot be used.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// The address cannot be listened on.
    #[error("could not listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("could not start a thread: {0}")]
    Thread(io::Error),
    /// There are more requests than can be numbered.
    #[error("more than four thousand million requests")]
    TooLong,
}

/// A running cluster; stopped when dropped.
#[derive(Debug)]
pub struct EmulatedCluster {
    address: SocketAddr,
    processes: Vec<String>,
    model: ModelThread,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

impl EmulatedCluster {
    /// Starts a cluster of a plan on threads of its own. It accepts requests when this returns.
    ///
    /// # Errors
    /// The plan cannot be deployed, or the address is in use.
    pub fn start(plan: &CheckedPlan, costs: LoggedCosts, config: EmulationConfig) -> Result<Self, EmulateError> {
        let costs = CostTable::new(costs, plan, config.seed)?;
        let deployment = model_thread::deployment(&costs, plan)?;
        let processes: Vec<String> = deployment.topology.processes.iter().map(|process| process.name.clone()).collect();
        let pools = frontend::PoolKeys::new(plan, &deployment, &costs)?;
        let cannot_listen = |source| EmulateError::Listen { address: config.listen, source };
        let listener = std::net::TcpListener::bind(config.listen).map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        listener.set_nonblocking(true).map_err(cannot_listen)?;
        let model = ModelThread::start(Arc::clone(&costs.prepared), deployment, config.seed)?;
        let (stop, stopped) = oneshot::channel();
        let (names, commands) = (processes.clone(), model.commands.clone());
        let server = thread::Builder::new().name("emulated-http".to_owned()).spawn(move || {
            frontend::serve(listener, HttpFrontend::new(costs, pools, &names, commands, config), stopped);
        });
        Ok(Self { address, processes, model, stop: Some(stop), server: Some(server.map_err(EmulateError::Thread)?) })
    }

    /// The address that the cluster listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The processes, main first: the names in `X-Upstream`.
    pub fn processes(&self) -> &[String] {
        &self.processes
    }

    /// Closes every connection and ends the threads.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        // The server may have ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
        self.model.stop();
    }
}

impl Drop for EmulatedCluster {
    fn drop(&mut self) {
        self.shut_down();
    }
}
