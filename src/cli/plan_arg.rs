//! A plan on the command line: `generic`, `sync-split:3`, `sync-split 3` or a plan file.

use std::path::Path;

use anyhow::Context;

use super::UsageError;
use wsim_plan::{CheckedPlan, Plan, Preset, PresetConfig};

/// A standard plan, with or without its number of workers, or a plan read from a file.
pub(super) enum PlanArg {
    Preset { preset: &'static Preset, workers: Option<u32> },
    Plan(Box<CheckedPlan>),
}

impl PlanArg {
    /// Parses the argument; a plan file is read and checked.
    ///
    /// # Errors
    /// No standard plan has that name and no such file exists, or the file is not a plan.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let (name, workers) = match text.rsplit_once([' ', ':']) {
            Some((name, count)) if count.parse::<u32>().is_ok() => (name, count.parse().ok()),
            _ => (text, None),
        };
        match Preset::find(name) {
            Ok(preset) => Ok(Self::Preset { preset, workers }),
            Err(unknown) if !is_like_a_file(text) => Err(UsageError(format!("{unknown}; a plan file ends in .toml")).into()),
            Err(_) => {
                let content = read_plan(text)?;
                Ok(Self::Plan(Box::new(Plan::from_toml(&content, text)?)))
            }
        }
    }

    /// The plan; for a standard plan without a number of workers, the smallest one.
    ///
    /// # Errors
    /// The standard plan is not made for that number of workers.
    pub(super) fn into_plan(self, config: &PresetConfig) -> anyhow::Result<CheckedPlan> {
        match self {
            Self::Plan(plan) => Ok(*plan),
            Self::Preset { preset, workers } => {
                let (name, low, high) = (preset.name, preset.workers.start(), preset.workers.end());
                let workers = workers.unwrap_or(*low);
                let plan = preset.plan(workers, config);
                Ok(plan.ok_or_else(|| UsageError(format!("{name} is made for {low} to {high} workers, not {workers}")))?)
            }
        }
    }
}

/// The text of a plan file.
pub(super) fn read_plan(path: &str) -> anyhow::Result<String> {
    wsim_text::read_text(Path::new(path), PLAN_BYTES_MAX).with_context(|| format!("could not read the plan {path}"))
}

/// A plan of 4,000 workers has a tenth of that.
const PLAN_BYTES_MAX: usize = 1_000_000;

fn is_like_a_file(text: &str) -> bool {
    text.contains(['/', '.']) || Path::new(text).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_a_preset_with_or_without_its_number_or_a_file() {
        assert!(matches!(PlanArg::parse("sync-split"), Ok(PlanArg::Preset { workers: None, .. })));
        assert!(matches!(PlanArg::parse("sync-split 3"), Ok(PlanArg::Preset { workers: Some(3), .. })));
        assert!(matches!(PlanArg::parse("sync-split:3"), Ok(PlanArg::Preset { workers: Some(3), .. })));
        let error = |text: &str| PlanArg::parse(text).err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(error("sync-spilt").contains("did you mean \"sync-split\""), "{}", error("sync-spilt"));
        assert!(error("/no/such/plan.toml").contains("could not read the plan /no/such/plan.toml"));
    }

    #[test]
    fn a_preset_without_its_number_is_its_smallest_plan() {
        let config = PresetConfig::default();
        let workers = |text| PlanArg::parse(text).unwrap().into_plan(&config).map(|plan| plan.workers().len());
        let three = Preset::find("sync-split").unwrap().plan(3, &config).unwrap().workers().len();
        assert_eq!(workers("sync-split:3").unwrap(), three);
        assert!(workers("sync-split").unwrap() <= three && workers("sync-split:99999").is_err());
    }
}
