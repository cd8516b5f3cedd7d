//! Hands outcomes from the engine's thread to the recorder's, in batches and without waiting.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Outcome, OutcomeTotals};

/// Receives outcomes on a thread of its own.
pub trait Sink: Send {
    /// A new upstream; outcomes refer to it by this number, 1 to 254. 255 stands for all further ones.
    fn upstream(&mut self, number: u8, name: &str);

    /// A batch of outcomes, in the order in which requests ended. What cannot be written is for the sink to remember: the run goes on.
    fn outcomes(&mut self, batch: &[Outcome]);

    /// Called every second, also when nothing ends: writes what was recorded to files, so that little is lost if the process is killed. `now_ns`
    /// is the time since the run began.
    fn flush(&mut self, now_ns: u64) {
        let _ = now_ns;
    }
}

enum Message {
    Upstream(u8, Arc<str>),
    Outcomes(Vec<Outcome>),
}

/// The engine's end of the channel. Counts every outcome, whatever the sink does.
pub(super) struct Recording {
    messages: Sender<Message>,
    batch: Vec<Outcome>,
    totals: OutcomeTotals,
}

/// Outcomes in a batch: 56 KiB.
const BATCH: usize = 512;
/// How often the sink's files are brought up to date.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

impl Recording {
    /// The engine's end of the channel, and the recorder's thread, which ends with it.
    pub(super) fn start<S: Sink + 'static>(sink: S, begin: Instant) -> std::io::Result<(Self, JoinHandle<S>)> {
        // Unbounded, but never longer than the schedule, which is in memory anyway.
        let (messages, incoming) = channel();
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(move || run_recorder(sink, &incoming, begin))?;
        Ok((Self { messages, batch: Vec::with_capacity(BATCH), totals: OutcomeTotals::default() }, thread))
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

    /// The counts so far, which begin again at 0.
    pub(super) fn take_totals(&mut self) -> OutcomeTotals {
        std::mem::take(&mut self.totals)
    }
}

fn run_recorder<S: Sink>(mut sink: S, incoming: &Receiver<Message>, begin: Instant) -> S {
    let mut next_flush = begin + FLUSH_INTERVAL;
    loop {
        match incoming.recv_timeout(next_flush.saturating_duration_since(Instant::now())) {
            Ok(Message::Upstream(number, name)) => sink.upstream(number, &name),
            Ok(Message::Outcomes(batch)) => sink.outcomes(&batch),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return sink,
        }
        let now = Instant::now();
        if now >= next_flush {
            let now_ns = u64::try_from(now.saturating_duration_since(begin).as_nanos()).unwrap_or(u64::MAX);
            sink.flush(now_ns);
            // Not from the time that was planned: after a long pause one flush is enough.
            next_flush = now + FLUSH_INTERVAL;
        }
    }
}
