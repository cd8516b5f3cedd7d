//! Hands outcomes from the engine's thread to the recorder's, in batches and without waiting.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use super::stop::{StopReason, StopSignal};
use super::{Outcome, OutcomeTotals};

/// Receives outcomes on a thread of its own.
pub trait Sink: Send {
    /// A new upstream; outcomes refer to it by this number, 1 to 254. 255 stands for all further ones.
    fn upstream(&mut self, number: u8, name: &str);

    /// A batch of outcomes, in the order in which requests ended.
    ///
    /// # Errors
    /// Why the outcomes could not be recorded. The run is then stopped; its totals stay complete.
    fn outcomes(&mut self, batch: &[Outcome]) -> Result<(), String>;
}

enum Message {
    Upstream(u8, Arc<str>),
    Outcomes(Vec<Outcome>),
}

/// The engine's end of the channel. Counts every outcome, whatever the sink does.
pub(super) struct Recording<S> {
    messages: Sender<Message>,
    batch: Vec<Outcome>,
    totals: OutcomeTotals,
    thread: JoinHandle<S>,
}

/// Outcomes in a batch: 32 KiB.
const BATCH: usize = 512;

impl<S: Sink + 'static> Recording<S> {
    pub(super) fn start(sink: S, stop: Arc<StopSignal>) -> std::io::Result<Self> {
        // Unbounded, but never longer than the schedule, which is in memory anyway.
        let (messages, incoming) = channel();
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(move || run_recorder(sink, &incoming, &stop))?;
        Ok(Self { messages, batch: Vec::with_capacity(BATCH), totals: OutcomeTotals::default(), thread })
    }

    pub(super) fn upstream(&mut self, number: u8, name: &Arc<str>) {
        // The recorder outlives this end of the channel unless it panicked, which `finish` reports.
        let _ = self.messages.send(Message::Upstream(number, Arc::clone(name)));
    }

    pub(super) fn record(&mut self, outcome: Outcome) {
        self.totals.record(outcome.end);
        self.batch.push(outcome);
        if self.batch.len() == BATCH {
            self.flush();
        }
    }

    pub(super) fn flush(&mut self) {
        if !self.batch.is_empty() {
            let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
            let _ = self.messages.send(Message::Outcomes(batch));
        }
    }

    /// Sends what is left and waits for the sink; `None` if the sink panicked.
    pub(super) fn finish(mut self) -> (OutcomeTotals, Option<S>) {
        self.flush();
        drop(self.messages);
        (self.totals, self.thread.join().ok())
    }
}

fn run_recorder<S: Sink>(mut sink: S, incoming: &Receiver<Message>, stop: &StopSignal) -> S {
    for message in incoming {
        match message {
            Message::Upstream(number, name) => sink.upstream(number, &name),
            Message::Outcomes(batch) => {
                if let Err(why) = sink.outcomes(&batch) {
                    stop.set(StopReason::Recording(why));
                }
            }
        }
    }
    sink
}
