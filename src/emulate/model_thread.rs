//! The thread that runs the model on the wall clock: it sleeps until the next event is due.
//!
//! Owns the run. Knows nothing of HTTP. The model's times are exact whatever the machine does: an event that is handled
//! late keeps its time, so delays of the machine never accumulate; only responses leave late. A request arrives at the
//! time at which its head was read.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::EmulateError;
use super::costs::CostTable;
use wsim_simulate::cluster::{LiveRequest, LiveRun, Run};
use wsim_simulate::deploy::{DeployError, Deployment};
use wsim_simulate::prepare::PreparedWorkload;
use wsim_simulate::random::{Purpose, draw};
use wsim_simulate::schedule::{Occurrence, Schedule};
use wsim_simulate::station::MeasurementWindow;
use wsim_simulate::time::Time;

/// A message to the model's thread.
pub(super) enum Command {
    /// A request has arrived.
    Submit(ModelRequest),
    /// A long poll is to be woken.
    Wake { id: u64, at: Instant },
    /// End the thread. Requests under way get no response.
    Stop,
}

/// A request for the model.
pub(super) struct ModelRequest {
    pub(super) id: u64,
    /// When the request's head was read.
    pub(super) at: Instant,
    pub(super) occurrence: Occurrence,
    /// How long a long poll may wait for new events; zero for requests that do not wait.
    pub(super) wait: Duration,
    /// The pool that the proxy sends the request to.
    pub(super) pool: u16,
    /// The key that the proxy hashes; `None`: the key of the logged request.
    pub(super) key: Option<Vec<u8>>,
    /// Receives the index of the process that served the request; `None` if the request was rejected.
    pub(super) response: oneshot::Sender<Option<u16>>,
}

/// The thread and the channel to it.
#[derive(Debug)]
pub(super) struct ModelThread {
    pub(super) commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl ModelThread {
    pub(super) fn start(prepared: Arc<PreparedWorkload>, deployment: Deployment, seed: u64) -> Result<Self, EmulateError> {
        deployment.topology.check().map_err(DeployError::from)?;
        let (commands, inbox) = channel();
        let thread = thread::Builder::new().name("emulated-model".to_owned()).spawn(move || run(&prepared, &deployment, seed, &inbox));
        Ok(Self { commands, thread: Some(thread.map_err(EmulateError::Thread)?) })
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(&mut self) {
        // The thread may have ended already.
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The deployment of a plan for the records of the cost table.
pub(super) fn deployment(costs: &CostTable, plan: &wsim_plan::CheckedPlan) -> Result<Deployment, EmulateError> {
    Ok(Deployment::from_plan(plan, &costs.endpoints, &costs.prepared)?)
}

fn run(prepared: &PreparedWorkload, deployment: &Deployment, seed: u64, inbox: &Receiver<Command>) {
    wsim_transport::minimise_timer_slack();
    let schedule = Schedule::empty();
    let run = Run {
        workload: &prepared.workload,
        schedule: &schedule,
        topology: &deployment.topology,
        routers: &deployment.routers,
        costs: &prepared.costs,
        measurement: MeasurementWindow::new(Time::ZERO, Time::NEVER, 1),
        // The seed of a simulation's first replication, so that random rules decide alike.
        seed: draw(seed, Purpose::Replication, 0),
        as_logged: false,
    };
    let Ok(run) = LiveRun::new(run) else { return };
    ModelLoop { run, started: Instant::now(), pending: HashMap::new() }.run_until_stopped(inbox);
}

struct ModelLoop<'a> {
    run: LiveRun<'a>,
    started: Instant,
    pending: HashMap<u64, oneshot::Sender<Option<u16>>>,
}

impl ModelLoop<'_> {
    fn run_until_stopped(&mut self, inbox: &Receiver<Command>) {
        loop {
            // Messages that have arrived are handled before the events up to now, at their own times.
            loop {
                match inbox.try_recv() {
                    Ok(command) => {
                        if !self.handle(command) {
                            return;
                        }
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            let now = self.time(Instant::now());
            self.run.run_until(now);
            self.send_responses();
            match self.wait(inbox) {
                Ok(command) => {
                    if !self.handle(command) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Sleeps until the next event is due or a message arrives. The kernel waits for an absolute time (a futex), as
    /// precisely as in a sleep.
    fn wait(&mut self, inbox: &Receiver<Command>) -> Result<Command, RecvTimeoutError> {
        let next = self.run.next_time();
        if next == Time::NEVER {
            return inbox.recv().map_err(|_| RecvTimeoutError::Disconnected);
        }
        let due = self.started.checked_add(Duration::from_nanos(next.nanos()));
        let left = due.map_or(SLEEP_MAX, |due| due.saturating_duration_since(Instant::now()));
        inbox.recv_timeout(left.min(SLEEP_MAX))
    }

    /// Handles a message; returns whether to continue.
    fn handle(&mut self, command: Command) -> bool {
        match command {
            Command::Submit(request) => {
                let at = self.time(request.at);
                let until = self.time(request.at + request.wait);
                let ModelRequest { id, occurrence, pool, key, response, .. } = request;
                self.pending.insert(id, response);
                self.run.submit(at, LiveRequest { id, occurrence, until, pool: Some(pool), key: key.as_deref() });
            }
            Command::Wake { id, at } => {
                let at = self.time(at);
                self.run.wake(at, id);
            }
            Command::Stop => return false,
        }
        self.send_responses();
        true
    }

    fn send_responses(&mut self) {
        for response in self.run.take_responses() {
            if let Some(sender) = self.pending.remove(&response.id) {
                // A client that has disconnected needs no response.
                let _ = sender.send(response.process);
            }
        }
    }

    fn time(&self, instant: Instant) -> Time {
        let since = instant.saturating_duration_since(self.started).as_nanos();
        Time::from_nanos(u64::try_from(since).unwrap_or(u64::MAX))
    }
}

const SLEEP_MAX: Duration = Duration::from_secs(60);
