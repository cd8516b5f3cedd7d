//! A recording: samples at regular times, written whole, until it is stopped.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::recorder::{Recorder, Sample, Software};
use super::{HEADER, RecordError, csv};

/// When to sample and where to write.
#[derive(Debug, Clone)]
pub struct RecordingConfig {
    /// Time between two samples.
    pub every: Duration,
    /// How long to record; until it is stopped if `None`.
    pub length: Option<Duration>,
    /// The file; standard output if `None`.
    pub file: Option<PathBuf>,
    /// What happens to a file that is there.
    pub existing: Existing,
}

/// What happens to a file that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is an error.
    Keep,
    /// An earlier recording is continued.
    Append,
    /// It is replaced.
    Replace,
}

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// Number of samples.
    pub samples: u64,
    /// From the first to the last, s.
    pub seconds: f64,
    /// By name.
    pub processes: Vec<RecordedProcess>,
}

/// A process over the whole recording.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedProcess {
    /// Its name.
    pub name: String,
    /// Its software.
    pub software: Software,
    /// CPU while it was seen, s.
    pub cpu_seconds: f64,
    /// CPU per second while it was seen; `None` if it was seen once.
    pub cores: Option<f64>,
    /// Largest resident memory, bytes.
    pub rss_bytes_max: u64,
    /// The latest limit of its control group, cores.
    pub limit_cores: Option<f64>,
    /// Several processes bore this name at once.
    pub repeated: bool,
}

/// A recording that has begun.
#[derive(Debug)]
pub struct Recording {
    config: RecordingConfig,
    recorder: Recorder,
    destination: Destination,
    began: Instant,
    last: Instant,
    samples: u64,
    processes: BTreeMap<String, Span>,
}

/// A process from its first sample to its last.
#[derive(Debug)]
struct Span {
    first: (Instant, f64),
    last: (Instant, f64),
    known: RecordedProcess,
}

#[derive(Debug)]
enum Destination {
    /// `whole` is the length with which the last sample ended.
    File {
        path: PathBuf,
        file: File,
        whole: u64,
    },
    Stream,
}

impl Recording {
    /// Opens the file and takes the first sample.
    ///
    /// # Errors
    /// Processes cannot be listed, or the file is there or cannot be written.
    pub fn start(config: RecordingConfig, recorder: Recorder) -> Result<Self, RecordError> {
        let destination = Destination::open(config.file.as_deref(), config.existing)?;
        let now = Instant::now();
        let mut recording = Self { config, recorder, destination, began: now, last: now, samples: 0, processes: BTreeMap::new() };
        recording.sample()?;
        Ok(recording)
    }

    /// The names of what was found so far.
    pub fn names(&self) -> impl Iterator<Item = (&str, Software)> {
        self.processes.iter().map(|(name, span)| (name.as_str(), span.known.software))
    }

    /// Samples until the time is over or `wait`, which is called with the time to the next sample, returns true; then once more.
    ///
    /// # Errors
    /// Processes cannot be listed, or the file cannot be written. What is in the file are whole samples.
    pub fn run(mut self, mut wait: impl FnMut(Duration) -> bool) -> Result<Summary, RecordError> {
        let end = self.config.length.map(|length| self.began + length);
        let mut number = 0_u32;
        loop {
            // Due times are counted from the start, so that the interval does not drift. Those that were missed (a machine that slept) are left out.
            let passed = self.began.elapsed().as_nanos() / self.config.every.as_nanos().max(1);
            number = u32::try_from(passed).unwrap_or(u32::MAX).max(number).saturating_add(1);
            let due = self.began + self.config.every.saturating_mul(number);
            let next = end.map_or(due, |end| end.min(due));
            let stopped = wait(next.saturating_duration_since(Instant::now()));
            self.sample()?;
            // A sample that took long does not stand in for the one at the end.
            if stopped || end.is_some_and(|end| next >= end) {
                return self.finish();
            }
        }
    }

    fn sample(&mut self) -> Result<(), RecordError> {
        let (now, at) = (Instant::now(), SystemTime::now());
        let samples = self.recorder.sample()?;
        self.destination.append(csv::lines(at, &samples).as_bytes())?;
        self.samples += 1;
        self.last = now;
        for sample in samples {
            self.note(now, sample);
        }
        for name in self.recorder.repeated() {
            if let Some(span) = self.processes.get_mut(name) {
                span.known.repeated = true;
            }
        }
        Ok(())
    }

    fn note(&mut self, now: Instant, sample: Sample) {
        let Sample { process, software, cpu_seconds, rss_bytes, limit_cores, .. } = sample;
        let span = self.processes.entry(process.clone()).or_insert_with(|| Span {
            first: (now, cpu_seconds),
            last: (now, cpu_seconds),
            known: RecordedProcess {
                name: process,
                software,
                cpu_seconds: 0.0,
                cores: None,
                rss_bytes_max: 0,
                limit_cores,
                repeated: false,
            },
        });
        span.last = (now, cpu_seconds);
        span.known.rss_bytes_max = span.known.rss_bytes_max.max(rss_bytes);
        span.known.limit_cores = limit_cores;
    }

    fn finish(self) -> Result<Summary, RecordError> {
        if let Destination::File { path, file, .. } = &self.destination
            && file.metadata().is_ok_and(|metadata| metadata.is_file())
        {
            file.sync_all().map_err(|source| RecordError::Write { path: path.clone(), source })?;
        }
        let process = |Span { first, last, known }: Span| {
            let (seconds, cpu_seconds) = ((last.0 - first.0).as_secs_f64(), last.1 - first.1);
            RecordedProcess { cpu_seconds, cores: (seconds > 0.0).then(|| cpu_seconds / seconds), ..known }
        };
        let seconds = (self.last - self.began).as_secs_f64();
        Ok(Summary { samples: self.samples, seconds, processes: self.processes.into_values().map(process).collect() })
    }
}

impl Destination {
    fn open(path: Option<&Path>, existing: Existing) -> Result<Self, RecordError> {
        let Some(path) = path else {
            let mut stream = Self::Stream;
            stream.append(HEADER.as_bytes())?;
            return Ok(stream);
        };
        let error = |source| RecordError::Write { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match existing {
            Existing::Keep => options.create_new(true),
            Existing::Append => options.create(true).truncate(false),
            Existing::Replace => options.create(true).truncate(true),
        };
        let mut file = options.open(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => RecordError::Exists { path: path.to_owned() },
            _ => error(source),
        })?;
        let whole = if existing == Existing::Append { whole_lines(&mut file, path)? } else { 0 };
        // Devices and pipes have no length.
        if file.metadata().map_err(error)?.is_file() {
            file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole))).map_err(error)?;
        }
        let mut destination = Self::File { path: path.to_owned(), file, whole };
        if whole == 0 {
            destination.append(HEADER.as_bytes())?;
        }
        Ok(destination)
    }

    /// Writes all of it or, to a file, nothing.
    fn append(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        match self {
            Self::Stream => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush()).map_err(RecordError::Stream)
            }
            Self::File { path, file, whole } => {
                if let Err(source) = file.write_all(bytes) {
                    // The disk is full, for example: what was written of this sample is taken back.
                    let _ = file.set_len(*whole);
                    return Err(RecordError::Write { path: path.clone(), source });
                }
                *whole += bytes.len() as u64;
                Ok(())
            }
        }
    }
}

/// The length of a recording up to its last whole line; 0 for an empty file.
fn whole_lines(file: &mut File, path: &Path) -> Result<u64, RecordError> {
    let error = |source| RecordError::Write { path: path.to_owned(), source };
    let length = file.metadata().map_err(error)?.len();
    if length == 0 {
        return Ok(0);
    }
    let mut header = vec![0; HEADER.len()];
    if file.read_exact(&mut header).is_err() || header != HEADER.as_bytes() {
        return Err(RecordError::Foreign { path: path.to_owned() });
    }
    let from = length.saturating_sub(LINE_BYTES_MAX).max(HEADER.len() as u64 - 1);
    file.seek(SeekFrom::Start(from)).map_err(error)?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).map_err(error)?;
    let last = end.iter().rposition(|&byte| byte == b'\n').ok_or_else(|| RecordError::Foreign { path: path.to_owned() })?;
    Ok(from + last as u64 + 1)
}

/// A line is shorter: a name of at most a hundred characters, and seven numbers.
const LINE_BYTES_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::super::RecorderConfig;
    use super::*;

    fn config(file: &Path, existing: Existing) -> RecordingConfig {
        RecordingConfig { every: Duration::from_millis(1), length: None, file: Some(file.to_owned()), existing }
    }

    /// A recorder of a machine without processes.
    fn recorder(folder: &Path) -> Recorder {
        Recorder::new(RecorderConfig { processes: folder.to_owned(), ..RecorderConfig::default() })
    }

    #[test]
    fn it_ends_when_it_is_told_to_and_after_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut waits = 0;
        let recording = Recording::start(config(&folder.path().join("a.csv"), Existing::Keep), recorder(folder.path())).unwrap();
        let summary = recording
            .run(|_| {
                waits += 1;
                waits == 3
            })
            .unwrap();
        assert_eq!((summary.samples, summary.processes.len()), (4, 0));
        let timed = RecordingConfig { length: Some(Duration::from_millis(5)), ..config(&folder.path().join("b.csv"), Existing::Keep) };
        let summary = Recording::start(timed, recorder(folder.path()))
            .unwrap()
            .run(|time| {
                std::thread::sleep(time);
                false
            })
            .unwrap();
        assert!(summary.seconds >= 0.005 && summary.samples >= 2, "{summary:?}");
    }

    #[test]
    fn a_file_that_is_there_is_kept_continued_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cpu.csv");
        let start = |existing| Recording::start(config(&path, existing), recorder(folder.path()));
        drop(start(Existing::Keep).unwrap());
        assert!(matches!(start(Existing::Keep), Err(RecordError::Exists { .. })));
        // The last line was cut off when the machine stopped.
        std::fs::write(&path, format!("{HEADER}1.000,main,1.00,1,1,,2,\n2.000,ma")).unwrap();
        drop(start(Existing::Append).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{HEADER}1.000,main,1.00,1,1,,2,\n"));
        drop(start(Existing::Replace).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), HEADER);
        drop(start(Existing::Append).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), HEADER);
        std::fs::write(&path, "epoch,process,cpu_seconds_total\n").unwrap();
        assert!(matches!(start(Existing::Append), Err(RecordError::Foreign { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "epoch,process,cpu_seconds_total\n", "it is not touched");
    }

    #[test]
    fn a_full_disk_leaves_whole_samples() {
        let mut full =
            Destination::File { path: "/dev/full".into(), file: File::options().write(true).open("/dev/full").unwrap(), whole: 0 };
        assert!(matches!(full.append(b"x"), Err(RecordError::Write { .. })));
    }
}
