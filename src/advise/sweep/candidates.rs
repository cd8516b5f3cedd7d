//! The plans that a sweep simulates.
//!
//! [`standard_trials`] and [`preset_trials`] make them from standard plans and worker counts; the caller adds those of plan files.
//! [`apply_rules`] combines all of them with the balancing rules, [`screen_trials`] discards those that cannot win by the estimate,
//! and standard plans that equal an earlier one in all but the name. Plans that the user named are never discarded, and each discarded plan
//! has a reason.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::super::config::ScreenConfig;
use super::super::load::Split;
use super::super::model::{Meets, PlanSummary};
use super::super::screen;
use super::super::words;
use super::model::DiscardedPlan;
use wsim_plan::{CheckedPlan, Key, Plan, Preset, PresetConfig, Rule, Spread};
use wsim_profile::Profile;
use wsim_text::{plural, prose};

/// A plan to try.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Plans of one strategy differ only in their number of workers.
    pub strategy: String,
    pub plan: CheckedPlan,
    /// Named on the command line, so it is simulated whatever the screen says.
    pub named: bool,
}

/// A balancing rule to put in every pool of several workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceRule {
    /// As typed.
    pub text: String,
    /// In the proxy's words.
    pub rule: String,
    /// What a keyed rule hashes.
    pub key: Option<String>,
}

impl BalanceRule {
    /// Reads `RULE` or `RULE by KEY`.
    ///
    /// # Errors
    /// There is no rule, or the key is unknown.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (rule, key) = match text.rsplit_once(" by ") {
            Some((rule, key)) => (rule.trim(), Some(key.trim())),
            None => (text, None),
        };
        if rule.is_empty() {
            return Err("a rule such as \"least_conn\" or \"hash consistent by user\" is missing".to_owned());
        }
        if let Some(key) = key.filter(|key| Key::parse(key).is_none()) {
            return Err(format!("key {key:?} is not user, token, address, origin, room, uri or header:NAME"));
        }
        Ok(Self { text: text.to_owned(), rule: rule.to_owned(), key: key.map(str::to_owned) })
    }

    /// The plan with this rule in its pools. A keyed rule without a key keeps the pool's key, or takes the user.
    fn apply(&self, plan: &CheckedPlan) -> Plan {
        let mut plan = plan.clone().into_plan();
        for pool in plan.pools.iter_mut().filter(|pool| pool.size() > 1) {
            pool.balance.clone_from(&self.rule);
            pool.key = self.key.clone().or(pool.key.take());
            let kind = plan.proxy.kind;
            match Rule::from_pool(pool, kind) {
                Ok(rule) if matches!(rule.spread, Spread::Keyed { .. }) => {}
                Ok(_) => pool.key = None,
                Err(_) if pool.key.is_none() => pool.key = Some("user".to_owned()),
                Err(_) => {}
            }
        }
        plan.name = format!("{}, {}", plan.name, self.text);
        plan
    }
}

/// Every standard plan for every number of workers, and the plan without workers.
pub fn standard_trials(workers: &RangeInclusive<u32>, config: &PresetConfig) -> Vec<Trial> {
    let counts: Vec<u32> = std::iter::once(0).chain(workers.clone().filter(|n| *n > 0)).collect();
    let of = |preset: &Preset| counts.iter().filter_map(|n| trial(preset, *n, config, false)).collect::<Vec<_>>();
    Preset::all().iter().flat_map(of).collect()
}

/// One standard plan for every number of workers that it can have.
pub fn preset_trials(preset: &Preset, workers: &RangeInclusive<u32>, config: &PresetConfig) -> Vec<Trial> {
    let all = workers.clone().chain(preset.workers.contains(&0).then_some(0));
    let mut trials: Vec<Trial> = all.filter_map(|n| trial(preset, n, config, true)).collect();
    trials.dedup();
    trials
}

fn trial(preset: &Preset, workers: u32, config: &PresetConfig, named: bool) -> Option<Trial> {
    Some(Trial { strategy: preset.name.to_owned(), plan: preset.plan(workers, config)?, named })
}

/// Every trial with every rule; combinations that the plan's proxy does not support are discarded.
pub fn apply_rules(trials: Vec<Trial>, rules: &[BalanceRule]) -> (Vec<Trial>, Vec<DiscardedPlan>) {
    if rules.is_empty() {
        return (trials, Vec::new());
    }
    let (mut all, mut discarded) = (Vec::new(), Vec::new());
    for trial in trials {
        if trial.plan.pools.iter().all(|pool| pool.size() < 2) {
            all.push(trial);
            continue;
        }
        for rule in rules {
            let plan = rule.apply(&trial.plan);
            let unsupported = plan.pools.iter().find_map(|pool| plan.balancer_config(pool).err()).map(|error| error.to_string());
            let checked = match unsupported {
                Some(why) => Err(why),
                None => plan.clone().check().map_err(|fault| fault.to_string()),
            };
            match checked {
                Ok(plan) => all.push(Trial { strategy: format!("{}, {}", trial.strategy, rule.text), plan, named: trial.named }),
                Err(why) => discarded.push(DiscardedPlan {
                    plan: plan.name.clone(),
                    workers: trial.plan.worker_count(),
                    balance: words::balance(&plan),
                    why,
                    overloaded: false,
                }),
            }
        }
    }
    (all, discarded)
}

/// What the screen leaves.
#[derive(Debug)]
pub(in super::super) struct Screened {
    /// Fewest workers first.
    pub trials: Vec<Trial>,
    pub discarded: Vec<DiscardedPlan>,
    /// The fewest workers with which a plan may meet the objective by the estimate; `None` if none may, or the demand is unknown.
    pub fewest_workers: Option<u32>,
}

/// Screens trials: no overloaded plans, and at most `kept_max` plans of the strategies that it ranks best, so that each of
/// these is seen with several numbers of workers. Named trials stay.
///
/// `split` divides the classes of a plan with patterns of its own or pools of some clients.
pub(in super::super) fn screen_trials(
    trials: Vec<Trial>,
    profile: &Profile,
    split: impl Fn(&CheckedPlan) -> Option<Split>,
    config: &ScreenConfig,
    kept_max: usize,
) -> Screened {
    let mut discarded = Vec::new();
    let mut estimated: Vec<(Trial, Option<PlanSummary>)> = Vec::new();
    let known = screen::demand_known(profile);
    for trial in trials {
        let candidate = known.then(|| screen::judge(profile, trial.plan.clone(), split(&trial.plan).as_ref(), config));
        match candidate.as_ref().and_then(|candidate| overload(candidate, config.objective.busy)) {
            Some(why) if !trial.named => discarded.push(DiscardedPlan { overloaded: true, ..discard(&trial.plan, why) }),
            _ => estimated.push((trial, candidate)),
        }
    }
    let may_meet = |(trial, summary): &(Trial, Option<PlanSummary>)| {
        summary.as_ref().filter(|summary| summary.meets != Meets::No).map(|_| trial.plan.worker_count())
    };
    let fewest_workers = estimated.iter().filter_map(may_meet).min();
    let ranks = ranks(&estimated);
    let counts: std::collections::BTreeSet<u32> = estimated.iter().map(|(trial, _)| trial.plan.worker_count()).filter(|n| *n > 0).collect();
    let strategies = (kept_max.saturating_sub(1) / counts.len().max(1)).max(1);
    let mut kept: Vec<Trial> = Vec::new();
    for (trial, _) in estimated {
        let rank = ranks.get(&trial.strategy).copied().unwrap_or(usize::MAX);
        if trial.named || trial.plan.worker_count() == 0 || rank < strategies {
            kept.push(trial);
        } else {
            let closer = plural(strategies as u64, "other standard plan comes", "other standard plans come");
            let why = format!("{closer} closer to the objective in the screen");
            discarded.push(discard(&trial.plan, why));
        }
    }
    kept.sort_by_key(|trial| trial.plan.worker_count());
    Screened { trials: without_repeats(kept, &mut discarded), discarded, fewest_workers }
}

/// Standard plans that differ from an earlier one in nothing but the name are discarded. Plans that the user named are all kept.
fn without_repeats(trials: Vec<Trial>, discarded: &mut Vec<DiscardedPlan>) -> Vec<Trial> {
    let mut kept: Vec<Trial> = Vec::new();
    for trial in trials {
        match kept.iter().find(|earlier| !trial.named && earlier.plan.is_same_besides_name(&trial.plan)) {
            Some(earlier) => {
                let why = format!("is {} under another name", earlier.plan.name);
                discarded.push(discard(&trial.plan, why));
            }
            None => kept.push(trial),
        }
    }
    kept
}

/// Why a plan cannot work, if it is far over the objective even at the lower end of the uncertainty.
fn overload(candidate: &PlanSummary, busy: f64) -> Option<String> {
    let worst = candidate.processes.iter().max_by(|a, b| a.peak.low.total_cmp(&b.peak.low))?;
    let low = worst.peak.low;
    (low >= busy * OVERLOAD).then(|| format!("{} would be at least {} busy", words::the_process(worst), prose::percent(low)))
}

/// Rank of each strategy: the one that needs the fewest workers first, then the one that is least busy with them.
fn ranks(estimated: &[(Trial, Option<PlanSummary>)]) -> BTreeMap<String, usize> {
    let mut best: BTreeMap<&str, (u32, f64)> = BTreeMap::new();
    for (trial, candidate) in estimated.iter().filter(|(trial, _)| trial.plan.worker_count() > 0) {
        let meets = candidate.as_ref().is_none_or(|candidate| candidate.meets != Meets::No);
        let worst = candidate.as_ref().and_then(PlanSummary::busiest).map_or(0.0, |process| process.peak.value);
        let key = (if meets { trial.plan.worker_count() } else { u32::MAX }, worst);
        let entry = best.entry(&trial.strategy).or_insert(key);
        if key.0.cmp(&entry.0).then(key.1.total_cmp(&entry.1)).is_lt() {
            *entry = key;
        }
    }
    let mut order: Vec<(&str, (u32, f64))> = best.into_iter().collect();
    order.sort_by(|(_, a), (_, b)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    order.into_iter().enumerate().map(|(rank, (name, _))| (name.to_owned(), rank)).collect()
}

pub(super) fn discard(plan: &CheckedPlan, why: String) -> DiscardedPlan {
    DiscardedPlan { plan: plan.name.clone(), workers: plan.worker_count(), balance: words::balance(plan), why, overloaded: false }
}

/// How far over the objective the lower end must be, as a factor: the costs are those of the simulation, whose error of utilisation is less.
const OVERLOAD: f64 = 1.1;

#[cfg(test)]
mod tests {
    use super::super::super::fixture::ProfileFixture;
    use super::*;

    fn rule(text: &str) -> BalanceRule {
        BalanceRule::parse(text).unwrap()
    }

    #[test]
    fn a_rule_goes_into_every_pool_of_several_workers() {
        let trials = preset_trials(Preset::find("sync-split").unwrap(), &(1..=3), &PresetConfig::default());
        assert_eq!(trials.len(), 3);
        let (all, discarded) = apply_rules(trials, &[rule("least_conn"), rule("hash consistent by room")]);
        assert!(discarded.is_empty(), "{discarded:?}");
        // One worker leaves nothing to balance.
        assert_eq!(all.len(), 1 + 2 * 2);
        let of = |name: &str| &all.iter().find(|trial| trial.plan.name == name).unwrap().plan.pools[0];
        assert_eq!(of("sync-split 3, least_conn").key, None);
        assert_eq!(of("sync-split 3, hash consistent by room").key.as_deref(), Some("room"));
        assert!(BalanceRule::parse("hash by colour").is_err() && BalanceRule::parse("  ").is_err());
    }

    #[test]
    fn a_rule_that_the_proxy_does_not_have_is_discarded_with_the_reason() {
        let trials = preset_trials(Preset::find("sync-split").unwrap(), &(2..=2), &PresetConfig::default());
        let (all, discarded) = apply_rules(trials, &[rule("maglev")]);
        assert!(all.is_empty());
        assert!(discarded[0].why.contains("nginx") && discarded[0].why.contains("maglev"), "{discarded:?}");
    }

    #[test]
    fn named_plans_all_stay_and_repeated_standard_plans_are_listed() {
        let profile = ProfileFixture::new().class("sync", 0.3, 100).build();
        let config = ScreenConfig::default();
        let plan = |name: &str, more: &str| {
            let text = format!(
                "name = \"{name}\"\nsynapse = \"1.157\"\n{more}[[pool]]\nname = \"event\"\nendpoints = [\"event_sending\"]\nworkers = 2\n"
            );
            Plan::from_toml(&text, name).unwrap()
        };
        let senders = |count: usize| {
            let names: Vec<String> = (1..=count).map(|n| format!("federation_sender{n}")).collect();
            let mut plan = plan(&format!("d{count}"), "").into_plan();
            plan.background_roles.federation_sender_instances = Some(wsim_plan::Writers::Several(names));
            plan.check().unwrap()
        };
        let named = |plan: CheckedPlan, named: bool| Trial { strategy: plan.name.clone(), plan, named };
        let plans = [
            senders(1),
            senders(3),
            plan("two", "[proxy]\nkind = \"nginx\"\nprocesses = 2\n"),
            plan("haproxy", "[proxy]\nkind = \"haproxy\"\n"),
            plan("plain", ""),
            plan("plain again", ""),
        ];
        let Screened { trials: kept, discarded, .. } =
            screen_trials(plans.iter().map(|plan| named(plan.clone(), true)).collect(), &profile, |_| None, &config, 24);
        assert_eq!((kept.len(), discarded.len()), (6, 0), "{discarded:?}");
        let Screened { trials: kept, discarded, .. } =
            screen_trials(plans.map(|plan| named(plan, false)).into_iter().collect(), &profile, |_| None, &config, 100);
        assert_eq!(kept.len(), 5);
        assert_eq!((discarded[0].plan.as_str(), discarded[0].why.as_str()), ("plain again", "is plain under another name"));
    }

    #[test]
    fn overloaded_plans_are_discarded_with_the_reason_unless_named() {
        let profile = ProfileFixture::new().class("sync", 1.5, 100).main_only("admin", 0.1, 5).build();
        let config = ScreenConfig::default();
        let Screened { trials: kept, discarded, fewest_workers } =
            screen_trials(standard_trials(&(1..=4), &PresetConfig::default()), &profile, |_| None, &config, 24);
        assert!(kept.iter().all(|trial| trial.plan.name != "monolith"));
        let monolith = discarded.iter().find(|other| other.plan == "monolith").unwrap();
        assert!(monolith.why.contains("main process would be at least 16"), "{}", monolith.why);
        assert!(kept.len() <= 24 && !kept.is_empty());
        assert!(fewest_workers.is_some_and(|workers| (2..=4).contains(&workers)), "{fewest_workers:?}");
        assert!(kept.is_sorted_by_key(|trial| trial.plan.worker_count()));
        let named = preset_trials(Preset::find("monolith").unwrap(), &(1..=4), &PresetConfig::default());
        assert_eq!(screen_trials(named, &profile, |_| None, &config, 24).trials.len(), 1);
    }
}
