use proptest::prelude::{Strategy, prop, prop_assert, proptest};

use super::*;
use crate::fixture::ProfileFixture;
use crate::model::Decision;
use wsim_plan::{Preset, PresetConfig};
use wsim_profile::{DeployedRole, WarningEffect};

fn preset(name: &str, n: u32) -> CheckedPlan {
    Preset::find(name).unwrap().plan(n, &PresetConfig::default()).unwrap()
}

fn judged(profile: &Profile, plan: CheckedPlan) -> PlanSummary {
    judge(profile, plan, None, &ScreenConfig::default())
}

fn advice(profile: &Profile) -> Advice {
    screen(profile, &ScreenConfig::default())
}

fn chosen(advice: &Advice) -> &PlanSummary {
    &advice.candidates[advice.recommended.unwrap()]
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} is not {b}");
}

#[test]
fn a_quiet_server_stays_with_one_process() {
    // 0.12 cores of requests and 2 % at rest: 14 % busy; (0.7 - 0.02) / 0.12 = 5.67 times.
    let advice = advice(&ProfileFixture::new().class("sync", 0.12, 12).build());
    assert_eq!(chosen(&advice).plan.name, "monolith");
    assert_eq!(chosen(&advice).reason, "main process 14 % busy (13–17 %)");
    assert_eq!(
        advice.verdict.text,
        "The main process is 14 % busy (13–17 %) at the peak (five minutes from 2026-11-20 16:57 UTC), so one process is enough. \
         You can grow 5.6× (5.4× at the upper end of the uncertainty) before you need a worker."
    );
    assert_eq!(advice.verdict.decision, Decision::StayWithOneProcess);
    assert_eq!(advice.confidence.level, ConfidenceLevel::High);
}

#[test]
fn a_busy_server_splits_and_says_what_it_gains() {
    let profile = ProfileFixture::new().class("sync", 0.55, 50).class("event_sending", 0.15, 8).main_only("client_other", 0.25, 10).build();
    let advice = advice(&profile);
    let candidate = chosen(&advice);
    assert_eq!((candidate.workers, candidate.meets), (1, Meets::Yes), "{}", advice.verdict.text);
    // (0.7 - 0.02) / 0.55 = 1.24 times.
    assert_eq!(
        advice.verdict.text,
        "Split off /sync first: it takes 58 % of the CPU. 1 worker (plan \"sync-split 1\", hash consistent by user) takes the main process \
         from 97 % to 42 % busy at the peak (five minutes from 2026-11-20 16:57 UTC); the busiest worker is 57 % busy (56–60 %). \
         You can grow 1.2× before sync1 passes 70 %."
    );
    assert!(
        advice.reasons.iter().any(|reason| reason.starts_with("Every further worker costs 2 % (1–5 %) of a core")),
        "{:#?}",
        advice.reasons
    );
}

#[test]
fn the_figures_of_a_split_follow_the_law() {
    let profile =
        ProfileFixture::new().class("sync", 0.6, 60).main_only("client_other", 0.2, 10).coverage(1.5, 1.5, 1.5).events(4.0).build();
    let candidate = judged(&profile, preset("sync-split", 1));
    close(candidate.processes[0].peak.value, 0.2 * 1.5 + 4.0 * 0.012 + 0.02);
    close(candidate.processes[1].peak.value, 0.6 * 1.5 + 4.0 * 0.0045 + 0.02);
    close(candidate.total_cores.value, 0.8 * 1.5 + 4.0 * 0.0045 + 4.0 * 0.012 + 2.0 * 0.02);
    close(candidate.processes[1].requests_per_second, 60.0);
    assert_eq!(candidate.processes[1].name, "sync1");
    assert_eq!(candidate.meets, Meets::No);
}

#[test]
fn a_cpu_limit_divides() {
    let profile = ProfileFixture::new().class("sync", 0.1, 10).build();
    let mut plan = preset("sync-split", 1).into_plan();
    plan.pools[0].cpu = 0.25;
    let plan = plan.check().unwrap();
    let candidate = judged(&profile, plan);
    close(candidate.processes[1].peak.value, (0.1 + 0.02) / 0.25);
    close(candidate.total_cores.value, 0.1 + 0.04);
}

#[test]
fn candidates_come_cheapest_first_and_the_plan_without_workers_leads() {
    let advice = advice(&ProfileFixture::new().class("sync", 0.5, 50).class("initial_sync", 0.1, 1).build());
    assert_eq!(advice.candidates[0].workers, 0);
    assert!(advice.candidates.windows(2).all(|pair| pair[0].workers <= pair[1].workers));
    // Plans that are keyed by what clients write come after the others.
    let rank = |candidate: &PlanSummary| (candidate.workers, has_client_key(&candidate.plan));
    assert!(advice.candidates.is_sorted_by_key(rank));
    for pair in advice.candidates.windows(2).filter(|pair| rank(&pair[0]) == rank(&pair[1])) {
        assert!(pair[0].total_cores.value <= pair[1].total_cores.value + 1e-6);
    }
}

#[test]
fn where_replication_fills_a_worker_no_number_is_enough() {
    let advice = advice(&ProfileFixture::new().class("sync", 0.9, 50).events(200.0).build());
    assert_eq!(advice.recommended, None);
    assert!(
        advice
            .verdict
            .text
            .contains(" No number of workers is enough: at 200 events/s replication and idle CPU alone take 92 % of every worker"),
        "{}",
        advice.verdict.text
    );
}

#[test]
fn what_no_pool_may_take_is_named_when_no_plan_meets() {
    let advice = advice(&ProfileFixture::new().class("sync", 0.2, 20).main_only("client_other", 0.9, 50).build());
    assert_eq!(advice.recommended, None);
    assert!(
        advice
            .verdict
            .text
            .contains("the main process is 92 % busy (91–95 %), because no pool may take client requests in no table (82 % of the CPU)"),
        "{}",
        advice.verdict.text
    );
}

#[test]
fn a_heavy_user_gets_a_worker_of_its_own_or_has_to_slow_down() {
    let with = |share: f64| advice(&ProfileFixture::new().class("sync", 1.2, 50).user("@_bridge:x\u{1b}", share).build());
    let reason = |advice: &Advice| advice.reasons.iter().find(|reason| reason.contains("@_bridge")).cloned().unwrap_or_default();
    assert_eq!(reason(&with(0.05)), "");
    let moderate = reason(&with(0.3));
    assert!(
        moderate.contains("causes 30 % of the load (0.36 cores at the peak) and always lands on one worker when balanced by user"),
        "{moderate}"
    );
    assert!(!moderate.contains('\u{1b}'));
    let extreme = reason(&with(0.7));
    assert!(extreme.contains("no number of workers balanced by user helps"), "{extreme}");
    let pinned = judged(&ProfileFixture::new().class("sync", 1.2, 50).user("@bridge:x", 0.7).build(), preset("sync-split", 4));
    assert_eq!(pinned.processes[1].limit.as_deref(), Some("\"@bridge:x\" alone needs 0.84 cores"));
}

#[test]
fn an_estimate_across_the_objective_is_a_maybe() {
    let profile = ProfileFixture::new().main_only("client_other", 0.4, 50).coverage(1.2, 1.6, 2.0).build();
    let advice = advice(&profile);
    assert_eq!(chosen(&advice).meets, Meets::Maybe);
    assert!(
        advice
            .verdict
            .text
            .contains("at the upper end of the uncertainty the main process would be 85 % busy, and no standard plan is certain"),
        "{}",
        advice.verdict.text
    );
    // With something to move, the sure plan is recommended and the cheaper guess is named.
    let profile = ProfileFixture::new().class("sync", 0.4, 50).main_only("client_other", 0.02, 1).coverage(1.0, 1.3, 1.7).build();
    let advice = screen(&profile, &ScreenConfig { objective: "busy < 60%".parse().unwrap(), ..ScreenConfig::default() });
    assert_eq!(chosen(&advice).workers, 2, "{}", advice.verdict.text);
    assert!(
        advice.verdict.text.contains("By the best estimate one process would be enough: main process 57 % busy (43–76 %)."),
        "{}",
        advice.verdict.text
    );
}

#[test]
fn logs_of_a_server_with_workers_say_so() {
    let deployed = |worker: f64| {
        ProfileFixture::new()
            .class("sync", 0.1 + worker, 10)
            .deployed("generic_worker1", DeployedRole::Worker, worker)
            .deployed("main", DeployedRole::Main, 0.1)
            .build()
    };
    let enough = advice(&deployed(0.05));
    assert!(
        enough.reasons.iter().any(|reason| reason.starts_with("Your 2 processes at the peak: \"main\" 12 % and \"generic_worker1\" 7 %.")),
        "{:#?}",
        enough.reasons
    );
    assert_eq!(enough.verdict.decision, Decision::KeepDeployment);
    assert!(
        enough.verdict.text.starts_with(
            "Your 2 processes are enough: at the peak (five minutes from 2026-11-20 16:57 UTC) the busiest, main, is 12 % busy (11–15 %)."
        ),
        "{}",
        enough.verdict.text
    );
    assert!(enough.verdict.text.contains("By calculation even one process would do (17 % busy (16–20 %))"), "{}", enough.verdict.text);

    let short = advice(&deployed(0.9));
    assert_eq!(short.verdict.decision, Decision::ChangeDeployment);
    assert!(
        short.verdict.text.contains("Add 1 worker like generic_worker1: evenly loaded, each of the 2 would be 47 % busy"),
        "{}",
        short.verdict.text
    );
    assert!(short.verdict.text.contains("Every further process costs"), "{}", short.verdict.text);
}

#[test]
fn a_process_that_is_busier_at_another_time_than_the_peak_of_all_is_told() {
    let mut profile = ProfileFixture::new()
        .class("sync", 0.4, 10)
        .deployed("main", DeployedRole::Main, 0.3)
        .deployed("generic_worker1", DeployedRole::Worker, 0.1)
        .build();
    let told = |profile: &Profile| advice(profile).reasons.into_iter().find(|reason| reason.contains("busier at another time"));
    assert_eq!(told(&profile), None);
    let night = wsim_profile::Peak { cores: Some(0.35), ..profile.peaks.one_minute };
    profile.deployment.processes[1].own_peak = Some(night);
    let told = told(&profile).unwrap();
    assert!(
        told.starts_with("\"generic_worker1\" is busier at another time: its requests take 0.35 cores")
            && told.contains("0.10 cores at the peak"),
        "{told}"
    );
}

#[test]
fn a_part_of_the_deployment_is_told_first_and_too_small_a_part_gives_no_verdict() {
    let logs = |effect| ProfileFixture::new().class("sync", 0.1, 10).warn(effect, "the main process's log is missing").build();
    let partial = advice(&logs(WarningEffect::Partial));
    assert!(
        partial.verdict.text.starts_with("Partial picture: the main process's log is missing. The main process is"),
        "{}",
        partial.verdict.text
    );
    let none = advice(&logs(WarningEffect::NoVerdict));
    assert!(none.verdict.text.starts_with("No verdict: the main process's log is missing. Give the logs of all"), "{}", none.verdict.text);
    assert_eq!((none.verdict.decision, none.recommended, none.candidates.len()), (Decision::Unknown, None, 0));
    assert_eq!(none.confidence.why, "the main process's log is missing");
}

#[test]
fn shares_of_a_few_requests_and_of_a_small_load_are_not_told() {
    let reasons = |per_second: u64, cores: f64| {
        advice(&ProfileFixture::new().main_only("sliding_sync", cores, per_second).room("!r:x", 0.9).build()).reasons
    };
    let told = |reasons: &[String], what: &str| reasons.iter().any(|reason| reason.contains(what));
    assert!(told(&reasons(1, 0.5), "Where the CPU goes") && told(&reasons(1, 0.5), "The room") && told(&reasons(1, 0.5), "Sliding sync"));
    assert!(!told(&reasons(0, 0.5), "Where the CPU goes"));
    assert!(!told(&reasons(1, 0.05), "The room") && !told(&reasons(1, 0.05), "Sliding sync (Element X) takes"));
}

#[test]
fn idle_long_polls_warn_of_balancing_by_connections() {
    let advice = advice(&ProfileFixture::new().class("sync", 0.1, 10).waiting(35.0).build());
    assert!(
        advice
            .reasons
            .iter()
            .any(|reason| reason.starts_with("Do not balance /sync with least_conn")
                && reason.ends_with("(35 waiting, 1.0 active on average).")),
        "{:#?}",
        advice.reasons
    );
}

#[test]
fn sliding_sync_stays_on_the_main_process_unless_configured() {
    let profile = ProfileFixture::new().main_only("sliding_sync", 0.9, 50).build();
    assert!(advice(&profile).reasons.iter().any(|reason| reason.starts_with("Sliding sync (Element X) takes 100 % of the CPU")));
    let config = ScreenConfig { plans: PresetConfig { sliding_sync: true, ..PresetConfig::default() }, ..ScreenConfig::default() };
    let moved = judge(&profile, Preset::find("sync-split").unwrap().plan(2, &config.plans).unwrap(), None, &config);
    close(moved.processes[0].peak.value, 0.02);
}

#[test]
fn without_cpu_there_is_no_advice() {
    let advice = advice(&ProfileFixture::new().class("sync", 0.0, 10).build());
    assert_eq!(advice.recommended, None);
    assert!(advice.verdict.text.starts_with("No advice: these logs show no CPU time"), "{}", advice.verdict.text);
}

#[test]
fn every_assumption_carries_its_number() {
    let profile = ProfileFixture::new().class("sync", 0.1, 10).coverage(1.6, 1.8, 2.0).unmeasured().events(10.0).build();
    let text = advice(&profile).assumptions.join("\n");
    for part in [
        "10.0 requests/s, 10.0 events/s",
        "uses 1.80 (1.60–2.00) times the CPU of its request lines (a prior",
        "the factor is 1.50 (1.30–1.90)",
        "4.5 (2.5–6.0) ms",
        "12 (5–20) ms",
        "2 % (1–5 %) of a core when idle",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

fn any_profile() -> impl Strategy<Value = (Vec<f64>, f64, f64)> {
    (prop::collection::vec(0.0..0.6_f64, 7), 0.0..1.0_f64, 0.0..60.0_f64)
}

fn build(cores: &[f64], user: f64, events: f64) -> Profile {
    ProfileFixture::new()
        .class("sync", cores[0], 10)
        .class("initial_sync", cores[1], 1)
        .class("event_sending", cores[2], 3)
        .class("federation_send", cores[3], 3)
        .class("client", cores[4], 5)
        .stream("to_device", cores[5], 1)
        .main_only("client_other", cores[6] + 0.01, 2)
        .user("@u:x", user)
        .events(events)
        .coverage(1.3, 1.6, 2.0)
        .build()
}

#[test]
fn of_equally_busy_workers_the_first_is_named() {
    let candidate = judged(&ProfileFixture::new().class("client", 0.9, 10).build(), preset("generic", 3));
    assert_eq!(candidate.reason, "generic1 32 % busy (31–35 %)");
}

#[test]
fn a_server_too_large_for_the_standard_plans_learns_how_many_workers_it_would_need() {
    let advice = advice(&ProfileFixture::new().class("sync", 6.0, 400).build());
    assert_eq!(advice.recommended, None);
    assert!(
        advice.reasons.iter().any(|reason| reason.ends_with("Minimum number of workers by this sum alone: 9.")),
        "{:#?}",
        advice.reasons
    );
}

proptest! {
    #[test]
    fn more_demand_makes_no_process_less_busy((cores, user, events) in any_profile(), factor in 1.0..3.0_f64, which in 0..13_usize, n in 1..9_u32) {
        let Some(plan) = Preset::all()[which].plan(n, &PresetConfig::default()) else { return Ok(()) };
        let more: Vec<f64> = cores.iter().map(|c| c * factor).collect();
        let (before, after) = (judged(&build(&cores, user, events), plan.clone()), judged(&build(&more, user, events), plan));
        for process in &before.processes {
            let then = after.processes.iter().find(|other| other.name == process.name).unwrap();
            // The extra 0.01 core of the main process shifts room shares by less than this.
            prop_assert!(then.peak.value >= process.peak.value - 0.02, "{} {process:?} {then:?}", before.plan.name);
        }
        prop_assert!(after.total_cores.value >= before.total_cores.value - 1e-9);
    }

    #[test]
    fn more_workers_lighten_the_busiest_but_never_the_whole((cores, user, events) in any_profile(), n in 1..8_u32) {
        let profile = build(&cores, user, events);
        for name in ["generic", "synapse-docs", "sync-split", "event-senders", "mdad-generic"] {
            let (fewer, more) = (judged(&profile, preset(name, n)), judged(&profile, preset(name, n + 1)));
            let heaviest = |candidate: &PlanSummary| candidate.processes[1..].iter().map(|process| process.peak.value).fold(0.0, f64::max);
            prop_assert!(heaviest(&more) <= heaviest(&fewer) + 1e-9, "{name} {n}: {} then {}", heaviest(&fewer), heaviest(&more));
            prop_assert!(more.total_cores.value >= fewer.total_cores.value - 1e-9, "{name} {n}");
        }
    }

    #[test]
    fn the_cores_of_a_plan_are_those_of_its_requests_and_its_processes((cores, user, events) in any_profile(), n in 1..9_u32) {
        let profile = build(&cores, user, events);
        let requests: f64 = profile.endpoints.iter().map(|endpoint| endpoint.peak_cpu_seconds).sum::<f64>() / 300.0;
        for name in ["sync-split", "event-senders", "stream-writers", "federation-apart"] {
            let candidate = judged(&profile, preset(name, n));
            let processes = f64::from(n + 1);
            let expected = requests * 1.6 + processes * 0.02 + (processes - 1.0) * events * 0.0045 + events * 0.012;
            prop_assert!((candidate.total_cores.value - expected).abs() < 1e-6, "{name} {n}: {} {expected}", candidate.total_cores.value);
        }
    }
}
