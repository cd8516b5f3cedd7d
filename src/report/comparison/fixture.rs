//! Runs as the other commands leave them: hostile names included.

use super::{ComparisonReport, Run, read};
use crate::{replay, simulation};

fn analysis(name: &str) -> Run {
    read(name, &crate::json(&crate::fixture::report()).unwrap(), None).unwrap()
}

pub(super) fn simulated(name: &str) -> Run {
    read(name, &simulation::json(&simulation::fixture::report()).unwrap(), None).unwrap()
}

pub(super) fn replayed(name: &str) -> Run {
    read(name, &replay::json(&replay::fixture::report()).unwrap(), None).unwrap()
}

fn of(runs: Vec<Run>) -> ComparisonReport {
    ComparisonReport::new("0.1.0".to_owned(), "2026-11-27T10:00:00Z".to_owned(), "wsim report a b".to_owned(), runs)
}

/// Before and after: half the requests, sync half as slow again.
pub(crate) fn change() -> ComparisonReport {
    let mut after = analysis("reports/<b>tuesday</b>");
    for group in &mut after.groups {
        group.requests /= 2;
        if let ("sync", Some(p95)) = (group.id.as_str(), &mut group.service_ms.p95) {
            *p95 = p95.scaled(1.5);
        }
    }
    of(vec![analysis("reports/monday"), after])
}

/// Predicted and measured: 4,321 requests of sync and 30 % too high at the median, and hardly any of the others.
pub(crate) fn prediction() -> ComparisonReport {
    let simulation = simulated("reports/simulation");
    let mut replay = replayed("reports/replay");
    if let Some(group) = replay.groups.iter_mut().find(|group| group.id == "sync") {
        group.requests = 4_000;
        let predicted = simulation.groups.iter().find(|group| group.id == "sync").unwrap().service_ms;
        group.service_ms.p50 = predicted.p50.map(|one| one.scaled(1.0 / 1.3));
        group.service_ms.p95 = predicted.p95;
    }
    of(vec![simulation, replay])
}

/// A baseline and two others, one of them void.
pub(crate) fn several() -> ComparisonReport {
    let void = read("reports/void", &replay::json(&replay::fixture::void()).unwrap(), None).unwrap();
    of(vec![replayed("reports/first"), replayed("reports/second"), void])
}
