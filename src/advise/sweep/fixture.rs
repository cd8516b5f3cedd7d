//! Simulated plans and sweeps as plain data, for the tests of what is said of them.

use super::model::{Latency, SimulatedPlan, Sweep};
use crate::fixture::ProfileFixture;
use crate::model::{Decision, Meets, Verdict};
use crate::{PlanSummary, ScreenConfig, screen};
use wsim_plan::CheckedPlan;
use wsim_profile::Window;
use wsim_simulate::WakeupSummary;
use wsim_simulate::schedule::GrowthKind;
use wsim_stats::Interval;

/// A plan with these response times, ms; how busy its processes are is made up.
pub(super) fn simulated(plan: CheckedPlan, meets: Meets, mean_ms: f64, p95_ms: f64) -> SimulatedPlan {
    let profile = ProfileFixture::new().class("sync", 0.1, 10).build();
    let summary: PlanSummary = screen::judge(&profile, plan, None, &ScreenConfig::default());
    let [mean, p95] = [mean_ms, p95_ms].map(Interval::exact);
    SimulatedPlan {
        strategy: summary.plan.name.clone(),
        summary: PlanSummary { meets, reason: format!("p95 work is {p95_ms} ms"), ..summary },
        replications: 4,
        capped: false,
        groups: Vec::new(),
        overall: Latency { mean, p50: mean, p95, p99: p95 },
        imbalance: None,
        working: Vec::new(),
        working_from_seconds: 0.0,
        bin_seconds: 1.0,
        rejected_share: 0.0,
        extrapolated_share: 0.0,
        unstable: None,
    }
}

pub(super) fn sweep(candidates: Vec<SimulatedPlan>, recommended: Option<usize>) -> Sweep {
    let window = Window { start_us: 0, end_us: 1 };
    Sweep {
        objective: ScreenConfig::default().objective,
        seed: 1,
        growth: 1.0,
        growth_kind: GrowthKind::default(),
        wakeups: WakeupSummary::default(),
        window,
        peak: window,
        window_note: String::new(),
        requests: 1,
        partial: false,
        replications: 4,
        resampled: true,
        warm_up_seconds: 0.0,
        measured_seconds: 1.0,
        candidates,
        discarded: Vec::new(),
        recommended,
        shown: Some(recommended.unwrap_or(0)),
        runner_up: None,
        comparison: None,
        limits: Vec::new(),
        levers: Vec::new(),
        growth_steps: Vec::new(),
        sensitivity: Vec::new(),
        verdict: Verdict { decision: Decision::Unknown, text: String::new() },
        reasons: Vec::new(),
        assumptions: Vec::new(),
    }
}
