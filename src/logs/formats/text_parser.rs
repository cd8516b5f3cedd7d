//! The parser of formats that a [`Pattern`] describes.

use std::sync::Arc;

use super::draft::Draft;
use super::pattern::Pattern;
use super::prefix;
use super::variable::Variable;
use crate::{Line, Malformed, Parser, Record, StampMeaning, StampReader};

/// The parser of every format that a [`Pattern`] describes.
#[derive(Debug, Clone)]
pub struct TextParser {
    name: Arc<str>,
    pattern: Arc<Pattern>,
    stamps: StampReader,
}

impl TextParser {
    /// `name` is the format's name in reports.
    pub fn new(name: &str, pattern: Pattern, stamps: StampReader) -> Self {
        Self { name: name.into(), pattern: Arc::new(pattern), stamps }
    }

    /// The parser with another meaning of its stamps (`--stamp`).
    pub fn with_meaning(self, meaning: StampMeaning) -> Self {
        Self { pattern: Arc::new(Arc::unwrap_or_clone(self.pattern).with_meaning(meaning)), ..self }
    }

    #[cfg(test)]
    pub(super) fn by_pattern_alone(self) -> Self {
        Self { pattern: Arc::new(Arc::unwrap_or_clone(self.pattern).without_combined()), ..self }
    }

    /// The meaning of the stamps; `None` if the format has none.
    pub fn meaning(&self) -> Option<StampMeaning> {
        self.pattern.variables().find_map(|variable| match variable {
            Variable::Time(_, meaning) | Variable::Date(_, meaning) => Some(meaning),
            _ => None,
        })
    }

    #[inline]
    fn read<'a>(&mut self, line: &'a [u8], record: &mut Record<'a>) -> Result<(), Malformed> {
        let mut draft = Draft::new(record);
        self.pattern.read(line, &mut draft, &mut self.stamps)?;
        draft.finish(&mut self.stamps).map_err(|expected| Malformed { expected, column: 0 })
    }

    #[cold]
    fn read_again<'a>(&mut self, line: &'a [u8], first: Malformed) -> Line<'a> {
        if prefix::is_no_access_line(line) {
            return Line::NotRequest;
        }
        let mut error = first;
        let mut start = 0;
        if let Some(stripped) = prefix::len(line) {
            start = stripped;
            let mut record = Record::default();
            match self.read(&line[start..], &mut record) {
                Ok(()) => return Line::Request(record),
                Err(inner) => error = inner.moved(start),
            }
            if prefix::is_no_access_line(&line[start..]) {
                return Line::NotRequest;
            }
        }
        if self.pattern.backtracks {
            let mut record = Record::default();
            let mut draft = Draft::new(&mut record);
            if self.pattern.read_backtracking(&line[start..], &mut draft, &mut self.stamps).is_some()
                && draft.finish(&mut self.stamps).is_ok()
            {
                return Line::Request(record);
            }
        }
        Line::Malformed(error)
    }
}

impl Parser for TextParser {
    fn name(&self) -> &str {
        &self.name
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        // The record is built inside the result, because moving it is expensive.
        let mut result = Line::Request(Record::default());
        if let Line::Request(record) = &mut result
            && let Err(error) = self.read(line, record)
        {
            result = self.read_again(line, error);
        }
        result
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}
