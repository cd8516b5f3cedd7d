//! Runs as the other commands write them, hostile names included.

use super::{ComparisonReport, Run, read};
use crate::exporter::Report;
use crate::{analysis as analysis_report, replay, simulation};

fn analysis(name: &str) -> Run {
    read(name, &analysis_report::fixture::report().json().unwrap(), None).unwrap()
}

pub(super) fn simulated(name: &str) -> Run {
    read(name, &simulation::fixture::report().json().unwrap(), None).unwrap()
}

pub(super) fn replayed(name: &str) -> Run {
    read(name, &replay::fixture::report().json().unwrap(), None).unwrap()
}

fn comparison(runs: Vec<Run>) -> ComparisonReport {
    ComparisonReport::new("0.1.0".to_owned(), "2026-11-27T10:00:00Z".to_owned(), "wsim report a b".to_owned(), runs)
}

/// Before and after: half the requests, and a p95 of sync 1.5 times as long.
pub(crate) fn change() -> ComparisonReport {
    let mut after = analysis("reports/<b>tuesday</b>");
    for group in &mut after.groups {
        group.requests /= 2;
        if let ("sync", Some(p95)) = (group.id.as_str(), &mut group.service_ms.p95) {
            *p95 = p95.scaled(1.5);
            group.p95_bounds = group.p95_bounds.map(|bounds| bounds.scaled(1.5));
        }
    }
    comparison(vec![analysis("reports/monday"), after])
}

/// Predicted and measured: enough requests of sync with a predicted median that is 30 % too high, and hardly any requests of other groups.
pub(crate) fn prediction() -> ComparisonReport {
    let simulation = simulated("reports/simulation");
    let mut replay = replayed("reports/replay");
    if let Some(group) = replay.groups.iter_mut().find(|group| group.id == "sync") {
        group.requests = 4_000;
        let predicted = simulation.groups.iter().find(|group| group.id == "sync").unwrap().service_ms;
        group.service_ms.p50 = predicted.p50.map(|p50| p50.scaled(1.0 / 1.3));
        group.service_ms.p95 = predicted.p95;
    }
    comparison(vec![simulation, replay])
}

/// A baseline and two other runs, one of them void.
pub(crate) fn several() -> ComparisonReport {
    let void = read("reports/void", &replay::fixture::void().json().unwrap(), None).unwrap();
    comparison(vec![replayed("reports/first"), replayed("reports/second"), void])
}
