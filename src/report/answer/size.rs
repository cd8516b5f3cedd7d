//! What a server without a log would need.

use super::{Answer, AnswerTable};
use crate::shared::table::Tone;
use wsim_questions::size::{Like, Server, Size};
use wsim_stats::Interval;
use wsim_text::{bytes, list, milliseconds, number, percent_range, plural, prose, range};

impl Answer {
    /// The size of a server; `objective` is what its plans are held to.
    pub fn of_size(server: &Server, size: &Size, objective: &str) -> Self {
        let head = format!(
            "size · {}, federation {}, {} · {} of habits, no log",
            plural(u64::from(server.users), "user", "users"),
            server.federation.name(),
            plural(u64::from(server.bridges), "bridge or bot", "bridges and bots"),
            plural(u64::from(size.draws), "draw", "draws")
        );
        Self {
            head,
            verdict: verdict(size),
            tone: Tone::Plain,
            tables: vec![load(size), workers(size), plans(size)],
            notes: notes(size, objective),
            next: next(size),
        }
    }
}

impl Answer {
    /// The size of a server with the habits of another.
    pub fn of_like(found: &Like, objective: &str) -> Self {
        let columns = [
            ("a user's activity", true),
            ("load", false),
            ("requests/s", false),
            ("plan", true),
            ("CPU (cores)", false),
            ("busiest", true),
            ("busy (%)", false),
            ("p95 (ms)", false),
            ("meets", true),
        ];
        let mut table = AnswerTable::new("With the habits of that server", "simulated; more people are more rooms of the kind", &columns);
        for load in &found.loads {
            table.rows.push(vec![
                format!("× {}", prose::factor(load.activity)),
                format!("× {}", prose::factor(load.factor)),
                number(load.requests_per_second),
                load.plan.clone(),
                prose::range(load.cores, 2),
                load.busiest.clone(),
                percent_range(load.busy),
                load.p95_ms.map_or_else(|| "piles up".to_owned(), wsim_text::milliseconds_range),
                if load.meets { "yes" } else { "no standard plan" }.to_owned(),
            ]);
        }
        let workers = |load: &wsim_questions::size::LikeLoad| match (load.meets, load.workers) {
            (false, _) => "more than the standard plans".to_owned(),
            (true, 0) => "the main process alone".to_owned(),
            (true, workers) => plural(u64::from(workers), "worker", "workers"),
        };
        let verdict = match found.loads.iter().find(|load| (load.activity - 1.0).abs() < 1e-9) {
            Some(load) => format!(
                "With the habits of that server {} need {}; if they are half or twice as active: {}.",
                plural(u64::from(found.users), "user", "users"),
                workers(load),
                list(&found.loads.iter().filter(|other| other.activity != load.activity).map(workers).collect::<Vec<_>>())
            ),
            None => "So many users cannot be made from that log: give one of a server that is at least a hundredth of the size.".to_owned(),
        };
        Self {
            head: format!(
                "size · {} like the {} of the log",
                plural(u64::from(found.users), "user", "users"),
                plural(u64::from(found.like_users), "user", "users")
            ),
            verdict,
            tone: Tone::Plain,
            tables: vec![table],
            notes: vec![
                "Users of the log are copied with all that they do, into rooms of their own. Rooms that grow with the server wake more people for each message than that: \
                 wsim simulate LOG --growth people=FACTOR shows how much. That another server's people are half or twice as active is assumed."
                    .to_owned(),
                format!("Plans are held to: {objective}."),
            ],
            next: Vec::new(),
        }
    }
}

/// `2 workers in half of the draws or more, up to 6 in nine of ten`.
fn verdict(size: &Size) -> String {
    let within = |share: f64| {
        let wanted = share * f64::from(size.draws);
        let mut sum = 0.0;
        size.workers.iter().find(|(_, draws)| {
            sum += f64::from(*draws);
            sum + 1e-9 >= wanted
        })
    };
    let words = |share: f64| match within(share) {
        Some((Some(0), _)) => "the main process alone".to_owned(),
        Some((Some(count), _)) => plural(u64::from(*count), "worker", "workers"),
        _ => "more than eight workers".to_owned(),
    };
    let (half, most) = (words(0.5), words(0.9));
    let enough = if half == most {
        format!("In nine of ten draws {half} would be enough")
    } else {
        format!("In half of the draws {half} would be enough, in nine of ten {most}")
    };
    format!(
        "{enough}. All processes of Synapse together would use {} cores and {} at the busiest time.",
        prose::range(size.cores, 2),
        memory(size.memory_bytes)
    )
}

fn load(size: &Size) -> AnswerTable {
    let mut table = AnswerTable::new(
        "Load at the busiest time",
        "middle of the draws, and what nine of ten lie between",
        &[("", true), ("value", false)],
    );
    let mut row = |name: &str, value: String| table.rows.push(vec![name.to_owned(), value]);
    row("users online", whole(size.online_users));
    row("devices that wait for news", whole(size.devices));
    row("requests a second", range(size.requests_per_second));
    row("of which syncs", range(size.syncs_per_second));
    row("events a second", range(size.events_per_second));
    row("CPU of all Synapse processes (cores)", range(size.cores));
    row("memory of all Synapse processes", memory(size.memory_bytes));
    table
}

fn workers(size: &Size) -> AnswerTable {
    let mut table = AnswerTable::new(
        "Workers needed",
        "by the screen: CPU and connections at the busiest time",
        &[("workers", true), ("draws", false)],
    );
    for (count, draws) in &size.workers {
        let words = match count {
            Some(0) => "none: the main process alone".to_owned(),
            Some(count) => count.to_string(),
            None => "more than eight".to_owned(),
        };
        table.rows.push(vec![words, format!("{draws} of {}", size.draws)]);
    }
    table
}

fn plans(size: &Size) -> AnswerTable {
    let columns = [
        ("draw", true),
        ("requests/s", false),
        ("plan", true),
        ("busiest process", true),
        ("busy", false),
        ("p95 (ms)", false),
        ("meets", true),
    ];
    let mut table = AnswerTable::new("Plans, simulated", "draws by their CPU: 50 % is the middle one", &columns);
    for draw in &size.simulated {
        table.rows.push(vec![
            prose::percent(draw.share),
            number(draw.requests_per_second),
            draw.plan.clone(),
            draw.busiest.clone(),
            percent_range(draw.busy),
            draw.p95_ms.map_or_else(|| "piles up".to_owned(), |p95| milliseconds(p95.value)),
            if draw.meets { "yes".to_owned() } else { "no standard plan".to_owned() },
        ]);
    }
    table
}

fn notes(size: &Size, objective: &str) -> Vec<String> {
    let mut notes = vec![
        "Habits are assumed or measured on test servers, not on yours: src/questions/habits.toml names the source of each. A log of a day is worth more \
         than any of this: wsim analyse."
            .to_owned(),
        format!("Plans are held to: {objective}. State resolution in large rooms, joins, outbound federation and PostgreSQL's own CPU are not in these figures."),
    ];
    if !size.decides.is_empty() {
        let names: Vec<String> = size.decides.iter().map(|one| format!("{} ({:+.1})", one.habit, one.correlation)).collect();
        notes.push(format!(
            "What the draws differ by most, with the rank correlation with CPU: {}. Tell those that you know by --assume NAME=VALUE.",
            list(&names)
        ));
    }
    notes
}

fn next(size: &Size) -> Vec<(String, String)> {
    let largest = size.simulated.iter().rfind(|draw| draw.meets && draw.workers > 0);
    let configure = largest.map(|draw| {
        ("write the configuration of the plan for most draws".to_owned(), format!("wsim configure '{}' --out synapse-workers", draw.plan))
    });
    configure.into_iter().collect()
}

fn whole(value: Interval) -> String {
    prose::range(value, 0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes, not negative; the cast saturates")]
fn memory(value: Interval) -> String {
    let text = |value: f64| bytes(value.round() as u64);
    format!("{} ({}–{})", text(value.value), text(value.low), text(value.high))
}
