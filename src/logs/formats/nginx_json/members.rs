//! The members of one line that have a meaning, and the record made from them.

use std::borrow::Cow;

use super::keys::{Meanings, is_path};
use crate::formats::draft::Draft;
use crate::formats::request_line;
use crate::formats::value::host_and_path;
use crate::formats::variable::Variable;
use crate::json::{Value, Walker, texts};
use crate::{Malformed, Record, Stamp, StampMeaning, StampReader};

/// The members of one line that have a meaning.
pub(super) struct Members<'a> {
    variables: [Variable; MEMBERS_MAX],
    values: [Option<Value<'a>>; MEMBERS_MAX],
    /// Start of each value in the line.
    columns: [usize; MEMBERS_MAX],
    secondary: [bool; MEMBERS_MAX],
    count: usize,
    /// The object is a message of a program's logger, with a level.
    is_program: bool,
    /// The object is the error of a request that has a line of the access log too.
    pub(super) is_error_of_caddy: bool,
}

impl<'a> Members<'a> {
    pub(super) fn new() -> Self {
        Self {
            variables: [Variable::Ignored; MEMBERS_MAX],
            values: [None; MEMBERS_MAX],
            columns: [0; MEMBERS_MAX],
            secondary: [false; MEMBERS_MAX],
            count: 0,
            is_program: false,
            is_error_of_caddy: false,
        }
    }

    /// Finds the members that have a meaning.
    pub(super) fn read(&mut self, walker: Walker<'a>, meanings: &mut Meanings) -> Result<(), Malformed> {
        let (mut next, mut signs, mut outgoing, mut failed) = (0, 0u8, 0u8, false);
        match meanings {
            Meanings::Known(fields) => self.walk(walker, |path, _| {
                let is_here = |(key, _): &(String, Variable)| is_path(key.as_bytes(), path);
                let index = match fields.get(next) {
                    Some(expected) if is_here(expected) => next,
                    _ => fields.iter().position(is_here)?,
                };
                next = index + 1;
                Some((fields[index].1, false))
            }),
            Meanings::Named(names) => {
                self.walk(walker, |path, value| {
                    let (meaning, is_sign) = names.of(path, &mut next);
                    signs = signs.saturating_add(u8::from(is_sign));
                    // Some use `ua` for the user agent, others for the upstream's address.
                    if let (Some(b"ua"), Value::Text { raw, .. }) = (path.last().copied(), value) {
                        return Some((if is_upstream(raw) { Variable::UpstreamAddress } else { Variable::Agent }, false));
                    }
                    // The first Application Gateways wrote notes of their own in the query's place.
                    if let (Some(Variable::Query), Value::Text { raw, .. }) = (meaning.map(|meaning| meaning.variable), value)
                        && raw.starts_with(AZURE_NOTES)
                    {
                        return None;
                    }
                    // A number is no request line, but perhaps a time: Kong's `latencies.request`.
                    if meaning.is_some_and(|meaning| meaning.variable == Variable::RequestLine) && is_number(value) {
                        return None;
                    }
                    // A method is one by whatever key.
                    if let (None, Value::Text { raw, .. }) = (meaning, value)
                        && is_method(raw)
                    {
                        return Some((Variable::Method, true));
                    }
                    // The message of a logger may be the request line.
                    if let (None, Some(b"message" | b"msg" | b"event"), Value::Text { raw, .. }) = (meaning, path.last().copied(), value)
                        && is_request_line(raw)
                    {
                        outgoing = outgoing.saturating_add(1);
                        return Some((Variable::RequestLine, true));
                    }
                    outgoing = outgoing.saturating_add(u8::from(is_sign_of_program(path)));
                    failed |= is_sign_of_error(path, value);
                    meaning.map(|meaning| (meaning.variable, meaning.secondary))
                })?;
                (self.is_program, self.is_error_of_caddy) = (outgoing > 1, failed);
                if signs < names.dialect.signs_wanted() {
                    return Err(Malformed { expected: "the keys of the program that --format names", column: 0 });
                }
                Ok(())
            }
        }
    }

    /// Walks the object and the objects in it.
    pub(super) fn walk(
        &mut self,
        mut walker: Walker<'a>,
        mut meaning: impl FnMut(&[&'a [u8]], Value<'a>) -> Option<(Variable, bool)>,
    ) -> Result<(), Malformed> {
        let mut path: [&[u8]; NESTING_MAX] = [b""; NESTING_MAX];
        let mut depth = 0usize;
        loop {
            let Some((key, value)) = walker.member()? else {
                let Some(outer) = depth.checked_sub(1) else { return Ok(()) };
                depth = outer;
                continue;
            };
            path[depth] = key;
            match value {
                Value::Object if depth + 1 < NESTING_MAX => {
                    walker.enter();
                    depth += 1;
                }
                Value::Object | Value::Array => {}
                _ if self.count < MEMBERS_MAX => {
                    if let Some((variable, secondary)) = meaning(&path[..=depth], value).filter(|(variable, _)| !variable.is_ignored()) {
                        (self.variables[self.count], self.values[self.count]) = (variable, Some(value));
                        (self.columns[self.count], self.secondary[self.count]) = (start_of(walker.column(), value), secondary);
                        self.count += 1;
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn record(&mut self, guessed: bool, stamps: &mut StampReader, scratch: &'a mut Vec<u8>) -> Result<Record<'a>, Malformed> {
        let mut record = Record::default();
        let mut draft = Draft::new(&mut record);
        let texts = texts(&self.values, scratch);
        let mut encoded = None;
        if guessed {
            self.resolve_shown();
            self.resolve_paths(&texts);
            encoded = self.take_encoded_path(&texts);
            self.resolve_durations();
        }
        for (index, text) in texts.iter().enumerate().take(self.count) {
            let Some(text) = *text else { continue };
            let variable = self.variables[index];
            // `200 OK`
            let text = match (variable, text) {
                (Variable::Status, [a, b, c, b' ', ..]) if guessed && [a, b, c].iter().all(|byte| byte.is_ascii_digit()) => &text[..3],
                _ => text,
            };
            let known = draft.record.stamp.take();
            let outcome = draft.assign(variable, text.into(), stamps);
            match (outcome, variable) {
                // Several keys may hold the time (`msec` besides `time_local`); what was before the web is no time.
                (Ok(()), Variable::Time(..)) => {
                    let read = draft.record.stamp.filter(|stamp| !guessed || stamp.micros > STAMP_MIN_US);
                    draft.record.stamp = finer(known, read);
                }
                (Err(expected), _) if !guessed => return Err(Malformed { expected, column: self.columns[index] }),
                _ => draft.record.stamp = draft.record.stamp.or(known),
            }
        }
        if guessed {
            if draft.record.stamp.is_none() {
                draft.record.stamp = self.stamp_of_parts(&texts, stamps);
            }
            split_host(draft.record);
        }
        draft.finish(stamps).map_err(|expected| Malformed { expected, column: 0 })?;
        if let Some(target) = encoded {
            record.target = Cow::Owned(target);
            return Ok(record);
        }
        let says_something = self.variables[..self.count].iter().any(|variable| {
            matches!(variable, Variable::RequestLine | Variable::Method | Variable::Target | Variable::Path | Variable::Status)
        });
        if says_something { Ok(record) } else { Err(Malformed { expected: "a member that tells of a request", column: 0 }) }
    }

    /// Whether a program logs a request that it sent itself, as bridges and bots do: a message with a level, and the whole URL.
    pub(super) fn is_outgoing(&self, record: &Record<'_>) -> bool {
        self.is_program && (record.target.starts_with(b"http://") || record.target.starts_with(b"https://"))
    }

    /// A method or a request line that only its value shows counts where no key says them.
    fn resolve_shown(&mut self) {
        let variables = &mut self.variables[..self.count];
        let has = |wanted: &[Variable]| {
            variables.iter().zip(&self.secondary).any(|(variable, secondary)| wanted.contains(variable) && !secondary)
        };
        let has_line = has(&[Variable::RequestLine]);
        let has_target = has_line || has(&[Variable::Target, Variable::Path]);
        let has_method = has_line || has(&[Variable::Method]);
        for (variable, _) in variables.iter_mut().zip(&self.secondary).filter(|(_, secondary)| **secondary) {
            let is_needless = match *variable {
                Variable::Method => has_method || !has_target,
                Variable::RequestLine => has_target,
                _ => false,
            };
            if is_needless {
                *variable = Variable::Ignored;
            }
        }
    }

    /// A guessed `uri` is `$request_uri`, unless the query is a member of its own: then it is nginx's decoded `$uri`. A guessed
    /// `request` may be a target, too, or a path. Of several targets a whole URL counts less.
    fn resolve_paths(&mut self, texts: &[Option<&[u8]>; MEMBERS_MAX]) {
        let has_query = self
            .variables
            .iter()
            .zip(texts)
            .any(|(variable, text)| *variable == Variable::Query && text.is_some_and(|text| !matches!(text, b"" | b"-")));
        for (variable, text) in self.variables.iter_mut().zip(texts) {
            if let (Variable::RequestLine, Some(text)) = (*variable, text)
                && text.starts_with(b"/")
            {
                *variable = if has_query && !text.contains(&b'?') { Variable::Path } else { Variable::Target };
            }
        }
        let is_path = |text: &Option<&[u8]>| text.is_some_and(|text| text.starts_with(b"/"));
        if self.variables.iter().zip(texts).any(|(variable, text)| *variable == Variable::Target && is_path(text)) {
            for (variable, text) in self.variables.iter_mut().zip(texts) {
                if *variable == Variable::Target && !is_path(text) {
                    *variable = Variable::Ignored;
                }
            }
        }
        let apart = [Variable::Query, Variable::Target, Variable::RequestLine].iter().any(|better| self.variables.contains(better));
        for (variable, text) in self.variables.iter_mut().zip(texts) {
            let has_query = text.is_some_and(|text| text.contains(&b'?'));
            if *variable == Variable::Path && (!apart || has_query) {
                *variable = Variable::Target;
            }
        }
    }

    /// The target of a path and a query apart where the path is percent-encoded, so that it is not the decoded one and must not be
    /// encoded again. The two members are then ignored.
    fn take_encoded_path(&mut self, texts: &[Option<&[u8]>; MEMBERS_MAX]) -> Option<Vec<u8>> {
        if [Variable::Target, Variable::RequestLine].iter().any(|better| self.variables.contains(better)) {
            return None;
        }
        let index_of = |wanted: Variable| self.variables.iter().position(|variable| *variable == wanted);
        let (path, query) = (index_of(Variable::Path)?, index_of(Variable::Query)?);
        let text = texts[path].filter(|text| is_encoded(text))?;
        let mut target = text.to_vec();
        if let Some(query) = texts[query].filter(|query| !matches!(*query, b"" | b"-")) {
            target.push(b'?');
            target.extend_from_slice(query.strip_prefix(b"?").unwrap_or(query));
        }
        (self.variables[path], self.variables[query]) = (Variable::Ignored, Variable::Ignored);
        Some(target)
    }

    /// The stamp of a date and a time of day apart, as in CloudFront's JSON (`"date":"2026-01-02","time":"15:04:05"`).
    fn stamp_of_parts(&self, texts: &[Option<&[u8]>; MEMBERS_MAX], stamps: &mut StampReader) -> Option<Stamp> {
        let part = |is: fn(&[u8]) -> bool| {
            self.variables.iter().zip(texts).find_map(|(variable, text)| match variable {
                Variable::Time(_, meaning) => text.filter(|text| is(text)).map(|text| (*meaning, text)),
                _ => None,
            })
        };
        let ((meaning, date), (_, time)) = (part(is_date)?, part(is_time_of_day)?);
        let (micros, resolution_us) = stamps.iso(&[date, b"T", time].concat())?;
        Some(Stamp { micros, resolution_us, meaning, ambiguity: stamps.ambiguity() })
    }

    /// A `response_time` beside a `request_time` is the upstream's.
    fn resolve_durations(&mut self) {
        let others = || self.variables[..self.count].iter().zip(&self.secondary);
        let has_better = others().any(|(variable, secondary)| matches!(variable, Variable::Wall(_)) && !secondary);
        let has_upstream = others().any(|(variable, _)| matches!(variable, Variable::UpstreamTime(_)));
        if has_better {
            for (variable, _) in self.variables.iter_mut().zip(&self.secondary).filter(|(_, secondary)| **secondary) {
                if let Variable::Wall(unit) = *variable {
                    *variable = if has_upstream { Variable::Ignored } else { Variable::UpstreamTime(unit) };
                }
            }
        }
    }
}

/// Takes the host off a target without a scheme, such as ingress-nginx's `$host$request_uri`.
fn split_host(record: &mut Record<'_>) {
    match &record.target {
        Cow::Borrowed(target) => {
            if let Some((host, path)) = host_and_path(target) {
                record.site = record.site.or(Some(host));
                record.target = Cow::Borrowed(path);
            }
        }
        Cow::Owned(target) => {
            if let Some((_, path)) = host_and_path(target) {
                record.target = Cow::Owned(path.to_vec());
            }
        }
    }
}

/// Start of a value that ends at `end`.
fn start_of(end: usize, value: Value<'_>) -> usize {
    match value {
        Value::Text { raw, .. } => end.saturating_sub(raw.len() + 1),
        Value::Bare(raw) => end.saturating_sub(raw.len()),
        Value::Object | Value::Array => end,
    }
}

/// The finer of two stamps. The start counts more than an end of the same resolution.
fn finer(known: Option<Stamp>, read: Option<Stamp>) -> Option<Stamp> {
    match (known, read) {
        (Some(known), Some(read)) => {
            let worth = |stamp: &Stamp| (stamp.resolution_us, stamp.meaning == StampMeaning::End);
            Some(if worth(&read) < worth(&known) { read } else { known })
        }
        (known, read) => read.or(known),
    }
}

/// More members with a meaning than real formats have.
const MEMBERS_MAX: usize = 32;
const NESTING_MAX: usize = 6;
/// 1990: a smaller number under a key for times is none.
const STAMP_MIN_US: i64 = 631_152_000_000_000;

/// The keys of a logger's message: its level and its text.
fn is_sign_of_program(path: &[&[u8]]) -> bool {
    matches!(path, [b"level" | b"lvl" | b"severity" | b"message" | b"msg"])
}

fn is_number(value: Value<'_>) -> bool {
    matches!(value, Value::Bare(raw) if raw.first().is_some_and(u8::is_ascii_digit))
}

/// `GET /path HTTP/1.1`, perhaps without the protocol.
fn is_request_line(text: &[u8]) -> bool {
    let (method, rest) = text.split_at(memchr::memchr(b' ', text).unwrap_or(text.len()));
    is_method(method) && rest.starts_with(b" /")
}

fn is_method(text: &[u8]) -> bool {
    !request_line::known_method(text).is_empty()
}

/// Whether a path has an octet that is percent-encoded.
fn is_encoded(path: &[u8]) -> bool {
    memchr::memchr_iter(b'%', path)
        .any(|at| matches!(path.get(at + 1..at + 3), Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

/// `2026-01-02`
fn is_date(text: &[u8]) -> bool {
    matches!(text, [_, _, _, _, b'-', _, _, b'-', _, _])
}

/// `15:04:05`, perhaps with a fraction.
fn is_time_of_day(text: &[u8]) -> bool {
    matches!(text, [_, _, b':', _, _, b':', _, _] | [_, _, b':', _, _, b':', _, _, b'.', ..])
}

/// What Caddy's `http.log.error` writes.
fn is_sign_of_error(path: &[&[u8]], value: Value<'_>) -> bool {
    match (path, value) {
        ([b"err_id" | b"err_trace"], _) => true,
        ([b"logger"], Value::Text { raw, .. }) => raw.starts_with(super::CADDY_ERRORS),
        _ => false,
    }
}

const AZURE_NOTES: &[u8] = b"X-AzureApplicationGateway-";

/// `127.0.0.1:8081`, `unix:/path`, `[::1]:80`: no user agent starts like that.
fn is_upstream(text: &[u8]) -> bool {
    text.starts_with(b"unix:") || (text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'[') && text.contains(&b':'))
}
