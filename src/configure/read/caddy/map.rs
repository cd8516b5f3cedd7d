//! Caddy's `map` directive: sets variables from a text, by the first line that matches.
//!
//! Source: Caddy's `modules/caddyhttp/map/map.go` and `caddyfile.go`: an input that begins with `~` is a regular expression, whose
//! groups the outputs may use; for an output `-` the default is used.

use super::super::pattern::{Captures, Pattern, TEXT_MAX, bounded};
use super::super::tree::Node;
use super::state::{State, Value};
use super::tokens::Segment;

/// A map.
#[derive(Debug, Clone)]
pub(super) struct Map {
    source: String,
    /// The variables that the map sets, without braces.
    destinations: Vec<String>,
    rows: Vec<Row>,
    defaults: Vec<String>,
}

#[derive(Debug, Clone)]
struct Row {
    input: Input,
    outputs: Vec<String>,
}

#[derive(Debug, Clone)]
enum Input {
    Text(String),
    Pattern(Result<Pattern, String>),
}

impl Map {
    /// Parses `map SOURCE {destination}… { INPUT OUTPUT…; default OUTPUT… }`; `words` are the words after the matcher.
    pub(super) fn of_caddyfile(words: &[String], block: &[Segment]) -> Option<Self> {
        let (source, destinations) = words.split_first()?;
        let destinations: Vec<String> = destinations.iter().map(|name| bare(name)).collect();
        let mut map = Self { source: source.clone(), destinations, rows: Vec::new(), defaults: Vec::new() };
        for segment in block {
            let (input, outputs) = segment.words.split_first()?;
            if input == "default" {
                map.defaults = outputs.to_vec();
                continue;
            }
            let input = match input.strip_prefix('~') {
                Some(pattern) => Input::Pattern(Pattern::new(pattern, false)),
                None => Input::Text(input.clone()),
            };
            map.rows.push(Row { input, outputs: outputs.to_vec() });
        }
        Some(map)
    }

    /// The handler `map` of Caddy's JSON.
    pub(super) fn of_json(handler: &Node) -> Self {
        let texts = |node: Option<&Node>| node.map(Node::texts).unwrap_or_default();
        let row = |mapping: &Node| {
            let text = |key: &str| mapping.get(key).and_then(Node::text);
            let input = match text("input_regexp") {
                Some(pattern) => Input::Pattern(Pattern::new(&pattern, false)),
                None => Input::Text(text("input").unwrap_or_default()),
            };
            Row { input, outputs: texts(mapping.get("outputs")) }
        };
        Self {
            source: handler.get("source").and_then(Node::text).unwrap_or_default(),
            destinations: texts(handler.get("destinations")).iter().map(|name| bare(name)).collect(),
            rows: handler.get("mappings").map(Node::items).unwrap_or_default().iter().map(row).collect(),
            defaults: texts(handler.get("defaults")),
        }
    }

    /// Number of rows and variables, which is what applying the map costs.
    pub(super) fn cost(&self) -> usize {
        self.rows.len().saturating_add(1).saturating_mul(self.destinations.len())
    }

    /// Sets the variables.
    pub(super) fn apply(&self, state: &mut State) {
        let source = state.filled(&self.source);
        let values: Vec<Value> = (0..self.destinations.len()).map(|index| self.value(source.as_ref(), index, state)).collect();
        for (name, value) in self.destinations.iter().zip(values) {
            state.set(name, value);
        }
    }

    fn value(&self, source: Result<&String, &String>, index: usize, state: &State) -> Value {
        let source = source.map_err(Clone::clone)?;
        for row in &self.rows {
            let captures = match &row.input {
                Input::Text(text) if state.filled(text)? == *source => Captures::default(),
                Input::Text(_) => continue,
                Input::Pattern(pattern) => match pattern.as_ref().map_err(Clone::clone)?.captures(source) {
                    Some(captures) => captures,
                    None => continue,
                },
            };
            return match row.outputs.get(index).map(String::as_str) {
                None | Some("-") => self.default(index, state),
                Some(output) => state.filled(&bounded(expanded(output, &captures))?),
            };
        }
        self.default(index, state)
    }

    fn default(&self, index: usize, state: &State) -> Value {
        self.defaults.get(index).map_or_else(|| Ok(String::new()), |text| state.filled(text))
    }
}

fn bare(name: &str) -> String {
    name.trim_start_matches('{').trim_end_matches('}').to_owned()
}

/// `${1}`, `$1`, `${name}` replaced by what matched, as Go's `Regexp.Expand` does.
fn expanded(output: &str, captures: &Captures) -> String {
    let group = |name: &str| match name.parse::<usize>() {
        Ok(number) => captures.groups.get(number).cloned().unwrap_or_default(),
        Err(_) => captures.named.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone()).unwrap_or_default(),
    };
    let mut out = String::new();
    let mut rest = output;
    while let Some(at) = rest.find('$').filter(|_| out.len() <= TEXT_MAX) {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let plain = after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(after.len());
        rest = if let Some((name, behind)) = braced {
            out.push_str(&group(name));
            behind
        } else if let Some(behind) = after.strip_prefix('$') {
            out.push('$');
            behind
        } else if plain > 0 {
            out.push_str(&group(&after[..plain]));
            &after[plain..]
        } else {
            out.push('$');
            after
        };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_expanded_as_go_expands_them() {
        let captures = Pattern::new("^(a)(?P<rest>.*)$", false).unwrap().captures("abc").unwrap();
        assert_eq!(expanded("${1}-$rest-$$-${none}-$1x-$", &captures), "a-bc-$---$");
    }
}
