//! Presence or typing, what if.

use super::{Answer, AnswerTable};
use crate::shared::table::Tone;
use wsim_questions::what_if::WhatIf;
use wsim_text::{count, number, percent_range, prose};

impl Answer {
    /// A plan with and without some news.
    pub fn of_what_if(found: &WhatIf) -> Self {
        let word = found.news.word();
        Self {
            head: format!("what if · {word}"),
            verdict: verdict(found),
            tone: Tone::Plain,
            tables: vec![costs(found), cases(found)],
            notes: notes(found),
            next: Vec::new(),
        }
    }
}

fn verdict(found: &WhatIf) -> String {
    let word = wsim_text::capital(found.news.word());
    let costs = &found.costs;
    let share = format!(
        "{word} is behind {} of the CPU of all requests in the log: its own requests, their relay to the writer, and the syncs that it woke",
        prose::percent(costs.share())
    );
    let off = found.cases.iter().find(|case| case.name.starts_with("without"));
    match (found.cases.first(), off) {
        (Some(as_it_is), Some(off)) if as_it_is.cores.value > 0.0 => {
            let less = 1.0 - off.cores.value / as_it_is.cores.value;
            format!(
                "{share}. Without it {} would use {} less CPU, at most {}: {} cores in place of {}. The processes of a real server have more to do for it than the \
                 lines of a log show.",
                as_it_is.plan,
                prose::percent(less.max(0.0)),
                prose::percent(costs.share().max(less)),
                prose::range(off.cores, 2),
                prose::range(as_it_is.cores, 2),
            )
        }
        _ => format!("{share}."),
    }
}

fn costs(found: &WhatIf) -> AnswerTable {
    let costs = &found.costs;
    let mut table =
        AnswerTable::new("In the log itself", "", &[("", true), ("requests", false), ("CPU (s)", false), ("of all CPU", false)]);
    let mut row = |name: &str, requests: u64, cpu: f64| {
        let share = if costs.all_cpu_seconds > 0.0 { cpu / costs.all_cpu_seconds } else { 0.0 };
        table.rows.push(vec![name.to_owned(), count(requests), number(cpu), prose::percent(share)]);
    };
    row("own requests", costs.own_requests, costs.own_cpu_seconds);
    row("relayed by workers to the writer", costs.relayed, costs.relayed_cpu_seconds);
    row("syncs that it woke", costs.woken, costs.woken_cpu_seconds);
    table
}

fn cases(found: &WhatIf) -> AnswerTable {
    let columns = [
        ("", true),
        ("requests/s", false),
        ("syncs/s", false),
        ("CPU (cores)", false),
        ("p95 (ms)", false),
        ("busiest", true),
        ("busy (%)", false),
        ("main (%)", false),
    ];
    let mut table = AnswerTable::new(
        "Simulated",
        &found.cases.first().map(|case| format!("{} on the same traffic", case.plan)).unwrap_or_default(),
        &columns,
    );
    for case in &found.cases {
        table.rows.push(vec![
            case.name.clone(),
            number(case.requests_per_second),
            number(case.syncs_per_second),
            prose::range(case.cores, 2),
            case.p95_ms.map_or_else(|| "piles up".to_owned(), wsim_text::milliseconds_range),
            case.busiest.clone(),
            percent_range(case.busy),
            percent_range(case.main_busy),
        ]);
    }
    table
}

fn notes(found: &WhatIf) -> Vec<String> {
    let costs = &found.costs;
    let known = if costs.polls > 0 { costs.polls_with_cause as f64 / costs.polls as f64 } else { 0.0 };
    vec![
        format!(
            "The cause of {} of the syncs is known; those without a known cause stay as they are. One that it woke may have carried other news as well, which would then have woken it: where it wakes \
             most syncs, some more of them stay than is shown.",
            prose::percent(known)
        ),
        "What a writer and every process have to do for a change beside requests (timers, replication, sending it to other servers) is in no line of a log and stays \
         in the figures."
            .to_owned(),
    ]
}
