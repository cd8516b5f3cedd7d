//! What woke the long polls of a real cluster, from Synapse's logs and from the proxy's alone.
//!
//! `samples/cluster` holds the logs of all writers, so that the cause of nearly every poll is known to the millisecond. With the log of nginx
//! alone only the positions in the URLs tell, and the herds must come out the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Run, sample};
use wsim::trace::{Request, flag};

/// The requests of a run's trace.
fn trace(run: &Run) -> Vec<Request> {
    let (trace, _) = wsim::parquet::read(&run.folder().join("trace.parquet")).unwrap_or_else(|error| panic!("{error}: {}", run.stderr()));
    trace.requests().collect()
}

fn is_answered(request: &Request) -> bool {
    request.has(flag::LONG_POLL) && !request.timed_out()
}

/// Synapse's logs of the sample.
fn synapse_logs() -> Vec<String> {
    let processes = ["main", "generic_worker1", "generic_worker2", "stream_writer1", "event_persister1", "media_worker1"];
    processes.iter().map(|process| sample(&format!("cluster/synapse-{process}.log.gz"))).collect()
}

/// One worker's log with that of the writer of events: a part of the cluster, as small as a quick test needs.
fn worker_logs() -> Vec<String> {
    ["generic_worker1", "event_persister1"].iter().map(|process| sample(&format!("cluster/synapse-{process}.log.gz"))).collect()
}

#[test]
fn nearly_every_wake_up_of_a_real_cluster_has_a_cause() {
    let requests = trace(&Run::analyse(&synapse_logs()));
    let answered: Vec<&Request> = requests.iter().filter(|request| is_answered(request)).collect();
    let known: Vec<&Request> = answered.iter().copied().filter(|request| request.news != 0).collect();
    // From the news to the answer, of polls that waited for it.
    let parked: Vec<&Request> = known.iter().copied().filter(|request| request.woken_us > 0).collect();
    let mut delays_ms: Vec<u32> = parked.iter().map(|request| (request.wall_us - request.woken_us) / 1000).collect();
    delays_ms.sort_unstable();
    let herds = |polls: &[&Request]| polls.iter().map(|request| request.news).collect::<BTreeSet<u32>>();
    let mut streams = BTreeMap::new();
    known.iter().for_each(|request| *streams.entry(request.news_stream).or_insert(0) += 1);
    // The requests that made the news.
    let made = requests.iter().filter(|request| !request.has(flag::LONG_POLL) && request.news != 0);
    let made: BTreeSet<u32> = made.map(|request| request.news).collect();
    let with_writer = known.iter().filter(|request| made.contains(&request.news)).count();
    let figures = format!(
        "{} answered, {} known, {} by a request; {} parked in {} herds of {}; {} ms in the median, {} % within 300 ms; by stream {streams:?}",
        answered.len(),
        known.len(),
        with_writer,
        parked.len(),
        herds(&parked).len(),
        herds(&known).len(),
        delays_ms[delays_ms.len() / 2],
        delays_ms.partition_point(|ms| *ms < 300) * 100 / delays_ms.len(),
    );
    assert_eq!(
        figures,
        "5421 answered, 5379 known, 3826 by a request; 4366 parked in 792 herds of 846; 59 ms in the median, 93 % within 300 ms; by stream {1: 2213, 2: 1245, 3: 1028, 4: 635, 5: 37, 6: 2, 7: 24, 8: 195}"
    );
}

#[test]
fn the_herds_are_found_in_the_log_of_the_proxy_alone() {
    let proxy = sample("cluster/nginx-rich.log.gz");
    let both = trace(&Run::analyse(&[synapse_logs(), vec![proxy.clone()]].concat()));
    let alone = trace(&Run::analyse(&[proxy]));
    // The polls of both traces by the proxy's id.
    let news = |requests: &[Request]| -> BTreeMap<u64, u32> {
        let polls = requests.iter().filter(|request| request.has(flag::PROXY) && is_answered(request));
        polls.filter(|request| request.news != 0).map(|request| (request.request_id, request.news)).collect()
    };
    let (both, alone) = (news(&both), news(&alone));
    let common: Vec<u64> = both.keys().filter(|id| alone.contains_key(id)).copied().collect();
    assert!(common.len() * 100 >= both.len() * 90, "{} of {} polls have a cause in the proxy's log alone", common.len(), both.len());
    let pairs = |news: &BTreeMap<u64, u32>| -> BTreeSet<(u64, u64)> {
        let mut herds: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        common.iter().for_each(|id| herds.entry(news[id]).or_default().push(*id));
        herds.values().flat_map(|herd| herd.iter().flat_map(|a| herd.iter().filter(move |b| a < b).map(|b| (*a, *b)))).collect()
    };
    let (of_both, of_alone) = (pairs(&both), pairs(&alone));
    let shared = of_both.intersection(&of_alone).count();
    assert!(shared * 100 >= of_both.len() * 85, "{shared} of {} pairs are together", of_both.len());
    assert!(shared * 100 >= of_alone.len() * 85, "{shared} of {} pairs belong together", of_alone.len());
}

#[test]
fn a_trace_and_its_anonymous_copy_keep_the_causes() {
    let run = Run::analyse(&worker_logs());
    let file = run.folder().join("trace.parquet").to_string_lossy().into_owned();
    let causes = |requests: Vec<Request>| requests.iter().map(|r| (r.news, r.news_stream, r.woken_us)).collect::<Vec<_>>();
    let before = causes(trace(&run));
    assert!(before.iter().any(|(news, ..)| *news != 0));
    assert_eq!(causes(trace(&Run::analyse(std::slice::from_ref(&file)))), before);
    assert_eq!(causes(trace(&Run::analyse(&[file, "--anonymise".to_owned()]))), before);
}

#[test]
fn a_simulation_says_what_it_knows_of_the_causes_and_what_grows() {
    let arguments = [
        worker_logs(),
        ["--plan", "generic:1", "--replications", "2", "--no-backtest", "--growth", "people=1.25"].map(str::to_owned).into(),
    ];
    let report = Run::of("simulate", &arguments.concat()).json();
    assert_eq!((&report["growth"], &report["growth_kind"]), (&1.25.into(), &"people".into()));
    let of = |key: &str| report["wakeups"][key].as_u64().unwrap();
    assert!(of("known") * 100 >= of("answered") * 95 && of("by_request") <= of("known") && of("herds") > 0, "{}", report["wakeups"]);
    let notes: Vec<&str> = report["assumptions"].as_array().unwrap().iter().filter_map(|note| note.as_str()).collect();
    assert!(notes.iter().any(|note| note.contains("have a known cause (events")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("Load × 1.2: more people in the same rooms")), "{notes:?}");
}
