//! Bursts of bridges and bots.

use super::{Answer, AnswerTable};
use crate::shared::table::Tone;
use wsim_questions::bots::Bots;
use wsim_stats::Interval;
use wsim_text::{count, duration, number, percent_range, plural, prose};

impl Answer {
    /// A burst against one reactor and its socket.
    pub fn of_bots(found: &Bots) -> Self {
        Self {
            head: format!("what if · bots · a burst of {}", plural(u64::from(found.burst), "request", "requests")),
            verdict: verdict(found),
            tone: Tone::Plain,
            tables: vec![table(found)],
            notes: notes(found),
            next: Vec::new(),
        }
    }
}

fn seconds(value: Interval) -> String {
    format!("{} s ({}–{} s)", number(value.value), number(value.low), number(value.high))
}

fn ms(value: Interval) -> String {
    format!("{} ms ({}–{} ms)", number(value.value), number(value.low), number(value.high))
}

fn verdict(found: &Bots) -> String {
    let socket = if found.refused.high >= 1.0 {
        format!(" Up to {} of its connections would find the socket full and be opened a second later.", number(found.refused.high))
    } else {
        " The socket has room for it.".to_owned()
    };
    format!(
        "A burst of {}{} keeps a process that serves people too busy for {}, in which each of their requests takes {} longer. With a worker of its own people wait for none of \
         it.{socket}",
        plural(u64::from(found.burst), "request", "requests"),
        if found.over_seconds > 0.0 { format!(" within {}", duration(found.over_seconds)) } else { " at once".to_owned() },
        seconds(found.drained_seconds),
        ms(found.wait_ms)
    )
}

fn table(found: &Bots) -> AnswerTable {
    let mut table = AnswerTable::new("Bridges and bots of the log, and a burst", "", &[("", true), ("value", false)]);
    let mut row = |name: &str, value: String| table.rows.push(vec![name.to_owned(), value]);
    row("requests", format!("{}, {} a second", count(found.requests), number(found.requests_per_second)));
    row("share of all CPU in request lines", prose::percent(found.share));
    row("CPU of one", ms(found.cpu_ms));
    row("most in one second", found.largest_in_a_second.to_string());
    row("everybody else at one process", percent_range(found.others_busy));
    row("worked off after, beside people", seconds(found.drained_seconds));
    row("worked off after, at a worker of its own", seconds(found.drained_apart_seconds));
    row("a person's request takes longer by", ms(found.wait_ms));
    row(
        "requests of people meanwhile",
        format!(
            "{} ({}–{})",
            number(found.people_meanwhile.value),
            number(found.people_meanwhile.low),
            number(found.people_meanwhile.high)
        ),
    );
    row("longest slice of the reactor", format!("{} ms", number(found.longest_slice_ms)));
    row("connections that find the socket full", format!("{}–{}", number(found.refused.low), number(found.refused.high)));
    table
}

fn notes(found: &Bots) -> Vec<String> {
    vec![
        "Longer waits are between those of a reactor that serves one request after the other and of one that serves all by turns. The database, the writers of events, and the syncs that the burst wakes \
         stay common to both, wherever the bot is served: people see what it says, and each of their syncs costs."
            .to_owned(),
        format!(
            "Synapse's sockets keep 51 connections that are not accepted yet. The range begins at none, if the reactor comes to accept them while they arrive; a proxy that reuses connections opens fewer.{}",
            if found.is_given { "" } else { " The burst is the largest second of the log: --burst N for another." }
        ),
    ]
}
