//! How far the advice can be trusted: the lowest level that any of a few plain rules gives.
//!
//! | rule | level |
//! | --- | --- |
//! | an input is damaged, so that the peak may be missing | low |
//! | part of the deployment is missing, requests are counted twice, or clocks disagree | low |
//! | the log is shorter than a day, so it may miss the day's peak | low |
//! | fewer than 1,000 requests in the busiest five minutes where CPU is inferred; fewer than 100 anywhere | low |
//! | CPU inferred from the times of a proxy log, or from the prior table | low |
//! | CPU inferred by regression on process CPU | medium |
//! | CPU logged, but background CPU is a prior | medium |
//! | the log is shorter than a week, so it may miss the week's peak | medium |
//! | the verdict changes within the uncertainty of its inputs | one of the above, at best medium |
//! | otherwise | high |

use super::findings::Findings;
use super::model::{Confidence, ConfidenceLevel, Meets};
use wsim_profile::{DemandMethod, Profile, WarningEffect};

/// The lowest level of all limitations, with the limitations of that level.
pub(super) fn confidence(findings: &Findings<'_>) -> Confidence {
    let mut limitations = limitations(findings.profile);
    let doubts = findings.profile.deployment.warnings.iter().filter(|warning| warning.effect >= WarningEffect::Doubt);
    limitations.extend(doubts.map(|warning| (ConfidenceLevel::Low, warning.text.clone())));
    if findings.recommended().is_some_and(|candidate| candidate.meets == Meets::Maybe) {
        limitations.push((ConfidenceLevel::Medium, "the limit of the objective lies within the uncertainty of the estimate".to_owned()));
    }
    let level = limitations.iter().map(|(level, _)| *level).min().unwrap_or(ConfidenceLevel::High);
    let why: Vec<String> = limitations.into_iter().filter(|(limiting, _)| *limiting == level).map(|(_, why)| why).collect();
    let why = if why.is_empty() { "CPU is logged and measured over a week or more".to_owned() } else { why.join("; ") };
    Confidence { level, why }
}

fn limitations(profile: &Profile) -> Vec<(ConfidenceLevel, String)> {
    use ConfidenceLevel::{Low, Medium};
    let mut limitations = Vec::new();
    let seconds = profile.observed_seconds();
    if seconds < DAY_SECONDS {
        limitations.push((Low, format!("the log covers only {} (give at least one full day)", wsim_text::duration(seconds))));
    } else if seconds < 7.0 * DAY_SECONDS {
        limitations.push((Medium, format!("the log covers {} (a full week shows the week's peak)", wsim_text::duration(seconds))));
    }
    match profile.demand.method {
        DemandMethod::Logged => {}
        DemandMethod::Regression => limitations.push((Medium, "CPU per request is inferred by regression, not logged".to_owned())),
        DemandMethod::ProcessorSharing | DemandMethod::Prior | DemandMethod::None => limitations.push((
            Low,
            "CPU per request is inferred, not logged, so the order of the plans can be trusted, the number of workers cannot".to_owned(),
        )),
    }
    let logged = profile.demand.method == DemandMethod::Logged;
    let requests: u64 = profile.endpoints.iter().map(|endpoint| endpoint.peak_requests).sum();
    if requests < FEW_REQUESTS || (!logged && requests < FEW_REQUESTS_INFERRED) {
        let requests = wsim_text::plural(requests, "request", "requests");
        limitations.push((Low, format!("the busiest five minutes hold only {requests}")));
    }
    if logged && !profile.coverage.measured {
        limitations.push((Medium, "background CPU is assumed, not measured (--process-cpu)".to_owned()));
    }
    limitations
}

const DAY_SECONDS: f64 = 86_400.0;
const FEW_REQUESTS: u64 = 100;
const FEW_REQUESTS_INFERRED: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ProfileFixture;
    use crate::{ScreenConfig, screen};

    fn of(profile: &Profile) -> (ConfidenceLevel, String) {
        let confidence = screen(profile, &ScreenConfig::default()).confidence;
        (confidence.level, confidence.why)
    }

    #[test]
    fn a_measured_week_is_high_and_a_short_or_inferred_log_is_low() {
        use ConfidenceLevel::{High, Low, Medium};
        let week = || ProfileFixture::new().class("sync", 0.1, 10);
        assert_eq!(of(&week().build()).0, High);
        let (level, why) = of(&week().window_seconds(3600).build());
        assert_eq!((level, why.as_str()), (Low, "the log covers only 1 h (give at least one full day)"));
        assert_eq!(of(&week().window_seconds(3 * 86_400).build()).0, Medium);
        assert_eq!(of(&week().coverage(1.6, 1.8, 2.0).unmeasured().build()).0, Medium);
        let (level, why) = of(&week().demand(0.5, 1.0, 2.0).build());
        assert!(level == Low && why.contains("inferred"), "{why}");
        let mut regression = week().demand(0.7, 1.0, 1.4).build();
        regression.demand.method = DemandMethod::Regression;
        assert_eq!(of(&regression).0, Medium);
        let (level, why) = of(&ProfileFixture::new().class("sync", 0.1, 0).build());
        assert!(level == Low && why.contains("only 0 requests"), "{why}");
    }

    #[test]
    fn a_damaged_input_makes_a_measured_week_low() {
        let lost = "1 of 2 inputs are damaged";
        let week = |effect| ProfileFixture::new().class("sync", 0.1, 10).warn(effect, lost).build();
        assert_eq!(of(&week(WarningEffect::Partial)), (ConfidenceLevel::Low, lost.to_owned()));
        // What was put right is no limitation.
        assert_eq!(of(&week(WarningEffect::Told)).0, ConfidenceLevel::High);
    }

    #[test]
    fn a_verdict_that_changes_within_the_uncertainty_is_never_high() {
        let mut profile = ProfileFixture::new().main_only("client_other", 0.5, 50).build();
        profile.coverage.factor = wsim_stats::Interval { value: 1.2, low: 1.0, high: 1.5 };
        let (level, why) = of(&profile);
        assert_eq!(
            (level, why.as_str()),
            (ConfidenceLevel::Medium, "the limit of the objective lies within the uncertainty of the estimate")
        );
    }
}
