//! How long and how bad restarts are.

use super::{Answer, AnswerTable};
use crate::shared::table::Tone;
use wsim_questions::restart::{Case, Restart};
use wsim_text::{duration, list, milliseconds, number, plural, prose};

impl Answer {
    /// Restarts of each process, and of all of them in several orders.
    pub fn of_restart(found: &Restart) -> Self {
        Self {
            head: format!(
                "restart · {} · {} down, {} between two",
                found.plan,
                duration(found.down_seconds),
                duration(found.pause_seconds)
            ),
            verdict: verdict(found),
            tone: Tone::Plain,
            tables: vec![cases(found)],
            notes: notes(found),
            next: Vec::new(),
        }
    }
}

fn verdict(found: &Restart) -> String {
    let single = || found.cases.iter().filter(|case| case.processes.len() == 1);
    let worst = single().max_by(|a, b| a.waiting_seconds.value.total_cmp(&b.waiting_seconds.value));
    let orders: Vec<&Case> = found.cases.iter().filter(|case| case.processes.len() > 1).collect();
    let mut words = Vec::new();
    if let Some(worst) = worst {
        words.push(format!(
            "A restart of {} hurts most: requests wait {} longer in all, {}.",
            worst.name,
            waiting(worst),
            recovered(worst)
        ));
    }
    if let (Some(best), Some(worst)) = (orders.first(), orders.last()) {
        let differ = worst.waiting_seconds.low > best.waiting_seconds.high;
        words.push(if differ {
            format!("Of all processes one after another, {} hurts least: {}.", best.name.trim_start_matches("all, "), list(&best.processes))
        } else {
            "In which order all are restarted makes no difference that can be told.".to_owned()
        });
    }
    words.join(" ")
}

/// Request-seconds as a text.
fn waiting(case: &Case) -> String {
    let seconds = case.waiting_seconds;
    format!("{} s ({}–{})", number(seconds.value), number(seconds.low), number(seconds.high))
}

fn recovered(case: &Case) -> String {
    match case.recovered_seconds {
        Some(seconds) if seconds <= 0.0 => "and hardly any more are at work at once".to_owned(),
        Some(seconds) => format!("and are served as before after {}", duration(seconds)),
        None => "and are not served as before within the simulated time".to_owned(),
    }
}

fn cases(found: &Restart) -> AnswerTable {
    let columns = [
        ("restart of", true),
        ("longer waits (s)", false),
        ("more at work", false),
        ("as before after", false),
        ("p95 (ms)", false),
        ("without (ms)", false),
    ];
    let mut table = AnswerTable::new("Restarts", "longer waits: of all requests together; more at work: the worst ten seconds", &columns);
    for case in &found.cases {
        table.rows.push(vec![
            case.name.clone(),
            waiting(case),
            prose::range(case.worst, 1),
            case.recovered_seconds.map_or_else(|| "not in time".to_owned(), duration),
            milliseconds(case.p95_ms),
            milliseconds(case.p95_without_ms),
        ]);
    }
    table
}

fn notes(found: &Restart) -> Vec<String> {
    vec![
        format!(
            "{} each, with {} requests at work usually; the simulated time ends {} after the first restart.",
            plural(u64::from(found.replications), "replication", "replications"),
            number(found.usual),
            duration(found.seconds_after)
        ),
        format!(
            "Assumed: requests cost {} times as much right after a start, and a third of the difference is left after {}. Requests that a process has begun are finished; \
             what clients do when their connection is cut, and streams that nobody writes meanwhile, are not simulated.",
            prose::factor(1.0 + found.cold),
            duration(found.warming_seconds)
        ),
    ]
}
