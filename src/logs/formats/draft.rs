//! The record made from the values of a line's fields.
//!
//! A [`Draft`] collects values by their [`Variable`] into a [`Record`] and combines those that say something only together.
//! Invariant: a value that a format cannot have written is an error, a missing one (`-`, empty) is not.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::address::{first_of_list, without_port};
use super::captures;
use super::date_parts::{DatePart, DateParts};
use super::request_line;
use super::stamp_text;
use super::value::{
    borrowed, count, duration, entries, epoch, fraction, host_and_path, is_credential, is_our_own, is_present, optional, present, status,
    sum_of_times, target_of, upstreams,
};
use super::variable::{Clock, Timer, Unit, Variable};
use crate::time::decimal;
use crate::{Ambiguity, Record, Stamp, StampMeaning, StampReader};

/// An incomplete record. It is filled in place, because moving a record costs as much as reading several fields.
#[derive(Debug)]
pub struct Draft<'r, 'a> {
    pub record: &'r mut Record<'a>,
    wall_is_fine: bool,
    /// Boxed, because few formats need it and every line would pay for its size.
    parts: Option<Box<Parts<'a>>>,
}

/// Values that are combined when all of them are known.
#[derive(Debug, Default)]
struct Parts<'a> {
    path: Option<Cow<'a, [u8]>>,
    query: Option<Cow<'a, [u8]>>,
    forwarded: Option<Cow<'a, [u8]>>,
    fraction: Option<(i64, u32)>,
    local: Option<(&'a [u8], StampMeaning)>,
    zone: Option<&'a [u8]>,
    date: Option<DateParts>,
    ended: Option<(i64, u32)>,
    timers: Timers,
    backend: Option<&'a [u8]>,
    server: Option<&'a [u8]>,
    sent_to: Option<Cow<'a, [u8]>>,
    /// The upstream's status is logged and missing.
    unanswered: bool,
}

impl<'r, 'a> Draft<'r, 'a> {
    /// Fills an empty record.
    #[inline]
    pub fn new(record: &'r mut Record<'a>) -> Self {
        Self { record, wall_is_fine: false, parts: None }
    }

    /// Assigns one value, with its escapes undone. `-` and the empty string mean missing. Times, numbers and addresses are parsed from
    /// borrowed text only; a value that needed unescaping cannot be one.
    ///
    /// The error is the name of the value that was expected.
    pub fn assign(&mut self, variable: Variable, value: Cow<'a, [u8]>, stamps: &mut StampReader) -> Result<(), &'static str> {
        match (variable, value) {
            (_, Cow::Borrowed(value)) => return self.assign_borrowed(variable, value, stamps),
            (Variable::RequestLine, Cow::Owned(line)) => {
                let (method, target) = request_line::split(&line);
                (self.record.method, self.record.target) = (request_line::known_method(method), Cow::Owned(target.to_vec()));
            }
            // Two lines written into one would otherwise be read as one line with an odd user.
            (Variable::User, value) if memmem::find(&value, b" - ").is_some() => return Err(variable.expected()),
            (Variable::User, value) => self.record.user = present(value),
            (Variable::Agent, value) => self.record.agent = present(value),
            (Variable::Referrer, value) => self.record.referrer = present(value),
            (other, value) => self.assign_rare(other, value, stamps)?,
        }
        Ok(())
    }

    /// [`Self::assign`] for a value without escapes, with the fields of the common formats first.
    #[inline]
    pub fn assign_borrowed(&mut self, variable: Variable, value: &'a [u8], stamps: &mut StampReader) -> Result<(), &'static str> {
        let record = &mut *self.record;
        match variable {
            Variable::Ignored | Variable::IgnoredWord => {}
            Variable::RequestLine => {
                let (method, target) = request_line::split(value);
                (record.method, record.target) = (method, Cow::Borrowed(target));
            }
            Variable::Time(Clock::Common, meaning) => {
                let micros = stamps.common(value).ok_or_else(|| variable.expected())?;
                record.stamp = Some(Stamp { micros, resolution_us: 1_000_000, meaning, ambiguity: Ambiguity::None });
            }
            Variable::Address => record.address = Some(value).filter(is_present),
            Variable::Status => record.status = status(value).ok_or_else(|| variable.expected())?,
            Variable::BytesSent => record.bytes_sent = count(value).ok_or_else(|| variable.expected())?,
            Variable::BytesReceived => record.bytes_received = count(value).ok_or_else(|| variable.expected())?,
            Variable::User if !is_present(&value) => record.user = None,
            // Two lines written into one would otherwise be read as one line with an odd user.
            Variable::User if memmem::find(value, b" - ").is_some() => return Err(variable.expected()),
            Variable::User => record.user = Some(Cow::Borrowed(value)),
            Variable::Agent => record.agent = Some(value).filter(is_present).map(Cow::Borrowed),
            Variable::Referrer => record.referrer = Some(value).filter(is_present).map(Cow::Borrowed),
            other => self.assign_rare(other, Cow::Borrowed(value), stamps)?,
        }
        Ok(())
    }

    fn assign_rare(&mut self, variable: Variable, value: Cow<'a, [u8]>, stamps: &mut StampReader) -> Result<(), &'static str> {
        let error = variable.expected();
        let record = &mut *self.record;
        match variable {
            Variable::Time(Clock::CommonLocal, meaning) => {
                let text = borrowed(&value).ok_or(error)?;
                let micros = stamps.haproxy(text).ok_or(error)?;
                let resolution_us = if text.len() > 20 { 1000 } else { 1_000_000 };
                record.stamp = Some(Stamp { micros, resolution_us, meaning, ambiguity: stamps.ambiguity() });
                self.parts().local = Some((text, meaning));
            }
            Variable::Time(Clock::Iso | Clock::IsoSpaced, meaning) => {
                let (micros, resolution_us) = stamps.iso(&value).ok_or(error)?;
                record.stamp = Some(Stamp { micros, resolution_us, meaning, ambiguity: stamps.ambiguity() });
            }
            Variable::Time(Clock::Epoch(unit), meaning) => {
                let (micros, resolution_us) = epoch(&value, unit).ok_or(error)?;
                record.stamp = Some(Stamp { micros, resolution_us, meaning, ambiguity: Ambiguity::None });
            }
            Variable::Time(Clock::Any, meaning) => {
                let (micros, resolution_us) = stamp_text::read(&value, stamps).ok_or(error)?;
                record.stamp = Some(Stamp { micros, resolution_us, meaning, ambiguity: stamps.ambiguity() });
            }
            Variable::Date(part, meaning) => {
                self.parts().date.get_or_insert_default().set(part, &value, meaning).ok_or(error)?;
            }
            Variable::EndTime => self.parts().ended = stamp_text::read(&value, stamps),
            Variable::Fraction(unit) => self.parts().fraction = Some(fraction(&value, unit).ok_or(error)?),
            Variable::ZoneOffset => self.parts().zone = borrowed(&value),
            Variable::Method => {
                record.method = match value {
                    Cow::Borrowed(method) if method != b"-" => method,
                    Cow::Borrowed(_) => b"",
                    Cow::Owned(method) => request_line::known_method(&method),
                }
            }
            Variable::Target => record.target = present(value).unwrap_or_default(),
            Variable::HostAndTarget => {
                let (host, path) = borrowed(&value).and_then(host_and_path).ok_or(error)?;
                record.site = record.site.or(Some(host));
                record.target = Cow::Borrowed(path);
            }
            Variable::Path => self.parts().path = present(value),
            Variable::Query => self.parts().query = present(value),
            Variable::Wall(unit) => self.assign_wall(&value, unit).ok_or(error)?,
            Variable::Step { of_upstream } => {
                if let Some(step) =
                    optional(&value, |text| if text == b"-1" { Some(0) } else { duration(text, Unit::Seconds) }).ok_or(error)?
                {
                    record.wall_us = Some(record.wall_us.unwrap_or(0).saturating_add(step));
                    if of_upstream {
                        record.upstream_us = Some(record.upstream_us.unwrap_or(0).saturating_add(step));
                    }
                }
            }
            Variable::Timer(timer) => self.parts().timers.set(timer, &value).ok_or(error)?,
            Variable::Backend => self.parts().backend = borrowed(&value).filter(is_present),
            Variable::Server => self.parts().server = borrowed(&value).filter(is_present),
            Variable::TerminationState => record.aborted |= value.first() == Some(&b'C'),
            Variable::ResponseFlags => record.aborted |= value.split(|byte| *byte == b',').any(|flag| flag == b"DC"),
            Variable::Captures => {
                if let Some(group) = borrowed(&value) {
                    captures::assign(group, self, stamps)?;
                }
            }
            Variable::SentTo => self.parts().sent_to = present(value),
            Variable::Peer => record.address = borrowed(&value).map(first_of_list).filter(is_present).map(without_port),
            Variable::UpstreamStatus if !is_present(&&*value) => self.parts().unanswered = true,
            Variable::UpstreamAddress => (record.upstream, record.upstream_tries) = upstreams(&value),
            Variable::UpstreamStatus if record.status == 0 => {
                record.status = entries(&value).last().and_then(status).unwrap_or(0);
            }
            Variable::UpstreamTime(unit) => record.upstream_us = sum_of_times(&value, unit).ok_or(error)?,
            Variable::ForwardedFor => {
                if let Some(list) = present(value) {
                    self.parts().forwarded = Some(list);
                }
            }
            Variable::UserKey => match present(value) {
                Some(header) if is_credential(&header) => record.authorization = Some(header),
                key => record.user = key.or(record.user.take()),
            },
            Variable::Authorization => record.authorization = present(value).or(record.authorization.take()),
            // The first of a list of addresses is no host.
            Variable::Site if value.last() == Some(&b',') => return Err(error),
            Variable::Site => record.site = borrowed(&value).filter(is_present).filter(|site| *site != b"_").or(record.site),
            Variable::RequestId => {
                let id = borrowed(&value).ok_or(error)?;
                if is_present(&id) && !(id.len() == 32 && id.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(error);
                }
                record.request_id = Some(id).filter(is_present);
            }
            Variable::RequestIdText => record.request_id = borrowed(&value).filter(is_present),
            Variable::ConnectionState => record.aborted |= &*value == b"X",
            // The frequent variables are assigned by the caller; an upstream's status is ignored if the proxy's own is known.
            _ => {}
        }
        Ok(())
    }

    /// Completes the record after the last value.
    ///
    /// # Errors
    /// The name of what was expected where the values together cannot be of one request.
    #[inline]
    pub fn finish(mut self, stamps: &mut StampReader) -> Result<(), &'static str> {
        if self.record.status == 499 {
            self.record.aborted = true;
        }
        if let Some(parts) = self.parts.take() {
            parts.complete(self.record, stamps)?;
        }
        if self.record.has_impossible_duration() { Err(POSSIBLE_DURATION) } else { Ok(()) }
    }

    fn parts(&mut self) -> &mut Parts<'a> {
        self.parts.get_or_insert_default()
    }

    /// Whole seconds do not replace a finer value.
    fn assign_wall(&mut self, value: &[u8], unit: Unit) -> Option<()> {
        let fine = unit != Unit::Seconds || memchr(b'.', value).is_some();
        let Some(wall) = optional(value, |value| duration(value, unit))? else { return Some(()) };
        if fine || !self.wall_is_fine {
            self.record.wall_us = Some(wall);
            self.wall_is_fine = fine;
        }
        Some(())
    }
}

impl<'a> Parts<'a> {
    fn complete(mut self, record: &mut Record<'a>, stamps: &mut StampReader) -> Result<(), &'static str> {
        if let Some(mut date) = self.date.take() {
            if let Some(zone) = self.zone {
                date.set(DatePart::Offset, zone, StampMeaning::Start);
            }
            record.stamp = Some(date.stamp(stamps).ok_or(Variable::Date(DatePart::Day, StampMeaning::End).expected())?);
        }
        self.timers.fill(record);
        self.complete_upstream(record);
        self.complete_end(record);
        if let (true, Some(path)) = (record.target.is_empty(), self.path.take()) {
            record.target = Cow::Owned(target_of(&path, self.query.as_deref()));
        }
        if let (Some(Cow::Borrowed(list)), true) = (self.forwarded.take(), record.address.is_none_or(is_our_own)) {
            // A URL is of another header, where a format was inferred from lines without one.
            record.address = Some(first_of_list(list)).filter(is_present).filter(|first| memchr(b'/', first).is_none()).or(record.address);
        }
        if let (Some(zone), Some((local, meaning))) = (self.zone, self.local)
            && let (Some(clock), 5) = (local.get(..20), zone.len())
            && let Some(micros) = stamps.common(&[clock, b" ", zone].concat())
        {
            let below_a_second = record.stamp.map_or(0, |stamp| stamp.micros.rem_euclid(1_000_000));
            let resolution_us = if local.len() > 20 { 1000 } else { 1_000_000 };
            record.stamp = Some(Stamp { micros: micros + below_a_second, resolution_us, meaning, ambiguity: Ambiguity::None });
        }
        if let (Some((micros, resolution_us)), Some(stamp)) = (self.fraction, &mut record.stamp) {
            (stamp.micros, stamp.resolution_us) = (stamp.micros.saturating_add(micros), resolution_us);
        }
        Ok(())
    }

    fn complete_upstream(&mut self, record: &mut Record<'a>) {
        if let Some(server) = self.server.filter(|server| !server.starts_with(b"<")) {
            let upstream = self.backend.map_or(Cow::Borrowed(server), |backend| Cow::Owned([backend, b"/", server].concat()));
            (record.upstream, record.upstream_tries) = (Some(upstream), 1);
        } else if let (None, Some(backend), None) = (self.server, self.backend, &record.upstream) {
            (record.upstream, record.upstream_tries) = (Some(Cow::Borrowed(backend)), 1);
        }
        // nginx answered by itself, unless the client left before the upstream responded.
        if let Some(sent_to) = self.sent_to.take().filter(|_| !self.unanswered || record.status == 499) {
            (record.upstream, record.upstream_tries) = (Some(sent_to), 1);
        }
    }

    /// The duration between two logged times, where both are fine enough to say one.
    fn complete_end(&self, record: &mut Record<'a>) {
        let Some((ended, resolution_us)) = self.ended else { return };
        match &record.stamp {
            None => {
                record.stamp = Some(Stamp { micros: ended, resolution_us, meaning: StampMeaning::End, ambiguity: Ambiguity::None });
            }
            Some(stamp) if record.wall_us.is_none() && stamp.resolution_us.max(resolution_us) <= 1000 => {
                record.wall_us = u64::try_from(ended.saturating_sub(stamp.micros)).ok();
            }
            Some(_) => {}
        }
    }
}

/// HAProxy's timers of one request in ms; `None` for those that are not logged, -1 for a step that was not reached.
#[derive(Debug, Default)]
struct Timers {
    values: [Option<i64>; 9],
}

impl Timers {
    fn set(&mut self, timer: Timer, text: &[u8]) -> Option<()> {
        let text = text.strip_prefix(b"+").unwrap_or(text);
        let value = if matches!(text, b"-1" | b"-" | b"") { -1 } else { decimal(text)? };
        self.values[timer as usize] = Some(value);
        Some(())
    }

    /// Wall time is `Ta`, without it `Tt` without the time before the request. Upstream time is what follows connecting.
    fn fill(&self, record: &mut Record<'_>) {
        let reached = |timer: Timer| self.values[timer as usize].filter(|value| *value >= 0);
        let before = [Timer::Handshake, Timer::Idle].into_iter().filter_map(reached).sum::<i64>();
        let total = reached(Timer::Total).map(|total| total - reached(Timer::Request).unwrap_or(before));
        let Some(wall) = reached(Timer::Active).or(total).filter(|wall| *wall >= 0) else {
            record.upstream_us = record.upstream_us.or(reached(Timer::Response).and_then(micros));
            return;
        };
        record.wall_us = micros(wall);
        let logged = |timer: Timer| self.values[timer as usize].is_some();
        let steps = [Timer::Receive, Timer::Queue, Timer::Connect];
        record.upstream_us = match reached(Timer::Response) {
            Some(_) if steps.into_iter().all(logged) => {
                let before: Option<i64> = steps.into_iter().map(reached).sum();
                before.and_then(|before| micros(wall - before))
            }
            response => response.and_then(micros),
        };
    }
}

fn micros(milliseconds: i64) -> Option<u64> {
    u64::try_from(milliseconds).ok()?.checked_mul(1000)
}

/// What a record with an impossible duration does not have.
pub(super) const POSSIBLE_DURATION: &str = "a duration that a request can have";
