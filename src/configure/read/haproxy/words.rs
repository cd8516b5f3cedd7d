//! Lines and words: quotes, backslashes, comments (`doc/configuration.txt`, section 2.2).

use std::path::Path;
use std::sync::Arc;

use super::super::model::{ReadError, SourceLocation};

/// A line with at least one word.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) words: Vec<String>,
    pub(super) at: SourceLocation,
}

impl Line {
    /// A word by its index; empty if there are fewer words.
    pub(super) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }
}

/// Splits a text into lines of words.
pub(super) fn lines(path: &Path, text: &str) -> Result<Vec<Line>, ReadError> {
    let file: Arc<str> = path.to_string_lossy().into();
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = SourceLocation::new(&file, number + 1);
        let words = words(line).ok_or_else(|| ReadError::Syntax { at: at.clone(), message: "expected a closing quote".to_owned() })?;
        if !words.is_empty() {
            if lines.len() == LINES_MAX {
                return Err(ReadError::Syntax { at, message: format!("expected at most {LINES_MAX} lines") });
            }
            lines.push(Line { words, at });
        }
    }
    Ok(lines)
}

/// The words of a line; `None` if a quote is not closed.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\'', Some('\'')) | ('"', Some('"')) => quote = None,
            (_, Some('\'')) => word.get_or_insert_default().push(character),
            // In double quotes a backslash only escapes characters that are special there.
            ('\\', _) => {
                let next = characters.next();
                let word = word.get_or_insert_default();
                match (next, quote) {
                    (Some('n'), None) => word.push('\n'),
                    (Some('r'), None) => word.push('\r'),
                    (Some('t'), None) => word.push('\t'),
                    (Some(next @ (' ' | '\\' | '"' | '\'' | '#' | '$')), _) => word.push(next),
                    (Some(next), _) => word.extend(['\\', next]),
                    (None, _) => word.push('\\'),
                }
            }
            (_, Some(_)) => word.get_or_insert_default().push(character),
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            ('#', None) => break,
            (_, None) if character.is_whitespace() => words.extend(word.take()),
            (_, None) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

const LINES_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn quotes_and_backslashes_are_removed() {
        let read = |line: &str| words(line).unwrap();
        assert_eq!(read("  acl a path_reg ^/x$ # comment"), ["acl", "a", "path_reg", "^/x$"]);
        assert_eq!(read(r#"x "a b" 'c "d"' e\ f "\"" ''"#), ["x", "a b", "c \"d\"", "e f", "\"", ""]);
        assert_eq!(read(r"path_reg ^/a\.b$"), ["path_reg", r"^/a\.b$"]);
        assert!(words("a 'b").is_none());
    }
}
