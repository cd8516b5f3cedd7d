//! Totals add up, shards add up to the whole run, and full disks lose no measurements.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::{SkipReason, Unsendable};
use wsim_endpoints::EndpointId;
use wsim_parquet::table_file::TableOutput;
use wsim_trace::table::ColumnKind;
use wsim_transport::Failure;

pub(super) fn outcome(endpoint: u16, second: u64, late_us: u64, service_us: u64, end: End) -> Outcome {
    let intended_ns = second * 1_000_000_000;
    let sent_ns = intended_ns + late_us * 1000 + 1;
    let completed = end == End::Completed;
    Outcome {
        sent_ns: if matches!(end, End::Skipped(_)) { 0 } else { sent_ns },
        first_byte_ns: if completed { sent_ns } else { 0 },
        last_byte_ns: sent_ns + service_us * 1000,
        bytes: 10,
        original_us: 2000,
        endpoint: EndpointId(endpoint),
        status: if completed { 200 } else { 0 },
        original_status: 200,
        upstream: u8::from(completed),
        long_poll: endpoint == 2,
        ..Outcome::of_end(intended_ns, end)
    }
}

fn recorder() -> Recorder {
    let mut recorder = Recorder::new(["client", "client", "sync", "media"]);
    recorder.upstream(1, "worker1");
    recorder
}

#[test]
fn the_four_times_are_separate() {
    let mut recorder = recorder();
    recorder.outcomes(&[outcome(0, 1, 500, 3000, End::Completed), outcome(2, 1, 100, 30_000_000, End::Completed)]);
    let (measurements, written) = recorder.finish();
    assert!(written.is_ok());
    assert_eq!(measurements.groups.iter().map(|group| group.id.as_str()).collect::<Vec<_>>(), ["client", "sync"]);
    let work = &measurements.groups[0].work;
    let near = |ns: u64, ms: f64| (ns as f64 / 1e6 - ms).abs() < ms * 0.002;
    assert!(near(work.service.quantile_ns(0.5), 3.0) && near(work.response.quantile_ns(0.5), 3.5) && near(work.original.max_ns(), 2.0));
    assert_eq!(measurements.whole().work.completed, 1, "a waiting sync is not work");
    assert_eq!((measurements.upstreams[0].requests, measurements.upstreams[0].service.count()), (2, 1));
}

#[test]
fn an_upstream_is_recorded_under_its_other_name() {
    let mut recorder = Recorder::new(["client"]).with_upstream_names(|name| format!("hidden {}", name.len()));
    recorder.upstream(1, "worker1");
    let (measurements, _) = recorder.finish();
    assert_eq!(measurements.upstreams[0].name, "hidden 7");
}

#[test]
fn an_upstream_that_was_tried_before_another_is_counted_apart() {
    let mut recorder = Recorder::new(["client"]);
    for (number, name) in [(1, "a:1"), (2, "b:2"), (3, "a:1, b:2"), (4, "a:1, c:3 : b:2")] {
        recorder.upstream(number, name);
    }
    for upstream in [1, 1, 2, 3, 4] {
        recorder.outcomes(&[Outcome { upstream, ..outcome(0, 1, 0, 100, End::Completed) }]);
    }
    let (measurements, _) = recorder.finish();
    let counts: Vec<_> = measurements.upstreams.iter().map(|one| (one.name.as_str(), one.requests, one.passed_over)).collect();
    assert_eq!(counts, [("a:1", 2, 2), ("b:2", 3, 0), ("c:3", 0, 1)]);
}

#[test]
fn the_cpu_that_was_sent_is_of_the_requests_that_were_sent() {
    let mut recorder = Recorder::new(["client"]).with_cpu(Arc::new([1000, 30]));
    let skipped = End::Skipped(SkipReason::Content(Unsendable::Write));
    let one = |row, copy, end| Outcome { row, copy, ..outcome(0, 1, 0, 100, end) };
    recorder.outcomes(&[one(0, 0, End::Completed), one(0, 1, skipped), one(1, 0, End::Completed), one(1, 1, End::Completed)]);
    let cpu = recorder.finish().0.cpu;
    assert_eq!((cpu.logged_us, cpu.skipped_us), (2060, BTreeMap::from([("write", 1000)])));
}

#[test]
fn errors_are_counted_by_group_and_status() {
    let mut recorder = Recorder::new(["client", "sync"]);
    let answer = |endpoint, status| Outcome { status, ..outcome(endpoint, 1, 0, 100, End::Completed) };
    let refused = outcome(0, 1, 0, 100, End::Failed(Failure::Timeout));
    let full = outcome(0, 1, 0, 100, End::Skipped(SkipReason::QueueFull));
    recorder.outcomes(&[answer(0, 200), answer(0, 401), answer(0, 401), answer(1, 502), refused, full]);
    let (measurements, _) = recorder.finish();
    let [client, sync] = &measurements.groups[..] else { panic!("two groups") };
    assert_eq!((client.work.errors, client.work.failures, client.work.sent, client.work.queue_full), (4, 2, 4, 1));
    assert_eq!((client.work.error_share(), sync.work.failure_share()), (0.8, 1.0));
    assert_eq!(client.work.worse, BTreeMap::from([((200, 401), 2)]));
    assert_eq!(client.work.failed, BTreeMap::from([("timeout", 1)]));
}

#[test]
fn time_without_responses_counts_once() {
    let episode = |kind, from_s, to_s| Episode { kind, from_s, to_s, requests: 9 };
    let episodes = vec![
        episode(EpisodeKind::Failing, 1.0, 4.0),
        episode(EpisodeKind::Late, 2.0, 9.0),
        episode(EpisodeKind::Frozen, 2.0, 5.0),
        episode(EpisodeKind::Silent("a".to_owned()), 7.0, 8.0),
    ];
    let mut measurements = Measurements { episodes, ..Measurements::default() };
    assert!((measurements.down_seconds() - 5.0).abs() < 1e-9);
    measurements.add(&measurements.clone());
    assert!((measurements.down_seconds() - 5.0).abs() < 1e-9, "another shard saw the same");
}

#[test]
fn live_stats_are_of_the_last_complete_window() {
    let live_stats = Arc::new(LiveStats::default());
    let mut recorder = recorder().with_live_stats(Arc::clone(&live_stats));
    let mut add = |second, late_us, service_us, endpoint| {
        recorder.outcomes(&[outcome(endpoint, second, late_us, service_us, End::Completed)]);
    };
    add(0, 100, 3000, 0);
    add(1, 100, 3_000_000, 2);
    assert_eq!(live_stats.last_window(), None, "the first five seconds are not over");
    add(6, 900, 8000, 2);
    let near = |ns: u64, ms: f64| (ns as f64 / 1e6 - ms).abs() < ms * 0.002;
    let first = live_stats.last_window().unwrap();
    assert!(near(first.lateness_p99_ns, 0.1) && near(first.work_p95_ns.unwrap(), 3.1), "{first:?}");
    add(60, 1, 1, 0);
    let second = live_stats.last_window().unwrap();
    assert!(near(second.lateness_p99_ns, 0.9), "{second:?}");
    assert_eq!(second.work_p95_ns, None, "a long poll is not work");
}

#[test]
fn totals_are_kept_only_if_wanted_and_add_up() {
    let plain = Arc::new(LiveStats::default());
    recorder().with_live_stats(Arc::clone(&plain)).outcomes(&[outcome(0, 0, 100, 3000, End::Completed)]);
    assert_eq!(plain.totals(), None);
    let live_stats = Arc::new(LiveStats::with_totals());
    let mut recorder = recorder().with_live_stats(Arc::clone(&live_stats));
    let ends = [(0, End::Completed), (2, End::Completed), (2, End::Completed), (2, End::Failed(Failure::Timeout))];
    let batch: Vec<_> = ends.into_iter().map(|(endpoint, end)| outcome(endpoint, 1, 100, 7000, end)).collect();
    recorder.outcomes(&batch);
    let running_totals = live_stats.totals().unwrap();
    assert_eq!((running_totals.outcomes.sent(), running_totals.outcomes.completed, running_totals.by_class.iter().sum::<u64>()), (4, 3, 3));
    let (measurements, _) = recorder.finish();
    for group in &measurements.groups {
        let counted = running_totals.groups.iter().find(|one| one.id == group.id).unwrap();
        assert_eq!(counted.buckets.iter().sum::<u64>(), group.work.completed, "{}", group.id);
        assert_eq!(u128::from(counted.sum_ns), group.work.response.sum_ns(), "{}", group.id);
        assert_eq!(counted.long_polls, group.polls.completed, "{}", group.id);
    }
}

/// A file that can be read while it is written.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_interval_log_has_a_line_per_second_and_group() {
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    let out = Shared::default();
    let mut recorder = recorder().with_interval_log(Box::new(out.clone()), SystemTime::UNIX_EPOCH);
    for second in 0..3 {
        for _ in 0..=second {
            recorder.outcomes(&[outcome(0, second, 0, 5000, End::Completed), outcome(3, second, 0, 9000, End::Completed)]);
        }
    }
    assert!(recorder.finish().1.is_ok());
    let text = out.0.lock().unwrap().clone();
    let mut lines = Vec::new();
    for entry in IntervalLogIterator::new(&text) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, interval.encoded_histogram()).unwrap();
            let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &*bytes).unwrap();
            lines.push((interval.tag().unwrap().as_str().to_owned(), interval.start_timestamp().as_secs(), histogram.len()));
        }
    }
    let expected = [("client", 0, 1), ("media", 0, 1), ("client", 1, 2), ("media", 1, 2), ("client", 2, 3), ("media", 2, 3)];
    assert_eq!(lines, expected.map(|(tag, second, count)| (tag.to_owned(), second, count)));
    assert_eq!(String::from_utf8_lossy(&text).matches("StartTime").count(), 1);
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_loses_no_totals() {
    let mut recorder = recorder().with_interval_log(Box::new(Full), SystemTime::UNIX_EPOCH);
    let batch: Vec<Outcome> = (0..5).map(|second| outcome(0, second, 0, 5000, End::Completed)).collect();
    recorder.outcomes(&batch);
    let (measurements, written) = recorder.finish();
    assert_eq!(measurements.totals.completed, 5);
    assert!(written.unwrap_err().to_string().contains("interval log"));
}

/// A disk that is full after this many bytes.
struct Small(usize);

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let left = self.0.min(bytes.len());
        self.0 -= left;
        if left == 0 { Err(std::io::Error::from(std::io::ErrorKind::StorageFull)) } else { Ok(left) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl TableOutput for Shared {
    fn write_tail(&mut self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        let mut file = self.0.lock().unwrap();
        file.truncate(usize::try_from(offset).unwrap());
        file.extend_from_slice(bytes);
        Ok(())
    }
}

impl TableOutput for Small {
    fn write_tail(&mut self, _: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.write_all(bytes)
    }
}

fn table(out: impl TableOutput + 'static) -> Box<dyn TableWriter> {
    Box::new(wsim_parquet::table_file::TableFile::new(out, &REQUEST_COLUMNS).unwrap())
}

#[test]
fn a_disk_that_fills_up_ends_the_requests_file_but_not_the_totals() {
    let batch: Vec<Outcome> = (0..100_000).map(|number| outcome(0, number / 1000, number % 77, 5000, End::Completed)).collect();
    // During the run, and only at its end.
    for count in [100_000, 50_000] {
        let mut recorder = recorder().with_requests(table(Small(1000)));
        recorder.outcomes(&batch[..count]);
        let (measurements, written) = recorder.finish();
        assert_eq!(measurements.totals.completed, count as u64);
        assert!(written.unwrap_err().to_string().contains("requests.parquet"));
    }
}

#[test]
fn requests_have_a_row_each_and_read_back() {
    use wsim_parquet::table_reader::TableReader;
    // More than one row group.
    let rows = 70_000;
    let out = Shared::default();
    let mut recorder = recorder().with_requests(table(out.clone()));
    let end = |number: u64| match number % 10 {
        3 => End::Failed(Failure::Timeout),
        4 => End::Skipped(SkipReason::Content(Unsendable::Write)),
        _ => End::Completed,
    };
    let all: Vec<Outcome> = (0..rows)
        .map(|number| Outcome {
            row: number,
            ..outcome(u16::try_from(number % 4).unwrap(), u64::from(number), 7, 9, end(u64::from(number)))
        })
        .collect();
    all.chunks(512).for_each(|batch| recorder.outcomes(batch));
    let before = out.0.lock().unwrap().len();
    assert!(before > 1000, "nothing was written while the run went on: {before}");
    // As after a kill: everything up to the last flush can be read, and what comes later replaces it.
    let rows_of = |out: &Shared| {
        let table = TableReader::new(std::io::Cursor::new(out.0.lock().unwrap().clone())).unwrap();
        (0..table.groups()).map(|group| table.rows(group)).collect::<Vec<_>>()
    };
    assert_eq!(rows_of(&out), [65_536]);
    recorder.flush(1);
    assert_eq!(rows_of(&out), [65_536, 70_000 - 65_536]);
    recorder.flush(2);
    assert!(recorder.finish().1.is_ok());
    let bytes = out.0.lock().unwrap().clone();
    let mut table = TableReader::new(std::io::Cursor::new(bytes)).unwrap();
    assert_eq!((0..table.groups()).map(|group| table.rows(group)).sum::<usize>(), all.len());
    let mut columns: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
    for (name, kind) in REQUEST_COLUMNS {
        for group in 0..table.groups() {
            let column = table.column(group, name).unwrap();
            let texts = match kind {
                ColumnKind::Number | ColumnKind::NumberOrNull => {
                    column.numbers::<u64>().unwrap().map(|v| v.map(|v| v.to_string())).collect()
                }
                ColumnKind::Bool => column.bools().unwrap().map(|v| v.map(|v| v.to_string())).collect::<Vec<_>>(),
                ColumnKind::Text => column.texts().unwrap().map(|v| v.map(str::to_owned)).collect(),
            };
            columns.entry(name).or_default().extend(texts);
        }
    }
    let text = |name: &str, row: usize| columns[name][row].clone();
    let number = |name: &str, row: usize| text(name, row).map(|text| text.parse::<u64>().unwrap());
    let null = |value: u64| (value != 0).then_some(value);
    for (row, outcome) in all.iter().enumerate().step_by(601) {
        let sent = !matches!(outcome.end, End::Skipped(_));
        assert_eq!(number("intended_ns", row), Some(outcome.intended_ns));
        assert_eq!(number("due_ns", row), Some(outcome.due_ns));
        assert_eq!(number("sent_ns", row), null(outcome.sent_ns));
        assert_eq!(number("first_byte_ns", row), null(outcome.first_byte_ns));
        assert_eq!(number("last_byte_ns", row), sent.then_some(outcome.last_byte_ns));
        assert_eq!(number("status", row), null(outcome.status.into()));
        assert_eq!(number("row", row), Some(outcome.row.into()));
        assert_eq!(text("group", row).as_deref(), Some(["client", "client", "sync", "media"][row % 4]));
        assert_eq!(text("upstream", row).as_deref(), (outcome.upstream == 1).then_some("worker1"));
        let (end, reason) = match row % 10 {
            3 => ("failed", Some("timeout")),
            4 => ("skipped", Some("write")),
            _ => ("completed", None),
        };
        assert_eq!((text("end", row).as_deref(), text("reason", row).as_deref()), (Some(end), reason));
        assert_eq!(text("long_poll", row), Some(outcome.long_poll.to_string()));
    }
}

fn any_end() -> impl Strategy<Value = End> {
    prop_oneof![
        4 => Just(End::Completed),
        1 => prop::sample::select(Failure::ALL.to_vec()).prop_map(End::Failed),
        1 => prop::sample::select(Unsendable::ALL.to_vec()).prop_map(|skip| End::Skipped(SkipReason::Content(skip))),
        1 => Just(End::Skipped(SkipReason::Stopped)),
    ]
}

proptest! {
    #[test]
    fn shards_add_up_to_the_whole_run(
        rows in prop::collection::vec((0_u16..5, 0_u64..20, 0_u64..9000, 1_u64..900_000, any_end()), 0..120),
        cut in 0_usize..120,
    ) {
        let all: Vec<Outcome> = rows.into_iter().map(|(e, s, l, t, end)| outcome(e, s, l, t, end)).collect();
        let part = |outcomes: &[Outcome]| {
            let mut recorder = recorder();
            recorder.outcomes(outcomes);
            recorder.finish().0
        };
        let cut = cut.min(all.len());
        let (whole, mut sum) = (part(&all), part(&all[..cut]));
        sum.add(&part(&all[cut..]));
        prop_assert_eq!(&sum.totals, &whole.totals);
        prop_assert_eq!(sum.whole().work, whole.whole().work);
        prop_assert_eq!(sum.whole().polls, whole.whole().polls);
        prop_assert_eq!(&sum.lateness, &whole.lateness);
        let scheduled: u64 = whole.groups.iter().map(|group| group.work.scheduled + group.polls.scheduled).sum();
        prop_assert_eq!(scheduled, whole.totals.scheduled());
        let bytes = whole.lateness.to_bytes();
        prop_assert_eq!(LatencyHistogram::from_bytes(&bytes, whole.lateness.sum_ns()), Some(whole.lateness));
    }
}
