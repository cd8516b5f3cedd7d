//! Edits of a YAML file by its lines, so that comments, order and everything else stay as they are.
//!
//! Knows top-level keys and the items of a list below one of them, not their meaning. Invariant: [`YamlText::finish`] gives a text only
//! if it parses to what was asked for: the keys that were set or removed are, and all others are unchanged.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::super::read::tree::{self, Node, Value};

/// A YAML file under change.
#[derive(Debug, Clone)]
pub(super) struct YamlText {
    original: String,
    lines: Vec<String>,
    /// The keys that were changed or removed.
    touched: BTreeSet<String>,
    /// The keys that were written anew, with their texts.
    written: Vec<(String, String)>,
    removed: BTreeSet<String>,
}

impl YamlText {
    pub(super) fn new(text: &str) -> Self {
        let lines = text.lines().map(str::to_owned).collect();
        Self { original: text.to_owned(), lines, touched: BTreeSet::new(), written: Vec::new(), removed: BTreeSet::new() }
    }

    /// Removes a key with its value, wherever it stands at the top level.
    pub(super) fn remove(&mut self, key: &str) {
        let blocks = self.blocks(key);
        if blocks.is_empty() {
            return;
        }
        self.drop_lines(&blocks);
        self.touched.insert(key.to_owned());
        self.removed.insert(key.to_owned());
    }

    /// Writes a key anew: `text` is the key with its value, of one or more lines.
    pub(super) fn set(&mut self, key: &str, text: &str) {
        let new: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut blocks = self.blocks(key);
        self.touched.insert(key.to_owned());
        self.written.push((key.to_owned(), text.to_owned()));
        if blocks.is_empty() {
            if self.lines.last().is_some_and(|line| !line.trim().is_empty()) {
                self.lines.push(String::new());
            }
            self.lines.extend(new);
            return;
        }
        // Of a key that is there twice the last one counts.
        let last = blocks.pop().unwrap_or_default();
        self.lines.splice(last, new);
        self.drop_lines(&blocks);
    }

    /// Removes ranges of lines, which are in order.
    fn drop_lines(&mut self, ranges: &[Range<usize>]) {
        let mut ranges = ranges.iter().peekable();
        let mut at = 0;
        self.lines.retain(|_| {
            while ranges.next_if(|range| range.end <= at).is_some() {}
            let is_dropped = ranges.peek().is_some_and(|range| range.contains(&at));
            at += 1;
            !is_dropped
        });
    }

    /// The lines of a key with its value.
    pub(super) fn block(&self, key: &str) -> Option<String> {
        Some(self.lines[self.blocks(key).pop()?].join("\n"))
    }

    /// The items of a list in block style below a key: their lines, and the column of their dashes. `None` for any other value.
    pub(super) fn items(&self, key: &str) -> Option<(Vec<Range<usize>>, usize)> {
        let block = self.blocks(key).pop()?;
        let after_key = self.lines[block.start].split_once(':').map_or("", |(_, value)| value.trim());
        if !after_key.is_empty() && !after_key.starts_with('#') {
            return None;
        }
        let is_content = |line: &&String| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let inner = block.start + 1..block.end;
        let column = self.lines[inner.clone()].iter().filter(is_content).map(|line| indentation(line)).min()?;
        let is_dash = |line: &String| indentation(line) == column && (line.trim() == "-" || line.trim_start().starts_with("- "));
        let starts: Vec<usize> = inner.clone().filter(|at| is_dash(&self.lines[*at])).collect();
        let is_list = self.lines[inner.clone()].iter().filter(is_content).filter(|line| indentation(line) == column).all(is_dash);
        if !is_list || starts.is_empty() {
            return None;
        }
        let mut items = Vec::new();
        for (index, start) in starts.iter().enumerate() {
            let end = starts.get(index + 1).copied().unwrap_or(inner.end);
            // Comments before the next item belong to that.
            let last = (*start..end).rev().find(|at| is_content(&&self.lines[*at])).unwrap_or(*start);
            items.push(*start..last + 1);
        }
        Some((items, column))
    }

    /// Replaces the items of a list by their indexes (`None` removes one), and adds others at its end. The items' texts have the list's
    /// own indentation. `false` if the list is not in block style.
    pub(super) fn change_items(&mut self, key: &str, changes: &[(usize, Option<String>)], added: &[String]) -> bool {
        let Some((items, _)) = self.items(key) else { return false };
        if changes.iter().any(|(index, _)| *index >= items.len()) {
            return false;
        }
        let lines = |text: &String| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let end = items.last().map_or(0, |last| last.end);
        self.lines.splice(end..end, added.iter().flat_map(lines));
        let mut sorted: Vec<&(usize, Option<String>)> = changes.iter().collect();
        sorted.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
        for (index, text) in sorted {
            self.lines.splice(items[*index].clone(), text.iter().flat_map(lines));
        }
        self.touched.insert(key.to_owned());
        true
    }

    /// The new text, or the reason why the lines could not be changed without changing something else.
    pub(super) fn finish(mut self) -> Result<String, String> {
        if self.touched.is_empty() {
            return Ok(self.original);
        }
        if self.lines.iter().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            // A file of comments only would be no map.
            self.lines.push("{}".to_owned());
        }
        let mut text = self.lines.join("\n");
        text.push('\n');
        let file: Arc<str> = "".into();
        let parsed = |text: &str| tree::yaml(&file, text).map_err(|error| format!("after the change it would not be YAML: {error}"));
        let (before, after) = (parsed(&self.original)?, parsed(&text)?);
        for (key, node) in before.entries() {
            if self.touched.contains(key) {
                continue;
            }
            if !after.get(key).is_some_and(|new| is_same(new, before.get(key).unwrap_or(node))) {
                return Err(format!("{key} is written in a way that cannot be told from its neighbours line by line"));
            }
        }
        for (key, text) in &self.written {
            let asked = parsed(text)?;
            let is_there = asked.get(key).zip(after.get(key)).is_some_and(|(asked, found)| is_same(asked, found));
            if !is_there {
                return Err(format!("{key} cannot be written on a line of its own"));
            }
        }
        let is_left = |key: &&String| match (before.get(key), self.touched.contains(*key)) {
            (None, touched) => !touched,
            (Some(_), _) => self.removed.contains(*key) && self.blocks(key).is_empty(),
        };
        match after.entries().iter().map(|(key, _)| key).find(is_left) {
            Some(key) => Err(format!("{} is written in a way that cannot be removed line by line", key.escape_debug())),
            None => Ok(text),
        }
    }

    /// The lines of a top-level key: from the key to the next line that belongs to nothing before it.
    fn blocks(&self, key: &str) -> Vec<Range<usize>> {
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < self.lines.len() {
            if !is_key(&self.lines[at], key) {
                at += 1;
                continue;
            }
            let mut end = at + 1;
            for (next, line) in self.lines.iter().enumerate().skip(at + 1) {
                if begins_another(line) {
                    break;
                }
                if !line.trim().is_empty() && !line.starts_with('#') {
                    end = next + 1;
                }
            }
            blocks.push(at..end);
            at = end;
        }
        blocks
    }
}

fn is_key(line: &str, key: &str) -> bool {
    let bare = line.strip_prefix(key).or_else(|| {
        let quote = line.chars().next().filter(|c| *c == '"' || *c == '\'')?;
        line.strip_prefix(quote)?.strip_prefix(key)?.strip_prefix(quote)
    });
    bare.and_then(|rest| rest.trim_start().strip_prefix(':')).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// Whether a line begins something else than the value of the key before it.
fn begins_another(line: &str) -> bool {
    if line == "---" || line == "..." || line.starts_with("--- ") {
        return true;
    }
    line.chars().next().is_some_and(|first| !first.is_whitespace() && !"#-]}".contains(first))
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether two values are the same, wherever they stand.
pub(super) fn is_same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Map(a), Value::Map(b)) => a.len() == b.len() && a.iter().zip(b).all(|((key, a), (other, b))| key == other && is_same(a, b)),
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Kept
server_name: a.org

listeners:
  # The proxy's.
  - port: 8008
    type: http
    resources:
      - names: [client, federation]

  # Old replication.
  - port: 9092
    type: replication
# About redis
redis:
  enabled: false
stream_writers: {
  typing: w1
}
instance_map:
- not: really
database:
  args: {password: 'a: b # c'}
";

    #[test]
    fn keys_and_items_are_changed_and_the_rest_is_not() {
        let mut text = YamlText::new(TEXT);
        text.remove("stream_writers");
        text.remove("instance_map");
        text.remove("not_there");
        text.set("redis", "redis:\n  enabled: true");
        text.set("enable_metrics", "enable_metrics: true");
        assert_eq!(text.items("listeners").unwrap().1, 2);
        assert!(text.change_items("listeners", &[(1, None)], &["  - port: 9093\n    type: http".to_owned()]));
        let changed = TEXT
            .replace("  - port: 9092\n    type: replication\n", "  - port: 9093\n    type: http\n")
            .replace("enabled: false\nstream_writers: {\n  typing: w1\n}\ninstance_map:\n- not: really\n", "enabled: true\n");
        // What is new comes last.
        let expected = changed.replace("  args: {password: 'a: b # c'}\n", "  args: {password: 'a: b # c'}\n\nenable_metrics: true\n");
        assert_eq!(text.finish().unwrap(), expected);
        assert_eq!(YamlText::new(TEXT).finish().unwrap(), TEXT);
    }

    #[test]
    fn what_cannot_be_told_by_lines_is_refused() {
        let mut flow = YamlText::new("{redis: {enabled: false}, a: 1}\n");
        flow.set("redis", "redis: {enabled: true}");
        assert!(flow.finish().is_err());
        let mut text = YamlText::new("a: |\n  redis: 1\nredis: 'one\ntwo: 2'\n");
        text.remove("redis");
        assert!(text.finish().is_err(), "a quoted text over lines that look like keys");
        let flow_list = YamlText::new("listeners: [{port: 1}]\n");
        assert!(flow_list.items("listeners").is_none());
        let mut only = YamlText::new("# nothing else\nredis: 1\n");
        only.remove("redis");
        assert_eq!(only.finish().unwrap(), "# nothing else\n{}\n");
    }

    proptest::proptest! {
        /// Whatever the text, the other keys are as they were, or the change is refused.
        #[test]
        fn no_other_key_changes(text in "([a-c]: ?([0-9]|'x'|\\[1\\])?\n|  [a-c]: 1\n|- 1\n|  - 2\n|# c\n|\n|---\n|  x\n|'\n){0,12}") {
            let file: Arc<str> = "".into();
            let mut edited = YamlText::new(&text);
            edited.remove("a");
            edited.set("b", "b: [changed]");
            edited.change_items("c", &[(0, None)], &["- added".to_owned()]);
            let Ok(after) = edited.finish() else { return Ok(()) };
            let parsed = tree::yaml(&file, &after).unwrap();
            proptest::prop_assert!(parsed.get("a").is_none(), "{}", after);
            proptest::prop_assert_eq!(parsed.get("b").unwrap().texts(), ["changed"]);
        }
    }
}
