//! YAML, JSON and TOML as one tree with line numbers.
//!
//! JSON is parsed as YAML, because only the YAML parser gives line numbers. Knows nothing of the keys' meaning.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use toml::de::{DeTable, DeValue};

use super::model::{ReadError, SourceLocation};

/// A value and its line.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    /// Counted from 1; 0 if the parser gave no line.
    pub line: usize,
}

/// A value of the tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// Keys and values, in order.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key; of several equal keys the last, as PyYAML and most parsers take it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().rev().find(|(own, _)| own == key).map(|(_, node)| node)
    }

    /// Keys that a map has twice: the key with those around it, and the lines of the value that is lost and of the one that counts.
    pub fn doubled_keys(&self) -> Vec<(String, usize, usize)> {
        let mut found = Vec::new();
        self.find_doubled(&mut String::new(), &mut found);
        found
    }

    fn find_doubled(&self, path: &mut String, found: &mut Vec<(String, usize, usize)>) {
        let length = path.len();
        let mut lines: HashMap<&str, usize> = HashMap::new();
        for (key, node) in self.entries() {
            path.push_str(key);
            if let Some(lost) = lines.insert(key, node.line)
                && found.len() < DOUBLED_MAX
            {
                found.push((path.clone(), lost, node.line));
            }
            path.push('.');
            node.find_doubled(path, found);
            path.truncate(length);
        }
        if let Value::List(items) = &self.value {
            items.iter().for_each(|item| item.find_doubled(path, found));
        }
    }

    /// The value at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Keys and values; empty for any other value than a map.
    pub fn entries(&self) -> &[(String, Self)] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list. Any other value counts as a list of one, null as an empty list.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// Text, or a number or boolean as text.
    pub fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Int(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    }

    /// The texts of a list or of a single value.
    pub fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(Self::text).collect()
    }

    /// A boolean, including YAML 1.1's `yes`, `no`, `on` and `off`.
    pub fn truth(&self) -> Option<bool> {
        match &self.value {
            Value::Bool(truth) => Some(*truth),
            Value::Text(text) => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "true" => Some(true),
                "no" | "off" | "false" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// A map without entries.
    pub fn map(line: usize) -> Self {
        Self { value: Value::Map(Vec::new()), line }
    }

    /// A text.
    pub fn of_text(text: &str, line: usize) -> Self {
        Self { value: Value::Text(text.to_owned()), line }
    }

    /// Sets a value at the end of a path of keys, and makes the maps on the way.
    pub fn set(&mut self, path: &[&str], value: Self, line: usize) {
        let Some((first, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
        }
        let Value::Map(entries) = &mut self.value else { return };
        let index = entries.iter().position(|(key, _)| key == first).unwrap_or_else(|| {
            entries.push(((*first).to_owned(), Self::map(line)));
            entries.len() - 1
        });
        if let Some((_, inner)) = entries.get_mut(index) {
            inner.set(rest, value, line);
        }
    }

    /// Adds to every line, for a text that is a part of a file.
    pub fn shift_lines(&mut self, lines: usize) {
        if self.line > 0 {
            self.line += lines;
        }
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.shift_lines(lines)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, node)| node.shift_lines(lines)),
            _ => {}
        }
    }

    /// An integer, also in quotes.
    pub fn number(&self) -> Option<i64> {
        if let Value::Int(number) = self.value { Some(number) } else { self.text()?.parse().ok() }
    }
}

/// Parses YAML or JSON.
///
/// # Errors
/// The text is neither; the error has the line.
pub fn yaml(file: &Arc<str>, text: &str) -> Result<Node, ReadError> {
    // Equal keys are kept, so that the last can count and be warned of.
    let options = serde_saphyr::options! { duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough };
    serde_saphyr::from_str_with_options::<Node>(text, options).map_err(|error| {
        let line = error.location().map_or(0, |location| usize::try_from(location.line()).unwrap_or(0));
        let message = error.to_string();
        let first = message.lines().next().unwrap_or_default().to_owned();
        ReadError::Syntax { at: SourceLocation::new(file, line), message: format!("not YAML: {first}") }
    })
}

/// Parses TOML.
///
/// # Errors
/// The text is not TOML; the error has the line.
pub fn toml(file: &Arc<str>, text: &str) -> Result<Node, ReadError> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(0, |span| Lines::of(text).at(span.start));
        ReadError::Syntax { at: SourceLocation::new(file, line), message: format!("not TOML: {}", error.message()) }
    })?;
    let lines = Lines::of(text);
    let mut values_left = ITEMS_MAX;
    let line = lines.at(table.span().start);
    let value = of_table(&lines, table.get_ref(), 0, &mut values_left);
    if values_left == 0 {
        let message = format!("more than {ITEMS_MAX} values, which no configuration has");
        return Err(ReadError::Syntax { at: SourceLocation::new(file, 0), message });
    }
    Ok(Node { value, line })
}

/// The lines of a text, by the offsets at which they begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line of an offset, counted from 1.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

fn of_table(lines: &Lines, table: &DeTable<'_>, depth: usize, values_left: &mut usize) -> Value {
    let entries = table.iter().map(|(key, value)| {
        let line = lines.at(key.span().start);
        (key.get_ref().to_string(), Node { value: of_toml(lines, value.get_ref(), depth + 1, values_left), line })
    });
    Value::Map(entries.collect())
}

fn of_toml(lines: &Lines, value: &DeValue<'_>, depth: usize, values_left: &mut usize) -> Value {
    *values_left = values_left.saturating_sub(1);
    match value {
        _ if depth > DEPTH_MAX || *values_left == 0 => Value::Null,
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, Value::Int),
        DeValue::Float(number) => number.as_str().parse().map_or(Value::Null, Value::Float),
        DeValue::Boolean(truth) => Value::Bool(*truth),
        DeValue::Datetime(stamp) => Value::Text(stamp.to_string()),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| Node { line: lines.at(item.span().start), value: of_toml(lines, item.get_ref(), depth + 1, values_left) })
                .collect(),
        ),
        DeValue::Table(table) => of_table(lines, table, depth, values_left),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: usize::try_from(spanned.referenced.line()).unwrap_or(0), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or_else(|_| Value::Text(number.to_string()), Value::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element::<Node>()? {
            items.push(item);
            if items.len() > ITEMS_MAX {
                return Err(A::Error::custom(format!("a list of more than {ITEMS_MAX} items")));
            }
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Value>()? {
            let key = Node { value: key, line: 0 }.text().unwrap_or_default();
            entries.push((key, map.next_value::<Node>()?));
        }
        Ok(Value::Map(entries))
    }
}

const DEPTH_MAX: usize = 64;
const ITEMS_MAX: usize = 200_000;
const DOUBLED_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_line() {
        let file: Arc<str> = "a.yaml".into();
        let text = "a: 1\nstream_writers:\n  typing: worker1\n  events:\n    - p1\n    - p2\nb: {x: [yes, \"2\"]}\nmessage: on\n";
        let node = yaml(&file, text).unwrap();
        let events = node.at(&["stream_writers", "events"]).unwrap();
        assert_eq!(events.texts(), ["p1", "p2"]);
        assert_eq!(events.items()[1].line, 6);
        assert_eq!(node.at(&["stream_writers", "typing"]).unwrap().line, 3);
        assert_eq!(node.get("a").unwrap().number(), Some(1));
        assert!(matches!(yaml(&file, "a: [1"), Err(ReadError::Syntax { .. })));
        let json = yaml(&file, "{\n \"apps\": {\n  \"http\": {\"x\": [1, null, \"\\u00e4\"]}}}").unwrap();
        assert_eq!(json.at(&["apps", "http", "x"]).unwrap().items()[2].text().unwrap(), "ä");
        assert_eq!(json.at(&["apps", "http"]).unwrap().line, 3);
    }

    #[test]
    fn of_two_equal_keys_the_last_counts_and_both_are_known() {
        let node = yaml(&"a.yaml".into(), "a: 1\nb: {c: 1, c: 2}\na: 3\n").unwrap();
        assert_eq!(node.get("a").unwrap().number(), Some(3));
        assert_eq!(node.at(&["b", "c"]).unwrap().number(), Some(2));
        assert_eq!(node.doubled_keys(), [("b.c".to_owned(), 2, 2), ("a".to_owned(), 1, 3)]);
    }

    #[test]
    fn toml_gives_the_same_tree() {
        let file: Arc<str> = "a.toml".into();
        let node = toml(&file, "[http.routers.sync]\nrule = \"Path(`/x`)\"\npriority = 7\nservice = 'a'\n").unwrap();
        let router = node.at(&["http", "routers", "sync"]).unwrap();
        assert_eq!(router.get("priority").unwrap().number(), Some(7));
        assert_eq!(router.get("rule").unwrap().line, 2);
    }
}
