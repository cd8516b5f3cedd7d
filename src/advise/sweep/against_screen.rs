//! Why the simulation recommends another plan than the estimate of `wsim analyse` on the same log, in one sentence.

use super::super::config::ScreenConfig;
use super::super::model::{Meets, PlanSummary};
use super::super::screen::screen;
use super::model::Sweep;
use wsim_profile::Profile;

/// The reason for another recommendation; `None` where both are the same, or where there is none.
pub(super) fn difference(sweep: &Sweep, profile: &Profile, config: &ScreenConfig) -> Option<String> {
    let advice = screen(profile, config);
    let estimated = advice.recommended.map(|index| &advice.candidates[index]);
    let simulated = sweep.recommended.map(|index| &sweep.candidates[index].summary);
    let name = |plan: &PlanSummary| format!("{} ({})", plan.plan.name, plan.layout());
    let of_screen = |plan: &PlanSummary| advice.candidates.iter().find(|other| other.plan.name == plan.plan.name);
    let of_sweep = |plan: &PlanSummary| sweep.candidates.iter().map(|other| &other.summary).find(|other| other.plan.name == plan.plan.name);
    let basis = "wsim analyse knows CPU and database connections at the peak of all processes together, and no response times";
    match (estimated, simulated) {
        (Some(estimated), Some(simulated)) if estimated.plan.name == simulated.plan.name => None,
        (None, None) => None,
        (Some(estimated), _) => {
            let why = match of_sweep(estimated) {
                Some(other) if other.meets == Meets::Yes => {
                    let simpler = simulated.is_some_and(|chosen| chosen.workers < other.workers);
                    if simpler {
                        "simulated, fewer workers are enough".to_owned()
                    } else {
                        "simulated, it meets the objective too, with longer response times or more pools".to_owned()
                    }
                }
                Some(other) => format!("simulated: {}", other.reason),
                None => "it was not simulated".to_owned(),
            };
            Some(format!("wsim analyse recommends {} for this log: {basis}; {why}.", name(estimated)))
        }
        (None, Some(simulated)) => {
            let why = of_screen(simulated).map_or_else(String::new, |other| format!(" By its estimate: {}.", other.reason));
            Some(format!("wsim analyse recommends no plan for this log: {basis}.{why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::fixture::ProfileFixture;
    use wsim_plan::{CheckedPlan, Preset, PresetConfig};

    fn plan(name: &str, workers: u32) -> CheckedPlan {
        Preset::find(name).unwrap().plan(workers, &PresetConfig::default()).unwrap()
    }

    /// What is said where one process is enough by the estimate, and these plans were simulated.
    fn said(plans: &[(&str, u32, Meets)], recommended: Option<usize>) -> Option<String> {
        let profile = ProfileFixture::new().class("sync", 0.12, 12).build();
        let plans = plans.iter().map(|(name, workers, meets)| fixture::simulated(plan(name, *workers), *meets, 10.0, 900.0)).collect();
        difference(&fixture::sweep(plans, recommended), &profile, &ScreenConfig::default())
    }

    #[test]
    fn the_same_recommendation_needs_no_words() {
        assert_eq!(said(&[("monolith", 0, Meets::Yes), ("sync-split", 1, Meets::Yes)], Some(0)), None);
    }

    #[test]
    fn another_recommendation_is_explained_by_what_the_simulation_found() {
        let missed = said(&[("monolith", 0, Meets::No), ("sync-split", 1, Meets::Yes)], Some(1)).unwrap();
        assert_eq!(
            missed,
            "wsim analyse recommends monolith (main process only) for this log: wsim analyse knows CPU and database connections at the peak \
             of all processes together, and no response times; simulated: p95 work is 900 ms."
        );
        let slower = said(&[("monolith", 0, Meets::Yes), ("sync-split", 1, Meets::Yes)], Some(1)).unwrap();
        assert!(slower.ends_with("simulated, it meets the objective too, with longer response times or more pools."), "{slower}");
        let left_out = said(&[("sync-split", 1, Meets::Yes)], Some(0)).unwrap();
        assert!(left_out.ends_with("it was not simulated."), "{left_out}");
        let none = said(&[("monolith", 0, Meets::Maybe)], None).unwrap();
        assert!(none.ends_with("simulated: p95 work is 900 ms."), "{none}");
    }

    #[test]
    fn fewer_simulated_workers_and_no_estimate_are_told_as_such() {
        let busy = ProfileFixture::new().class("sync", 0.9, 50).events(200.0).build();
        let sweep = fixture::sweep(vec![fixture::simulated(plan("sync-split", 2), Meets::Yes, 10.0, 50.0)], Some(0));
        let told = difference(&sweep, &busy, &ScreenConfig::default()).unwrap();
        assert!(told.starts_with("wsim analyse recommends no plan for this log") && told.contains(" By its estimate: "), "{told}");
        let split = ProfileFixture::new().class("sync", 0.55, 50).main_only("client_other", 0.25, 10).build();
        let sweep = fixture::sweep(
            vec![
                fixture::simulated(plan("monolith", 0), Meets::Yes, 10.0, 50.0),
                fixture::simulated(screen(&split, &ScreenConfig::default()).shown().unwrap().0.plan.clone(), Meets::Yes, 9.0, 50.0),
            ],
            Some(0),
        );
        let told = difference(&sweep, &split, &ScreenConfig::default()).unwrap();
        assert!(told.ends_with("simulated, fewer workers are enough."), "{told}");
    }
}
