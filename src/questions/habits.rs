//! Habits: what users, bridges and other servers do and what their requests cost, each with a range and a source (`habits.toml`).
//!
//! Invariant: every habit and request of the built-in file exists, and `0 < low <= typical <= high`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use wsim_endpoints::Method;
use wsim_stats::random::{Purpose, draw, mix, unit};

/// The built-in habits or a user's own.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Habits {
    schema: String,
    #[serde(rename = "habit")]
    pub habits: BTreeMap<String, Habit>,
    #[serde(rename = "request")]
    pub requests: BTreeMap<String, RequestKind>,
}

/// One habit. Half of all draws lie below `typical`, all between `low` and `high`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Habit {
    pub low: f64,
    pub typical: f64,
    pub high: f64,
    pub unit: String,
    pub source: String,
}

/// What a request of one kind is and costs.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequestKind {
    pub method: String,
    pub path: String,
    /// Low, typical, high mean CPU, ms.
    pub cpu_ms: [f64; 3],
    pub transactions: u32,
    pub transaction_ms: f64,
    pub bytes: u32,
    pub source: String,
}

/// Why habits cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HabitsError {
    #[error("line {line}: {message}")]
    Syntax { line: usize, message: String },
    #[error("schema {0:?} is not \"wsim.habits/1\"")]
    Schema(String),
    #[error("{0} is missing: start from a copy of src/questions/habits.toml")]
    Missing(String),
    #[error("{0}: low, typical and high must be above 0, at most 1e9, and in this order")]
    Range(String),
    #[error("{0}: `{1}` is not a method that a request can have")]
    Method(String, String),
    #[error("there is no habit {name:?}{hint}; known are {known}")]
    Unknown { name: String, hint: String, known: String },
    #[error("{0:?} is not NAME=VALUE or NAME=LOW..HIGH")]
    Setting(String),
}

impl Habits {
    /// The built-in habits.
    ///
    /// # Panics
    /// Never: a test reads the built-in file.
    #[expect(clippy::expect_used, reason = "the built-in file is read by a test")]
    pub fn built_in() -> Self {
        Self::from_toml(BUILT_IN).expect("the built-in habits are read by a test")
    }

    /// Reads a file of habits.
    ///
    /// # Errors
    /// [`HabitsError`] with the line or the name.
    pub fn from_toml(text: &str) -> Result<Self, HabitsError> {
        let habits: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| crate::line_at(text, span.start));
            HabitsError::Syntax { line, message: error.message().trim().replace('\n', ", ") }
        })?;
        habits.check()?;
        Ok(habits)
    }

    fn check(&self) -> Result<(), HabitsError> {
        if self.schema != "wsim.habits/1" {
            return Err(HabitsError::Schema(self.schema.clone()));
        }
        let missing = NAMES.iter().find(|name| !self.habits.contains_key(**name));
        let missing = missing.copied().or_else(|| KINDS.iter().find(|kind| !self.requests.contains_key(**kind)).copied());
        if let Some(missing) = missing {
            return Err(HabitsError::Missing(missing.to_owned()));
        }
        let is_sound = |[low, typical, high]: [f64; 3]| low > 0.0 && low <= typical && typical <= high && high <= VALUE_MAX;
        for (name, habit) in &self.habits {
            if !is_sound([habit.low, habit.typical, habit.high]) {
                return Err(HabitsError::Range(name.clone()));
            }
        }
        for (name, kind) in &self.requests {
            if !is_sound(kind.cpu_ms) || !(0.0..=VALUE_MAX).contains(&kind.transaction_ms) {
                return Err(HabitsError::Range(name.clone()));
            }
            if Method::from_bytes(kind.method.as_bytes()) == Method::Other {
                return Err(HabitsError::Method(name.clone(), kind.method.clone()));
            }
        }
        Ok(())
    }

    /// Sets one habit from `NAME=VALUE` or `NAME=LOW..HIGH`, whose middle is then the geometric mean.
    ///
    /// # Errors
    /// There is no such habit, or the text is no setting.
    pub fn set(&mut self, text: &str) -> Result<(), HabitsError> {
        let setting = || HabitsError::Setting(text.to_owned());
        let (name, value) = text.split_once('=').ok_or_else(setting)?;
        let name = name.trim();
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|value| *value > 0.0 && *value <= VALUE_MAX);
        let (low, high) = match value.split_once("..") {
            Some((low, high)) => number(low).zip(number(high)).ok_or_else(setting)?,
            None => number(value).map(|value| (value, value)).ok_or_else(setting)?,
        };
        if low > high {
            return Err(HabitsError::Range(name.to_owned()));
        }
        let known: Vec<&str> = self.habits.keys().map(String::as_str).collect();
        let unknown = || HabitsError::Unknown {
            name: name.to_owned(),
            hint: wsim_plan::suggest::nearest(name, known.iter().copied())
                .map_or_else(String::new, |near| format!(" (did you mean {near}?)")),
            known: known.join(", "),
        };
        let unknown = unknown();
        let habit = self.habits.get_mut(name).ok_or(unknown)?;
        (habit.low, habit.typical, habit.high) = (low, (low * high).sqrt(), high);
        "set on the command line".clone_into(&mut habit.source);
        Ok(())
    }

    /// The `number`th of `all` draws. Each value is drawn from strata of its own order (a Latin hypercube; McKay, Beckman and Conover 1979), so
    /// that few draws cover every range.
    pub fn draw(&self, seed: u64, number: u32, all: u32) -> DrawnHabits {
        let habits = self
            .habits
            .iter()
            .map(|(name, habit)| (name.clone(), within([habit.low, habit.typical, habit.high], stratum(seed, name, number, all))));
        let costs = self.requests.iter().map(|(name, kind)| (name.clone(), within(kind.cpu_ms, stratum(seed ^ 1, name, number, all))));
        DrawnHabits { values: habits.collect(), cpu_ms: costs.collect() }
    }
}

/// One draw of all habits.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnHabits {
    values: BTreeMap<String, f64>,
    cpu_ms: BTreeMap<String, f64>,
}

impl DrawnHabits {
    /// A habit's value; 0 for a name that there is not.
    pub fn value(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or(0.0)
    }

    /// Mean CPU of a kind of request, ms, on the machine of the draw.
    pub fn cpu_ms(&self, kind: &str) -> f64 {
        self.cpu_ms.get(kind).copied().unwrap_or(0.0) * self.value("speed")
    }

    /// Every drawn number with its name, habits first.
    pub fn all(&self) -> impl Iterator<Item = (String, f64)> + '_ {
        let costs = self.cpu_ms.iter().map(|(name, value)| (format!("CPU of {name}"), *value));
        self.values.iter().map(|(name, value)| (name.clone(), *value)).chain(costs)
    }
}

/// A number from 0 to 1 in the stratum that a draw has for a name.
fn stratum(seed: u64, name: &str, number: u32, all: u32) -> f64 {
    let id = name.bytes().fold(seed, |id, byte| mix(id ^ u64::from(byte)));
    let key = |of: u32| draw(id, Purpose::Parameter, u64::from(of));
    let rank = (0..all).filter(|other| (key(*other), *other) < (key(number), number)).count();
    (rank as f64 + unit(mix(key(number)))) / f64::from(all.max(1))
}

/// The value at a share of a range: even on a logarithmic scale on either side of its middle.
fn within([low, typical, high]: [f64; 3], share: f64) -> f64 {
    if share < 0.5 { low * (typical / low).powf(2.0 * share) } else { typical * (high / typical).powf(2.0 * share - 1.0) }
}

const BUILT_IN: &str = include_str!("habits.toml");
const VALUE_MAX: f64 = 1e9;

/// Every habit that the synthesis reads.
const NAMES: [&str; 27] = [
    "online",
    "devices",
    "rooms_per_user",
    "people_per_room",
    "messages_per_hour",
    "burst",
    "typing_per_message",
    "readers",
    "readers_most",
    "presence_changes_per_hour",
    "reads_per_hour",
    "pagination_per_hour",
    "media_per_hour",
    "keys_per_hour",
    "to_device_per_hour",
    "starts_per_hour",
    "bridge_messages_per_hour",
    "bridge_burst",
    "federation_small",
    "federation_large",
    "federation_floor_small",
    "federation_floor_large",
    "federation_transactions",
    "federation_reads",
    "think_ms",
    "speed",
    "database",
];

/// Every kind of request that the synthesis makes.
const KINDS: [&str; 13] = [
    "sync",
    "initial_sync",
    "send",
    "typing",
    "receipt",
    "presence",
    "read",
    "pagination",
    "media",
    "keys",
    "to_device",
    "federation_send",
    "federation_read",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_habit_has_a_range_a_unit_and_a_source() {
        let habits = Habits::built_in();
        assert!(habits.habits.values().all(|habit| !habit.unit.is_empty() && !habit.source.is_empty()));
        assert!(habits.requests.values().all(|kind| !kind.source.is_empty()));
        assert_eq!((habits.habits.len(), habits.requests.len()), (NAMES.len(), KINDS.len()), "each is used");
    }

    #[test]
    fn draws_cover_each_range_evenly_on_either_side_of_the_middle() {
        let habits = Habits::built_in();
        let values: Vec<f64> = (0..40).map(|number| habits.draw(7, number, 40).value("messages_per_hour")).collect();
        assert_eq!(values.iter().filter(|value| **value < 10.0).count(), 20, "{values:?}");
        assert!(values.iter().all(|value| (2.0..=50.0).contains(value)));
        assert!(values.iter().any(|value| *value < 2.3) && values.iter().any(|value| *value > 45.0));
        assert_eq!(habits.draw(7, 3, 40), habits.draw(7, 3, 40));
        assert_ne!(habits.draw(7, 3, 40), habits.draw(8, 3, 40));
    }

    #[test]
    fn a_setting_replaces_a_range() {
        let mut habits = Habits::built_in();
        habits.set("messages_per_hour=83").unwrap();
        habits.set("online = 0.2..0.8").unwrap();
        let drawn = habits.draw(1, 0, 5);
        assert!((drawn.value("messages_per_hour") - 83.0).abs() < 1e-9);
        assert!((habits.habits["online"].typical - 0.4).abs() < 1e-9);
        assert!(habits.set("mesages_per_hour=1").unwrap_err().to_string().contains("did you mean messages_per_hour?"));
        for wrong in ["online", "online=", "online=0", "online=2..1", "online=-1", "online=nan"] {
            assert!(habits.set(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_without_a_habit_or_with_a_range_upside_down_says_which() {
        let without = BUILT_IN.replace("[habit.readers]", "[habit.raeders]");
        assert_eq!(Habits::from_toml(&without), Err(HabitsError::Missing("readers".to_owned())));
        let turned = BUILT_IN.replacen("low = 0.08", "low = 0.9", 1);
        assert_eq!(Habits::from_toml(&turned), Err(HabitsError::Range("online".to_owned())));
        assert!(matches!(Habits::from_toml("schema = 1"), Err(HabitsError::Syntax { line: 1, .. })));
    }
}
