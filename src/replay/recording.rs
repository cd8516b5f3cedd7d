//! From the sending thread to whoever measures, in batches and without waiting.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use super::stop::{Stop, StopReason};
use super::{Account, Outcome};

/// Takes in what became of requests, on a thread of its own.
pub trait Sink: Send {
    /// An upstream has shown itself; outcomes name it by this number, 1 to 254. 255 stands for all further ones.
    fn upstream(&mut self, number: u8, name: &str);

    /// Some outcomes, in the order in which they ended.
    ///
    /// # Errors
    /// Why they could not be kept: the run is stopped, the account goes on.
    fn outcomes(&mut self, batch: &[Outcome]) -> Result<(), String>;
}

enum Note {
    Upstream(u8, Arc<str>),
    Outcomes(Vec<Outcome>),
}

/// The sending thread's end. Counts every outcome, whatever the sink does.
pub(super) struct Recording<S> {
    notes: Sender<Note>,
    batch: Vec<Outcome>,
    account: Account,
    thread: JoinHandle<S>,
}

/// Outcomes handed over at once: 32 KiB.
const BATCH: usize = 512;

impl<S: Sink + 'static> Recording<S> {
    pub(super) fn start(sink: S, stop: Arc<Stop>) -> std::io::Result<Self> {
        // Unbounded, but no longer than the schedule, which is in memory anyway.
        let (notes, incoming) = channel();
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(move || record(sink, &incoming, &stop))?;
        Ok(Self { notes, batch: Vec::with_capacity(BATCH), account: Account::default(), thread })
    }

    pub(super) fn upstream(&mut self, number: u8, name: &Arc<str>) {
        // The recorder ends only after this end; a panic of it comes out in `finish`.
        let _ = self.notes.send(Note::Upstream(number, Arc::clone(name)));
    }

    pub(super) fn book(&mut self, outcome: Outcome) {
        self.account.book(outcome.end);
        self.batch.push(outcome);
        if self.batch.len() == BATCH {
            self.flush();
        }
    }

    pub(super) fn flush(&mut self) {
        if !self.batch.is_empty() {
            let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
            let _ = self.notes.send(Note::Outcomes(batch));
        }
    }

    /// Hands over what is left and waits for the sink; `None` if it panicked.
    pub(super) fn finish(mut self) -> (Account, Option<S>) {
        self.flush();
        drop(self.notes);
        (self.account, self.thread.join().ok())
    }
}

fn record<S: Sink>(mut sink: S, incoming: &Receiver<Note>, stop: &Stop) -> S {
    for note in incoming {
        match note {
            Note::Upstream(number, name) => sink.upstream(number, &name),
            Note::Outcomes(batch) => {
                if let Err(why) = sink.outcomes(&batch) {
                    stop.set(StopReason::Recording(why));
                }
            }
        }
    }
    sink
}
