//! The model on the wall clock: a thread that sleeps until the next event is due.
//!
//! Owns the run. Knows nothing of HTTP. The model's instants are exact whatever the machine does: an event that is handled late still has the
//! instant it was due at, so lateness is never carried on; only answers leave late. Requests come at the instant their head was read.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::EmulateError;
use super::demands::Book;
use wsim_simulate::cluster::{Arrival, Live, Run};
use wsim_simulate::deploy::{DeployError, Deployment, Told};
use wsim_simulate::prepare::Prepared;
use wsim_simulate::random::{Purpose, draw};
use wsim_simulate::schedule::{Schedule, Visit};
use wsim_simulate::station::Measuring;
use wsim_simulate::time::Time;

/// What is asked of the model's thread.
pub(super) enum Command {
    /// A request has come.
    Arrive(Coming),
    /// A parked request has its news.
    Wake {
        /// Which.
        ticket: u64,
        /// When.
        at: Instant,
    },
    /// The cluster is stopped; requests under way are not answered any more.
    Stop,
}

/// A request.
pub(super) struct Coming {
    pub(super) ticket: u64,
    /// When its head was read.
    pub(super) at: Instant,
    pub(super) visit: Visit,
    /// How long it waits for news; nothing for a request that has nothing to wait for.
    pub(super) park: Duration,
    /// What the proxy hashes; `None`: what it would have hashed of the logged request.
    pub(super) key: Option<Vec<u8>>,
    /// Gets the number of the process that answers; `None` if the proxy refused.
    pub(super) reply: oneshot::Sender<Option<u16>>,
}

/// The thread and the way to it.
#[derive(Debug)]
pub(super) struct Clockwork {
    pub(super) commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Clockwork {
    pub(super) fn start(prepared: Arc<Prepared>, deployment: Deployment, seed: u64) -> Result<Self, EmulateError> {
        deployment.topology.check().map_err(DeployError::from)?;
        let (commands, inbox) = channel();
        let thread = thread::Builder::new().name("emulated-clock".to_owned()).spawn(move || run(&prepared, deployment, seed, &inbox));
        Ok(Self { commands, thread: Some(thread.map_err(EmulateError::Thread)?) })
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(&mut self) {
        // It may have ended already.
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Deployment and book as the front needs them stay with the front; this thread has the model.
pub(super) fn deployment(book: &Book, plan: &wsim_plan::Plan) -> Result<Deployment, EmulateError> {
    Ok(Deployment::of(plan, &book.endpoints, &book.prepared)?)
}

fn run(prepared: &Prepared, deployment: Deployment, seed: u64, inbox: &Receiver<Command>) {
    be_punctual();
    let told = Told::default();
    let routers = deployment.routers.with_keys(told.clone());
    let schedule = Schedule::nobody();
    let run = Run {
        workload: &prepared.workload,
        schedule: &schedule,
        topology: &deployment.topology,
        routers: &routers,
        costs: &prepared.costs,
        measuring: Measuring::over(Time::ZERO, Time::NEVER, 1),
        // The coins of the simulation's first replication, so that a rule that tosses them decides alike.
        seed: draw(seed, Purpose::Replication, 0),
        as_logged: false,
    };
    let Ok(live) = Live::new(run) else { return };
    Player { live, told, began: Instant::now(), waiting: HashMap::new() }.play(inbox);
}

struct Player<'a> {
    live: Live<'a>,
    told: Told,
    began: Instant,
    waiting: HashMap<u64, oneshot::Sender<Option<u16>>>,
}

impl Player<'_> {
    fn play(&mut self, inbox: &Receiver<Command>) {
        loop {
            // What has come before now is taken first, at its own instant.
            loop {
                match inbox.try_recv() {
                    Ok(command) => {
                        if !self.take(command) {
                            return;
                        }
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            let now = self.time(Instant::now());
            self.live.run_until(now);
            self.answer();
            match self.wait(inbox) {
                Ok(command) => {
                    if !self.take(command) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Sleeps until the next event is due or somebody comes. The wait's end is absolute in the kernel (a futex), as exact as a sleep.
    fn wait(&mut self, inbox: &Receiver<Command>) -> Result<Command, RecvTimeoutError> {
        let next = self.live.next_time();
        if next == Time::NEVER {
            return inbox.recv().map_err(|_| RecvTimeoutError::Disconnected);
        }
        let due = self.began.checked_add(Duration::from_nanos(next.nanos()));
        let left = due.map_or(SLEEP_MAX, |due| due.saturating_duration_since(Instant::now()));
        inbox.recv_timeout(left.min(SLEEP_MAX))
    }

    /// Whether to go on.
    fn take(&mut self, command: Command) -> bool {
        match command {
            Command::Arrive(coming) => {
                let at = self.time(coming.at);
                let until = self.time(coming.at + coming.park);
                self.waiting.insert(coming.ticket, coming.reply);
                self.told.set(coming.key);
                self.live.arrive(at, Arrival { ticket: coming.ticket, visit: coming.visit, until });
            }
            Command::Wake { ticket, at } => {
                let at = self.time(at);
                self.live.wake(at, ticket);
            }
            Command::Stop => return false,
        }
        self.answer();
        true
    }

    fn answer(&mut self) {
        for finished in self.live.finished() {
            if let Some(reply) = self.waiting.remove(&finished.ticket) {
                // A client that went away needs no answer.
                let _ = reply.send(finished.process);
            }
        }
    }

    fn time(&self, instant: Instant) -> Time {
        let since = instant.saturating_duration_since(self.began).as_nanos();
        Time::from_nanos(u64::try_from(since).unwrap_or(u64::MAX))
    }
}

/// Makes the kernel wake this thread exactly.
fn be_punctual() {
    #[cfg(target_os = "linux")]
    {
        // The default slack of ordinary threads is 50 µs. Refused or not, the model's instants stay exact.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
}

/// Longest sleep.
const SLEEP_MAX: Duration = Duration::from_secs(60);
