//! A compiled line pattern of alternating literals and fields.
//!
//! Owns the rules by which fields end; [`Variable`] owns their meaning. A field ends where the next literal starts:
//!
//! ```text
//! "$request" $status     quoted: at the first quote that is not escaped, where the literal must be
//! $status $body…         a word: at the first space, where the literal must be
//! $remote_user [         text: at the first occurrence of the literal, or a later one if the rest of the line does not fit
//! ```
//!
//! Invariant: a line is accepted only if the pattern matches all of it, from its first byte (or the end of a collector's prefix) to
//! its last.

use memchr::{memchr, memchr2, memrchr};

use super::combined::Combined;
use super::draft::Draft;
use super::error::FormatError;
use super::literal::Literal;
use super::request_line;
pub use super::text_parser::TextParser;
use super::variable::{Clock, Variable};
use crate::escape::Escape;
use crate::{Malformed, Record, StampMeaning, StampReader};
use wsim_http::scan;

/// One part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that every line contains.
    Literal(Vec<u8>),
    /// A value, with the byte index of the field in the expression for errors.
    Field(Variable, usize),
}

/// A compiled line pattern, shared by the parsers of all threads.
#[derive(Debug, Clone)]
pub struct Pattern {
    start: Literal,
    steps: Box<[Step]>,
    /// Reads the first steps of usual lines, if they are those of the combined format.
    combined: Option<Combined>,
    escape: Escape,
    /// At least one field's end is ambiguous, so that parsing may need backtracking.
    pub(super) backtracks: bool,
}

#[derive(Debug, Clone)]
struct Step {
    variable: Variable,
    end: End,
    /// The text after the field; empty after the last one.
    literal: Literal,
}

/// The rule by which a field ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// `02/Jan/2026:15:04:05 +0000`: after 26 bytes.
    CommonTime,
    /// After this number of bytes.
    Fixed(u8),
    /// At the closing brace before the literal; without an opening brace the field and the blank that begins the literal are absent.
    Braces,
    /// At the first quote that is not escaped.
    Quote,
    /// At the first quote.
    PlainQuote,
    /// At the first space or the first byte of the literal.
    Word,
    /// At the last colon before the next space: `[::1]:443`.
    LastColon,
    /// At the literal, if that is not part of a list's separator.
    List,
    /// At the literal.
    Search,
    /// At the end of the line, which the field must reach without a space.
    LineWord,
    /// At the end of the line.
    Line,
}

/// A format that cannot be compiled, because two fields touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous {
    /// Byte index of the second field in the expression.
    pub at: usize,
}

impl Ambiguous {
    /// The error of the expression that the pieces came from.
    pub fn error(self, expression: &str) -> FormatError {
        FormatError::new("nothing separates this field from the previous one, so their values cannot be distinguished", expression, self.at)
    }
}

impl Pattern {
    /// Compiles pieces. Two fields that touch cannot be separated, which is an error unless both are ignored.
    pub fn compile(pieces: &[Piece], escape: Escape) -> Result<Self, Ambiguous> {
        let mut start = Vec::new();
        let mut fields: Vec<(Variable, Vec<u8>)> = Vec::new();
        for piece in pieces {
            match (piece, fields.last_mut()) {
                (Piece::Literal(text), None) => start.extend_from_slice(text),
                (Piece::Literal(text), Some((_, literal))) => literal.extend_from_slice(text),
                (Piece::Field(next, at), Some((last, literal))) if literal.is_empty() && last.width().is_none() => match (*last, *next) {
                    (
                        Variable::Ignored | Variable::IgnoredWord | Variable::Referrer,
                        Variable::Ignored | Variable::IgnoredWord | Variable::Referrer,
                    ) => *last = Variable::Ignored,
                    _ => return Err(Ambiguous { at: *at }),
                },
                (Piece::Field(variable, _), _) => fields.push((*variable, Vec::new())),
            }
        }
        let mut steps = Vec::with_capacity(fields.len());
        for (index, (variable, literal)) in fields.iter().enumerate() {
            let before: &[u8] = if index == 0 { &start } else { &fields[index - 1].1 };
            let end = end_of(*variable, before, literal, index + 1 == fields.len(), escape);
            steps.push(Step { variable: *variable, end, literal: Literal::new(literal) });
        }
        let backtracks = steps.iter().any(|step| matches!(step.end, End::Search));
        let combined = Combined::beginning(&fields, escape).filter(|_| start.is_empty());
        Ok(Self { start: Literal::new(&start), steps: steps.into(), combined, escape, backtracks })
    }

    /// The pattern with another meaning of its stamps.
    pub fn with_meaning(mut self, meaning: StampMeaning) -> Self {
        for step in &mut self.steps {
            step.variable = step.variable.with_meaning(meaning);
        }
        if let Some(combined) = &mut self.combined {
            combined.meaning = meaning;
        }
        self
    }

    #[cfg(test)]
    pub(super) fn without_combined(self) -> Self {
        Self { combined: None, ..self }
    }

    /// The meanings of the fields in order.
    pub fn variables(&self) -> impl Iterator<Item = Variable> + '_ {
        self.steps.iter().map(|step| step.variable)
    }

    /// Reads one line, which the pattern must match completely.
    #[inline]
    pub fn read<'a>(&self, line: &'a [u8], draft: &mut Draft<'_, 'a>, stamps: &mut StampReader) -> Result<(), Malformed> {
        if !self.start.starts(line) {
            return Err(Malformed { expected: START, column: 0 });
        }
        let (mut at, steps) = match self.read_combined(line, draft, stamps) {
            Some(at) => (at, &self.steps[Combined::FIELDS..]),
            None => (self.start.len(), &*self.steps),
        };
        for step in steps {
            let rest = &line[at..];
            let (len, escaped) = step.end_in(rest).map_err(|error| error.moved(at))?;
            if len == 0 && step.end == End::Braces {
                at += step.absent(rest).ok_or(Malformed { expected: step.after(), column: at })?;
                continue;
            }
            let (value, after) = rest.split_at(len);
            if !step.literal.starts(after) {
                return Err(Malformed { expected: step.after(), column: at + len });
            }
            assign(draft, step.variable, value, if escaped { self.escape } else { Escape::Raw }, stamps)
                .map_err(|expected| Malformed { expected, column: at })?;
            at += len + step.literal.len();
        }
        if at == line.len() { Ok(()) } else { Err(Malformed { expected: END, column: at }) }
    }

    /// Reads the fields of the combined format and the text after them, and returns where that ends.
    #[inline]
    fn read_combined<'a>(&self, line: &'a [u8], draft: &mut Draft<'_, 'a>, stamps: &mut StampReader) -> Option<usize> {
        let combined = self.combined?;
        let literal = &self.steps[Combined::FIELDS - 1].literal;
        let at = combined.read(line, draft, stamps)?;
        if literal.starts(&line[at..]) {
            return Some(at + literal.len());
        }
        *draft.record = Record::default();
        None
    }

    /// Reads a line in which the first occurrence of a literal is not the end of its field.
    pub(super) fn read_backtracking<'a>(&self, line: &'a [u8], draft: &mut Draft<'_, 'a>, stamps: &mut StampReader) -> Option<()> {
        let rest = line.strip_prefix(&*self.start.text)?;
        let mut values = Vec::with_capacity(self.steps.len());
        let mut trials = TRIALS_MAX;
        self.locate(rest, &self.steps, &mut values, &mut trials, stamps).then_some(())?;
        for (step, value) in self.steps.iter().zip(values) {
            assign(draft, step.variable, value, self.escape, stamps).ok()?;
        }
        Some(())
    }

    fn locate<'a>(&self, text: &'a [u8], steps: &[Step], values: &mut Vec<&'a [u8]>, trials: &mut u32, stamps: &mut StampReader) -> bool {
        let Some((step, later)) = steps.split_first() else { return text.is_empty() };
        let first = if step.end == End::Search { step.earliest_end(text) } else { 0 };
        let mut from = first;
        loop {
            if *trials == 0 {
                return false;
            }
            *trials -= 1;
            let end = match step.end {
                End::Search => step.literal.find(&text[from..]).map(|at| from + at),
                _ if from == first => step.end_in(text).ok().map(|(len, _)| len),
                _ => None,
            };
            let Some(end) = end else { return false };
            if end == 0 && step.end == End::Braces {
                let Some(skipped) = step.absent(text) else { return false };
                values.push(b"");
                let fits = self.locate(&text[skipped..], later, values, trials, stamps);
                if !fits {
                    values.pop();
                }
                return fits;
            }
            let value = &text[..end];
            let may_hold_quotes = self.escape == Escape::Raw || (self.escape == Escape::Traefik && step.variable == Variable::RequestLine);
            if step.end == End::Search && !may_hold_quotes && memchr(b'"', value).is_some() {
                return false;
            }
            if step.literal.starts(&text[end..])
                && assign(&mut Draft::new(&mut Record::default()), step.variable, value, self.escape, stamps).is_ok()
            {
                values.push(value);
                if self.locate(&text[end + step.literal.len()..], later, values, trials, stamps) {
                    return true;
                }
                values.pop();
            }
            from = end + 1;
        }
    }
}

impl Step {
    /// The length of the field at the start of `text`, and whether it contains escapes.
    #[inline(always)]
    fn end_in(&self, text: &[u8]) -> Result<(usize, bool), Malformed> {
        let first = self.literal.text.first().copied().unwrap_or(b' ');
        let found = match self.end {
            End::CommonTime => (text.len() >= 26).then_some((26, false)),
            End::Fixed(width) => (text.len() >= usize::from(width)).then_some((usize::from(width), false)),
            End::Braces if text.first() != Some(&b'{') => Some((0, false)),
            End::Braces => memchr::memmem::find(text, b"} ").map(|at| (at + 1, false)),
            End::PlainQuote => memchr(b'"', text).map(|at| (at, true)),
            End::Quote => return quote_in(text).ok_or(Malformed { expected: self.after(), column: text.len() }),
            End::Word if first == b' ' => scan::find(b' ', text).map(|at| (at, false)),
            End::Word => scan::find_either(first, b' ', text).map(|at| (at, false)),
            End::LastColon => {
                let word = memchr(b' ', text).unwrap_or(text.len());
                memrchr(first, &text[..word]).map(|at| (at, false))
            }
            End::List => list_end(text, &self.literal).map(|at| (at, true)),
            End::Search => {
                let from = self.earliest_end(text);
                self.literal.find(&text[from..]).map(|at| (from + at, true))
            }
            End::LineWord => match memchr(b' ', text) {
                Some(at) => return Err(Malformed { expected: END, column: at }),
                None => Some((text.len(), false)),
            },
            End::Line => Some((text.len(), true)),
        };
        found.ok_or(Malformed { expected: self.after(), column: text.len() })
    }

    /// The length of what is left of the literal where the field is absent, and with it the blank behind it.
    fn absent(&self, text: &[u8]) -> Option<usize> {
        let literal = self.literal.text.get(1..)?;
        text.starts_with(literal).then_some(literal.len())
    }

    /// The index from which the literal is searched: an unquoted request line extends at least to its protocol.
    fn earliest_end(&self, text: &[u8]) -> usize {
        let is_request = self.variable == Variable::RequestLine && self.literal.text.first() == Some(&b' ');
        if is_request { memchr::memmem::find(text, b" HTTP/").map_or(0, |at| at + 1) } else { 0 }
    }

    /// Name of this field's literal, for errors.
    fn after(&self) -> &'static str {
        match (self.end, self.variable) {
            (End::Quote, Variable::RequestLine) => "a closing quote after the request line",
            (End::Quote, Variable::Agent) => "a closing quote after the user agent",
            (End::Quote, _) => "a closing quote",
            (End::CommonTime, variable) => variable.expected(),
            (_, Variable::Status) => "a status of three digits and the text after it",
            (_, Variable::Address) => "a client address and the text after it",
            (_, Variable::User) => "a user and the text after it",
            _ => "the text of the format after this field",
        }
    }
}

impl Malformed {
    pub(super) fn moved(self, by: usize) -> Self {
        Self { column: self.column + by, ..self }
    }
}

#[inline]
fn assign<'a>(
    draft: &mut Draft<'_, 'a>,
    variable: Variable,
    value: &'a [u8],
    escape: Escape,
    stamps: &mut StampReader,
) -> Result<(), &'static str> {
    if escape == Escape::Raw {
        return draft.assign_borrowed(variable, value, stamps);
    }
    match variable {
        Variable::RequestLine if escape != Escape::Traefik => {
            let (method, target) = request_line::split(value);
            draft.record.method = method;
            draft.record.target = escape.undo(target);
            Ok(())
        }
        Variable::Agent if !escape.occurs_in(product(value)) => draft.assign_borrowed(variable, value, stamps),
        _ if variable.keeps_text() => draft.assign(variable, escape.undo(value), stamps),
        _ => draft.assign_borrowed(variable, value, stamps),
    }
}

/// The start of a user agent, up to its version or comment.
fn product(agent: &[u8]) -> &[u8] {
    &agent[..agent.iter().position(|byte| matches!(byte, b'/' | b'(' | b';')).unwrap_or(agent.len())]
}

fn end_of(variable: Variable, before: &[u8], literal: &[u8], is_last: bool, escape: Escape) -> End {
    let quoted = before.ends_with(b"\"") && literal.starts_with(b"\"");
    if variable.is_common_time() {
        End::CommonTime
    } else if variable == Variable::Captures && literal.starts_with(b" ") {
        End::Braces
    } else if let Some(width) = variable.width() {
        End::Fixed(width)
    } else if quoted && escape == Escape::Traefik && variable == Variable::RequestLine {
        End::Search
    } else if quoted && matches!(escape, Escape::Nginx | Escape::Apache | Escape::Traefik) {
        End::Quote
    } else if quoted && escape == Escape::Haproxy {
        End::PlainQuote
    } else if literal.is_empty() && is_last {
        if variable.may_contain_spaces() { End::Line } else { End::LineWord }
    } else if literal == b":" {
        End::LastColon
    } else if !variable.may_contain_spaces() {
        End::Word
    } else if variable.is_list() {
        End::List
    } else {
        End::Search
    }
}

impl Variable {
    fn is_common_time(self) -> bool {
        matches!(self, Self::Time(Clock::Common, _))
    }

    /// The number of bytes of a value, where that is always the same.
    fn width(self) -> Option<u8> {
        if let Self::Date(part, _) = self { part.width() } else { None }
    }
}

/// The first unescaped quote, and whether a backslash precedes it. The writer escapes backslashes too, so that a quote is escaped if
/// an odd number of them precedes it.
#[inline]
fn quote_in(text: &[u8]) -> Option<(usize, bool)> {
    if let [b'-', b'"', ..] = text {
        return Some((1, false));
    }
    let mut at = memchr2(b'"', b'\\', text)?;
    let escaped = text[at] == b'\\';
    while text[at] == b'\\' || text[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1 {
        at += 1 + memchr(b'"', &text[at + 1..])?;
    }
    Some((at, escaped))
}

/// The end of an unquoted upstream list: at the literal, unless that is part of the list's separator.
fn list_end(text: &[u8], literal: &Literal) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + literal.find(text.get(from..)?)?;
        let inside = text[..at].ends_with(b",") || text[..at].ends_with(b" :") || text[at..].starts_with(b" : ");
        if !inside {
            return Some(at);
        }
        from = at + 1;
    }
}

const START: &str = "the start of the format";
const END: &str = "the end of the line";
/// Number of field ends that are tried in total before a line counts as malformed.
const TRIALS_MAX: u32 = 500;
