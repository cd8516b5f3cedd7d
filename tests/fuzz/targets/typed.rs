//! Fuzz target: what people type: durations, times, zones, ranges, objectives, servers, balancing rules, URLs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::logs::{Zone, range};
use wsim_fuzz::{advise, plan, text, transport};

fuzz_target!(|typed: &str| {
    let _ = text::parse_duration(typed);
    let now = "2026-11-20T18:00:00Z".parse().expect("a time");
    for end in [false, true] {
        let _ = range::parse(typed, &Zone::utc(), now, end);
    }
    let _ = Zone::parse(typed);
    let _ = typed.parse::<advise::Objective>();
    let _ = advise::sweep::candidates::BalanceRule::parse(typed);
    let _ = plan::Server::parse(typed);
    let _ = plan::Preset::find(typed);
    let _ = typed.parse::<transport::Target>();
});
