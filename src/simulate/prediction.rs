//! Response times that a replay of a plan should measure.
//!
//! The replay plays one schedule, so all replications of the prediction have that schedule and differ in the other random numbers only.

use std::collections::BTreeSet;

use crate::calibrate::model_error::ModelError;
use crate::calibrate::prepare::PreparedWorkload;
use crate::deploy::{DeployError, Deployment};
use crate::engine::StopFlag;
use crate::engine::time::Span;
use crate::replications::{Candidate, ReplicationConfig, Scenario, Variation};
use crate::synapse::result::RunResult;
use wsim_endpoints::Endpoint;
use wsim_plan::CheckedPlan;
use wsim_stats::{Interval, student_t};
use wsim_trace::{Request, flag};

/// The predicted response times of one endpoint group, ms: means over replications with 95 % intervals of what a replay measures.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupPrediction {
    /// Id of the endpoint group.
    pub group: String,
    pub p50: Interval,
    pub p95: Interval,
}

/// Predicts the response times of `requests`, which `prepared` was made from, under a plan; `growth` is users per
/// observed user. Groups with long polls are left out, because a replay measures their waits too. A prediction that is stopped early has
/// the replications until then.
///
/// # Errors
/// The plan cannot be deployed.
pub fn predict(
    plan: &CheckedPlan,
    endpoints: &[Endpoint],
    prepared: &PreparedWorkload,
    requests: &[Request],
    growth: f64,
    seed: u64,
    stop: &StopFlag,
) -> Result<Vec<GroupPrediction>, DeployError> {
    let deployment = Deployment::from_plan(plan, endpoints, prepared)?;
    let uncertainty = prepared.uncertainty;
    let config = ReplicationConfig { variation: Variation::Fixed, bins: 1, uncertainty, ..ReplicationConfig::default() };
    let config = config.with_fixed_count(REPLICATIONS);
    let scenario = Scenario { workload: &prepared.workload, growth, costs: &prepared.costs, seed, config, stop };
    let candidate = Candidate { topology: &deployment.topology, routers: &deployment.routers };
    let mut runs: [Vec<RunResult>; 1] = [Vec::new()];
    scenario.replicate(&[candidate], &mut runs, Span::ZERO, |_, run| run, |_| true)?;
    let [runs] = runs;
    let with_long_polls: BTreeSet<&str> = requests
        .iter()
        .filter(|request| request.has(flag::LONG_POLL))
        .filter_map(|request| endpoints.get(usize::from(request.endpoint.0)))
        .map(|endpoint| endpoint.group.as_str())
        .collect();
    let interval = |group: usize, quantile: f64, model: f64| {
        let values: Vec<f64> = runs.iter().filter_map(|run| run.groups.get(group)).map(|one| one.work.quantile_ms(quantile)).collect();
        student_t::prediction_interval(&values, 0.95).widened_by(ModelError::range(model))
    };
    let groups = prepared.groups.iter().enumerate().filter(|(_, id)| !with_long_polls.contains(id.as_str()));
    Ok(groups
        .filter(|(index, _)| runs.iter().any(|run| run.groups.get(*index).is_some_and(|one| one.work.count() > 0)))
        .map(|(index, id)| GroupPrediction {
            group: id.clone(),
            p50: interval(index, 0.5, MODEL.p50),
            p95: interval(index, 0.95, MODEL.p95),
        })
        .collect())
}

const REPLICATIONS: u32 = 10;
/// A replay is compared with the prediction, whatever a back-test says.
const MODEL: ModelError = ModelError::PRIOR;
