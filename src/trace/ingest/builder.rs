//! Puts the workers' batches back into file order and builds one trace.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Receiver, sync_channel};

use super::identify::{Identified, Wants};
use super::kept_names::{KeptNames, OtherNames};
use super::line_tally::{LineTally, count_doubled_hours};
use super::open::Feed;
use super::same_requests::{Compared, SameRequests, SeenRequests, Sketches};
use super::worker::Worker;
use super::{IngestConfig, IngestError, Outcome, Progress, UserKeys};
use crate::causes::{NewsSources, Positions};
use crate::draw::Spreader;
use crate::names::Texts;
use crate::request::Request;
use crate::server_names::ServerNames;
use crate::store::Trace;
use wsim_endpoints::Classifier;
use wsim_logs::source::Source;
use wsim_logs::streams::StreamUpdate;

/// The requests of one block.
struct Batch {
    sequence: u64,
    file: u32,
    thread: usize,
    rows: Vec<Identified>,
    /// Hash of each row's line; empty unless duplicates are looked for.
    lines: Vec<u64>,
    /// Names that are new to the thread, in the order of its ids.
    names: Texts,
    /// The thread has forgotten all names before these.
    forgotten: bool,
    tally: LineTally,
    /// The tokens by which the rows' `since` is numbered.
    tokens: Vec<Positions>,
    updates: Vec<StreamUpdate>,
}

pub(super) fn run(sources: &[Source], config: &IngestConfig, classifier: &Classifier, progress: &Progress) -> Result<Outcome, IngestError> {
    let threads = config.threads.max(1);
    let feed = Feed::new(sources, config, progress);
    let (sender, batches) = sync_channel::<Batch>(threads * 4);
    let wants = Wants { templates: true, join: sources.len() > 1 };
    let (built, user_keys, server_names) = std::thread::scope(|scope| {
        let feed = &feed;
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let sender = sender.clone();
                scope.spawn(move || {
                    let mut worker = Worker::new(config, classifier, wants);
                    let (mut known, mut forgotten) = (worker.names.len(), false);
                    let mut buffer = Vec::new();
                    while let Some(task) = feed.next(buffer) {
                        let mut rows = Vec::with_capacity(usize::try_from(task.block.lines).unwrap_or(0));
                        let mut lines = Vec::new();
                        let tally = worker.read(&task, |row, line, _| {
                            rows.push(row);
                            if config.dedupe {
                                lines.push(xxhash_rust::xxh3::xxh3_64(line));
                            }
                        });
                        let names = worker.names.texts_from(known);
                        let (sequence, file) = (task.sequence, task.file.facts.number);
                        let (tokens, updates) = (worker.identifier.tokens.take(), std::mem::take(&mut worker.updates));
                        let batch = Batch { sequence, file, thread, rows, lines, names, forgotten, tally, tokens, updates };
                        forgotten = worker.has_many_names();
                        if forgotten {
                            worker.forget_names();
                        }
                        known = worker.names.len();
                        buffer = task.block.into_buffer();
                        if sender.send(batch).is_err() {
                            break;
                        }
                    }
                    (worker.identifier.user_keys, worker.identifier.into_server_names())
                })
            })
            .collect();
        drop(sender);
        let building = scope.spawn(move || build(&batches, threads, config.seed, config.dedupe));
        let mut user_keys = UserKeys::default();
        let mut server_names = ServerNames::default();
        for worker in workers {
            #[expect(clippy::expect_used, reason = "a panic in a thread is a defect and is propagated")]
            let (keys, names) = worker.join().expect("a worker thread panicked");
            user_keys.add(keys);
            server_names.add(names);
        }
        #[expect(clippy::expect_used, reason = "a panic in a thread is a defect and is propagated")]
        let built = building.join().expect("the builder thread panicked");
        (built, user_keys, server_names)
    });
    let Built { trace, other_names, tallies: parts, same_requests, news } = built;
    let (mut tallies, partial) = feed.finish()?;
    for (number, part) in parts {
        if let Some(whole) = tallies.get_mut(number as usize) {
            whole.add(part);
        }
    }
    count_doubled_hours(&mut tallies);
    Ok(Outcome { tallies, trace: Some(trace), user_keys, server_names, other_names, same_requests, news, partial })
}

/// Receives batches in any order and adds them in their sequence.
fn build(batches: &Receiver<Batch>, threads: usize, seed: u64, dedupe: bool) -> Built {
    let mut builder = Builder::new(threads, seed, dedupe);
    let mut pending: BTreeMap<u64, Batch> = BTreeMap::new();
    let mut next = 0;
    while let Ok(batch) = batches.recv() {
        pending.insert(batch.sequence, batch);
        while let Some(batch) = pending.remove(&next) {
            builder.add_batch(batch);
            next += 1;
        }
    }
    builder.finish()
}

/// All that was read.
struct Built {
    trace: Trace,
    other_names: OtherNames,
    tallies: HashMap<u32, LineTally>,
    same_requests: Vec<SameRequests>,
    news: NewsSources,
}

struct Builder {
    trace: Trace,
    names: KeptNames,
    spreader: Spreader,
    ready: Vec<Request>,
    seed: u64,
    seen: Option<(Seen, SeenRequests)>,
    sketches: Sketches,
    /// By file.
    tallies: HashMap<u32, LineTally>,
    news: NewsSources,
}

impl Builder {
    fn new(threads: usize, seed: u64, dedupe: bool) -> Self {
        Self {
            trace: Trace::new(),
            names: KeptNames::new(threads),
            spreader: Spreader::default(),
            ready: Vec::new(),
            seed,
            seen: dedupe.then(Default::default),
            sketches: Sketches::default(),
            tallies: HashMap::new(),
            news: NewsSources::default(),
        }
    }

    fn add_batch(&mut self, batch: Batch) {
        self.names.add(batch.thread, &batch.names, batch.forgotten);
        let mut tally = batch.tally;
        self.news.updates.extend(batch.updates);
        let token_offset = self.news.tokens.append(batch.tokens);
        for (row, (mut request, coarse)) in batch.rows.into_iter().enumerate() {
            if let Some((seen, _)) = &mut self.seen
                && seen.is_duplicate(batch.file, batch.lines[row])
            {
                tally.duplicates += 1;
                continue;
            }
            if request.since != 0 {
                request.since = request.since.saturating_add(token_offset);
            }
            self.names.adopt(batch.thread, &mut request, &mut self.trace.names);
            if let Some((_, seen)) = &mut self.seen
                && seen.is_duplicate(batch.file, &request, coarse.is_some())
            {
                tally.duplicates += 1;
                continue;
            }
            self.sketches.observe(batch.file, &request, coarse.is_some());
            match coarse {
                Some(stamp) => self.spreader.push(request, stamp, self.seed, &mut self.ready),
                None => self.trace.push(request),
            }
            for request in self.ready.drain(..) {
                self.trace.push(request);
            }
        }
        self.tallies.entry(batch.file).or_default().add(tally);
    }

    fn finish(mut self) -> Built {
        self.spreader.flush(self.seed, &mut self.ready);
        for request in self.ready.drain(..) {
            self.trace.push(request);
        }
        self.trace.seal();
        let same_requests = self.sketches.pairs(Compared::EachSide);
        Built { trace: self.trace, other_names: self.names.others, tallies: self.tallies, same_requests, news: self.news }
    }
}

/// The lines of earlier files. Equal lines of one file are different requests; a line is a duplicate only if an earlier file has as
/// many of it.
#[derive(Default)]
struct Seen {
    /// Hash of a line -> its largest number of occurrences in any earlier file.
    earlier: HashMap<u64, u32>,
    current: HashMap<u64, u32>,
    file: u32,
}

impl Seen {
    fn is_duplicate(&mut self, file: u32, line: u64) -> bool {
        if file != self.file {
            for (line, count) in self.current.drain() {
                let most = self.earlier.entry(line).or_default();
                *most = (*most).max(count);
            }
            self.file = file;
        }
        let count = self.current.entry(line).or_default();
        *count += 1;
        self.earlier.get(&line).is_some_and(|&most| *count <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_duplicate_only_of_an_earlier_file() {
        let mut seen = Seen::default();
        let verdicts: Vec<bool> = [(0, 7), (0, 7), (0, 8), (1, 7), (1, 7), (1, 7), (1, 9), (2, 9), (2, 7)]
            .map(|(file, line)| seen.is_duplicate(file, line))
            .into();
        assert_eq!(verdicts, [false, false, false, true, true, false, false, true, true]);
    }
}
