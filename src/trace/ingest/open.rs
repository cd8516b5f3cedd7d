//! Opening inputs: decompression, detection, and the blocks of every file in order.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::account::Account;
use super::identify::FileFacts;
use super::{IngestError, Progress, Settings};
use crate::logs::blocks::{Block, Blocks, lines};
use crate::logs::detect::Choices;
use crate::logs::record::Line;
use crate::logs::source::{Place, Source};
use crate::logs::{Parser, compression, detect, target};

/// One opened file: what all its blocks share.
pub(super) struct FileSetup {
    pub(super) facts: FileFacts,
    parser: Mutex<Box<dyn Parser>>,
}

impl FileSetup {
    /// A parser for one more thread.
    pub(super) fn parser(&self) -> Box<dyn Parser> {
        match self.parser.lock() {
            Ok(parser) => parser.fork(),
            Err(poisoned) => poisoned.into_inner().fork(),
        }
    }
}

/// A block of a file, numbered over all files.
pub(super) struct Job {
    pub(super) sequence: u64,
    pub(super) file: Arc<FileSetup>,
    pub(super) block: Block,
}

/// Reads all sources; `hand_over` gets the jobs in order and gives back a used buffer, or `None` when nobody listens any more.
/// The accounts that come back know everything but what is in the lines.
pub(super) fn read_all(
    sources: &[Source],
    settings: &Settings,
    progress: &Progress,
    mut hand_over: impl FnMut(Job) -> Option<Vec<u8>>,
) -> Result<(Vec<Account>, bool), IngestError> {
    let mut accounts = Vec::new();
    let mut sequence = 0;
    for (number, source) in (0u32..).zip(sources) {
        let mut account = Account { path: source.to_string(), ..Account::default() };
        match open(source, number, settings, progress, &mut account)? {
            Opened::Log { setup, mut blocks, first } => {
                let mut pending = first;
                while let Some(block) = pending {
                    progress.lines.fetch_add(block.lines, Ordering::Relaxed);
                    account.bytes += block.bytes().len() as u64;
                    let job = Job { sequence, file: Arc::clone(&setup), block };
                    sequence += 1;
                    let Some(used) = hand_over(job).filter(|_| !progress.stopped()) else {
                        accounts.push(account);
                        return Ok((accounts, true));
                    };
                    pending = next(&mut blocks, used, &mut account);
                }
            }
            Opened::NoLog => {}
        }
        accounts.push(account);
    }
    Ok((accounts, false))
}

type Stream = Box<dyn Read + Send>;

enum Opened {
    Log { setup: Arc<FileSetup>, blocks: Blocks<Stream>, first: Option<Block> },
    NoLog,
}

fn open(source: &Source, number: u32, settings: &Settings, progress: &Progress, account: &mut Account) -> Result<Opened, IngestError> {
    let fail = |source_error| IngestError::Open { path: source.to_string(), source: source_error };
    let stream = match decompressed(source, progress) {
        Ok(stream) => stream,
        Err(error) if source.explicit => return Err(fail(error)),
        Err(error) => {
            account.read_error = Some(error.to_string());
            return Ok(Opened::NoLog);
        }
    };
    let mut blocks = Blocks::new(stream);
    let first = next(&mut blocks, Vec::new(), account);
    let Some(first) = first else {
        "empty".clone_into(&mut account.format);
        "nothing in it".clone_into(&mut account.reason);
        return Ok(Opened::NoLog);
    };
    let sample = sample(first.bytes());
    let log = match &source.place {
        Place::File(path) => Some(path.clone()),
        Place::StandardInput => None,
    };
    let choices = Choices { log, ..settings.choices.clone() };
    let detection = match detect::detect(&sample, &choices) {
        Ok(detection) => detection,
        Err(error) if source.explicit => return Err(IngestError::Format { path: source.to_string(), source: error }),
        Err(error) => {
            "unknown".clone_into(&mut account.format);
            account.reason = error.to_string();
            count_unread(first, &mut blocks, account);
            return Ok(Opened::NoLog);
        }
    };
    account.format.clone_from(&detection.name);
    account.reason.clone_from(&detection.reason);
    account.stamp_note.clone_from(&detection.stamp_note);
    let mut parser = detection.parser;
    let facts = FileFacts { number, process: process_name(source), queries_logged: queries_logged(&sample, parser.as_mut()) };
    let setup = Arc::new(FileSetup { facts, parser: Mutex::new(parser) });
    Ok(Opened::Log { setup, blocks, first: Some(first) })
}

/// A file found in a folder that is no log: its lines are counted, as lines that are no requests.
fn count_unread(first: Block, blocks: &mut Blocks<Stream>, account: &mut Account) {
    let mut pending = Some(first);
    while let Some(block) = pending {
        account.bytes += block.bytes().len() as u64;
        account.lines += block.lines;
        account.not_requests += block.lines;
        pending = next(blocks, block.into_buffer(), account);
    }
}

/// The next block; a read error ends the file and is written into its account.
fn next(blocks: &mut Blocks<Stream>, buffer: Vec<u8>, account: &mut Account) -> Option<Block> {
    match blocks.next_block(buffer) {
        Ok(block) => block,
        Err(error) => {
            account.read_error = Some(error.to_string());
            None
        }
    }
}

fn decompressed(source: &Source, progress: &Progress) -> io::Result<Stream> {
    let raw: Stream = match &source.place {
        Place::StandardInput => Box::new(io::stdin()),
        Place::File(path) => Box::new(File::open(path)?),
    };
    let counted = Counted { inner: raw, count: Arc::clone(&progress.bytes_read) };
    compression::open(counted).map(|(_, stream)| stream)
}

/// Counts the bytes that pass.
struct Counted {
    inner: Stream,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Lines to tell the format by: from the beginning and from the middle of the first block.
fn sample(block: &[u8]) -> Vec<&[u8]> {
    let all = || lines(block).filter(|line| !line.is_empty());
    let count = all().count();
    let mut sample: Vec<&[u8]> = all().take(SAMPLE_LINES / 2).collect();
    if count > SAMPLE_LINES / 2 {
        let step = ((count - SAMPLE_LINES / 2) / (SAMPLE_LINES / 2)).max(1);
        sample.extend(all().skip(SAMPLE_LINES / 2).step_by(step).take(SAMPLE_LINES / 2));
    }
    sample
}

/// False if many Matrix requests were seen and not one has a query: then `/sync` without `since` means nothing.
fn queries_logged(sample: &[&[u8]], parser: &mut dyn Parser) -> bool {
    let (mut matrix, mut with_query) = (0, 0);
    for line in sample {
        if let Line::Request(record) = parser.parse(line) {
            let split = target::split(&record.target);
            matrix += usize::from(split.path.starts_with(b"/_matrix/client/"));
            with_query += usize::from(!split.query.is_empty());
        }
    }
    with_query > 0 || matrix < 20
}

/// `synapse-generic_worker1.json.log.2.gz` -> `generic_worker1`; `homeserver.log` -> `main`.
fn process_name(source: &Source) -> String {
    let Place::File(path) = &source.place else { return "stdin".to_owned() };
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = Path::new(&file).to_string_lossy().split(".log").next().unwrap_or_default().to_owned();
    let stem = stem.strip_suffix(".json").unwrap_or(&stem);
    let stem = stem.strip_prefix("synapse-").or_else(|| stem.strip_prefix("synapse_")).unwrap_or(stem);
    if stem == "homeserver" || stem == "synapse" { "main".to_owned() } else { stem.to_owned() }
}

const SAMPLE_LINES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_log_file_names_its_process() {
        for (file, process) in [
            ("/var/log/matrix-synapse/homeserver.log", "main"),
            ("synapse-generic_worker1.log.1.gz", "generic_worker1"),
            ("synapse-generic_worker1.json.log", "generic_worker1"),
            ("federation_sender1.log", "federation_sender1"),
        ] {
            let source = Source { place: Place::File(PathBuf::from(file)), explicit: true };
            assert_eq!(process_name(&source), process);
        }
    }
}
