//! The arguments of `wsim simulate`, checked and typed.

use std::ops::RangeInclusive;

use super::super::UsageError;
use super::super::plan_arg::PlanArg;
use super::super::reading::{Anonymiser, anonymous_plan};
use super::super::time_range::TimeRange;
use super::Simulate;
use wsim_advise::Objective;
use wsim_advise::sweep::candidates::{self, BalanceRule, Trial};
use wsim_advise::sweep::{DiscardedPlan, WindowChoice};
use wsim_plan::suggest::nearest;
use wsim_plan::{CheckedPlan, PresetConfig};
use wsim_profile::Window;
use wsim_simulate::schedule::GrowthKind;

/// Numbers of workers to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorkerCounts(pub(super) RangeInclusive<u32>);

/// Replications before the first check of precision, and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replications {
    pub(super) first: u32,
    pub(super) most: u32,
}

/// How much more load there is, and of what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Growth {
    pub(super) kind: GrowthKind,
    pub(super) factor: f64,
}

/// What to simulate, and what a plan has to satisfy.
pub(super) struct SimulateConfig {
    /// `None`: the default, which depends on the log.
    pub(super) objective: Option<Objective>,
    pub(super) window: WindowChoice,
    workers: RangeInclusive<u32>,
    rules: Vec<BalanceRule>,
    plans: Vec<PlanArg>,
}

impl SimulateConfig {
    pub(super) fn new(arguments: &Simulate) -> anyhow::Result<Self> {
        let usage = |name: &str, error: &dyn std::fmt::Display| UsageError(format!("{name}: {error}"));
        let objective = arguments
            .objective
            .as_deref()
            .map(|text| text.parse().and_then(Objective::for_plans))
            .transpose()
            .map_err(|error| usage("--objective", &error))?;
        let rules = arguments.balances.iter().map(|text| BalanceRule::parse(text)).collect::<Result<_, _>>();
        let factor = arguments.growth.factor;
        if !(factor > 0.0 && factor <= GROWTH_MAX) {
            let why = format!("{factor} is out of range; give a factor above 0 and up to {GROWTH_MAX}");
            return Err(usage("--growth", &why).into());
        }
        Ok(Self {
            objective,
            window: window(arguments)?,
            workers: arguments.workers.0.clone(),
            rules: rules.map_err(|error| usage("--balance", &error))?,
            plans: arguments.plans.iter().map(|text| PlanArg::parse(text)).collect::<anyhow::Result<_>>()?,
        })
    }

    /// With plans whose names are pseudonyms, if names are to be left out.
    pub(super) fn anonymised(mut self, anonymiser: Option<&Anonymiser>) -> anyhow::Result<Self> {
        if let Some(anonymiser) = anonymiser {
            for plan in &mut self.plans {
                if let PlanArg::Plan(plan) = plan {
                    **plan = anonymous_plan(plan, &anonymiser.key)?;
                }
            }
        }
        Ok(self)
    }

    /// The candidates to simulate, and those that a proxy could not be configured for.
    pub(super) fn trials(&self, presets: &PresetConfig) -> anyhow::Result<(Vec<Trial>, Vec<DiscardedPlan>)> {
        if self.plans.is_empty() {
            return self.with_rules(candidates::standard_trials(&self.workers, presets));
        }
        let mut trials = Vec::new();
        for plan in &self.plans {
            match plan {
                PlanArg::Preset { preset, workers } => {
                    let workers = workers.map_or_else(|| self.workers.clone(), |count| count..=count);
                    let of_preset = candidates::preset_trials(preset, &workers, presets);
                    if of_preset.is_empty() {
                        let (low, high) = (preset.workers.start(), preset.workers.end());
                        let why = format!("--plan: {} is made for {low} to {high} workers, which --workers leaves out", preset.name);
                        return Err(UsageError(why).into());
                    }
                    trials.extend(of_preset);
                }
                PlanArg::Plan(plan) => trials.push(Trial { strategy: plan.name.clone(), plan: CheckedPlan::clone(plan), named: true }),
            }
        }
        self.with_rules(trials)
    }

    /// The trials with every rule.
    ///
    /// # Errors
    /// A rule that no plan's proxy has.
    fn with_rules(&self, trials: Vec<Trial>) -> anyhow::Result<(Vec<Trial>, Vec<DiscardedPlan>)> {
        let (trials, discarded) = candidates::apply_rules(trials, &self.rules);
        let name = |rule: &BalanceRule| format!(", {}", rule.text);
        for rule in &self.rules {
            let is_used = trials.iter().any(|trial| trial.plan.name.ends_with(&name(rule)));
            if let Some(unusable) = discarded.iter().find(|plan| plan.plan.ends_with(&name(rule))).filter(|_| !is_used) {
                let near = nearest(&rule.rule, RULES).filter(|near| *near != rule.rule);
                let hint = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                return Err(UsageError(format!("--balance: {}{hint}", unusable.why)).into());
            }
        }
        Ok((trials, discarded))
    }
}

/// The rules of the proxies by name, for suggestions.
const RULES: [&str; 31] = [
    "round robin",
    "least_conn",
    "hash",
    "hash consistent",
    "ip_hash",
    "random",
    "random two least_conn",
    "roundrobin",
    "static-rr",
    "leastconn",
    "source",
    "uri",
    "round_robin",
    "weighted_round_robin",
    "random_choose 2",
    "first",
    "client_ip_hash",
    "uri_hash",
    "wrr",
    "p2c",
    "hrw",
    "leasttime",
    "byrequests",
    "bytraffic",
    "bybusyness",
    "least_request",
    "ring_hash",
    "maglev",
    "random two",
    "join the shortest busy queue",
    "power of two on busy requests",
];

fn window(arguments: &Simulate) -> anyhow::Result<WindowChoice> {
    match arguments.window.as_str() {
        "peak" => Ok(WindowChoice::Peak),
        "all" => Ok(WindowChoice::All),
        text => {
            let ends = text.split_once("..").ok_or_else(|| UsageError(format!("--window: {text:?} is not peak, all or FROM..TO")))?;
            match TimeRange::parse(("--window", Some(ends.0)), ("--window", Some(ends.1)), &arguments.reading.zone()?)? {
                TimeRange { from_us: Some(start_us), to_us: Some(end_us) } => Ok(WindowChoice::Span(Window { start_us, end_us })),
                _ => Ok(WindowChoice::All),
            }
        }
    }
}

/// Reads `1..8`, `1..=8` or `3`.
pub(super) fn worker_counts(text: &str) -> Result<WorkerCounts, String> {
    let (low, high) = bounds(text)?;
    if high > WORKERS_MAX {
        return Err(format!("at most {WORKERS_MAX} workers"));
    }
    Ok(WorkerCounts(low..=high))
}

/// Reads an amount of memory.
pub(in super::super) fn memory(text: &str) -> Result<f64, String> {
    wsim_text::parse_bytes(text).ok_or_else(|| "give an amount of memory like 8GB, 16GiB or 512MB".to_owned())
}

/// Reads a number of cores, whole or not.
pub(in super::super) fn cores(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(cores) if (0.1..=1024.0).contains(&cores) => Ok(cores),
        _ => Err("give a number of cores from 0.1 to 1024".to_owned()),
    }
}

/// Reads `1.5` or `people=1.5`.
pub(super) fn growth(text: &str) -> Result<Growth, String> {
    let (kind, factor) = match text.split_once('=') {
        Some((kind, factor)) => (growth_kind(kind.trim())?, factor.trim()),
        None => (GrowthKind::default(), text.trim()),
    };
    let factor = factor.parse().map_err(|_| format!("{factor:?} is not a number; write 1.5 or people=1.5"))?;
    Ok(Growth { kind, factor })
}

fn growth_kind(text: &str) -> Result<GrowthKind, String> {
    let names = GrowthKind::ALL.map(GrowthKind::name);
    text.parse().map_err(|()| {
        let hint = nearest(text, names).map_or_else(String::new, |near| format!("; did you mean {near}?"));
        format!("{text:?} is not {}{hint}", names.join(", "))
    })
}

/// Reads `10` or `10..40`.
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

/// Both ends of a range belong to it.
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
    fn a_range_includes_both_its_ends() {
        assert_eq!(worker_counts("1..8"), Ok(WorkerCounts(1..=8)));
        assert_eq!(worker_counts("2..=3"), Ok(WorkerCounts(2..=3)));
        assert_eq!(worker_counts("3"), Ok(WorkerCounts(3..=3)));
        assert!(worker_counts("8..1").is_err() && worker_counts("many").is_err());
        assert_eq!(replications("10..40"), Ok(Replications { first: 10, most: 40 }));
        assert!(replications("1").is_err());
    }

    #[test]
    fn growth_is_of_rooms_unless_it_says_of_what() {
        let of = |text: &str| growth(text).map(|growth| (growth.kind, growth.factor));
        assert_eq!(of("1.5"), Ok((GrowthKind::Rooms, 1.5)));
        assert_eq!(of("rooms=2"), Ok((GrowthKind::Rooms, 2.0)));
        assert_eq!(of("people=0.5"), Ok((GrowthKind::People, 0.5)));
        assert_eq!(of("activity = 3"), Ok((GrowthKind::Activity, 3.0)));
        assert!(of("peple=2").unwrap_err().contains("did you mean people?"));
        assert!(of("people").is_err() && of("people=").is_err() && of("=2").is_err());
    }
}
