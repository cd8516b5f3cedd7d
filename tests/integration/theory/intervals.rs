//! Prediction intervals on generated traffic, of which the truth is known: what is measured afterwards lies inside them as often as they say.

use wsim::simulate::NEVER_STOPPED;
use wsim::simulate::replications::{Candidate, ReplicationConfig, Scenario};
use wsim::simulate::result::RunResult;
use wsim::simulate::router::{RandomServer, Router};
use wsim::simulate::theory::Synthetic;
use wsim::simulate::time::Span;
use wsim::simulate::topology::{Costs, Topology};
use wsim::simulate::uncertainty::Uncertainty;
use wsim::simulate::workload::Workload;
use wsim::stats::student_t;

use super::fewest_covering;

/// Deviation of the level of CPU from run to run.
const LEVEL: f64 = 0.065;
/// Logs that are predicted from.
const TRIALS: u64 = 60;
const WARM_UP: Span = Span::from_millis(5_000);

/// Traffic of a minute at half of a process.
fn traffic(seed: u64) -> Workload {
    let synthetic: Synthetic = "poisson rate=25 service=exp:20ms".parse().unwrap();
    synthetic.workload(Span::from_millis(65_000), seed)
}

fn runs(workload: &Workload, replications: u32, uncertainty: Uncertainty, seed: u64) -> Vec<RunResult> {
    let topology = Topology::one_pool(1);
    let routers = |_: usize, _: usize, _: u64| -> Box<dyn Router> { Box::new(RandomServer) };
    let config = ReplicationConfig { uncertainty, ..ReplicationConfig::default() }.with_fixed_count(replications);
    let scenario = Scenario { workload, growth: 1.0, costs: &Costs::LOGGED, seed, config, stop: &NEVER_STOPPED };
    let mut runs = [Vec::new()];
    let candidate = Candidate { topology: &topology, routers: &routers };
    scenario.replicate(&[candidate], &mut runs, WARM_UP, |_, run| run, |_| true).unwrap();
    let [runs] = runs;
    runs
}

/// How many of the logs' intervals hold what another run shows, by figure. `known` are the uncertainties that the prediction knows of.
fn held(known: Uncertainty) -> [usize; 3] {
    let figures: [fn(&RunResult) -> f64; 3] =
        [|run| run.processes[0].utilisation, |run| run.overall().quantile_ms(0.5), |run| run.overall().quantile_ms(0.95)];
    let mut held = [0; 3];
    for trial in 0..TRIALS {
        let predicted = runs(&traffic(trial), 10, known, trial);
        // Another minute of the same users on another day: the second replication has a level of its own.
        let measured = &runs(&traffic(trial + 1000), 2, Uncertainty { cpu: LEVEL, ..Uncertainty::NONE }, trial + 1000)[1];
        for (count, figure) in held.iter_mut().zip(figures) {
            let interval = student_t::prediction_interval(&predicted.iter().map(figure).collect::<Vec<_>>(), 0.95);
            *count += usize::from((interval.low..=interval.high).contains(&figure(measured)));
        }
    }
    held
}

#[test]
fn intervals_hold_what_another_run_shows_if_all_that_is_uncertain_is_drawn() {
    let held = held(Uncertainty { cpu: LEVEL, ..Uncertainty::NONE });
    // A log of a minute is a sample itself, which resampling shows only in part: of 95 intervals in a hundred a few are missing.
    let enough = fewest_covering(usize::try_from(TRIALS).unwrap()) - 3;
    assert!(held.iter().all(|count| *count >= enough), "{held:?} of {TRIALS}, at least {enough}");
}

#[test]
fn parameters_that_are_taken_for_known_make_intervals_too_narrow() {
    let [utilisation, ..] = held(Uncertainty::NONE);
    assert!(utilisation * 10 < usize::try_from(TRIALS).unwrap() * 9, "{utilisation} of {TRIALS}");
}
