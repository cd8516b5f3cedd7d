//! A sweep derived from the fixture of the analysis, hostile names included.

use super::model::SimulationReport;
use crate::analysis::fixture;
use wsim_advise::sweep::{Comparison, DiscardedPlan, Imbalance, Latency, SimulatedGroup, SimulatedPlan, StressCase, Sweep};
use wsim_advise::{Decision, Meets, PlanSummary, ProcessSummary, Verdict};
use wsim_profile::Window;
use wsim_simulate::backtest::{Backtest, ComparedFigure, Figure};
use wsim_stats::Interval;

/// A sweep with a recommendation and a back-test.
pub(crate) fn report() -> SimulationReport {
    let analysis = fixture::report();
    let candidates: Vec<SimulatedPlan> = analysis.advice.candidates.iter().map(simulated).collect();
    let recommended = candidates.iter().position(|candidate| candidate.summary.meets == Meets::Yes).unwrap();
    let window =
        Window { start_us: analysis.profile.peaks.busy_hour.window.start_us, end_us: analysis.profile.peaks.busy_hour.window.end_us };
    let sweep = Sweep {
        objective: "p95 work < 500ms, busy < 70%".parse().unwrap(),
        seed: 7,
        growth: 1.0,
        growth_kind: wsim_simulate::schedule::GrowthKind::Rooms,
        wakeups: wsim_simulate::WakeupSummary::default(),
        window,
        peak: analysis.profile.peaks.five_minutes.window,
        window_note: "the busiest hour by CPU demand, with its lead-in".to_owned(),
        requests: 124_331,
        partial: false,
        replications: 40,
        resampled: true,
        warm_up_seconds: 300.0,
        measured_seconds: 3300.0,
        recommended: Some(recommended),
        shown: Some(recommended),
        runner_up: Some(recommended + 1),
        comparison: Some(Comparison {
            mean_ms: Interval::new(-4.0, -6.0, -2.0),
            p95_ms: Interval::new(-20.0, -31.0, -9.0),
            busy: Interval::new(-0.05, -0.06, -0.04),
            indistinguishable: false,
        }),
        growth_steps: vec![case("load × 1.25", 1.25, Meets::Yes), unstable_case("load × 1.5", 1.5)],
        sensitivity: vec![case("CPU demand × 0.5", 0.5, Meets::Yes), case("CPU demand × 2", 2.0, Meets::No)],
        verdict: Verdict {
            decision: Decision::AddWorkers,
            text: "Main process and 2 workers (sync-split 2), keyed by user, keeps to p95 work < 500ms, busy < 70%.".to_owned(),
        },
        reasons: vec![
            "At the Monday 2026-11-02 09:05 UTC peak the busiest process, main, is 61 % busy (58–64 %).".to_owned(),
            "What breaks first when load grows: at 1.5 times main is 84 % busy; @<script>alert(1)</script>:evil.example is in it."
                .to_owned(),
        ],
        assumptions: vec!["Seed 7.".to_owned()],
        discarded: vec![DiscardedPlan {
            plan: "monolith".to_owned(),
            workers: 0,
            balance: "none".to_owned(),
            why: "overloaded by the utilisation law: main is at least 88 % busy".to_owned(),
            overloaded: true,
        }],
        limits: analysis.advice.limits.clone(),
        levers: analysis.advice.levers.clone(),
        candidates,
    };
    let compared = |name: &str, figure, observed: f64, predicted: f64, limit: f64| ComparedFigure {
        name: name.to_owned(),
        figure,
        requests: 1_200,
        observed,
        predicted: Interval::new(predicted, predicted * 0.97, predicted * 1.03),
        error: predicted / observed - 1.0,
        limit,
        counts: true,
    };
    let backtest = Backtest {
        evaluated: vec![window],
        throughput: compared("all", Figure::Throughput, 34.0, 34.2, 0.1),
        processes: vec![compared("main", Figure::Utilisation, 0.61, 0.58, 0.1)],
        groups: vec![compared("sync", Figure::WorkP50, 12.0, 11.0, 0.3), compared("sync", Figure::WorkP95, 80.0, 120.0, 0.3)],
        passed: false,
        notes: vec!["two spans of 1800 s, each predicted with what the other one taught".to_owned()],
    };
    SimulationReport { analysis, sweep, backtest: Some(backtest), backtest_note: None }
}

/// Nothing meets, no back-test, interrupted.
pub(crate) fn out_of_reach() -> SimulationReport {
    let mut report = report();
    report.sweep.recommended = None;
    report.sweep.runner_up = None;
    report.sweep.comparison = None;
    report.sweep.growth_steps.clear();
    report.sweep.partial = true;
    report.sweep.verdict = Verdict {
        decision: Decision::NoPlanMeets,
        text: "No simulated plan keeps to p95 work < 1ms; the nearest is generic 8.".to_owned(),
    };
    for candidate in &mut report.sweep.candidates {
        candidate.summary.meets = Meets::No;
    }
    report.backtest = None;
    report.backtest_note = Some("the log is too short for a back-test: 12 s are left, at least 20 are needed".to_owned());
    report
}

/// The largest number of plans and groups that a report must be able to show.
pub(crate) fn large() -> SimulationReport {
    let mut report = report();
    let plans = report.sweep.candidates.clone();
    report.sweep.candidates = (0..48).map(|index| plans[index % plans.len()].clone()).collect();
    for candidate in &mut report.sweep.candidates {
        let group = candidate.groups[0].clone();
        candidate.groups = (0..100).map(|index| SimulatedGroup { id: format!("{}_{index}", group.id), ..group.clone() }).collect();
    }
    report.analysis = fixture::large();
    report
}

fn simulated(candidate: &PlanSummary) -> SimulatedPlan {
    let busiest = candidate.processes.iter().map(|process| process.peak.value).fold(0.0, f64::max);
    let around = |value: f64| Interval::new(value, value * 0.95, value * 1.06);
    let scale = 1.0 / (1.05 - busiest.min(1.0));
    let latency = Latency { mean: around(9.0 * scale), p50: around(5.0 * scale), p95: around(40.0 * scale), p99: around(95.0 * scale) };
    let strategy = candidate.plan.name.rsplit_once(' ').map_or(candidate.plan.name.as_str(), |(name, _)| name).to_owned();
    SimulatedPlan {
        summary: PlanSummary {
            processes: candidate
                .processes
                .iter()
                .map(|process| ProcessSummary { mean: Some(process.peak.scaled(0.9)), limit: None, ..process.clone() })
                .collect(),
            ..candidate.clone()
        },
        strategy,
        replications: 40,
        capped: busiest > 0.9,
        groups: ["sync", "federation_send", "event_sending"]
            .map(|id| SimulatedGroup { id: id.to_owned(), requests: 4_321, latency_ms: latency, logged_ms: None, db_wait_ms: None })
            .into(),
        overall: latency,
        imbalance: (candidate.workers > 1).then(|| Imbalance { pool: "sync".to_owned(), factor: around(1.4) }),
        working: (0..240).map(|bin| scale * (1.0 + f64::from(bin) / 50.0 % 2.0)).collect(),
        working_from_seconds: 300.0,
        bin_seconds: 15.0,
        rejected_share: 0.0,
        extrapolated_share: 0.0,
        unstable: None,
    }
}

fn case(name: &str, factor: f64, meets: Meets) -> StressCase {
    StressCase {
        name: name.to_owned(),
        factor,
        meets,
        reason: "main process 84 % busy (80–88 %), over 70 %".to_owned(),
        busy: Interval::new(0.84, 0.8, 0.88),
        busiest: "main".to_owned(),
        p95_ms: Some(Interval::new(120.0, 110.0, 131.0)),
        stable: true,
    }
}

fn unstable_case(name: &str, factor: f64) -> StressCase {
    StressCase {
        p95_ms: None,
        stable: false,
        reason: "not stable: work piles up at main's database connections".to_owned(),
        ..case(name, factor, Meets::No)
    }
}
