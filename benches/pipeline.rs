//! What it costs to read a log, stage by stage: parsing; parsing and classifying; everything up to the profile.
//!
//! `cargo bench --bench pipeline`: bytes of log per second of one thread, over each sample log repeated to some megabytes. The
//! last stage reads a file, which lies in the page cache.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use wsim::endpoints::{Classifier, Method, ClassifierConfig, table_for};
use wsim::logs::blocks::lines;
use wsim::logs::detect::{self, DetectConfig, Detection};
use wsim::logs::{Line, Parser, source};
use wsim::profile::{self, Profiler};
use wsim::trace::ingest::{self, Progress};

/// The kinds of log that the speed of the program is judged by, and one of JSON.
const SAMPLES: [&str; 4] = ["nginx-combined.log", "nginx-rich.log", "synapse-worker.log", "nginx.json.log"];

const BYTES: usize = 8 << 20;

fn pipeline(criterion: &mut Criterion) {
    let Some(classifier) = table_for(None).ok().and_then(|choice| Classifier::new(&choice.table, &ClassifierConfig::default()).ok()) else { return };
    for name in SAMPLES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name);
        let Ok(sample) = std::fs::read(&path) else {
            eprintln!("{}: not there, left out", path.display());
            continue;
        };
        let text = sample.repeat(BYTES.div_ceil(sample.len().max(1)));
        let head: Vec<&[u8]> = lines(&sample).take(200).collect();
        let Ok(Detection { mut parser, .. }) = detect::detect(&head, &DetectConfig::default()) else { continue };
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(10).measurement_time(Duration::from_secs(4));
        group.bench_function("parse", |bencher| bencher.iter(|| parsed(parser.as_mut(), &text)));
        group.bench_function("parse, classify", |bencher| bencher.iter(|| classified(parser.as_mut(), &classifier, &text)));
        if let Some(file) = Written::new(name, &text) {
            profiled(&mut group, &classifier, &file);
        }
        group.finish();
    }
}

/// Number of requests.
fn parsed(parser: &mut dyn Parser, text: &[u8]) -> usize {
    lines(text).filter(|line| matches!(black_box(parser.parse(line)), Line::Request(_))).count()
}

/// Sum of endpoint numbers.
fn classified(parser: &mut dyn Parser, classifier: &Classifier, text: &[u8]) -> usize {
    lines(text)
        .map(|line| match &parser.parse(line) {
            Line::Request(record) => usize::from(classifier.classify(Method::from_bytes(record.method), &record.target).0),
            _ => 0,
        })
        .sum()
}

fn profiled(group: &mut BenchmarkGroup<'_, WallTime>, classifier: &Classifier, file: &Written) {
    let Ok(sources) = source::expand(&[file.path.display().to_string()]) else { return };
    let settings = ingest::IngestConfig { detect: DetectConfig::default(), from_us: None, to_us: None, seed: 1, dedupe: false, threads: 1 };
    let profile = profile::Settings::new(Arc::from(classifier.endpoints()));
    group.bench_function("parse, classify, identify, profile", |bencher| {
        bencher.iter(|| {
            ingest::into_observers(&sources, &settings, classifier, &Progress::default(), vec![Profiler::new(&profile)])
                .map(|(_, profilers)| profilers.iter().map(Profiler::requests).sum::<u64>())
        });
    });
}

/// A file that goes when it is no longer needed.
struct Written {
    path: PathBuf,
}

impl Written {
    fn new(name: &str, text: &[u8]) -> Option<Self> {
        let path = std::env::temp_dir().join(format!("wsim-bench-{}-{name}", std::process::id()));
        std::fs::write(&path, text).ok().map(|()| Self { path })
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
