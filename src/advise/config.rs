//! What the screen is asked for.

use std::ops::RangeInclusive;

use super::law::Costs;
use super::objective::Objective;
use wsim_plan::PresetConfig;

#[derive(Debug, Clone, PartialEq)]
pub struct ScreenConfig {
    pub objective: Objective,
    /// Worker counts to try; the plan without workers is always tried.
    pub workers: RangeInclusive<u32>,
    /// CPU costs of what no request line shows.
    pub costs: Costs,
    /// What the standard plans share: Synapse release, sliding sync.
    pub plans: PresetConfig,
    /// Why part of the traffic may be missing from the profile, such as a damaged log.
    pub lost: Option<String>,
}

impl Default for ScreenConfig {
    fn default() -> Self {
        Self { objective: Objective::default(), workers: 1..=8, costs: Costs::default(), plans: PresetConfig::default(), lost: None }
    }
}
