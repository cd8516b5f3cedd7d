//! The work of one thread: the lines of a block into requests.

use std::collections::HashMap;

use super::identify::{Identified, Identifier, Wants};
use super::line_tally::{ArrivalRun, LineTally, count_doubled_hours};
use super::open::{BlockTask, Feed};
use super::same_requests::{Compared, Sketches};
use super::{IngestConfig, IngestError, Observer, OtherNames, Outcome, Progress, UserKeys};
use crate::causes::NewsSources;
use crate::request::flag;
use crate::{Names, ServerNames};
use wsim_endpoints::Classifier;
use wsim_http::host::Host;
use wsim_logs::Parser;
use wsim_logs::blocks::{LINE_BYTES_MAX, lines};
use wsim_logs::record::{Line, Malformed, Record};
use wsim_logs::source::Source;
use wsim_logs::streams::StreamUpdate;

/// Parses blocks, with one parser per file.
pub(super) struct Worker<'c> {
    parser: Option<(u32, Box<dyn Parser>)>,
    pub(super) identifier: Identifier<'c>,
    pub(super) names: Names,
    /// What writers logged of their streams, for a trace; taken by whoever reads blocks.
    pub(super) updates: Vec<StreamUpdate>,
    from_us: i64,
    to_us: i64,
    with_stamps: bool,
    /// Inputs are compared, for which it matters whether stamps are of whole seconds.
    compares: bool,
    /// The virtual hosts of Synapse, if they are told.
    hosts: Vec<Host>,
}

impl<'c> Worker<'c> {
    pub(super) fn new(config: &IngestConfig, classifier: &'c Classifier, wants: Wants) -> Self {
        Self {
            parser: None,
            identifier: Identifier::new(classifier, wants),
            names: Names::new(),
            updates: Vec::new(),
            from_us: config.from_us.unwrap_or(i64::MIN),
            to_us: config.to_us.unwrap_or(i64::MAX),
            with_stamps: wants.templates,
            compares: wants.join,
            hosts: config.hosts.clone(),
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
        let mut arrivals = ArrivalRun::default();
        for (line, number) in lines(task.block.bytes()).zip(task.block.first_line..) {
            let mut is_other = false;
            // Matched by reference: a record is large and would be copied otherwise.
            match &mut parser.parse(line) {
                Line::NotRequest => (tally.not_requests, is_other) = (tally.not_requests + 1, true),
                Line::Malformed(why) => tally.record_malformed(number, *why),
                Line::Request(record) => {
                    tally.requests += 1;
                    if let Some(passes) = &mut passes {
                        tally.record_pass(passes.resolve(record));
                    }
                    let Some((mut request, coarse)) = self.identifier.request(record, facts, &mut self.names) else {
                        tally.without_clock += 1;
                        continue;
                    };
                    if request.has(flag::PROXY) && is_of_another_host(record, &self.hosts) {
                        request.flags |= flag::FOREIGN;
                    }
                    if request.arrival_us < self.from_us || request.arrival_us >= self.to_us {
                        tally.record_outside(request.arrival_us);
                        continue;
                    }
                    arrivals.record(request.arrival_us, &mut tally);
                    on_request((request, coarse.filter(|_| self.with_stamps || self.compares)), line, &self.names);
                }
            }
            if is_other && self.with_stamps {
                self.updates.extend(parser.update(line));
            }
        }
        arrivals.add_to(&mut tally);
        tally
    }

    /// Whether the names are so many that they are to be dropped, for memory to stay flat.
    pub(super) fn has_many_names(&self) -> bool {
        self.names.len() > NAMES_MAX
    }

    /// Drops all names. Their ids are then void.
    pub(super) fn forget_names(&mut self) {
        self.names = Names::new();
        self.identifier.forget_names();
    }
}

const NAMES_MAX: usize = 200_000;

/// Whether a proxy's line names a virtual host, and none of Synapse's. The port does not matter.
pub(super) fn is_of_another_host(record: &Record<'_>, hosts: &[Host]) -> bool {
    let Some(site) = record.site.filter(|_| !hosts.is_empty()) else { return false };
    Host::read(site).is_none_or(|host| !hosts.contains(&host))
}

pub(super) fn run_observers<O: Observer>(
    sources: &[Source],
    config: &IngestConfig,
    classifier: &Classifier,
    progress: &Progress,
    observers: Vec<O>,
) -> Result<(Outcome, Vec<O>), IngestError> {
    let feed = Feed::new(sources, config, progress);
    let wants = Wants { templates: false, join: sources.len() > 1 };
    let done = std::thread::scope(|scope| {
        let feed = &feed;
        let threads: Vec<_> = observers
            .into_iter()
            .map(|mut observer| {
                scope.spawn(move || {
                    let mut worker = Worker::new(config, classifier, wants);
                    let mut tallies: HashMap<u32, LineTally> = HashMap::new();
                    let mut sketches = Sketches::default();
                    let mut buffer = Vec::new();
                    while let Some(task) = feed.next(buffer) {
                        let file = task.file.facts.number;
                        let part = worker.read(&task, |(request, coarse), _, names| {
                            sketches.observe(file, &request, coarse.is_some());
                            observer.observe(&request, names);
                        });
                        tallies.entry(file).or_default().add(part);
                        buffer = task.block.into_buffer();
                        if worker.has_many_names() {
                            observer.forget(&worker.names);
                            worker.forget_names();
                        }
                    }
                    observer.forget(&worker.names);
                    (observer, tallies, worker.identifier.user_keys, sketches)
                })
            })
            .collect();
        #[expect(clippy::expect_used, reason = "a panic in a thread is a defect and goes on here")]
        threads.into_iter().map(|thread| thread.join().expect("a worker thread panicked")).collect::<Vec<_>>()
    });
    let (mut tallies, partial) = feed.finish()?;
    let mut observers = Vec::new();
    let mut user_keys = UserKeys::default();
    let mut sketches = Sketches::default();
    for (observer, parts, keys, sketch) in done {
        observers.push(observer);
        sketches.merge(sketch);
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
            same_requests: sketches.pairs(Compared::All),
            news: NewsSources::default(),
            partial,
        },
        observers,
    ))
}
