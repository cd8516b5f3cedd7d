//! What layouts cost and bring on one log.

use super::{Answer, AnswerTable};
use crate::shared::table::Tone;
use wsim_advise::Meets;
use wsim_questions::presets::{Comparison, Row};
use wsim_stats::Interval;
use wsim_text::{bytes, milliseconds, percent_range, plural, prose, range};

impl Answer {
    /// Every plan in one table, with the cheapest that is certain to be enough.
    pub fn of_presets(found: &Comparison) -> Self {
        let has_prices = found.currency.is_some();
        let mut tables = vec![plans(found)];
        if has_prices {
            tables.push(costs(found));
        }
        tables.push(machine(found));
        Self {
            head: format!(
                "presets · {} simulated · {}",
                plural(found.requests, "request", "requests"),
                plural(found.rows.len() as u64, "plan", "plans")
            ),
            verdict: verdict(found),
            tone: if found.cheapest.is_some() { Tone::Plain } else { Tone::Warn },
            tables,
            notes: notes(found),
            next: found
                .cheapest
                .map(|index| &found.rows[index])
                .filter(|row| row.workers > 0 && row.source != "--plan")
                .map(|row| ("look at this plan in detail".to_owned(), format!("wsim simulate LOG --plan '{}'", row.plan)))
                .into_iter()
                .collect(),
        }
    }
}

fn verdict(found: &Comparison) -> String {
    let cheapest = match found.cheapest.map(|index| &found.rows[index]) {
        Some(row) if row.workers == 0 => {
            "The main process alone meets the objective with 95 % certainty: no layout with workers pays on this log.".to_owned()
        }
        Some(row) => format!(
            "{} is the {} plan that meets the objective with 95 % certainty{}.",
            row.plan,
            if found.currency.is_some() { "cheapest" } else { "smallest" },
            row.cost
                .zip(found.currency.as_ref())
                .map_or_else(String::new, |(cost, currency)| format!(": {} {currency} a month", range(cost)))
        ),
        None => "No plan here meets the objective with 95 % certainty.".to_owned(),
    };
    let dearest = found.rows.iter().filter(|row| row.workers > 0).max_by(|a, b| a.cores_ratio.total_cmp(&b.cores_ratio));
    let dearest = dearest.filter(|row| row.cores_ratio > 1.1).map(|row| {
        format!(
            " {} needs {} times the CPU of the main process alone, with {}{}.",
            row.plan,
            prose::factor(row.cores_ratio),
            plural(u64::from(row.workers), "worker", "workers"),
            match row.p95_gain_ms {
                _ if row.p95_overlaps => ", and nobody could tell its response times from those of the main process alone".to_owned(),
                Some(gain) if gain < 0.0 => format!(", and its p95 is {} shorter", prose::milliseconds(-gain)),
                _ => ", and its response times are no shorter".to_owned(),
            }
        )
    });
    cheapest + &dearest.unwrap_or_default()
}

fn plans(found: &Comparison) -> AnswerTable {
    let columns = [
        ("plan", true),
        ("workers", false),
        ("CPU (cores)", false),
        ("over one", false),
        ("busiest", true),
        ("busy (%)", false),
        ("p95 (ms)", false),
        ("gain (ms)", false),
        ("meets", true),
    ];
    let mut table = AnswerTable::new("Plans on this log", &found.objective, &columns);
    for row in &found.rows {
        table.rows.push(vec![
            row.plan.clone(),
            row.workers.to_string(),
            prose::range(row.cores, 2),
            format!("× {:.2}", row.cores_ratio),
            row.busiest.clone(),
            percent_range(row.busy),
            row.p95_ms.map_or_else(|| "piles up".to_owned(), wsim_text::milliseconds_range),
            gain(row),
            word(row.meets).to_owned(),
        ]);
    }
    table
}

/// What the 95th percentile gains over that of the main process alone.
fn gain(row: &Row) -> String {
    match row.p95_gain_ms {
        None => String::new(),
        Some(_) if row.workers == 0 => String::new(),
        Some(gain) => format!("{}{}", if row.p95_overlaps { "≈ " } else { "" }, signed(-gain)),
    }
}

fn signed(value: f64) -> String {
    if value < 0.0 { format!("−{}", milliseconds(-value)) } else { format!("+{}", milliseconds(value)) }
}

fn word(meets: Meets) -> &'static str {
    match meets {
        Meets::Yes => "yes",
        Meets::Maybe => "perhaps",
        Meets::No => "no",
    }
}

fn costs(found: &Comparison) -> AnswerTable {
    let columns = [("plan", true), ("a month", false), ("probability of missing", false), ("expected", false), ("regret", false)];
    let note = found.currency.as_ref().map(|currency| format!("{currency} a month")).unwrap_or_default();
    let mut table = AnswerTable::new("Cost", &note, &columns);
    let money = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
    for row in &found.rows {
        table.rows.push(vec![
            row.plan.clone(),
            row.cost.map_or_else(String::new, |cost| prose::range(cost, 2)),
            prose::percent(row.misses),
            money(row.expected_cost),
            money(row.regret),
        ]);
    }
    table
}

fn machine(found: &Comparison) -> AnswerTable {
    let columns = [("plan", true), ("processes", false), ("memory", false), ("connections", false), ("cp_max", false), ("", true)];
    let mut table =
        AnswerTable::new("Memory and connections", "cp_max: what the busiest process needs; connections: what all may open", &columns);
    for row in &found.rows {
        table.rows.push(vec![
            row.plan.clone(),
            row.footprint.processes.to_string(),
            memory(row.footprint.memory_bytes),
            row.footprint.connections.to_string(),
            row.cp_max.to_string(),
            row.warnings.join("; "),
        ]);
    }
    table
}

fn notes(found: &Comparison) -> Vec<String> {
    let measured = found.rows.first().map_or(0, |row| row.footprint.measured_processes);
    let memory = if measured > 0 {
        format!("Memory is that of {} in --process-cpu; caches may still grow by half.", plural(measured as u64, "process", "processes"))
    } else {
        "Memory is assumed: 300 MiB for each process (120 to 500). wsim record measures yours.".to_owned()
    };
    let mut notes = vec![
        "A gain is the 95th percentile of response times over that of the main process alone; ≈: the ranges overlap, so nobody can tell. Ranges are 95 % \
         intervals of what a day like this would show."
            .to_owned(),
        memory,
    ];
    notes.extend(found.left_out.iter().take(3).map(|(plan, why)| format!("{plan} is left out: {why}.")));
    notes
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes, not negative; the cast saturates")]
fn memory(value: Interval) -> String {
    let text = |value: f64| bytes(value.round() as u64);
    format!("{} ({}–{})", text(value.value), text(value.low), text(value.high))
}
