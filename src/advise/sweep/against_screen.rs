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
