//! What a sweep is given: the traffic, and how to simulate it.

use super::super::limits::MachineLimits;
use super::super::objective::Objective;
use wsim_endpoints::Endpoint;
use wsim_plan::PresetConfig;
use wsim_profile::{Profile, Window};
use wsim_simulate::ModelError;
use wsim_simulate::prepare::PrepareConfig;
use wsim_simulate::replications::ReplicationConfig;
use wsim_trace::Trace;

/// What is simulated.
#[derive(Clone, Copy)]
pub struct SweepInput<'a> {
    pub trace: &'a Trace,
    /// What the requests were classified with.
    pub endpoints: &'a [Endpoint],
    /// The profile of the whole trace.
    pub profile: &'a Profile,
    /// How costs are worked out.
    pub prepare: &'a PrepareConfig,
    /// Which part of the trace, lead-in included.
    pub window: Window,
}

/// How to sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepConfig {
    pub objective: Objective,
    /// The machine that runs all processes and the database, for the limits.
    pub machine: MachineLimits,
    /// What the standard plans share.
    pub plans: PresetConfig,
    /// Simulated users per observed user.
    pub growth: f64,
    /// Determines everything random.
    pub seed: u64,
    /// Number of replications, and how narrow the intervals must be. Plans that matter get `first` replications and up to `most`, others a few.
    pub replications: ReplicationConfig,
    /// How far the model is off.
    pub model_error: ModelError,
    /// How the window was chosen, in a few words.
    pub window_note: String,
}
