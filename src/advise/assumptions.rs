//! What the screen's numbers rest on, one sentence each.

use wsim_text::prose;

use super::findings::Findings;
use super::law::Law;
use super::words;
use wsim_profile::Profile;
use wsim_stats::Interval;

pub(super) fn assumptions(findings: &Findings<'_>) -> Vec<String> {
    let Findings { profile, law, .. } = findings;
    let costs = &law.costs;
    let source = |prior: &'static str| if costs.is_measured { "This is fitted to process CPU." } else { prior };
    let peak = &profile.peaks.five_minutes;
    vec![
        format!(
            "The plans are judged at the {}, chosen by CPU demand: {:.1} requests/s, {:.1} events/s.",
            words::peak(peak),
            peak.requests_per_second,
            profile.events_per_second.peak
        ),
        format!(
            "CPU per request: {} ({}){}.",
            profile.demand.method,
            profile.demand.note.trim_end_matches('.'),
            if profile.demand.range == Interval::exact(1.0) {
                String::new()
            } else {
                format!("; multiplied by {}", prose::range(profile.demand.range, 2))
            }
        ),
        coverage(profile, law),
        profile.deployment.cpu_sentence(),
        skew(profile),
        format!(
            "Every process of a plan with workers spends {} ms of CPU on replication per event ({} of a core here). {}",
            prose::range(costs.replication.scaled(1e3), 1),
            prose::percent_range(law.replication),
            source("This is a prior: published values are up to 6 ms, small servers need less.")
        ),
        format!(
            "Persisting takes {} ms of CPU per event ({} of a core here), on the main process or on event persisters. {}",
            prose::range(costs.persist.scaled(1e3), 0),
            prose::percent_range(law.persisting),
            source("This is a prior from one small cluster.")
        ),
        format!(
            "Every process uses {} of a core when idle{}.",
            prose::percent_range(costs.idle),
            if costs.is_measured { "" } else { "; measured: 1 to 3 % on one small cluster" }
        ),
        "Round robin and least connections spread a user's requests over workers with cold caches: an initial sync then costs 1.5 (1.1–2.4) times as much (measured on one cluster), any other sync 1 (1–2) times (hardly more on that cluster; the range is a default).".to_owned(),
        "These numbers are CPU only: waiting for the database, memory and response times are not included. Outgoing federation and push are counted as the main process's work.".to_owned(),
    ]
}

fn coverage(profile: &Profile, law: &Law) -> String {
    let factor = prose::range(profile.coverage.factor, 2);
    let net = prose::range(law.coverage_factor, 2);
    let source = if profile.coverage.measured { "measured" } else { "a prior, not measured here" };
    let fixed = if net == factor {
        String::new()
    } else {
        format!(" Without replication, persisting and idle CPU, which are listed below, the factor is {net}.")
    };
    format!("A process uses {factor} times the CPU of its request lines ({source}).{fixed}")
}

fn skew(profile: &Profile) -> String {
    let hitters = &profile.heavy_hitters;
    let users = match hitters.user_hhi {
        Some(hhi) => {
            format!(
                "{}{} users, concentration (sum of squared shares) {hhi:.3}",
                hitters.distinct_users_are.prefix(),
                hitters.distinct_users
            )
        }
        None => "users unknown, so their concentration counts as zero".to_owned(),
    };
    format!(
        "The busiest worker of a keyed pool is taken at its expected share, 1/N × (1 + CV × √(2 ln N)): {users}; users are identified by {}.",
        hitters.user_key
    )
}
