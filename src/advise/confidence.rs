//! How sure the advice is: the worst of a few plain rules.
//!
//! | rule | level |
//! | --- | --- |
//! | the log is shorter than a day: its peak need not be the day's | low |
//! | fewer than 1,000 requests in the busiest five minutes are few when CPU is inferred; fewer than 100 always | low |
//! | CPU inferred from times of a proxy log, or from a prior table | low |
//! | CPU inferred by regression on process CPU | medium |
//! | CPU logged, but the CPU outside requests is a prior | medium |
//! | the log is shorter than a week: its peak need not be the week's | medium |
//! | the verdict turns within the range of its inputs | one of the above, at best medium |
//! | otherwise | high |

use super::model::{Confidence, Meets};
use super::reasons::Findings;
use wsim_profile::Profile;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Low,
    Medium,
    High,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The lowest level any rule gives, with the reasons for that level.
pub(super) fn confidence(findings: &Findings<'_>) -> Confidence {
    let mut doubts = doubts(findings.profile);
    if let Some(meets) = findings.chosen().map(|candidate| candidate.meets_objective)
        && meets == Meets::Maybe
    {
        doubts.push((Level::Medium, "the objective lies within the range of the estimate".to_owned()));
    }
    let level = doubts.iter().map(|(level, _)| *level).min().unwrap_or(Level::High);
    let why: Vec<String> = doubts.into_iter().filter(|(doubt, _)| *doubt == level).map(|(_, why)| why).collect();
    let why = if why.is_empty() { "CPU is logged and measured over a week or more".to_owned() } else { why.join("; ") };
    Confidence { level: level.word().to_owned(), why }
}

fn doubts(profile: &Profile) -> Vec<(Level, String)> {
    let mut doubts = Vec::new();
    let mut doubt = |level: Level, why: &str| doubts.push((level, why.to_owned()));
    match profile.window.seconds() {
        seconds if seconds < DAY_SECONDS => doubt(Level::Low, "the log is shorter than a day, so the day's peak may not be in it"),
        seconds if seconds < 7.0 * DAY_SECONDS => {
            doubt(Level::Medium, "the log is shorter than a week, so the week's peak may not be in it");
        }
        _ => {}
    }
    let logged = profile.demand.method == "logged";
    match profile.demand.method.as_str() {
        "logged" => {}
        "regression on process CPU" => doubt(Level::Medium, "CPU per request is inferred by regression, not logged"),
        _ => doubt(Level::Low, "CPU per request is inferred, not logged: the order of the plans is robust, the number of workers is not"),
    }
    let requests: u64 = profile.endpoints.iter().map(|endpoint| endpoint.peak_requests).sum();
    if requests < FEW_REQUESTS || (!logged && requests < FEW_REQUESTS_INFERRED) {
        doubt(Level::Low, &format!("the busiest five minutes hold only {requests} requests"));
    }
    if logged && !profile.coverage.measured {
        doubt(Level::Medium, "the CPU that processes use outside requests is a prior, not measured (--process-cpu)");
    }
    doubts
}

const DAY_SECONDS: f64 = 86_400.0;
const FEW_REQUESTS: u64 = 100;
const FEW_REQUESTS_INFERRED: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ProfileFixture;
    use crate::{Settings, screen};

    fn judged(profile: &Profile) -> (String, String) {
        let confidence = screen(profile, &Settings::default()).confidence;
        (confidence.level, confidence.why)
    }

    #[test]
    fn a_measured_week_is_high_and_a_short_or_inferred_log_is_low() {
        let week = || ProfileFixture::new().class("sync", 0.1, 10);
        assert_eq!(judged(&week().build()).0, "high");
        let (level, why) = judged(&week().window_seconds(3600).build());
        assert_eq!((level.as_str(), why.as_str()), ("low", "the log is shorter than a day, so the day's peak may not be in it"));
        assert_eq!(judged(&week().window_seconds(3 * 86_400).build()).0, "medium");
        assert_eq!(judged(&week().coverage(1.6, 1.8, 2.0).build()).0, "medium");
        let (level, why) = judged(&week().demand(0.5, 1.0, 2.0).build());
        assert!(level == "low" && why.contains("inferred"), "{why}");
        let mut regression = week().demand(0.7, 1.0, 1.4).build();
        regression.demand.method = "regression on process CPU".to_owned();
        assert_eq!(judged(&regression).0, "medium");
        let (level, why) = judged(&ProfileFixture::new().class("sync", 0.1, 0).build());
        assert!(level == "low" && why.contains("only 0 requests"), "{why}");
    }

    #[test]
    fn an_answer_that_turns_within_the_range_is_never_high() {
        let mut profile = ProfileFixture::new().main_only("client_other", 0.5, 50).build();
        profile.coverage.factor = wsim_stats::Interval { value: 1.2, low: 1.0, high: 1.5 };
        let (level, why) = judged(&profile);
        assert_eq!((level.as_str(), why.as_str()), ("medium", "the objective lies within the range of the estimate"));
    }
}
