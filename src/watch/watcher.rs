//! Follows logs and makes figures of their last minutes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::figures::{self, Facts, Figures, InputRow};
use super::follow::Follower;
use super::position::Positions;
use super::stream::Stream;
use super::totals::Totals;
use super::window::Window;
use wsim_advise::{Objective, ScreenConfig};
use wsim_endpoints::{Classifier, Endpoint};
use wsim_logs::detect::DetectError;
use wsim_logs::source::{Input, Source};
use wsim_profile::{ProfileInputs, ProfilerConfig, profile_trace};
use wsim_trace::ingest::{IngestConfig, LineReader, LiveLine};
use wsim_trace::{foreign, join};

/// What to follow and how.
#[derive(Debug, Clone)]
pub struct WatchConfig {
    /// Length of the time that figures are of, µs.
    pub window_us: i64,
    /// Where the places in the files are kept; `None`: nowhere.
    pub state: Option<PathBuf>,
    /// Alarms.
    pub objective: Objective,
    /// Limits.
    pub screen: ScreenConfig,
    /// How lines are read.
    pub ingest: IngestConfig,
}

/// Why a log cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// It cannot be opened.
    #[error("could not follow {path}")]
    Open {
        /// The log.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Compressed files do not grow.
    #[error("{0} is compressed, so nothing is appended to it: give the log itself")]
    Compressed(String),
    /// No format fits.
    #[error("{path}")]
    Format {
        /// The log.
        path: String,
        /// Why.
        source: DetectError,
    },
    /// The places could not be kept.
    #[error("could not write {}; --no-state follows without remembering where", .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Logs that are followed.
pub struct Watcher<'c> {
    config: WatchConfig,
    classifier: &'c Classifier,
    endpoints: Arc<[Endpoint]>,
    inputs: Vec<FollowedLog<'c>>,
    window: Window,
    totals: Totals,
    written: Positions,
}

struct FollowedLog<'c> {
    source: Source,
    from: Origin,
    reader: Option<LineReader<'c>>,
    row: InputRow,
}

enum Origin {
    File(Follower),
    Stream(Stream),
}

impl<'c> Watcher<'c> {
    /// Opens the logs.
    ///
    /// # Errors
    /// [`WatchError::Open`], [`WatchError::Compressed`].
    pub fn new(sources: Vec<Source>, config: WatchConfig, classifier: &'c Classifier) -> Result<Self, WatchError> {
        let positions = config.state.as_deref().map(Positions::read).unwrap_or_default();
        let open = |source: Source| {
            let path = source.to_string();
            let unopened = |error| WatchError::Open { path: path.clone(), source: error };
            let from = match &source.input {
                Input::StandardInput => Origin::Stream(Stream::standard_input().map_err(unopened)?),
                Input::File(file) if is_stream(file) => Origin::Stream(Stream::pipe(file).map_err(unopened)?),
                Input::File(file) => {
                    if is_compressed(file).map_err(unopened)? {
                        return Err(WatchError::Compressed(path));
                    }
                    Origin::File(Follower::open(file, positions.files.get(&key(file)), BACK_BYTES).map_err(unopened)?)
                }
            };
            let row = InputRow { path, format: String::new(), lines: 0, requests: 0, malformed: 0, problem: None };
            Ok(FollowedLog { source, from, reader: None, row })
        };
        let inputs = sources.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let window = Window::new(config.window_us);
        let endpoints = classifier.endpoints().into();
        Ok(Self { config, classifier, endpoints, inputs, window, totals: Totals::default(), written: positions })
    }

    /// Reads what is new. Returns whether there may be more at once.
    ///
    /// # Errors
    /// [`WatchError::Format`] for the first lines of a log; later trouble with a file is shown with it.
    pub fn poll(&mut self) -> Result<bool, WatchError> {
        let now_us = now_us();
        let Self { config, classifier, endpoints, inputs, window, totals, .. } = self;
        let mut more = false;
        for (number, input) in (0u32..).zip(inputs) {
            if input.reader.is_none() {
                input.detect(number, &config.ingest, classifier)?;
            }
            let FollowedLog { from, reader: Some(reader), row, .. } = input else { continue };
            let mut on_line = |line: &[u8]| {
                row.lines += 1;
                match reader.read(line, &mut window.names) {
                    LiveLine::NotRequest => {}
                    LiveLine::Malformed => row.malformed += 1,
                    LiveLine::Request(request) => {
                        row.requests += 1;
                        totals.add(&request, endpoints, &window.names);
                        window.push(request, now_us);
                    }
                }
            };
            match from {
                Origin::Stream(stream) => stream.poll(&mut on_line),
                Origin::File(follower) => {
                    let polled = follower.poll(&mut on_line);
                    row.problem = polled.as_ref().err().map(ToString::to_string);
                    more |= polled.unwrap_or(false);
                }
            }
        }
        self.window.expire(self.window.time_us(now_us));
        if self.window.has_many_names() {
            self.window.forget_names();
            self.inputs.iter_mut().filter_map(|input| input.reader.as_mut()).for_each(LineReader::forget_names);
        }
        Ok(more)
    }

    /// Whether no stream brings anything any more; files are no streams.
    pub fn streams_have_ended(&self) -> bool {
        self.inputs.iter().all(|input| !matches!(&input.from, Origin::Stream(stream) if !stream.has_ended))
    }

    /// Whether all logs are streams that have ended.
    pub fn has_ended(&self) -> bool {
        self.inputs.iter().all(|input| matches!(&input.from, Origin::Stream(stream) if stream.has_ended))
    }

    /// The figures of the last minutes.
    pub fn figures(&self) -> Figures {
        let time_us = self.window.time_us(now_us());
        let facts = Facts {
            time_us,
            seconds: self.window.seconds(time_us),
            inputs: self.inputs.iter().map(|input| input.row.clone()).collect(),
            totals: self.totals.clone(),
        };
        if self.window.len() == 0 {
            return figures::nothing(facts);
        }
        // As `analyse` does: a request that proxy and Synapse logged is one.
        let (trace, _) = join::join(self.window.trace());
        let (trace, foreign) = foreign::mark(trace, &self.endpoints);
        let profiler = profile_trace(&trace, &ProfilerConfig::new(Arc::clone(&self.endpoints)), 1);
        if profiler.requests() + profiler.internal_requests() == 0 {
            return figures::nothing(facts);
        }
        let inputs = ProfileInputs { inferred: profiler.logged_means(), foreign: Some(foreign), ..ProfileInputs::default() };
        figures::figures(&profiler.finish(&inputs), &self.config.objective, &self.config.screen, facts)
    }

    /// Keeps the places in the files, if they changed.
    ///
    /// # Errors
    /// [`WatchError::State`].
    pub fn keep_positions(&mut self) -> Result<(), WatchError> {
        let Some(state) = &self.config.state else { return Ok(()) };
        let mut positions = self.written.clone();
        for input in &self.inputs {
            if let (Origin::File(follower), Input::File(path)) = (&input.from, &input.source.input)
                && let Some(position) = follower.position()
            {
                positions.files.insert(key(path), position);
            }
        }
        if positions != self.written {
            positions.write(state).map_err(|source| WatchError::State { path: state.clone(), source })?;
            self.written = positions;
        }
        Ok(())
    }
}

impl<'c> FollowedLog<'c> {
    /// Finds out the format, once there are lines.
    fn detect(&mut self, number: u32, config: &IngestConfig, classifier: &'c Classifier) -> Result<(), WatchError> {
        let sample = match &mut self.from {
            Origin::File(follower) => follower.sample().map_err(|error| WatchError::Open { path: self.row.path.clone(), source: error })?,
            Origin::Stream(stream) => stream.sample().to_vec(),
        };
        let lines: Vec<&[u8]> = wsim_logs::blocks::lines(&sample).filter(|line| !line.is_empty()).collect();
        // The latest ones: a format may have been changed.
        let lines = &lines[lines.len().saturating_sub(SAMPLE_LINES)..];
        if lines.is_empty() {
            return Ok(());
        }
        let reader = LineReader::new(lines, &self.source, number, config, classifier);
        let reader = reader.map_err(|source| WatchError::Format { path: self.row.path.clone(), source })?;
        self.row.format = reader.format().to_owned();
        self.reader = Some(reader);
        Ok(())
    }
}

fn is_stream(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

fn is_compressed(path: &Path) -> io::Result<bool> {
    let mut first = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(std::fs::File::open(path)?, 6), &mut first)?;
    // gzip, zstd, bzip2, xz.
    Ok([&[0x1f, 0x8b][..], &[0x28, 0xb5, 0x2f, 0xfd], b"BZh", &[0xfd, b'7', b'z', b'X', b'Z', 0]]
        .iter()
        .any(|magic| first.starts_with(magic)))
}

/// A path of the same file from any working folder.
fn key(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Where a first start begins: enough for the last minutes of a busy server.
const BACK_BYTES: u64 = 64 << 20;
const SAMPLE_LINES: usize = 200;
