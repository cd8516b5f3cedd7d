//! Tokens that rotate.

use super::{Answer, AnswerTable};
use crate::shared::table::Tone;
use wsim_questions::tokens::{Choice, Tokens, TokensCase};
use wsim_text::{count, duration, milliseconds, number, plural, prose};

impl Answer {
    /// What rotating tokens cost with each way to choose a worker.
    pub fn of_tokens(found: &Tokens) -> Self {
        Self {
            head: format!(
                "what if · tokens that live for {} · {}",
                duration(found.rotation_seconds),
                plural(u64::from(found.devices), "device", "devices")
            ),
            verdict: verdict(found),
            tone: Tone::Plain,
            tables: vec![cases(found), keys(found)],
            notes: notes(found),
            next: Vec::new(),
        }
    }
}

fn verdict(found: &Tokens) -> String {
    let most = found.cases.iter().map(|case| case.workers).max().unwrap_or(1);
    let of = |choice: Choice| found.cases.iter().find(|case| case.workers == most && case.choice == choice);
    let (Some(user), Some(token), Some(turn)) = (of(Choice::User), of(Choice::Token), of(Choice::RoundRobin)) else { return String::new() };
    let times = |case: &TokensCase, other: &TokensCase| prose::factor(case.asked_per_second / other.asked_per_second.max(1e-12));
    format!(
        "With {} the service would be asked {} times a second if users stay with a worker, and {} times as often if requests go in turn. A hash of the token moves each user with \
         every new token: {} cold starts per user and hour instead of {}.",
        plural(u64::from(most), "worker", "workers"),
        number(user.asked_per_second),
        times(turn, user),
        number(token.cold_per_user_hour),
        number(user.cold_per_user_hour)
    )
}

fn cases(found: &Tokens) -> AnswerTable {
    let columns = [
        ("workers", false),
        ("hash of", true),
        ("asked/s", false),
        ("waiting", false),
        ("wait (ms)", false),
        ("cold/user/h", false),
        ("busiest", false),
    ];
    let note = "waiting: of requests, for the service; busiest: load over the mean";
    let mut table = AnswerTable::new("On this log, as if its tokens rotated", note, &columns);
    for case in &found.cases {
        table.rows.push(vec![
            case.workers.to_string(),
            case.choice.word().to_owned(),
            number(case.asked_per_second),
            prose::percent(case.waiting_share),
            format!(
                "{} ({}–{})",
                milliseconds(case.waiting_ms.value),
                milliseconds(case.waiting_ms.low),
                milliseconds(case.waiting_ms.high)
            ),
            number(case.cold_per_user_hour),
            format!("× {}", prose::factor(case.busiest_over_mean)),
        ]);
    }
    table
}

/// Which keys a proxy has that hold.
fn keys(found: &Tokens) -> AnswerTable {
    let mut table = AnswerTable::new("Keys of a proxy", "", &[("key", true), ("holds", true), ("why", true)]);
    let mut row = |key: &str, holds: &str, why: &str| table.rows.push(vec![key.to_owned(), holds.to_owned(), why.to_owned()]);
    row("user in the token (syt_…)", "no", "tokens of the service name nobody");
    row("Authorization or token", "one life", "another worker with each new token");
    row(
        "client's address",
        if found.has_addresses { "until it changes" } else { "not here" },
        if found.has_addresses { "devices behind one share a worker" } else { "all requests have the same" },
    );
    row("room in the path", "yes", "for requests about a room; not for sync");
    table
}

fn notes(found: &Tokens) -> Vec<String> {
    let answer = found.answer_ms;
    let mut notes = vec![
        format!(
            "{} of {} with {} tokens in {}. A device asks for a new token when it is about to use one that has expired; each process asks about a token it does not \
             know, and remembers the answer for two minutes.",
            plural(found.requests, "request", "requests"),
            plural(u64::from(found.users), "user", "users"),
            count(found.tokens),
            duration(found.seconds)
        ),
        format!(
            "Assumed: the service answers in {} ms ({}–{} ms). Its own CPU, and that of the question at Synapse, are not in the figures; `wsim simulate` shows what cold caches cost.",
            number(answer.value),
            number(answer.low),
            number(answer.high)
        ),
    ];
    if found.seconds < 3.0 * found.rotation_seconds {
        notes.push("The log is shorter than three lives of a token: cold starts are mostly those of the log's beginning.".to_owned());
    }
    notes
}
