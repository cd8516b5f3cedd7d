//! What limits a deployment: CPU of a process or of the machine, database connections, the database itself, a stream writer, a federation
//! sender, memory; and how far the load may grow until each is reached.
//!
//! A limit is reached where the objective is: at 70 % busy and 80 % of the connections unless it says otherwise. What no log and no option tells
//! (how many cores and how much memory there is, whether the database is near its own limit) is no limit here: it is left out, not guessed.

mod connections;
mod levers;
mod machine;
mod observed;
mod writers;

pub use connections::{ConnectionPool, pool_share};
pub(super) use levers::{Pressure, levers};
pub use machine::MachineLimits;
pub(super) use observed::observed;

use std::fmt;

use serde::Serialize;

use super::law::Law;
use super::model::{PlanSummary, ProcessSummary};
use super::objective::Objective;
use wsim_plan::CheckedPlan;
use wsim_profile::Profile;
use wsim_stats::Interval;
use wsim_text::prose::{amount, factor};

/// One limit of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    pub kind: LimitKind,
    /// The process that reaches it first.
    #[serde(rename = "where")]
    pub place: String,
    /// Factor by which the load may grow until the limit is reached; below 1: already exceeded. The low end is at the upper end of the
    /// uncertainty of the estimate. At most [`HEADROOM_MAX`].
    pub headroom: Interval,
    /// The load may grow by more than `headroom` says.
    pub more: bool,
    /// What is used of what there is, where that is not a busy share: `3.1 of 58 events a second`.
    pub quantity: Option<String>,
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
            Self::StreamWriter => "work as a stream writer",
            Self::FederationSender => "work as a federation sender",
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
}

impl Limit {
    /// A share of something with a limit: the load may grow until `share` reaches `below`. `idle` is the part that does not grow.
    ///
    /// `None` if no growth reaches the limit.
    pub(super) fn of_share(kind: LimitKind, place: &str, share: Interval, idle: Interval, below: f64) -> Option<Self> {
        let value = headroom(share.value, idle.value, below);
        let low = headroom(share.high, idle.high, below);
        let high = headroom(share.low, idle.low, below);
        value.is_finite().then(|| Self::new(kind, place, Interval { value, low: low.min(value), high: high.max(value) }))
    }

    /// With the headroom cut at [`HEADROOM_MAX`]: the growing part may be nothing at the low end of an estimate.
    fn new(kind: LimitKind, place: &str, headroom: Interval) -> Self {
        let cut = |factor: f64| factor.min(HEADROOM_MAX);
        let Interval { value, low, high } = headroom;
        let more = value > HEADROOM_MAX;
        Self { kind, place: place.to_owned(), headroom: Interval::new(cut(value), cut(low), cut(high)), more, quantity: None }
    }

    /// With what is used now of what the limit allows: `now` of a unit, and as many times that as the load may grow.
    fn counting(mut self, now: f64, unit: &str) -> Self {
        if now > 0.0 && !self.more {
            self.quantity = Some(format!("{} of {} {unit}", amount(now), amount(now * self.headroom.value)));
        }
        self
    }

    /// The headroom for a load that is already `growth` times the observed one.
    fn after_growth(self, growth: f64) -> Self {
        let Interval { value, low, high } = self.headroom.scaled(1.0 / growth.max(1e-9));
        Self { headroom: Interval { value, low, high }, ..self }
    }

    /// Whether the load as it is has reached it, by the best estimate.
    pub fn is_reached(&self) -> bool {
        self.headroom.value <= 1.0
    }

    /// Whether it is the CPU of a process, of which every verdict speaks anyway.
    pub fn is_cpu_of_process(&self) -> bool {
        self.kind == LimitKind::Cpu && self.place != MACHINE
    }

    /// Whether so little is left that a factor of growth would read `1`.
    pub fn has_no_room(&self) -> bool {
        factor(self.headroom.value) == "1"
    }

    /// For a table: `database connections of main, 1.2×`.
    pub fn in_a_table(&self) -> String {
        match self.kind {
            LimitKind::Database | LimitKind::Memory => format!("{}, {}", self.kind.words(), self.factor()),
            _ => format!("{} of {}, {}", self.kind.words(), self.place, self.factor()),
        }
    }

    /// For a narrow table: `connections 1.2×`.
    pub fn brief(&self) -> String {
        format!("{} {}", self.kind.brief(), self.factor())
    }

    /// `1.2×`, `over 50×`, `reached`, `no room`.
    fn factor(&self) -> String {
        match self {
            _ if self.is_reached() => "reached".to_owned(),
            _ if self.has_no_room() => "no room".to_owned(),
            _ if self.more => format!("over {}×", factor(HEADROOM_MAX)),
            _ => format!("{}×", factor(self.headroom.value)),
        }
    }

    /// `the main process's database connections`.
    pub fn subject(&self) -> String {
        match self.kind {
            LimitKind::Database => "the database".to_owned(),
            LimitKind::Memory => "the machine's memory".to_owned(),
            _ if self.place == MAIN => format!("the main process's {}", self.kind.words()),
            _ if self.place == MACHINE => format!("the machine's {}, the database's included", self.kind.words()),
            _ => format!("{}'s {}", self.place, self.kind.words()),
        }
    }

    /// `are` where the subject is many things.
    fn verb(&self) -> &'static str {
        if self.kind == LimitKind::Connections { "are" } else { "is" }
    }
}

impl fmt::Display for Limit {
    /// `the main process's database connections at 1.2 times this load (0.9–1.5)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject())?;
        let mut notes: Vec<String> = Vec::new();
        if self.is_reached() {
            f.write_str(", already reached")?;
        } else if self.has_no_room() {
            f.write_str(", with no room to grow")?;
        } else {
            write!(f, " at {} this load", times(self.headroom.value))?;
            notes.extend(range_of_times(self.headroom));
        }
        notes.extend(self.quantity.clone());
        if notes.is_empty() { Ok(()) } else { write!(f, " ({})", notes.join("; ")) }
    }
}

/// `1.2 times`, `more than 50 times`.
pub fn times(value: f64) -> String {
    if value >= HEADROOM_MAX { format!("more than {} times", factor(HEADROOM_MAX)) } else { format!("{} times", factor(value)) }
}

/// `5.6×`, `more than 50×`.
pub(super) fn multiple(value: f64) -> String {
    if value >= HEADROOM_MAX { format!("more than {}×", factor(HEADROOM_MAX)) } else { format!("{}×", factor(value)) }
}

/// The ends of a headroom: `0.9–1.5`, `12 to more than 50`; `None` where both read alike.
pub(super) fn range_of_times(headroom: Interval) -> Option<String> {
    let (low, high) = (factor(headroom.low), factor(headroom.high));
    if low == high {
        None
    } else if headroom.high >= HEADROOM_MAX {
        Some(format!("{low} to more than {}", factor(HEADROOM_MAX)))
    } else {
        Some(format!("{low}–{high}"))
    }
}

/// What the limits of a plan are worked out from, besides its processes.
#[derive(Clone, Copy)]
pub(super) struct LimitInputs<'a> {
    pub(super) profile: &'a Profile,
    pub(super) law: &'a Law,
    pub(super) pool: &'a ConnectionPool,
    pub(super) machine: MachineLimits,
    pub(super) objective: &'a Objective,
    /// Load of the processes over the observed load.
    pub(super) growth: f64,
}

/// The limits of a plan whose processes are known: the tightest of each kind, the first limit first. `peak_cores` are those of all processes
/// together at the peak of the observed load.
pub(super) fn of_plan(plan: &CheckedPlan, processes: &[ProcessSummary], peak_cores: Interval, inputs: &LimitInputs<'_>) -> Vec<Limit> {
    let LimitInputs { objective, growth, .. } = *inputs;
    let mut limits = Vec::new();
    for process in processes {
        limits.extend(writers::of_process(plan, process, inputs));
        let connections = process.connections.filter(|share| share.high > 0.0);
        limits.extend(
            connections.and_then(|share| {
                Limit::of_share(LimitKind::Connections, &process.name, share, NOTHING, objective.connections_or_default())
            }),
        );
    }
    let mut of_all: Vec<Limit> = writers::persisting(plan, inputs).into_iter().collect();
    of_all.extend(machine::limits(plan, peak_cores, inputs));
    limits.extend(of_all.into_iter().map(|limit| limit.after_growth(growth)));
    tightest(limits)
}

/// `The first limit, the main process's database connections, is reached already. What helps: …`, for the start of a verdict; `None` where
/// no limit is reached or the first is the CPU, of which every verdict speaks anyway.
pub(super) fn reached(limits: &[Limit], levers: &[String]) -> Option<String> {
    let first = limits.first().filter(|limit| limit.is_reached() && !limit.is_cpu_of_process())?;
    let quantity = first.quantity.as_ref().map_or_else(String::new, |quantity| format!(" ({quantity})"));
    Some(format!("{} {} the first limit, already reached{quantity}. {}", wsim_text::capital(&first.subject()), first.verb(), help(levers)))
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
/// Where a limit of all processes together is.
const MACHINE: &str = "machine";
/// Beyond this factor an estimate says only that nothing is near. What may grow fifty times until 70 % of a core are busy is 1.4 % of a core
/// now: less than the uncertainty of what an idle process uses (1 to 5 %).
pub const HEADROOM_MAX: f64 = 50.0;

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
    fn headroom_beyond_what_an_estimate_can_tell_is_more_than_fifty_times() {
        let idle = Limit::of_share(LimitKind::Cpu, MAIN, Interval::new(0.02, 0.01, 0.03), Interval::exact(0.0195), 0.7).unwrap();
        assert_eq!(idle.headroom, Interval::exact(HEADROOM_MAX));
        assert!(idle.more);
        assert_eq!(idle.to_string(), "the main process's CPU at more than 50 times this load");
        assert_eq!((idle.in_a_table().as_str(), idle.brief().as_str()), ("CPU of main, over 50×", "CPU over 50×"));
        let calm = Limit::of_share(LimitKind::Cpu, MAIN, Interval::new(0.04, 0.02, 0.06), NOTHING, 0.7).unwrap();
        assert_eq!(calm.to_string(), "the main process's CPU at 17 times this load (11–35)");
        let wide = Limit::of_share(LimitKind::Cpu, MAIN, Interval::new(0.04, 0.01, 0.06), NOTHING, 0.7).unwrap();
        assert_eq!(wide.to_string(), "the main process's CPU at 17 times this load (11 to more than 50)");
    }

    #[test]
    fn a_limit_that_is_nearly_reached_is_never_once_this_load() {
        let near = Limit::of_share(LimitKind::Connections, MAIN, Interval::exact(0.79), NOTHING, 0.8).unwrap();
        assert_eq!(near.to_string(), "the main process's database connections, with no room to grow");
        assert_eq!((near.in_a_table().as_str(), near.brief().as_str()), ("database connections of main, no room", "connections no room"));
    }

    #[test]
    fn what_is_used_of_what_there_is_is_told_with_the_headroom() {
        let limit = Limit::of_share(LimitKind::StreamWriter, "persister1", Interval::new(0.0625, 0.05, 0.09), NOTHING, 0.7).unwrap();
        let limit = limit.counting(6.0, "events a second");
        assert_eq!(limit.to_string(), "persister1's work as a stream writer at 11 times this load (7.7–13; 6 of 67 events a second)");
        assert_eq!(limit.after_growth(2.0).headroom.value, 5.6);
    }

    #[test]
    fn of_each_kind_the_tightest_is_listed_and_the_first_limit_first() {
        let limit = |kind, place: &str, factor| Limit::new(kind, place, Interval::exact(factor));
        let all = vec![limit(LimitKind::Cpu, "main", 5.0), limit(LimitKind::Connections, "main", 1.1), limit(LimitKind::Cpu, "sync1", 3.0)];
        let listed: Vec<(LimitKind, String)> = tightest(all).into_iter().map(|limit| (limit.kind, limit.place)).collect();
        assert_eq!(listed, [(LimitKind::Connections, "main".to_owned()), (LimitKind::Cpu, "sync1".to_owned())]);
    }
}
