//! What the screen is asked for.

use std::ops::RangeInclusive;

use super::law::Law;
use super::limits::MachineLimits;
use super::objective::Objective;
use wsim_plan::PresetConfig;
use wsim_profile::Profile;
use wsim_simulate::UnloggedCosts;

#[derive(Debug, Clone, PartialEq)]
pub struct ScreenConfig {
    pub objective: Objective,
    /// Worker counts to try; the plan without workers is always tried.
    pub workers: RangeInclusive<u32>,
    /// CPU that no request line shows; `None`: what the profile alone says.
    pub costs: Option<UnloggedCosts>,
    /// Database connections of every process (`cp_max`); `None`: as many as the log makes plausible.
    pub connections: Option<u32>,
    /// The machine that runs all processes and the database.
    pub machine: MachineLimits,
    /// The command that answers what the screen cannot: terms of the objective about response times.
    pub simulate_command: String,
    /// What the standard plans share: Synapse release, sliding sync.
    pub plans: PresetConfig,
}

impl Default for ScreenConfig {
    fn default() -> Self {
        Self {
            objective: Objective::default(),
            workers: 1..=8,
            costs: None,
            connections: None,
            machine: MachineLimits::default(),
            simulate_command: "wsim simulate".to_owned(),
            plans: PresetConfig::default(),
        }
    }
}

impl ScreenConfig {
    /// The utilisation law at the peak of a profile.
    pub(super) fn law(&self, profile: &Profile) -> Law {
        match &self.costs {
            Some(costs) => Law::new(profile, costs),
            None => Law::new(profile, &UnloggedCosts::from_profile(profile)),
        }
    }
}
