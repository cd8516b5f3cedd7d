//! What changed between a good and a bad time.

use super::{Answer, AnswerTable};
use crate::shared::table::Tone;
use wsim_questions::changed::{Changed, Difference, Dimension, Entry};
use wsim_text::{number, prose, quoted, time_span};

impl Answer {
    /// Who and what explains the difference.
    pub fn of_changed(found: &Changed) -> Self {
        let head = format!(
            "what changed · good {} · bad {}",
            time_span(found.good.start_us, found.good.end_us),
            time_span(found.bad.start_us, found.bad.end_us)
        );
        Self {
            head,
            verdict: verdict(found),
            tone: Tone::Plain,
            tables: vec![totals(found), entries(&found.by_cpu, found.cpu, true), entries(&found.by_waiting, found.waiting, false)],
            notes: notes(found),
            next: Vec::new(),
        }
    }
}

fn verdict(found: &Changed) -> String {
    if !found.has_cpu {
        return "The log shows no CPU: only requests and their waiting are compared.".to_owned();
    }
    let Difference { good, bad, noise, .. } = found.cpu;
    let change = found.cpu.change();
    let all = format!("Requests used {} in the good time and {} in the bad one", prose::cores(good), prose::cores(bad));
    if !found.cpu.is_beyond_noise() {
        let beside = if found.by_cpu.is_empty() { "" } else { ", though some of those below changed" };
        return format!("{all}: a difference within the noise of {}{beside}.", prose::cores(noise));
    }
    let share = |entry: &Entry| prose::percent((entry.cpu.change() / change).clamp(0.0, 1.0));
    match found.chief.map(|index| &found.by_cpu[index]) {
        Some(chief) => format!(
            "{all}. The {} {} explains {} of the difference: {}.",
            chief.dimension.word(),
            quoted(&chief.name),
            share(chief),
            how(chief)
        ),
        None => format!("{all}, and no single user, room, server, endpoint or program explains a fifth of the difference."),
    }
}

/// In words whether an entry asks more often or costs more.
fn how(entry: &Entry) -> String {
    let [before, after] = entry.requests;
    let rates = format!("{} requests a second after {}", number(after), number(before));
    match entry.cpu_ms {
        [Some(cheap), Some(dear)] if entry.cpu.of_cost.abs() > entry.cpu.of_count.abs() => {
            format!("a request took {} ms of CPU after {} ms", number(dear), number(cheap))
        }
        [None, _] => format!("{rates}, none in the good time").replace(" after 0", ""),
        _ => rates,
    }
}

fn totals(found: &Changed) -> AnswerTable {
    let mut table =
        AnswerTable::new("All requests", "", &[("", true), ("good", false), ("bad", false), ("difference", false), ("noise", false)]);
    table.rows.push(vec![
        "requests a second".to_owned(),
        number(found.good.requests_per_second),
        number(found.bad.requests_per_second),
        signed(found.bad.requests_per_second - found.good.requests_per_second),
        String::new(),
    ]);
    for (name, difference) in [("CPU (cores)", found.cpu), ("requests that wait at once", found.waiting)] {
        table.rows.push(vec![
            name.to_owned(),
            number(difference.good),
            number(difference.bad),
            signed(difference.change()),
            format!("±{}", number(difference.noise)),
        ]);
    }
    table
}

fn entries(entries: &[Entry], all: Difference, by_cpu: bool) -> AnswerTable {
    let figure = |entry: &Entry| if by_cpu { entry.cpu } else { entry.waiting };
    let (title, note) = if by_cpu {
        ("Who and what, by CPU", "cores; beyond noise only")
    } else {
        ("Who and what, by waiting", "requests that wait at once; beyond noise only")
    };
    let columns = [
        ("", true),
        ("name", true),
        ("requests/s", false),
        ("CPU (ms)", false),
        ("difference", false),
        ("of count", false),
        ("of cost", false),
        ("share", false),
    ];
    let mut table = AnswerTable::new(title, note, &columns);
    let arrow = |before: String, after: String| format!("{before} → {after}");
    let ms = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), number);
    for dimension in Dimension::ALL {
        for entry in entries.iter().filter(|entry| entry.dimension == dimension).take(ROWS) {
            let difference = figure(entry);
            let share = if all.is_beyond_noise() { prose::percent(difference.change() / all.change()) } else { String::new() };
            table.rows.push(vec![
                brief(dimension).to_owned(),
                entry.name.clone(),
                arrow(number(entry.requests[0]), number(entry.requests[1])),
                arrow(ms(entry.cpu_ms[0]), ms(entry.cpu_ms[1])),
                signed(difference.change()),
                signed(difference.of_count),
                signed(difference.of_cost),
                share,
            ]);
        }
    }
    table
}

/// The word of a dimension in a narrow table.
fn brief(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Peer => "address",
        Dimension::EndpointGroup => "endpoint",
        other => other.word(),
    }
}

fn signed(value: f64) -> String {
    if value < 0.0 { format!("−{}", number(-value)) } else { format!("+{}", number(value)) }
}

fn notes(found: &Changed) -> Vec<String> {
    let mut notes = vec![
        "A difference is split into what comes from more or fewer requests and what comes from dearer or cheaper ones; both add up to it. The dimensions \
         are views of the same difference and do not add up."
            .to_owned(),
        "Noise is by the spread of twelve pieces of the good time, for all entries of a dimension together: of windows in which nothing changed one in twenty \
         names an entry of a dimension all the same. Another hour of the day or another weekday is a change, too."
            .to_owned(),
    ];
    if found.bad.seconds < 300.0 || found.good.seconds < 600.0 {
        notes.push("The times are short: give ten minutes of the good time or more, better some hours.".to_owned());
    }
    notes
}

/// Rows of each dimension.
const ROWS: usize = 3;
