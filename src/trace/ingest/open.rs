//! Opens inputs: decompression, detection of the format, and the blocks of every file in order.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::identify::FileFacts;
use super::line_tally::LineTally;
use super::passes::{PassTracker, Passes};
use super::{IngestConfig, IngestError, Progress};
use wsim_http::host::Host;
use wsim_http::target;
use wsim_logs::blocks::{Block, Blocks, lines};
use wsim_logs::compression::{Compression, Damage};
use wsim_logs::detect::{DetectConfig, DetectError};
use wsim_logs::input::InputError;
use wsim_logs::record::Line;
use wsim_logs::source::{Input, Source, log_name};
use wsim_logs::{Parser, compression, detect, input, records, redact};

/// An open file, shared by all its blocks.
pub(super) struct OpenFile {
    pub(super) facts: FileFacts,
    parser: Mutex<Box<dyn Parser>>,
}

impl OpenFile {
    /// A parser for another thread.
    pub(super) fn parser(&self) -> Box<dyn Parser> {
        match self.parser.lock() {
            Ok(parser) => parser.fork(),
            Err(poisoned) => poisoned.into_inner().fork(),
        }
    }
}

/// A block to parse, with its number among those of all files.
pub(super) struct BlockTask {
    pub(super) sequence: u64,
    pub(super) file: Arc<OpenFile>,
    pub(super) block: Block,
    /// What the lines before tell of the time; `None` if clocks are never changed in the zone.
    pub(super) passes: Option<Passes>,
}

/// The source of tasks for all threads. Each thread reads its next block itself, so that the bytes are in its cache when it parses
/// them, and no thread waits for a hand-over.
pub(super) struct Feed<'s> {
    config: &'s IngestConfig,
    progress: &'s Progress,
    reader: Mutex<Reader<'s>>,
}

/// The state of reading, used by one thread at a time.
struct Reader<'s> {
    sources: std::iter::Zip<std::ops::RangeFrom<u32>, std::slice::Iter<'s, Source>>,
    current: Option<Current>,
    /// Complete except for the counts of requests and malformed lines.
    tallies: Vec<LineTally>,
    sequence: u64,
    stopped: bool,
    error: Option<IngestError>,
    /// Name and time of the log read last, which the next file may continue.
    last_log: Option<(String, Passes)>,
}

/// The current file; its tally is the last one.
struct Current {
    file: Arc<OpenFile>,
    blocks: Blocks<Stream>,
    /// The block by which the format was detected.
    first: Option<Block>,
    tracker: Option<PassTracker>,
}

impl<'s> Feed<'s> {
    pub(super) fn new(sources: &'s [Source], config: &'s IngestConfig, progress: &'s Progress) -> Self {
        let sources = (0u32..).zip(sources);
        let reader = Reader { sources, current: None, tallies: Vec::new(), sequence: 0, stopped: false, error: None, last_log: None };
        Self { config, progress, reader: Mutex::new(reader) }
    }

    /// The next task, in the order of files and blocks; `None` at the end. `buffer` is that of an earlier task, or an empty one.
    pub(super) fn next(&self, buffer: Vec<u8>) -> Option<BlockTask> {
        let mut reader = self.reader.lock().ok()?;
        if reader.error.is_some() || reader.stopped {
            return None;
        }
        if reader.sequence > 0 && self.progress.stopped() {
            reader.stopped = true;
            return None;
        }
        match reader.next(buffer, self.config, self.progress) {
            Ok(task) => task,
            Err(error) => {
                reader.error = Some(error);
                None
            }
        }
    }

    /// The tallies of all inputs, and whether reading was interrupted.
    pub(super) fn finish(self) -> Result<(Vec<LineTally>, bool), IngestError> {
        let reader = self.reader.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match reader.error {
            Some(error) => Err(error),
            None => Ok((reader.tallies, reader.stopped)),
        }
    }
}

impl Reader<'_> {
    fn next(&mut self, mut buffer: Vec<u8>, config: &IngestConfig, progress: &Progress) -> Result<Option<BlockTask>, IngestError> {
        loop {
            if let (Some(current), Some(tally)) = (&mut self.current, self.tallies.last_mut()) {
                let block = match current.first.take() {
                    Some(first) => Some(first),
                    None => next(&mut current.blocks, &mut buffer, tally, &mut self.stopped),
                };
                if let Some(block) = block {
                    progress.lines.fetch_add(block.lines, Ordering::Relaxed);
                    tally.bytes += block.bytes().len() as u64;
                    self.sequence += 1;
                    let passes = current.tracker.as_mut().map(|tracker| tracker.advance(block.bytes()));
                    return Ok(Some(BlockTask { sequence: self.sequence - 1, file: Arc::clone(&current.file), block, passes }));
                }
                if let Some(tracker) = &current.tracker {
                    self.last_log = Some((log_name(&tally.path), tracker.passes()));
                }
            }
            self.current = None;
            let Some((number, source)) = self.sources.next() else { return Ok(None) };
            let mut tally = LineTally { path: source.to_string(), ..LineTally::default() };
            let opening = Opening { source, number, config, progress };
            if let Opened::Log { file, blocks, first } = opening.open(&mut buffer, &mut tally, &mut self.stopped)? {
                let earlier = self.last_log.take().filter(|(log, _)| *log == log_name(&tally.path)).map(|(_, passes)| passes);
                let zone = &config.detect.zone;
                let tracker = (!zone.is_fixed()).then(|| PassTracker::new(zone.clone(), file.parser(), earlier.unwrap_or_default()));
                self.current = Some(Current { file, blocks, first, tracker });
            }
            self.tallies.push(tally);
        }
    }
}

type Stream = Box<dyn Read + Send>;

enum Opened {
    Log { file: Arc<OpenFile>, blocks: Blocks<Stream>, first: Option<Block> },
    NoLog,
}

/// One input that is being opened.
struct Opening<'o> {
    source: &'o Source,
    number: u32,
    config: &'o IngestConfig,
    progress: &'o Progress,
}

impl Opening<'_> {
    /// Opens the input and detects its format by its first block, which is read into `buffer`.
    fn open(&self, buffer: &mut Vec<u8>, tally: &mut LineTally, stopped: &mut bool) -> Result<Opened, IngestError> {
        let source = self.source;
        let (compression, stream) = match self.decompressed() {
            Ok(opened) => opened,
            Err(error) => {
                match InputError::of(&error) {
                    Some(InputError::Stopped) => *stopped = true,
                    None if source.explicit => return Err(IngestError::Open { path: source.to_string(), source: error }),
                    _ => tally.add_error(format!("not read: {error}")),
                }
                return Ok(Opened::NoLog);
            }
        };
        let mut blocks = Blocks::new(stream);
        let first = next(&mut blocks, buffer, tally, stopped);
        if let Some(error) = compression.contradicts(&tally.path, first.is_none()) {
            tally.add_error(error);
        }
        let Some(first) = first else {
            let damaged = tally.read_error.is_some();
            if damaged { "damaged" } else { "empty" }.clone_into(&mut tally.format);
            if damaged { "nothing of it could be read" } else { "the file is empty" }.clone_into(&mut tally.reason);
            return Ok(Opened::NoLog);
        };
        let sample = sample(first.bytes());
        let log = match &source.input {
            Input::File(path) => Some(path.clone()),
            Input::StandardInput => None,
        };
        let changed_us = log.as_deref().and_then(last_change);
        let detection = match detect::detect(&sample, &DetectConfig { log, changed_us, ..self.config.detect.clone() }) {
            Ok(detection) => detection,
            Err(error) if source.explicit && blocks.error().is_none() => return Err(self.no_log(error)),
            Err(error) => {
                "unknown".clone_into(&mut tally.format);
                tally.reason = redact::scrubbed(error.to_string());
                *buffer = count_unread(first, &mut blocks, tally, stopped);
                return Ok(Opened::NoLog);
            }
        };
        tally.format.clone_from(&detection.name);
        tally.reason.clone_from(&detection.reason);
        tally.stamp_note.clone_from(&detection.stamp_note);
        let mut parser = detection.parser;
        let logged = what_is_logged(&sample, parser.as_mut());
        if self.config.hosts.is_empty() {
            tally.hosts = logged.hosts;
        }
        let facts = FileFacts {
            number: self.number,
            process: process_name(source),
            queries_logged: logged.queries,
            upstreams_logged: logged.upstreams,
        };
        let file = Arc::new(OpenFile { facts, parser: Mutex::new(parser) });
        Ok(Opened::Log { file, blocks, first: Some(first) })
    }

    fn no_log(&self, error: DetectError) -> IngestError {
        let path = self.source.to_string();
        match error {
            DetectError::NotText { kind } => IngestError::NotText { path, kind },
            source => IngestError::Format { path, source },
        }
    }

    fn decompressed(&self) -> io::Result<(Compression, Stream)> {
        let raw = input::open(self.source, &self.progress.stop)?;
        let (compression, stream) = compression::open(Counted { inner: raw, count: Arc::clone(&self.progress.bytes_read) })?;
        Ok((compression, records::open(stream)?))
    }
}

/// Counts the lines of a file from a folder that is not a log, as lines that report no request. Returns the buffer.
fn count_unread(first: Block, blocks: &mut Blocks<Stream>, tally: &mut LineTally, stopped: &mut bool) -> Vec<u8> {
    let mut block = first;
    loop {
        tally.bytes += block.bytes().len() as u64;
        tally.lines += block.lines;
        tally.not_requests += block.lines;
        let mut buffer = block.into_buffer();
        match next(blocks, &mut buffer, tally, stopped) {
            Some(next) => block = next,
            None => return buffer,
        }
    }
}

/// The next block. What is wrong with the file is recorded in its tally; most errors end the file. Without a block `buffer` stays usable.
fn next(blocks: &mut Blocks<Stream>, buffer: &mut Vec<u8>, tally: &mut LineTally, stopped: &mut bool) -> Option<Block> {
    loop {
        let error = match blocks.next_block(buffer) {
            Ok(block) => return block,
            Err(error) => error,
        };
        if InputError::of(&error) == Some(&InputError::Stopped) {
            *stopped = true;
        } else if Damage::of(&error).is_some_and(|damage| damage.goes_on) {
            tally.record_error(&error.to_string(), blocks.lines());
        } else {
            tally.record_error(&format!("reading ended early: {error}"), blocks.lines());
        }
    }
}

/// A stream that counts the bytes read.
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

/// Lines to detect the format by: from the start of the first block, and spread over the rest of it. In each part of the rest a line that
/// looks like a request is preferred, because errors and other lines may be a thousand times as many.
fn sample(block: &[u8]) -> Vec<&[u8]> {
    let all = || lines(block).filter(|line| !line.is_empty());
    let count = all().count();
    let mut sample: Vec<&[u8]> = all().take(SAMPLE_LINES / 2).collect();
    if count > SAMPLE_LINES / 2 {
        let step = ((count - SAMPLE_LINES / 2) / (SAMPLE_LINES / 2)).max(1);
        let mut rest = all().skip(SAMPLE_LINES / 2).peekable();
        while sample.len() < SAMPLE_LINES && rest.peek().is_some() {
            let part: Vec<&[u8]> = rest.by_ref().take(step).collect();
            sample.extend(part.iter().find(|line| detect::looks_like_request(line)).or(part.first()));
        }
    }
    sample
}

/// What a sample of a file's lines tells.
pub(super) struct Logged {
    /// Queries are not logged if there are many client requests and none has one: a `/sync` without `since` then need not be an initial
    /// sync.
    pub(super) queries: bool,
    /// Any line of the sample names the upstream.
    pub(super) upstreams: bool,
    /// The virtual hosts that get Matrix requests, sorted.
    hosts: Vec<String>,
}

pub(super) fn what_is_logged(sample: &[&[u8]], parser: &mut dyn Parser) -> Logged {
    let (mut matrix, mut with_query, mut upstreams) = (0, 0, false);
    let mut hosts = BTreeSet::new();
    for line in sample {
        if let Line::Request(record) = parser.parse(line) {
            upstreams |= record.upstream.is_some();
            let Some(target) = target::split(&record.target) else { continue };
            matrix += usize::from(target.path.starts_with(b"/_matrix/client/"));
            with_query += usize::from(target.query.is_some_and(|query| !query.is_empty()));
            // In Synapse's log the site is a listener's tag.
            let site = record.site.filter(|_| record.cost.is_none() && target.path.starts_with(b"/_matrix/"));
            // What a client sends as its host may be anything, a secret too; a site of the internet has a dot.
            if let Some(Host::Name(name)) = site.and_then(Host::read)
                && name.contains('.')
                && matches!(redact::scrub(&name), Cow::Borrowed(_))
            {
                hosts.insert(name);
            }
        }
    }
    Logged { queries: with_query > 0 || matrix < 20, upstreams, hosts: hosts.into_iter().collect() }
}

/// When a file was last changed, µs since the epoch.
fn last_change(path: &Path) -> Option<i64> {
    let changed = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.modified().ok()?;
    i64::try_from(changed.duration_since(std::time::UNIX_EPOCH).ok()?.as_micros()).ok()
}

/// `synapse-generic_worker1.json.log.2.gz` -> `generic_worker1`; `homeserver.log` -> `main`.
pub(super) fn process_name(source: &Source) -> String {
    let Input::File(path) = &source.input else { return "stdin".to_owned() };
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
            let source = Source { input: Input::File(PathBuf::from(file)), explicit: true, identity: None };
            assert_eq!(process_name(&source), process);
        }
    }
}
