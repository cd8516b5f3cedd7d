//! One thread's work: lines of a block into requests.

use std::collections::HashMap;

use super::account::Account;
use super::identify::{Identified, Identifier, Wants};
use super::open::{Feed, Job};
use super::{IngestError, Observer, Outcome, Progress, Settings, UserKeys};
use crate::Names;
use wsim_endpoints::Classifier;
use wsim_logs::Parser;
use wsim_logs::blocks::{LINE_BYTES_MAX, lines};
use wsim_logs::record::{Line, Malformed};
use wsim_logs::source::Source;

/// Parses blocks; keeps one parser a file.
pub(super) struct Worker<'c> {
    parser: Option<(u32, Box<dyn Parser>)>,
    pub(super) identifier: Identifier<'c>,
    pub(super) names: Names,
    from_us: i64,
    to_us: i64,
    with_stamps: bool,
}

impl<'c> Worker<'c> {
    pub(super) fn new(settings: &Settings, classifier: &'c Classifier, wants: Wants) -> Self {
        Self {
            parser: None,
            identifier: Identifier::new(classifier, wants),
            names: Names::new(),
            from_us: settings.from_us.unwrap_or(i64::MIN),
            to_us: settings.to_us.unwrap_or(i64::MAX),
            with_stamps: wants.templates,
        }
    }

    /// Reads a block; every request within the range goes to `take` with its line.
    pub(super) fn read(&mut self, job: &Job, mut take: impl FnMut(Identified, &[u8], &Names)) -> Account {
        let facts = &job.file.facts;
        if self.parser.as_ref().is_none_or(|(number, _)| *number != facts.number) {
            self.parser = Some((facts.number, job.file.parser()));
        }
        let mut account = Account { lines: job.block.lines, ..Account::default() };
        if job.block.cut {
            let expected = "a line of at most 4 MiB";
            account.malformed(job.block.first_line, Malformed { expected, column: LINE_BYTES_MAX });
            return account;
        }
        let Some((_, parser)) = &mut self.parser else { return account };
        for (line, number) in lines(job.block.bytes()).zip(job.block.first_line..) {
            // Matched in place: a record is too large to be moved for nothing.
            match &parser.parse(line) {
                Line::NotRequest => account.not_requests += 1,
                Line::Malformed(why) => account.malformed(number, *why),
                Line::Request(record) => {
                    account.requests += 1;
                    let Some((request, coarse)) = self.identifier.request(record, facts, &mut self.names) else {
                        account.without_clock += 1;
                        continue;
                    };
                    if request.arrival_us < self.from_us || request.arrival_us >= self.to_us {
                        account.outside += 1;
                        continue;
                    }
                    account.saw(request.arrival_us);
                    take((request, coarse.filter(|_| self.with_stamps)), line, &self.names);
                }
            }
        }
        account
    }
}

/// Names are thrown away when they outgrow this, so that memory stays flat; observers do not keep numbers.
const NAMES_MAX: usize = 200_000;

pub(super) fn run_observers<O: Observer>(
    sources: &[Source],
    settings: &Settings,
    classifier: &Classifier,
    progress: &Progress,
    observers: Vec<O>,
) -> Result<(Outcome, Vec<O>), IngestError> {
    let feed = Feed::new(sources, settings, progress);
    let wants = Wants { templates: false, join: false };
    let done = std::thread::scope(|scope| {
        let feed = &feed;
        let threads: Vec<_> = observers
            .into_iter()
            .map(|mut observer| {
                scope.spawn(move || {
                    let mut worker = Worker::new(settings, classifier, wants);
                    let mut accounts: HashMap<u32, Account> = HashMap::new();
                    let mut buffer = Vec::new();
                    while let Some(job) = feed.next(buffer) {
                        let part = worker.read(&job, |(request, _), _, names| observer.observe(&request, names));
                        accounts.entry(job.file.facts.number).or_default().add(part);
                        buffer = job.block.into_buffer();
                        if worker.names.len() > NAMES_MAX {
                            worker.names = Names::new();
                            worker.identifier.forget_names();
                        }
                    }
                    (observer, accounts, worker.identifier.user_keys)
                })
            })
            .collect();
        #[expect(clippy::expect_used, reason = "a panic in a thread is a defect and goes on here")]
        threads.into_iter().map(|thread| thread.join().expect("a worker thread panicked")).collect::<Vec<_>>()
    });
    let (mut accounts, partial) = feed.finish()?;
    let mut observers = Vec::new();
    let mut user_keys = UserKeys::default();
    for (observer, parts, keys) in done {
        observers.push(observer);
        user_keys.add(keys);
        for (number, account) in parts {
            if let Some(whole) = accounts.get_mut(number as usize) {
                whole.add(account);
            }
        }
    }
    Ok((Outcome { accounts, trace: None, user_keys, partial }, observers))
}
