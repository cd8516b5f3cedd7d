//! The work of one thread: the lines of a block into requests.

use std::collections::HashMap;

use super::identify::{Identified, Identifier, Wants};
use super::line_tally::{LineTally, count_doubled_hours};
use super::open::{BlockTask, Feed};
use super::{IngestConfig, IngestError, Observer, OtherNames, Outcome, Progress, UserKeys};
use crate::{Names, ServerNames};
use wsim_endpoints::Classifier;
use wsim_logs::Parser;
use wsim_logs::blocks::{LINE_BYTES_MAX, lines};
use wsim_logs::record::{Line, Malformed};
use wsim_logs::source::Source;

/// Parses blocks, with one parser per file.
pub(super) struct Worker<'c> {
    parser: Option<(u32, Box<dyn Parser>)>,
    pub(super) identifier: Identifier<'c>,
    pub(super) names: Names,
    from_us: i64,
    to_us: i64,
    with_stamps: bool,
}

impl<'c> Worker<'c> {
    pub(super) fn new(config: &IngestConfig, classifier: &'c Classifier, wants: Wants) -> Self {
        Self {
            parser: None,
            identifier: Identifier::new(classifier, wants),
            names: Names::new(),
            from_us: config.from_us.unwrap_or(i64::MIN),
            to_us: config.to_us.unwrap_or(i64::MAX),
            with_stamps: wants.templates,
        }
    }

    /// Reads a block; every request within the time range goes to `on_request` with its line.
    pub(super) fn read(&mut self, task: &BlockTask, mut on_request: impl FnMut(Identified, &[u8], &Names)) -> LineTally {
        let facts = &task.file.facts;
        if self.parser.as_ref().is_none_or(|(number, _)| *number != facts.number) {
            self.parser = Some((facts.number, task.file.parser()));
        }
        let mut tally = LineTally { lines: task.block.lines, ..LineTally::default() };
        if task.block.cut {
            let expected = "a line of at most 4 MiB";
            tally.record_malformed(task.block.first_line, Malformed { expected, column: LINE_BYTES_MAX });
            return tally;
        }
        let Some((_, parser)) = &mut self.parser else { return tally };
        let mut passes = task.passes;
        for (line, number) in lines(task.block.bytes()).zip(task.block.first_line..) {
            // Matched by reference: a record is large and would be copied otherwise.
            match &mut parser.parse(line) {
                Line::NotRequest => tally.not_requests += 1,
                Line::Malformed(why) => tally.record_malformed(number, *why),
                Line::Request(record) => {
                    tally.requests += 1;
                    if let Some(passes) = &mut passes {
                        tally.record_pass(passes.resolve(record));
                    }
                    let Some((request, coarse)) = self.identifier.request(record, facts, &mut self.names) else {
                        tally.without_clock += 1;
                        continue;
                    };
                    if request.arrival_us < self.from_us || request.arrival_us >= self.to_us {
                        tally.record_outside(request.arrival_us);
                        continue;
                    }
                    tally.record_arrival(request.arrival_us);
                    on_request((request, coarse.filter(|_| self.with_stamps)), line, &self.names);
                }
            }
        }
        tally
    }

    /// Drops all names if they are many, so that memory stays flat. Their ids are then void.
    pub(super) fn forget_many_names(&mut self) -> bool {
        let many = self.names.len() > NAMES_MAX;
        if many {
            self.names = Names::new();
            self.identifier.forget_names();
        }
        many
    }
}

const NAMES_MAX: usize = 200_000;

pub(super) fn run_observers<O: Observer>(
    sources: &[Source],
    config: &IngestConfig,
    classifier: &Classifier,
    progress: &Progress,
    observers: Vec<O>,
) -> Result<(Outcome, Vec<O>), IngestError> {
    let feed = Feed::new(sources, config, progress);
    let wants = Wants { templates: false, join: false };
    let done = std::thread::scope(|scope| {
        let feed = &feed;
        let threads: Vec<_> = observers
            .into_iter()
            .map(|mut observer| {
                scope.spawn(move || {
                    let mut worker = Worker::new(config, classifier, wants);
                    let mut tallies: HashMap<u32, LineTally> = HashMap::new();
                    let mut buffer = Vec::new();
                    while let Some(task) = feed.next(buffer) {
                        let part = worker.read(&task, |(request, _), _, names| observer.observe(&request, names));
                        tallies.entry(task.file.facts.number).or_default().add(part);
                        buffer = task.block.into_buffer();
                        worker.forget_many_names();
                    }
                    (observer, tallies, worker.identifier.user_keys)
                })
            })
            .collect();
        #[expect(clippy::expect_used, reason = "a panic in a thread is a defect and goes on here")]
        threads.into_iter().map(|thread| thread.join().expect("a worker thread panicked")).collect::<Vec<_>>()
    });
    let (mut tallies, partial) = feed.finish()?;
    let mut observers = Vec::new();
    let mut user_keys = UserKeys::default();
    for (observer, parts, keys) in done {
        observers.push(observer);
        user_keys.add(keys);
        for (number, tally) in parts {
            if let Some(whole) = tallies.get_mut(number as usize) {
                whole.add(tally);
            }
        }
    }
    count_doubled_hours(&mut tallies);
    Ok((
        Outcome {
            tallies,
            trace: None,
            user_keys,
            server_names: ServerNames::default(),
            other_names: OtherNames::default(),
            same_requests: Vec::new(),
            partial,
        },
        observers,
    ))
}
