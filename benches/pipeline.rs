//! The speed of reading a log, stage by stage: parsing; parsing and classifying; everything up to the profile.
//!
//! `cargo bench --bench pipeline`. Bytes of log per second on one thread, for each sample log repeated to 8 MiB. The last stage reads a file that
//! is in the page cache.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use wsim::endpoints::{Classifier, ClassifierConfig, Method, table_for};
use wsim::logs::blocks::lines;
use wsim::logs::detect::{self, DetectConfig, Detection};
use wsim::logs::{Line, Parser, source};
use wsim::profile::{self, Profiler};
use wsim::trace::ingest::{self, Progress};

/// The log formats whose speed is published, and a JSON format.
const SAMPLES: [&str; 4] = ["nginx-combined.log", "nginx-rich.log", "synapse-worker.log", "nginx.json.log"];

const BYTES: usize = 8 << 20;

fn pipeline(criterion: &mut Criterion) {
    let Some(classifier) = table_for(None).ok().and_then(|choice| Classifier::new(&choice.table, &ClassifierConfig::default()).ok()) else {
        return;
    };
    for name in SAMPLES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name);
        let Ok(sample) = std::fs::read(&path) else {
            eprintln!("{}: missing, left out", path.display());
            continue;
        };
        let text = sample.repeat(BYTES.div_ceil(sample.len().max(1)));
        let head: Vec<&[u8]> = lines(&sample).take(200).collect();
        let Ok(Detection { mut parser, .. }) = detect::detect(&head, &DetectConfig::default()) else { continue };
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(10).measurement_time(Duration::from_secs(4));
        group.bench_function("parse", |bencher| bencher.iter(|| count_requests(parser.as_mut(), &text)));
        group.bench_function("parse, classify", |bencher| bencher.iter(|| sum_classes(parser.as_mut(), &classifier, &text)));
        if let Some(file) = TemporaryFile::new(name, &text) {
            bench_profile(&mut group, &classifier, &file);
        }
        group.finish();
    }
}

/// Parses all lines and returns the number of requests.
fn count_requests(parser: &mut dyn Parser, text: &[u8]) -> usize {
    lines(text).filter(|line| matches!(black_box(parser.parse(line)), Line::Request(_))).count()
}

/// Parses and classifies all lines. Returns the sum of the endpoint ids, so that no classification is optimised away.
fn sum_classes(parser: &mut dyn Parser, classifier: &Classifier, text: &[u8]) -> usize {
    lines(text)
        .map(|line| match &parser.parse(line) {
            Line::Request(record) => usize::from(classifier.classify(Method::from_bytes(record.method), &record.target).0),
            _ => 0,
        })
        .sum()
}

fn bench_profile(group: &mut BenchmarkGroup<'_, WallTime>, classifier: &Classifier, file: &TemporaryFile) {
    let Ok(source::Expansion { sources, .. }) = source::expand(&[file.path.display().to_string()]) else { return };
    let config = ingest::IngestConfig {
        detect: DetectConfig::default(),
        from_us: None,
        to_us: None,
        seed: 1,
        dedupe: false,
        hosts: Vec::new(),
        threads: 1,
    };
    let profile = profile::ProfilerConfig::new(Arc::from(classifier.endpoints()));
    group.bench_function("parse, classify, identify, profile", |bencher| {
        bencher.iter(|| {
            ingest::into_observers(&sources, &config, classifier, &Progress::default(), vec![Profiler::new(&profile)])
                .map(|(_, profilers)| profilers.iter().map(Profiler::requests).sum::<u64>())
        });
    });
}

/// A file that is deleted on drop.
struct TemporaryFile {
    path: PathBuf,
}

impl TemporaryFile {
    fn new(name: &str, text: &[u8]) -> Option<Self> {
        let path = std::env::temp_dir().join(format!("wsim-bench-{}-{name}", std::process::id()));
        std::fs::write(&path, text).ok().map(|()| Self { path })
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
