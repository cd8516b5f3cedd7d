//! Outbound federation: destinations, catch-up, senders.

use super::{Answer, AnswerTable};
use crate::shared::table::Tone;
use wsim_questions::federation::Federation;
use wsim_text::{count, duration, milliseconds, number, percent_range, plural, prose};

impl Answer {
    /// How long senders take to catch up, and what more of them bring.
    pub fn of_federation(found: &Federation) -> Self {
        Self {
            head: format!("what if · federation · a sender down for {}", duration(found.down_seconds)),
            verdict: verdict(found),
            tone: Tone::Plain,
            tables: vec![senders(found), destinations(found)],
            notes: notes(found),
            next: Vec::new(),
        }
    }
}

/// Seconds with their range.
fn seconds(value: wsim_stats::Interval) -> String {
    format!("{} s ({}–{} s)", number(value.value), number(value.low), number(value.high))
}

fn verdict(found: &Federation) -> String {
    let Some(one) = found.senders.first() else { return String::new() };
    let caught_up = format!(
        "After {} without a sender {} would need {} from {} first event on to have sent what was missed",
        duration(found.down_seconds),
        plural(u64::from(one.senders), "sender", "senders"),
        seconds(one.catch_up_seconds),
        if one.senders == 1 { "its" } else { "their" }
    );
    let most = found.destinations.first().filter(|other| other.busy > 0.7);
    let limit = most.map(|other| {
        format!(
            " {} has a transaction on its way {} of the time: its responses are the limit, and no further sender helps.",
            other.name,
            prose::percent(other.busy)
        )
    });
    let more = found.senders.get(1).map(|more| {
        let gain = 1.0 - more.catch_up_seconds.value / one.catch_up_seconds.value.max(1e-9);
        match gain {
            gain if found.destinations_known < 2 || gain < 0.02 => format!("; {} of them would bring nothing", more.senders),
            gain => format!("; with {} of them {} less", more.senders, prose::percent(gain)),
        }
    });
    format!("{caught_up}{}.{}", more.unwrap_or_default(), limit.unwrap_or_default())
}

fn senders(found: &Federation) -> AnswerTable {
    let columns = [("senders", false), ("destinations", false), ("share", false), ("busy (%)", false), ("caught up after", false)];
    let mut table = AnswerTable::new("Senders", "the one of them that has most to do", &columns);
    for row in &found.senders {
        table.rows.push(vec![
            row.senders.to_string(),
            count(u64::from(row.destinations)),
            prose::percent(row.share),
            percent_range(row.busy),
            seconds(row.catch_up_seconds),
        ]);
    }
    table
}

fn destinations(found: &Federation) -> AnswerTable {
    let columns = [
        ("server", true),
        ("events/s", false),
        ("EDUs/s", false),
        ("transactions/s", false),
        ("response (ms)", false),
        ("on its way", false),
        ("failed", false),
        ("sent after", false),
    ];
    let note = format!("{} in the log; those with most time on the way", plural(u64::from(found.destinations_known), "server", "servers"));
    let mut table = AnswerTable::new("Destinations", &note, &columns);
    for row in &found.destinations {
        table.rows.push(vec![
            row.name.clone(),
            number(row.pdus_per_second),
            number(row.edus_per_second),
            number(row.transactions_per_second),
            row.response_ms.map_or_else(|| "–".to_owned(), milliseconds),
            prose::percent(row.busy),
            count(row.failed),
            seconds(row.catch_up_seconds),
        ]);
    }
    table
}

fn notes(found: &Federation) -> Vec<String> {
    let cpu = found.transaction_cpu_ms;
    vec![
        format!(
            "{}: {} ms of CPU for a transaction with all that leads to it ({}–{} ms).",
            if found.measured { "Measured" } else { "Assumed, give --process-cpu with the senders' counters to have it measured" },
            number(cpu.value),
            number(cpu.low),
            number(cpu.high)
        ),
        format!(
            "After its start a sender begins with the next event for a server, here within {}, or when it looks by itself, once a minute. That, and its start, come first.",
            duration(found.wake_seconds.high)
        ),
        "A server gets one transaction at a time. After a start each room in which something was missed has one of its own, otherwise up to 50 events share one: how \
         many rooms is in no log of a sender, so the range is from one to the other. What other servers then ask for (missing events, state) is in no figure here."
            .to_owned(),
    ]
}
