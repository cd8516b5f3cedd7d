//! The meanings of keys: of a known format, or by their names, with the units that a sample shows.

use std::collections::HashMap;
use std::sync::Arc;

use super::members::Members;
use crate::StampReader;
use crate::formats::json_names::{self, Dialect, Meaning};
use crate::formats::json_units::{self, Observation};
use crate::formats::value::{self, entries};
use crate::formats::variable::{Unit, Variable};
use crate::json::{self, Value};

/// Where the meaning of a member comes from.
#[derive(Debug, Clone)]
pub(super) enum Meanings {
    Known(Arc<[(String, Variable)]>),
    Named(Names),
}

/// The meanings of keys by their names. What has been looked up is kept in the order of the lines, because a program always writes its
/// keys in the same order.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) dialect: Dialect,
    seen: Vec<Seen>,
    units: Vec<(String, Option<Unit>)>,
}

#[derive(Debug, Clone)]
struct Seen {
    path: String,
    meaning: Option<Meaning>,
    is_sign: bool,
}

impl Names {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, seen: Vec::new(), units: Vec::new() }
    }

    /// The meaning of a member, and whether its key is a sign of the dialect; `next` is where the one after the last member was.
    pub(super) fn of(&mut self, path: &[&[u8]], next: &mut usize) -> (Option<Meaning>, bool) {
        let is_here = |seen: &Seen| is_path(seen.path.as_bytes(), path);
        let index = match self.seen.get(*next) {
            Some(expected) if is_here(expected) => Some(*next),
            _ => self.seen.iter().position(is_here),
        };
        if let Some(index) = index {
            *next = index + 1;
            return (self.seen[index].meaning, self.seen[index].is_sign);
        }
        let (name, with_outer) = json_names::names(path).unwrap_or_default();
        let is_sign = self.dialect.is_sign(&name) || self.dialect.is_sign(&with_outer);
        let joined = String::from_utf8_lossy(&path.join(&b'.')).into_owned();
        let mut meaning = self.dialect.meaning(path);
        if let Some(known) = &mut meaning
            && known.open
        {
            known.variable = with_unit(known.variable, self.unit_of(&joined));
        }
        // Keys that differ from line to line would fill the memory.
        if self.seen.len() < SEEN_MAX {
            self.seen.push(Seen { path: joined, meaning, is_sign });
        }
        (meaning, is_sign)
    }

    /// The unit of a key; of a key that the sample does not have that of the others, or nginx's seconds.
    fn unit_of(&self, key: &str) -> Option<Unit> {
        match self.units.iter().find(|(known, _)| known == key) {
            Some((_, unit)) => *unit,
            None => Some(self.units.iter().find_map(|(_, unit)| *unit).unwrap_or(Unit::SecondsMillis)),
        }
    }

    /// Finds the unit of every key with durations, the request's before the upstream's, which cannot be longer.
    pub(super) fn learn(&mut self, sample: &[&[u8]], stamps: &mut StampReader) {
        let mut keys: Vec<(String, Variable, bool)> = Vec::new();
        let mut lines = Vec::new();
        for line in sample {
            let Some(line) = SampleLine::read(line, self, stamps) else { continue };
            for (key, variable, secondary, _) in &line.durations {
                if !keys.iter().any(|(known, ..)| known == key) {
                    keys.push((key.clone(), *variable, *secondary));
                }
            }
            lines.push(line);
        }
        let span_us = span_of(&lines);
        find_gaps(&mut lines);
        keys.sort_by_key(|(_, variable, secondary)| (!matches!(variable, Variable::Wall(_)), *secondary));
        let mut longest: Vec<Option<u64>> = vec![None; lines.len()];
        for (key, variable, secondary) in keys {
            let bounded = secondary || matches!(variable, Variable::UpstreamTime(_));
            let observations: Vec<(usize, Observation)> = lines
                .iter()
                .enumerate()
                .filter_map(|(index, line)| Some((index, line.observation(&key, longest[index].filter(|_| bounded))?)))
                .collect();
            if observations.is_empty() {
                continue;
            }
            let only: Vec<Observation> = observations.iter().map(|(_, observation)| observation.clone()).collect();
            let unit = json_units::unit(&only, span_us, is_nginx_name(&key));
            if let (Some(unit), false) = (unit, bounded) {
                for (index, observation) in &observations {
                    longest[*index] = value::duration(&observation.text, unit).or(longest[*index]);
                }
            }
            self.units.push((key, unit));
        }
        self.seen.clear();
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let unit = |key: &String, unit: &Option<Unit>| match unit {
            Some(unit) => format!("`{key}` read in {}", unit.name()),
            None => format!("`{key}` not read, because its values are no durations that requests can have"),
        };
        self.units.iter().map(|(key, learnt)| unit(key, learnt)).collect()
    }
}

/// nginx's own variables always have three decimals.
fn is_nginx_name(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    matches!(last, "request_time" | "upstream_response_time" | "rt" | "urt")
}

/// The variable in a unit; ignored where the unit is unknown.
fn with_unit(variable: Variable, unit: Option<Unit>) -> Variable {
    match (variable, unit) {
        (Variable::Wall(_), Some(unit)) => Variable::Wall(unit),
        (Variable::UpstreamTime(_), Some(unit)) => Variable::UpstreamTime(unit),
        _ => Variable::Ignored,
    }
}

/// The time between the first and the last stamp of a sample.
fn span_of(lines: &[SampleLine]) -> Option<u64> {
    let stamps = || lines.iter().filter_map(|line| line.stamp_us);
    u64::try_from(stamps().max()?.checked_sub(stamps().min()?)?).ok().filter(|span| *span > 0)
}

/// Finds how long before each long poll the same client's last one ended.
fn find_gaps(lines: &mut [SampleLine]) {
    let mut ended: HashMap<Vec<u8>, i64> = HashMap::new();
    for line in lines.iter_mut().filter(|line| line.long_poll) {
        if let Some(stamp) = line.stamp_us {
            let last = ended.insert(line.client.clone(), stamp);
            line.gap_us = last.and_then(|last| u64::try_from(stamp.checked_sub(last)?).ok());
        }
    }
}

/// What a line of the sample says about the unit of its durations.
struct SampleLine {
    stamp_us: Option<i64>,
    timeout_ms: Option<u64>,
    long_poll: bool,
    /// Address and user agent.
    client: Vec<u8>,
    gap_us: Option<u64>,
    /// Key, meaning, whether it is secondary, and text of each duration of unknown unit.
    durations: Vec<(String, Variable, bool, Vec<u8>)>,
}

impl SampleLine {
    fn read(line: &[u8], names: &mut Names, stamps: &mut StampReader) -> Option<Self> {
        let (walker, _) = json::open(line).ok()??;
        let mut members = Members::new();
        let mut durations = Vec::new();
        members
            .walk(walker, |path, value| {
                let meaning = names.dialect.meaning(path)?;
                if meaning.open {
                    let key = String::from_utf8_lossy(&path.join(&b'.')).into_owned();
                    if let Value::Text { raw, .. } | Value::Bare(raw) = value
                        && let Some(text) = entries(raw).find(|item| !matches!(*item, b"" | b"-" | b"null"))
                    {
                        durations.push((key, meaning.variable, meaning.secondary, text.to_vec()));
                    }
                    return None;
                }
                Some((meaning.variable, meaning.secondary))
            })
            .ok()?;
        let mut scratch = Vec::new();
        let record = members.record(true, stamps, &mut scratch).ok()?;
        let (long_poll, timeout_ms) = json_units::long_poll(&record.target);
        Some(Self {
            stamp_us: record.stamp.map(|stamp| stamp.micros),
            timeout_ms,
            long_poll,
            client: [record.address.unwrap_or_default(), record.agent.as_deref().unwrap_or_default()].concat(),
            gap_us: None,
            durations,
        })
    }

    fn observation(&self, key: &str, longest_us: Option<u64>) -> Option<Observation> {
        let (.., text) = self.durations.iter().find(|(known, ..)| known == key)?;
        Some(Observation { text: text.clone(), timeout_ms: self.timeout_ms, long_poll: self.long_poll, gap_us: self.gap_us, longest_us })
    }
}

/// Whether `dotted` is `path` joined by dots.
pub(super) fn is_path(dotted: &[u8], path: &[&[u8]]) -> bool {
    match path {
        [key] => dotted == *key,
        [first, inner @ ..] => {
            dotted.strip_prefix(*first).and_then(|rest| rest.strip_prefix(b".")).is_some_and(|rest| is_path(rest, inner))
        }
        [] => false,
    }
}

/// More keys than real formats have.
const SEEN_MAX: usize = 256;
