//! What `wsim simulate` was asked for: checked, typed, nothing left to parse.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::Context;

use super::super::UsageError;
use super::Simulate;
use wsim_advise::Objective;
use wsim_advise::sweep::candidates::{self, BalanceRule, Trial};
use wsim_advise::sweep::{Discarded, WindowChoice};
use wsim_logs::range;
use wsim_logs::time::Zone;
use wsim_plan::{Options, Plan, Preset};
use wsim_profile::Window;

/// Worker counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Workers(pub(super) RangeInclusive<u32>);

/// Replications before the first look, and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replications {
    pub(super) first: u32,
    pub(super) most: u32,
}

/// Typed choices.
pub(super) struct Choices {
    pub(super) objective: Objective,
    pub(super) window: WindowChoice,
    workers: RangeInclusive<u32>,
    rules: Vec<BalanceRule>,
    plans: Vec<Named>,
}

/// What `--plan` names.
enum Named {
    Preset { preset: &'static Preset, workers: Option<u32> },
    Plan(Box<Plan>),
}

impl Choices {
    pub(super) fn new(arguments: &Simulate) -> anyhow::Result<Self> {
        let usage = |name: &str, error: &dyn std::fmt::Display| UsageError(format!("{name}: {error}"));
        let objective = arguments.objective.parse().map_err(|error| usage("--objective", &error))?;
        let rules = arguments.balances.iter().map(|text| BalanceRule::parse(text)).collect::<Result<_, _>>();
        if !(arguments.growth > 0.0 && arguments.growth <= GROWTH_MAX) {
            return Err(UsageError(format!("--growth: {} is not above 0 and at most {GROWTH_MAX}", arguments.growth)).into());
        }
        Ok(Self {
            objective,
            window: window(arguments)?,
            workers: arguments.workers.0.clone(),
            rules: rules.map_err(|error| usage("--balance", &error))?,
            plans: arguments.plans.iter().map(|text| named(text)).collect::<anyhow::Result<_>>()?,
        })
    }

    /// The candidates, and those that cannot be one.
    pub(super) fn trials(&self, options: &Options) -> anyhow::Result<(Vec<Trial>, Vec<Discarded>)> {
        if self.plans.is_empty() {
            return Ok(candidates::with_rules(candidates::standard(&self.workers, options), &self.rules));
        }
        let mut trials = Vec::new();
        for named in &self.plans {
            match named {
                Named::Preset { preset, workers } => {
                    let workers = workers.map_or_else(|| self.workers.clone(), |count| count..=count);
                    let of_preset = candidates::of_preset(preset, &workers, options);
                    if of_preset.is_empty() {
                        let (low, high) = (preset.workers.start(), preset.workers.end());
                        let why = format!("--plan: {} is made for {low} to {high} workers, which --workers leaves out", preset.name);
                        return Err(UsageError(why).into());
                    }
                    trials.extend(of_preset);
                }
                Named::Plan(plan) => trials.push(Trial { strategy: plan.name.clone(), plan: Plan::clone(plan), asked: true }),
            }
        }
        Ok(candidates::with_rules(trials, &self.rules))
    }
}

/// `sync-split`, `sync-split 3`, or a file.
fn named(text: &str) -> anyhow::Result<Named> {
    let (name, count) = match text.rsplit_once([' ', ':']) {
        Some((name, count)) if count.parse::<u32>().is_ok() => (name, count.parse().ok()),
        _ => (text, None),
    };
    match Preset::find(name) {
        Ok(preset) => Ok(Named::Preset { preset, workers: count }),
        Err(unknown) if !looks_like_a_file(text) => Err(UsageError(format!("--plan: {unknown}; a plan file ends in .toml")).into()),
        Err(_) => {
            let content = std::fs::read_to_string(text).with_context(|| format!("could not read the plan {text}"))?;
            Ok(Named::Plan(Box::new(Plan::from_toml(&content, text)?)))
        }
    }
}

fn looks_like_a_file(text: &str) -> bool {
    text.contains(['/', '.']) || Path::new(text).exists()
}

fn window(arguments: &Simulate) -> anyhow::Result<WindowChoice> {
    match arguments.window.as_str() {
        "peak" => Ok(WindowChoice::Peak),
        "all" => Ok(WindowChoice::All),
        text => {
            let usage = |why: String| UsageError(format!("--window: {why}"));
            let (from, to) = text.split_once("..").ok_or_else(|| usage(format!("{text:?} is not peak, all or FROM..TO")))?;
            let zone = Zone::parse(&arguments.reading.tz).map_err(|error| UsageError(format!("--tz: {error}")))?;
            let now = jiff::Timestamp::now();
            let start_us = range::parse(from, &zone, now, false).map_err(|error| usage(error.to_string()))?;
            let end_us = range::parse(to, &zone, now, true).map_err(|error| usage(error.to_string()))?;
            if start_us >= end_us {
                return Err(usage("its beginning is not before its end".to_owned()).into());
            }
            Ok(WindowChoice::Span(Window { start_us, end_us }))
        }
    }
}

/// `1..8`, `1..=8` or `3`.
pub(super) fn workers(text: &str) -> Result<Workers, String> {
    let (low, high) = bounds(text)?;
    if high > WORKERS_MAX {
        return Err(format!("at most {WORKERS_MAX} workers"));
    }
    Ok(Workers(low..=high))
}

/// A number of cores, a part of one too.
pub(super) fn cores(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(cores) if (0.1..=1024.0).contains(&cores) => Ok(cores),
        _ => Err("a number of cores from 0.1 to 1024".to_owned()),
    }
}

/// `10` or `10..40`.
pub(super) fn replications(text: &str) -> Result<Replications, String> {
    let (first, most) = bounds(text)?;
    if first < 2 {
        return Err("at least 2: one replication says nothing about the spread".to_owned());
    }
    if most > REPLICATIONS_MAX {
        return Err(format!("at most {REPLICATIONS_MAX}"));
    }
    Ok(Replications { first, most })
}

/// Both ends count.
fn bounds(text: &str) -> Result<(u32, u32), String> {
    let number = |part: &str| part.trim().parse::<u32>().map_err(|_| format!("{part:?} is not a whole number; write 3 or 1..8"));
    let (low, high) = match text.split_once("..") {
        Some((low, high)) => (number(low)?, number(high.trim_start_matches('='))?),
        None => (number(text)?, number(text)?),
    };
    if low > high { Err(format!("{low} is more than {high}")) } else { Ok((low, high)) }
}

const GROWTH_MAX: f64 = 100.0;
const WORKERS_MAX: u32 = 1_000;
const REPLICATIONS_MAX: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_both_their_ends() {
        assert_eq!(workers("1..8"), Ok(Workers(1..=8)));
        assert_eq!(workers("2..=3"), Ok(Workers(2..=3)));
        assert_eq!(workers("3"), Ok(Workers(3..=3)));
        assert!(workers("8..1").is_err() && workers("many").is_err());
        assert_eq!(replications("10..40"), Ok(Replications { first: 10, most: 40 }));
        assert!(replications("1").is_err());
    }

    #[test]
    fn a_plan_is_a_preset_with_or_without_its_number_or_a_file() {
        assert!(matches!(named("sync-split"), Ok(Named::Preset { workers: None, .. })));
        assert!(matches!(named("sync-split 3"), Ok(Named::Preset { workers: Some(3), .. })));
        assert!(matches!(named("sync-split:3"), Ok(Named::Preset { workers: Some(3), .. })));
        let error = |text: &str| named(text).err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(error("sync-spilt").contains("did you mean \"sync-split\""), "{}", error("sync-spilt"));
        assert!(error("/no/such/plan.toml").contains("could not read the plan /no/such/plan.toml"));
    }
}
