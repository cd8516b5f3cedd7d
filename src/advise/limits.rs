//! What limits a deployment: CPU of a process, its database connections, a stream writer, a federation sender; and how far the load may
//! grow until each is reached.
//!
//! A limit is reached where the objective is: at 70 % busy and 80 % of the connections unless it says otherwise. Memory and the
//! database's own CPU are limits too, but no log shows them, so they are listed only where they are known.

mod connections;
mod levers;
mod observed;

pub use connections::{ConnectionPool, pool_share};
pub(super) use levers::{Pressure, levers};
pub(super) use observed::observed;

use std::fmt;

use serde::Serialize;

use super::model::{PlanSummary, ProcessSummary};
use super::objective::Objective;
use wsim_plan::CheckedPlan;
use wsim_stats::Interval;

/// One limit of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    pub kind: LimitKind,
    /// The process that reaches it first.
    #[serde(rename = "where")]
    pub place: String,
    /// Factor by which the load may grow until the limit is reached; below 1: already exceeded. The low end is at the upper end of the
    /// uncertainty of the estimate.
    pub headroom: Interval,
}

/// What runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// The CPU that a process may use.
    Cpu,
    /// A process's database connections (`cp_max`).
    Connections,
    /// The database itself.
    Database,
    /// A process that alone writes a stream or a share of the events.
    StreamWriter,
    /// A process that sends to other servers.
    FederationSender,
    Memory,
}

impl LimitKind {
    /// What a sentence calls it: `CPU`, `database connections`.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Connections => "database connections",
            Self::Database => "database",
            Self::StreamWriter => "CPU as a stream writer",
            Self::FederationSender => "CPU as a federation sender",
            Self::Memory => "memory",
        }
    }

    /// The same in a narrow table.
    const fn brief(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Connections => "connections",
            Self::Database => "database",
            Self::StreamWriter => "writer",
            Self::FederationSender => "sender",
            Self::Memory => "memory",
        }
    }

    /// The kind of limit that a process's CPU is, by its name and its place in a plan.
    fn of_process(name: &str, is_writer: bool) -> Self {
        let lower = name.to_ascii_lowercase();
        if lower.contains("federation_sender") || lower.contains("federation-sender") {
            Self::FederationSender
        } else if is_writer {
            Self::StreamWriter
        } else {
            Self::Cpu
        }
    }
}

impl Limit {
    /// A share of something with a limit: the load may grow until `share` reaches `below`. `idle` is the part that does not grow.
    ///
    /// `None` if no growth reaches the limit.
    pub(super) fn of_share(kind: LimitKind, place: &str, share: Interval, idle: Interval, below: f64) -> Option<Self> {
        let value = headroom(share.value, idle.value, below);
        let low = headroom(share.high, idle.high, below);
        let high = headroom(share.low, idle.low, below);
        // The growing part may be nothing at the low end of an estimate.
        let finite = |factor: f64| factor.min(HEADROOM_MAX);
        value.is_finite().then(|| Self { kind, place: place.to_owned(), headroom: Interval::new(finite(value), finite(low), finite(high)) })
    }

    /// Whether the load as it is has reached it, by the best estimate.
    pub fn is_reached(&self) -> bool {
        self.headroom.value <= 1.0
    }

    /// For a table: `database connections of main, 1.2×`.
    pub fn in_a_table(&self) -> String {
        format!("{} of {}, {}", self.kind.words(), self.place, self.factor())
    }

    /// For a narrow table: `connections 1.2×`.
    pub fn brief(&self) -> String {
        format!("{} {}", self.kind.brief(), self.factor())
    }

    /// `1.2×`, `reached`.
    fn factor(&self) -> String {
        if self.is_reached() { "reached".to_owned() } else { format!("{}×", wsim_text::prose::factor(self.headroom.value)) }
    }

    /// `the main process's database connections`.
    pub fn subject(&self) -> String {
        let place = if self.place == MAIN { "the main process".to_owned() } else { self.place.clone() };
        match self.kind {
            LimitKind::Database => format!("the database ({place})"),
            _ => format!("{place}'s {}", self.kind.words()),
        }
    }
}

impl fmt::Display for Limit {
    /// `the main process's database connections at 1.2 times this load (0.9–1.5)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Interval { value, low, high } = self.headroom;
        if self.is_reached() {
            return write!(f, "{}, already reached", self.subject());
        }
        let factor = wsim_text::prose::factor;
        if factor(value) == "1" {
            return write!(f, "{}, with no room to grow", self.subject());
        }
        write!(f, "{} at {} times this load", self.subject(), factor(value))?;
        let (low, high) = (factor(low), factor(high));
        if low == high { Ok(()) } else { write!(f, " ({low}–{high})") }
    }
}

/// The limits of a plan whose processes are known: the tightest of each kind, the first limit first. `persisting` is the
/// CPU that persisting all events takes, cores.
pub(super) fn of_plan(plan: &CheckedPlan, processes: &[ProcessSummary], objective: &Objective, persisting: Interval) -> Vec<Limit> {
    let writers: Vec<&str> = plan.stream_writers.values().flat_map(|writers| writers.names().iter().map(String::as_str)).collect();
    let mut limits = Vec::new();
    for process in processes {
        let kind = LimitKind::of_process(&process.name, writers.contains(&process.name.as_str()));
        limits.extend(Limit::of_share(kind, &process.name, process.peak, process.idle, objective.busy));
        let connections = process.connections.filter(|share| share.high > 0.0);
        limits.extend(
            connections.and_then(|share| {
                Limit::of_share(LimitKind::Connections, &process.name, share, NOTHING, objective.connections_or_default())
            }),
        );
    }
    limits.extend(persister(plan, persisting, objective));
    tightest(limits)
}

/// Persisting alone, which one process does for each room.
fn persister(plan: &CheckedPlan, persisting: Interval, objective: &Objective) -> Option<Limit> {
    let names = plan.stream_writers.get("events").map(|writers| writers.names().to_vec()).unwrap_or_default();
    let place = names.first().map_or(MAIN, String::as_str);
    let each = persisting.scaled(1.0 / names.len().max(1) as f64);
    (each.value > 0.0).then(|| Limit::of_share(LimitKind::StreamWriter, place, each, NOTHING, objective.busy)).flatten()
}

/// `The first limit, the main process's database connections, is reached already. What helps: …`, for the start of a verdict; `None` where
/// no limit is reached or the first is the CPU, of which every verdict speaks anyway.
pub(super) fn reached(limits: &[Limit], levers: &[String]) -> Option<String> {
    let first = limits.first().filter(|limit| limit.is_reached() && limit.kind != LimitKind::Cpu)?;
    let verb = if first.kind == LimitKind::Connections { "are" } else { "is" };
    Some(format!("{} {verb} the first limit, already reached. {}", wsim_text::capital(&first.subject()), help(levers)))
}

/// `What helps: more connections, a faster database, or a split by kind.`
pub(super) fn help(levers: &[String]) -> String {
    let text = match levers {
        [] => return String::new(),
        [one] => one.clone(),
        [several @ .., last] => format!("{}, or {last}", several.join(", ")),
    };
    format!("What helps: {text}.")
}

/// `Limits of the server as it is: the main process's database connections, already reached; …`.
pub(super) fn listed(whose: &str, limits: &[Limit]) -> Option<String> {
    let texts: Vec<String> = limits.iter().map(Limit::to_string).collect();
    (!texts.is_empty()).then(|| format!("Limits of {whose}: {}.", texts.join("; ")))
}

/// The tightest limit of each kind, tightest first.
fn tightest(mut limits: Vec<Limit>) -> Vec<Limit> {
    limits.sort_by(|a, b| a.headroom.value.total_cmp(&b.headroom.value));
    let mut seen: Vec<LimitKind> = Vec::new();
    limits.retain(|limit| {
        let is_first = !seen.contains(&limit.kind);
        seen.push(limit.kind);
        is_first
    });
    limits
}

/// How many times the load may grow, everything in proportion, until a process with this busy share reaches `below`.
/// `idle` is the part that does not grow. Infinite for a process that does nothing else; 0 if its idle part alone is too much.
pub(super) fn headroom(busy: f64, idle: f64, below: f64) -> f64 {
    let (available, used) = (below - idle, busy - idle);
    if available <= 0.0 {
        0.0
    } else if used <= 1e-9 {
        f64::INFINITY
    } else {
        available / used
    }
}

impl PlanSummary {
    /// What the plan runs out of first when the load grows; `None` if nothing is known to grow.
    pub fn first_limit(&self) -> Option<&Limit> {
        self.limits.first()
    }
}

const NOTHING: Interval = Interval::exact(0.0);
const MAIN: &str = "main";
/// A factor beyond this says only that nothing is near.
const HEADROOM_MAX: f64 = 1000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_grows_uses_up_the_headroom() {
        assert!((headroom(0.14, 0.02, 0.7) - 0.68 / 0.12).abs() < 1e-12);
        assert_eq!(headroom(0.02, 0.02, 0.7), f64::INFINITY);
        assert_eq!(headroom(0.9, 0.8, 0.7), 0.0);
    }

    #[test]
    fn the_headroom_is_least_at_the_upper_end_of_the_estimate() {
        let share = Interval::new(0.4, 0.2, 0.8);
        let limit = Limit::of_share(LimitKind::Connections, MAIN, share, NOTHING, 0.8).unwrap();
        assert_eq!(limit.headroom, Interval::new(2.0, 1.0, 4.0));
        assert_eq!(limit.to_string(), "the main process's database connections at 2 times this load (1–4)");
        let reached = Limit::of_share(LimitKind::Cpu, "sync1", Interval::exact(0.9), NOTHING, 0.7).unwrap();
        assert_eq!(reached.to_string(), "sync1's CPU, already reached");
    }

    #[test]
    fn of_each_kind_the_tightest_is_listed_and_the_first_limit_first() {
        let limit = |kind, place: &str, factor| Limit { kind, place: place.to_owned(), headroom: Interval::exact(factor) };
        let all = vec![limit(LimitKind::Cpu, "main", 5.0), limit(LimitKind::Connections, "main", 1.1), limit(LimitKind::Cpu, "sync1", 3.0)];
        let listed: Vec<(LimitKind, String)> = tightest(all).into_iter().map(|limit| (limit.kind, limit.place)).collect();
        assert_eq!(listed, [(LimitKind::Connections, "main".to_owned()), (LimitKind::Cpu, "sync1".to_owned())]);
    }
}
