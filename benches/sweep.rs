//! The duration of a whole sweep: an hour with a million requests, six balancing rules, one to eight workers, ten replications.
//!
//! `cargo bench --bench sweep` takes minutes; `-- small` uses a tenth of the requests. `-- figures` prints a hash of all figures of sixteen runs
//! instead, for a change that must not change any: the observed and a resampled traffic under eight rules and numbers of workers. The traffic is that of `samples/cluster`, whose users are
//! copied under other names until there are enough requests, spread over an hour. Every candidate runs every replication: none is screened out or
//! stopped early. A single worker is one candidate for all rules, as in `wsim simulate`.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::time::Instant;

use wsim::advise::sweep::candidates::{BalanceRule, apply_rules, preset_trials};
use wsim::endpoints::{Classifier, ClassifierConfig, table_for};
use wsim::logs::detect::DetectConfig;
use wsim::logs::source;
use wsim::plan::{Preset, PresetConfig};
use wsim::profile::{ProfileInputs, Profiler, ProfilerConfig};
use wsim::simulate::deploy::Deployment;
use wsim::simulate::prepare::{PrepareConfig, PreparedWorkload};
use wsim::simulate::replications::{Candidate, ReplicationConfig, Scenario};
use wsim::simulate::time::Span;
use wsim::trace::ingest::{self, Progress};
use wsim::trace::{NameId, Request, Trace, flag};

#[expect(clippy::print_stdout, reason = "the result of the benchmark")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let is_small = std::env::args().any(|word| word == "small" || word == "figures");
    let requests = if is_small { REQUESTS / 10 } else { REQUESTS };
    let threads = std::thread::available_parallelism()?.get();
    let choice = table_for(None)?;
    let classifier = Classifier::new(&choice.table, &ClassifierConfig::default())?;
    let sample = sample(&classifier)?;
    let trace = one_hour(&sample, requests);
    let endpoints = classifier.endpoints();
    let mut profiler = Profiler::new(&ProfilerConfig::new(endpoints.to_vec()));
    trace.requests().for_each(|request| profiler.observe(&request, &trace.names));
    profiler.forget(&trace.names);
    let profile = profiler.finish(&ProfileInputs::default());
    let prepared = PreparedWorkload::new(&trace, endpoints, &profile, profile.window, &PrepareConfig::default());
    let bytes = size_of_val(prepared.workload.records.as_slice()) as f64 / prepared.workload.records.len() as f64;

    let rules = RULES.iter().map(|rule| BalanceRule::parse(rule)).collect::<Result<Vec<_>, _>>()?;
    let (trials, _) = apply_rules(preset_trials(Preset::find("generic")?, &(1..=8), &PresetConfig::default()), &rules);
    let deployments = trials
        .iter()
        .filter(|t| t.plan.worker_count() > 0)
        .map(|t| Deployment::from_plan(&t.plan, endpoints, &prepared))
        .collect::<Result<Vec<_>, _>>()?;
    let candidates: Vec<Candidate<'_>> =
        deployments.iter().map(|deployment| Candidate { topology: &deployment.topology, routers: &deployment.routers }).collect();

    let config = ReplicationConfig { threads, ..ReplicationConfig::default() };
    let scenario = Scenario {
        workload: &prepared.workload,
        growth: 1.0,
        costs: &prepared.costs,
        seed: 1,
        config,
        stop: &wsim::simulate::NEVER_STOPPED,
    };
    if std::env::args().any(|word| word == "figures") {
        let chosen: Vec<Candidate<'_>> = candidates.iter().step_by(candidates.len() / 8).take(8).copied().collect();
        let runs = scenario.run_replications(&chosen, 0..2, Span::from_millis(300_000), |_, run| format!("{run:?}"))?;
        let mut hasher = std::hash::DefaultHasher::new();
        runs.iter().for_each(|(_, figures)| figures.hash(&mut hasher));
        println!("{} runs: {:016x}", runs.len(), hasher.finish());
        return Ok(());
    }
    let started = Instant::now();
    let runs = scenario
        .run_replications(&candidates, 0..REPLICATIONS, Span::from_millis(300_000), |_, run| (run.started, run.queue_events, lap()))?;
    let seconds = started.elapsed().as_secs_f64();
    let (requests, events) = runs.iter().fold((0, 0), |(requests, events), (_, run)| (requests + run.0, events + run.1));
    println!(
        "{} records of {bytes:.0} bytes over {:.0} s, {} candidates, {REPLICATIONS} replications, {threads} threads",
        prepared.workload.records.len(),
        prepared.workload.span.seconds(),
        candidates.len()
    );
    println!(
        "{seconds:.1} s for {:.0} million requests and {:.0} million events: {:.2} million requests, {:.1} million events a second and thread",
        requests as f64 / 1e6,
        events as f64 / 1e6,
        requests as f64 / 1e6 / seconds / threads as f64,
        events as f64 / 1e6 / seconds / threads as f64
    );
    let counts: Vec<u32> = trials.iter().map(|trial| trial.plan.worker_count()).filter(|&count| count > 0).collect();
    let mut by_count: BTreeMap<u32, (u32, u64, f64)> = BTreeMap::new();
    for (candidate, run) in &runs {
        let sum = by_count.entry(counts[*candidate]).or_default();
        *sum = (sum.0 + 1, sum.1 + run.1, sum.2 + run.2);
    }
    for (workers, (runs, events, seconds)) in by_count {
        println!(
            "{workers} workers: {runs} runs, {seconds:.0} s of a thread, {:.1} million events a second",
            events as f64 / 1e6 / seconds
        );
    }
    Ok(())
}

/// Seconds since the last call on this thread, which runs one candidate after the other.
fn lap() -> f64 {
    thread_local!(static LAST: std::cell::Cell<Instant> = std::cell::Cell::new(Instant::now()));
    LAST.with(|last| last.replace(Instant::now()).elapsed().as_secs_f64())
}

/// The requests of `samples/cluster`.
fn sample(classifier: &Classifier) -> Result<Trace, Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/cluster");
    let sources = source::expand(&[folder.display().to_string()])?.sources;
    let config = ingest::IngestConfig {
        detect: DetectConfig::default(),
        from_us: None,
        to_us: None,
        seed: 1,
        dedupe: false,
        hosts: Vec::new(),
        threads: 2,
    };
    ingest::into_trace(&sources, &config, classifier, &Progress::default())?.trace.ok_or_else(|| "no trace".into())
}

/// An hour with the given number of requests: copies of the sample, each with its own users and rooms, shifted evenly over the hour.
fn one_hour(sample: &Trace, requests: usize) -> Trace {
    let rows: Vec<Request> = sample.requests().collect();
    let first = rows.first().map_or(0, |row| row.arrival_us);
    let mut trace = Trace::new();
    // The sample's names keep their ids; the names of copies follow.
    let texts: Vec<Vec<u8>> =
        (0..u32::try_from(sample.names.len()).unwrap_or(0)).map(|id| sample.names.text(NameId(id)).as_bytes().to_vec()).collect();
    for text in texts.iter().skip(1) {
        trace.names.intern(text);
    }
    // Requests between processes are needed only once, to estimate the cost of a hop.
    let clients = rows.iter().filter(|row| !row.has(flag::INTERNAL)).count();
    let copies = requests.div_ceil(clients);
    let mut remaining = requests;
    for copy in 0..copies {
        let copied_name = |trace: &mut Trace, id: NameId| match (copy, texts.get(id.0 as usize)) {
            (0, _) | (_, None) => id,
            _ if !id.is_some() => id,
            (_, Some(text)) => trace.names.intern(&[text, b"~".as_slice(), copy.to_string().as_bytes()].concat()),
        };
        let shift_us = HOUR_US * i64::try_from(copy).unwrap_or(0) / i64::try_from(copies).unwrap_or(1);
        for row in rows.iter().filter(|row| copy == 0 || !row.has(flag::INTERNAL)) {
            if remaining == 0 {
                break;
            }
            remaining -= usize::from(!row.has(flag::INTERNAL));
            let offset_us = (row.arrival_us - first + shift_us).rem_euclid(HOUR_US);
            let user = copied_name(&mut trace, row.user);
            let room = copied_name(&mut trace, row.room);
            let peer = copied_name(&mut trace, row.peer);
            trace.push(Request { arrival_us: first + offset_us, user, room, peer, ..*row });
        }
    }
    trace.seal();
    trace
}

const RULES: [&str; 6] = ["round robin", "least_conn", "hash consistent by user", "ip_hash", "random", "random two least_conn"];
const REPLICATIONS: u32 = 10;
const REQUESTS: usize = 1_000_000;
const HOUR_US: i64 = 3_600_000_000;
