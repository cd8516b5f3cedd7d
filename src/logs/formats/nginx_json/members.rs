//! The members of one line that have a meaning, and the record made from them.

use std::borrow::Cow;

use super::keys::{Meanings, is_path};
use crate::formats::draft::Draft;
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
        if guessed {
            self.resolve_paths(&texts);
            self.resolve_durations();
        }
        for (index, text) in texts.iter().enumerate().take(self.count) {
            let Some(text) = *text else { continue };
            let variable = self.variables[index];
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
            split_host(draft.record);
        }
        draft.finish(stamps).map_err(|expected| Malformed { expected, column: 0 })?;
        let says_something = self.variables[..self.count].iter().any(|variable| {
            matches!(variable, Variable::RequestLine | Variable::Method | Variable::Target | Variable::Path | Variable::Status)
        });
        if says_something { Ok(record) } else { Err(Malformed { expected: "a member that tells of a request", column: 0 }) }
    }

    /// Whether a program logs a request that it sent itself, as bridges and bots do: a message with a level, and the whole URL.
    pub(super) fn is_outgoing(&self, record: &Record<'_>) -> bool {
        self.is_program && (record.target.starts_with(b"http://") || record.target.starts_with(b"https://"))
    }

    /// A guessed `uri` is `$request_uri`, unless the query is a member of its own: then it is nginx's decoded `$uri`. A guessed
    /// `request` may be a target, too.
    fn resolve_paths(&mut self, texts: &[Option<&[u8]>; MEMBERS_MAX]) {
        for (variable, text) in self.variables.iter_mut().zip(texts) {
            if *variable == Variable::RequestLine && text.is_some_and(|text| text.starts_with(b"/")) {
                *variable = Variable::Target;
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
