//! A compiled line pattern, literals and fields in turn, and the parser that runs it.
//!
//! Owns how fields end; what they mean is [`Variable`]'s. A field ends where the next literal begins:
//!
//! ```text
//! "$request" $status     quoted: the first quote that is not escaped, and the literal must stand there
//! $status $body…         a word: the first space, and the literal must stand there
//! $remote_user [         text: the first place where the literal stands, or a later one if the rest does not fit
//! ```
//!
//! Invariant: a line is accepted only as a whole, from its first byte (or the end of a collector's prefix) to its last.

use std::sync::Arc;

use memchr::{memchr, memchr2, memrchr};

use super::error::FormatError;
use super::prefix;
use super::request_line;
use super::variable::{Clock, Draft, Variable};
use crate::escape::Escape;
use crate::{Line, Malformed, Parser, Record, StampMeaning, StampReader};
use wsim_http::scan;

/// One part of a format as its grammar reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that stands in every line.
    Literal(Vec<u8>),
    /// A value; with the place of the field in the expression, for errors.
    Field(Variable, usize),
}

/// A line pattern, compiled. Shared by the parsers of all threads.
#[derive(Debug, Clone)]
pub struct Pattern {
    start: Literal,
    steps: Box<[Step]>,
    escape: Escape,
    /// Some field's end is not certain at first sight.
    searches: bool,
}

#[derive(Debug, Clone)]
struct Step {
    variable: Variable,
    end: End,
    /// What follows the field; empty after the last one.
    literal: Literal,
}

/// Text that must stand in every line. Compared as one number: a call to compare a few bytes costs more than the bytes.
#[derive(Debug, Clone)]
struct Literal {
    text: Box<[u8]>,
    word: u64,
    mask: u64,
}

impl Literal {
    fn new(text: &[u8]) -> Self {
        let (mut word, mut mask) = ([0; 8], [0; 8]);
        for (index, byte) in text.iter().take(8).enumerate() {
            (word[index], mask[index]) = (*byte, 0xff);
        }
        Self { text: text.into(), word: u64::from_le_bytes(word), mask: u64::from_le_bytes(mask) }
    }

    #[inline]
    fn starts(&self, text: &[u8]) -> bool {
        match text.first_chunk() {
            Some(head) if self.text.len() <= 8 => u64::from_le_bytes(*head) & self.mask == self.word,
            // comparing nothing is slow where it is a masked load from the address of an empty box
            _ => self.text.is_empty() || text.starts_with(&self.text),
        }
    }

    #[inline]
    fn len(&self) -> usize {
        self.text.len()
    }

    /// Literals are short and begin with a byte that is rare in the fields before them: cheaper than a general searcher.
    #[inline]
    fn find(&self, text: &[u8]) -> Option<usize> {
        let first = *self.text.first()?;
        let mut from = 0;
        loop {
            let at = from + scan::find(first, text.get(from..)?)?;
            if self.starts(&text[at..]) {
                return Some(at);
            }
            from = at + 1;
        }
    }
}

/// Where a field ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// `02/Jan/2026:15:04:05 +0000`: after 26 bytes.
    CommonTime,
    /// At the first quote that is not escaped.
    Quote,
    /// At the first quote.
    PlainQuote,
    /// At the first space or first byte of the literal.
    Word,
    /// At the last such byte before the next space: `[::1]:443`.
    LastColon,
    /// Where the literal stands, if not inside a list's separators.
    List,
    /// Where the literal stands.
    Search,
    /// At the end of the line, without a space.
    LineWord,
    /// At the end of the line.
    Line,
}

/// A format that cannot be compiled: what is wrong at which byte of the expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous {
    /// Place of the second of two fields that touch.
    pub at: usize,
}

impl Ambiguous {
    /// As an error of the expression that the pieces came from.
    pub fn error(self, expression: &str) -> FormatError {
        FormatError::new("nothing separates this field from the one before it, so their values cannot be told apart", expression, self.at)
    }
}

impl Pattern {
    /// Compiles pieces. Two fields that touch cannot be told apart, unless both are of no use.
    pub fn compile(pieces: &[Piece], escape: Escape) -> Result<Self, Ambiguous> {
        let mut start = Vec::new();
        let mut fields: Vec<(Variable, Vec<u8>)> = Vec::new();
        for piece in pieces {
            match (piece, fields.last_mut()) {
                (Piece::Literal(text), None) => start.extend_from_slice(text),
                (Piece::Literal(text), Some((_, literal))) => literal.extend_from_slice(text),
                (Piece::Field(next, at), Some((last, literal))) if literal.is_empty() => match (*last, *next) {
                    (Variable::Ignored | Variable::IgnoredWord, Variable::Ignored | Variable::IgnoredWord) => *last = Variable::Ignored,
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
        let searches = steps.iter().any(|step| matches!(step.end, End::Search));
        Ok(Self { start: Literal::new(&start), steps: steps.into(), escape, searches })
    }

    /// The same with stamps of another meaning.
    pub fn with_meaning(mut self, meaning: StampMeaning) -> Self {
        for step in &mut self.steps {
            step.variable = step.variable.with_meaning(meaning);
        }
        self
    }

    /// The meanings of the fields in order.
    pub fn variables(&self) -> impl Iterator<Item = Variable> + '_ {
        self.steps.iter().map(|step| step.variable)
    }

    /// Reads one line from its first byte to its last.
    #[inline]
    pub fn read<'a>(&self, line: &'a [u8], draft: &mut Draft<'_, 'a>, stamps: &mut StampReader) -> Result<(), Malformed> {
        if !self.start.starts(line) {
            return Err(Malformed { expected: START, column: 0 });
        }
        let mut at = self.start.len();
        for step in &self.steps {
            let rest = &line[at..];
            let (len, escaped) = step.end_in(rest).map_err(|error| error.moved(at))?;
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

    /// Reads a line in which the first place that fits a literal is not its true one.
    fn read_searching<'a>(&self, line: &'a [u8], draft: &mut Draft<'_, 'a>, stamps: &mut StampReader) -> Option<()> {
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
    /// Length of the field at the start of `text`, and whether escapes stand in it.
    #[inline(always)]
    fn end_in(&self, text: &[u8]) -> Result<(usize, bool), Malformed> {
        let first = self.literal.text.first().copied().unwrap_or(b' ');
        let found = match self.end {
            End::CommonTime => (text.len() >= 26).then_some((26, false)),
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

    /// Where to search from: an unquoted request line goes on to its protocol.
    fn earliest_end(&self, text: &[u8]) -> usize {
        let is_request = self.variable == Variable::RequestLine && self.literal.text.first() == Some(&b' ');
        if is_request { memchr::memmem::find(text, b" HTTP/").map_or(0, |at| at + 1) } else { 0 }
    }

    /// What was expected where this field's literal should stand.
    fn after(&self) -> &'static str {
        match (self.end, self.variable) {
            (End::Quote, Variable::RequestLine) => "a closing quote after the request line",
            (End::Quote, Variable::Agent) => "a closing quote after the user agent",
            (End::Quote, _) => "a closing quote",
            (End::CommonTime, variable) => variable.expected(),
            (_, Variable::Status) => "a status of three digits and what follows it",
            (_, Variable::Address) => "a client address and what follows it",
            (_, Variable::User) => "a user and what follows it",
            _ => "what the format has after this field",
        }
    }
}

impl Malformed {
    fn moved(self, by: usize) -> Self {
        Self { column: self.column + by, ..self }
    }
}

/// The parser of every format that a [`Pattern`] describes.
#[derive(Debug, Clone)]
pub struct TextParser {
    name: Arc<str>,
    pattern: Arc<Pattern>,
    stamps: StampReader,
}

impl TextParser {
    /// A parser with a name for reports.
    pub fn new(name: &str, pattern: Pattern, stamps: StampReader) -> Self {
        Self { name: name.into(), pattern: Arc::new(pattern), stamps }
    }

    /// The same with stamps of another meaning (`--stamp`).
    pub fn with_meaning(self, meaning: StampMeaning) -> Self {
        Self { pattern: Arc::new(Arc::unwrap_or_clone(self.pattern).with_meaning(meaning)), ..self }
    }

    /// What stamps of this format mean; `None` if it has none.
    pub fn meaning(&self) -> Option<StampMeaning> {
        self.pattern.variables().find_map(|variable| if let Variable::Time(_, meaning) = variable { Some(meaning) } else { None })
    }

    /// Whether the format says how long requests took.
    pub fn has_durations(&self) -> bool {
        self.pattern.variables().any(|variable| matches!(variable, Variable::Wall(_)))
    }

    #[inline]
    fn read<'a>(&mut self, line: &'a [u8], record: &mut Record<'a>) -> Result<(), Malformed> {
        let mut draft = Draft::new(record);
        self.pattern.read(line, &mut draft, &mut self.stamps)?;
        draft.finish(&mut self.stamps);
        Ok(())
    }

    #[cold]
    fn second_look<'a>(&mut self, line: &'a [u8], first: Malformed) -> Line<'a> {
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
        if self.pattern.searches {
            let mut record = Record::default();
            let mut draft = Draft::new(&mut record);
            if self.pattern.read_searching(&line[start..], &mut draft, &mut self.stamps).is_some() {
                draft.finish(&mut self.stamps);
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
        // The record is built in the place of the answer.
        let mut answer = Line::Request(Record::default());
        if let Line::Request(record) = &mut answer
            && let Err(error) = self.read(line, record)
        {
            answer = self.second_look(line, error);
        }
        answer
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
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
        return draft.assign_lent(variable, value, stamps);
    }
    match variable {
        Variable::RequestLine if escape != Escape::Traefik => {
            let (method, target) = request_line::split(value);
            draft.record.method = method;
            draft.record.target = escape.undo(target);
            Ok(())
        }
        Variable::Agent if !escape.stands_in(product(value)) => draft.assign_lent(variable, value, stamps),
        _ if variable.keeps_text() => draft.assign(variable, escape.undo(value), stamps),
        _ => draft.assign_lent(variable, value, stamps),
    }
}

/// What a user agent begins with, up to its version or its comment.
fn product(agent: &[u8]) -> &[u8] {
    &agent[..agent.iter().position(|byte| matches!(byte, b'/' | b'(' | b';')).unwrap_or(agent.len())]
}

fn end_of(variable: Variable, before: &[u8], literal: &[u8], is_last: bool, escape: Escape) -> End {
    let quoted = before.ends_with(b"\"") && literal.starts_with(b"\"");
    if variable.is_common_time() {
        End::CommonTime
    } else if quoted && escape == Escape::Traefik && variable == Variable::RequestLine {
        End::Search
    } else if quoted && matches!(escape, Escape::Nginx | Escape::Apache | Escape::Traefik) {
        End::Quote
    } else if quoted && escape == Escape::Haproxy {
        End::PlainQuote
    } else if literal.is_empty() && is_last {
        if variable.may_hold_spaces() { End::Line } else { End::LineWord }
    } else if literal == b":" {
        End::LastColon
    } else if !variable.may_hold_spaces() {
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
}

/// The first quote that no backslash escapes, and whether a backslash was met on the way. The writer escapes backslashes
/// too, so a quote is escaped if an odd number of them stands before it.
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

/// Where an unquoted upstream list ends: at the literal, unless a list's own separator stands there.
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
/// How many ends are tried for fields whose end is uncertain before the line is given up.
const TRIALS_MAX: u32 = 500;
