//! `wsim analyse` and `wsim simulate` share one model of what request lines do not show, so on the same log their figures agree within
//! their ranges.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Run, sample};
use wsim::plan::Preset;

/// Value and bounds of a figure.
fn bounds(interval: &Value) -> [f64; 3] {
    ["low", "value", "high"].map(|name| interval[name].as_f64().unwrap())
}

/// Peaks of a plan's processes by pool, busiest first: an estimate knows how busy the busiest of a keyed pool is, not which it will be.
fn peaks(candidate: &Value, figure: &str) -> BTreeMap<String, Vec<[f64; 3]>> {
    let mut pools: BTreeMap<String, Vec<[f64; 3]>> = BTreeMap::new();
    for process in candidate["processes"].as_array().unwrap() {
        let pool = process["pool"].as_str().or(process["name"].as_str()).unwrap();
        pools.entry(pool.to_owned()).or_default().push(bounds(&process[figure]));
    }
    for processes in pools.values_mut() {
        processes.sort_by(|a, b| b[1].total_cmp(&a[1]));
    }
    pools
}

/// Runs both commands on logs with standard plans of up to three workers, and compares every process of every plan. `part` of `parts` of the
/// standard plans are tried.
fn agree(logs: &[&str], options: &[&str], (part, parts): (usize, usize)) {
    let logs: Vec<String> = logs.iter().map(|log| sample(log)).collect();
    let arguments: Vec<&str> = logs.iter().map(String::as_str).chain(options.iter().copied()).collect();
    let analysis = Run::analyse(&arguments).json();
    // Presets that are made for more workers are left out.
    let presets = Preset::all().iter().filter(|preset| *preset.workers.start() <= 3).skip(part).step_by(parts);
    let plans: Vec<&str> = presets.flat_map(|preset| ["--plan", preset.name]).collect();
    let settings = ["--workers", "1..3", "--replications", "4", "--no-backtest"];
    let run = Run::of("simulate", &[&arguments[..], &plans, &settings].concat());
    let simulation = run.json();
    let estimates = analysis["candidates"].as_array().unwrap();
    let mut compared = 0;
    for simulated in simulation["candidates"].as_array().unwrap() {
        let name = simulated["plan"].as_str().unwrap();
        let estimated = estimates.iter().find(|estimated| estimated["plan"] == simulated["plan"]).unwrap_or_else(|| panic!("{name}"));
        let (ours, theirs) = (peaks(estimated, "utilisation"), peaks(simulated, "peak"));
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{name}");
        for (pool, processes) in &ours {
            for (estimate, simulation) in processes.iter().zip(&theirs[pool]) {
                let [low, _, high] = estimate;
                assert!(*low <= simulation[2] && simulation[0] <= *high, "{name}, {pool}: {estimate:?} and {simulation:?}");
                compared += 1;
            }
        }
        // The simulation's range is not the noise of its replications alone.
        let main = bounds(&simulated["processes"][0]["peak"]);
        assert!(main[2] > main[1] * 1.02, "{name}: {main:?}");
    }
    assert!(compared > 40 / parts, "{compared}");
}

macro_rules! agreement {
    ($($test:ident: $log:literal;)+) => { $(#[test] fn $test() { agree(&[$log], &[], (0, 1)) })+ };
}

agreement! {
    apache_combined: "apache-combined.log";
    apache_timed: "apache-timed.log";
    caddy: "caddy.log";
    haproxy: "haproxy.log";
    nginx_combined: "nginx-combined.log";
    nginx_json: "nginx.json.log";
    nginx_rich: "nginx-rich.log";
    one_worker: "one-worker";
    synapse_terse: "synapse-terse.json.log";
    traefik: "traefik.log";
    traefik_json: "traefik.json.log";
}

// In parts, so that each test is quick.
#[test]
fn cluster_first_third() {
    agree(&["cluster"], &[], (0, 3));
}

#[test]
fn cluster_second_third() {
    agree(&["cluster"], &[], (1, 3));
}

#[test]
fn cluster_third_third() {
    agree(&["cluster"], &[], (2, 3));
}

#[test]
fn one_worker_with_process_cpu() {
    let logs = ["nginx-rich", "synapse-main", "synapse-generic_worker1", "synapse-event_persister1", "synapse-stream_writer1"];
    let logs = logs.map(|name| format!("one-worker/{name}.log.gz"));
    agree(&logs.each_ref().map(String::as_str), &["--process-cpu", &sample("one-worker/process-cpu.csv")], (0, 1));
}

#[test]
fn both_commands_withhold_the_verdict_on_the_log_of_one_process_of_several() {
    for log in ["synapse-main.log", "synapse-worker.log"] {
        let log = sample(log);
        let analysis = Run::analyse(&[&log]).json();
        let simulation = Run::of("simulate", &[log.as_str(), "--plan", "monolith", "--replications", "2", "--no-backtest"]).json();
        for report in [&analysis, &simulation] {
            assert!(report["recommended"].is_null(), "{}", report["verdict"]);
            assert!(report["verdict"].to_string().contains("No verdict"), "{}", report["verdict"]);
        }
    }
}

#[test]
fn the_simulated_range_of_inferred_demand_is_as_wide_as_that_of_the_estimate() {
    let log = sample("cluster/nginx-rich.log.gz");
    let analysis = Run::analyse(&[log.as_str()]).json();
    let simulation = Run::of("simulate", &[log.as_str(), "--plan", "monolith", "--replications", "2", "--no-backtest"]).json();
    let estimated = bounds(&analysis["candidates"][0]["processes"][0]["utilisation"]);
    let simulated = bounds(&simulation["candidates"][0]["processes"][0]["peak"]);
    let width = |[low, _, high]: [f64; 3]| high / low;
    assert!(width(estimated) > 3.0 && width(simulated) > 0.8 * width(estimated), "{estimated:?} and {simulated:?}");
    let p95 = bounds(&simulation["candidates"][0]["latency_ms"]["p95"]);
    assert!(p95[2] > p95[1], "response times carry the range too: {p95:?}");
}

#[test]
fn a_log_of_some_requests_does_not_make_the_others_certain() {
    // The main process logs no sync, and sync is most of the demand.
    let (proxy, main) = (sample("cluster/nginx-rich.log.gz"), sample("cluster/synapse-main.log.gz"));
    let demand = |logs: &[&str]| Run::analyse(logs).json()["demand"].clone();
    let (inferred, mixed) = (demand(&[&proxy]), demand(&[&proxy, &main]));
    let range = |demand: &Value| bounds(&demand["range"]);
    assert_eq!(range(&inferred), [0.5, 1.0, 2.0]);
    assert!(range(&mixed)[0] < 0.75 && range(&mixed)[2] > 1.5, "{mixed}");
    assert_ne!(mixed["method"], "logged", "{mixed}");
    assert!(mixed["note"].as_str().unwrap().contains("of the demand, and inferred for the rest"), "{mixed}");
}

#[test]
fn mean_and_peaks_are_of_one_whole() {
    for log in ["cluster", "one-worker"] {
        let report = Run::analyse(&[sample(log)]).json();
        let cores = |span: &str| report["peaks"][span]["cores"].as_f64().unwrap();
        // Both logs are shorter than five minutes, so their mean is that of the busiest five minutes and of the busiest hour.
        assert!((cores("five_minutes") / cores("mean") - 1.0).abs() < 1e-6, "{log}: {}", report["peaks"]);
        assert!((cores("busy_hour") / cores("mean") - 1.0).abs() < 1e-6, "{log}: {}", report["peaks"]);
        assert!(cores("one_minute") >= cores("mean"), "{log}: {}", report["peaks"]);
        // The table's rows add up to the same CPU.
        let (all, seconds) = (report["cpu_seconds"].as_f64().unwrap(), report["window"]["seconds"].as_f64().unwrap());
        assert!((cores("mean") * seconds / all - 1.0).abs() < 1e-6, "{log}: {all} s and {}", report["peaks"]);
    }
}
