//! What values without labels mean by comparison with the other columns of the sample: durations, of which the longer is the request's,
//! the finest of several stamps, the client among several addresses.

use super::column::{Column, OTHER, duration_name, is_seconds};
use super::servers::APACHE_OTHER;
use super::token::Form;
use super::{Head, Layout, same_word};
use crate::formats::value::{duration, entries};
use crate::formats::variable::Unit;
use crate::time::duration_us;

impl Layout {
    /// The columns without labels whose numbers can be nothing but durations, because long polls last as long there as their `timeout`
    /// or the numbers have a fraction of microseconds: the request's, and of a second the upstream's.
    pub(super) fn measured(&self, columns: &[Vec<&[u8]>], polls: &[(bool, Option<u64>)]) -> Vec<(usize, Measured)> {
        let mut found: Vec<(usize, Unit)> = Vec::new();
        for (index, token) in self.tail.iter().enumerate() {
            let column = Column { labels: &[], form: token.form, values: &columns[index], polls };
            if token.label.is_none()
                && matches!(token.form, Form::Bare | Form::Quoted)
                // A number with a fraction has the letters of a host's name.
                && column.by_values().is_none_or(|name| name == "host")
                && let Some(unit) = column.unit_by_evidence()
            {
                found.push((index, unit));
            }
        }
        let total = |(index, unit): (usize, Unit)| -> u64 { columns[index].iter().filter_map(|value| duration(value, unit)).sum() };
        let longest = found.iter().copied().max_by_key(|column| total(*column)).map(|(index, _)| index);
        found.into_iter().take(2).map(|(index, unit)| (index, Measured { of_upstream: longest != Some(index), unit })).collect()
    }

    /// The column of the client's address with its port where no other has the client's: the first of two addresses with ports, or the
    /// only one behind the word `from`.
    pub(super) fn peer(&self, columns: &[Vec<&[u8]>]) -> Option<usize> {
        let is_combined = matches!(self.head, Head::Combined { .. });
        let name = |index: usize| {
            let column = Column { labels: &[], form: self.tail[index].form, values: &columns[index], polls: &[] };
            column.by_values()
        };
        let unlabelled = |index: &usize| self.tail[*index].label.is_none();
        let of_client = (0..self.tail.len()).any(|index| name(index) == Some("remote_addr"));
        if is_combined || of_client {
            return None;
        }
        let peers: Vec<usize> = (0..self.tail.len()).filter(|index| name(*index) == Some("upstream_addr")).collect();
        let behind_from = |index: usize| index > 0 && same_word(&columns[index - 1]).is_some_and(|word| word.eq_ignore_ascii_case(b"from"));
        let first = *peers.iter().find(|index| unlabelled(index))?;
        (peers.len() > 1 || behind_from(first)).then_some(first)
    }

    /// The column of the stamp with the finest fraction, of several without a label.
    pub(super) fn finest_time(&self, columns: &[Vec<&[u8]>]) -> Option<usize> {
        let digits = |value: &[u8]| {
            let dot = value.iter().rposition(|byte| matches!(byte, b'.' | b','));
            dot.map_or(0, |dot| value[dot + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count())
        };
        let is_time = |index: &usize| {
            let token = &self.tail[*index];
            let column = Column { labels: &[], form: token.form, values: &columns[*index], polls: &[] };
            token.label.is_none() && column.by_values().is_some_and(|name| name.starts_with("time"))
        };
        let times: Vec<usize> = (0..self.tail.len()).filter(is_time).collect();
        let fineness = |index: &usize| columns[*index].first().map_or(0, |value| digits(value));
        let finest = times.iter().copied().reduce(|best, next| if fineness(&next) > fineness(&best) { next } else { best });
        finest.filter(|_| times.len() > 1)
    }

    /// The columns of nginx's times without a label, the longer first: the request's own, then the upstream's.
    pub(super) fn order_of_times(&self, columns: &[Vec<&[u8]>]) -> Vec<usize> {
        let mut times: Vec<usize> = (0..self.tail.len())
            .filter(|index| {
                let labels = self.labels(*index, columns);
                let column = Column { labels: &labels, form: self.tail[*index].form, values: &columns[*index], polls: &[] };
                let unnamed = self.tail[*index].label.is_none() && column.by_label().is_none_or(|name| name == OTHER);
                unnamed && column.by_values() == Some("request_time")
            })
            .collect();
        if let [first, second, ..] = times[..] {
            let longer = |a: usize, b: usize| columns[a].iter().zip(&columns[b]).filter(|(a, b)| longest(a) > longest(b)).count();
            let lists = columns[first].iter().any(|value| !is_seconds(value)) && columns[second].iter().all(|value| is_seconds(value));
            if longer(second, first) > longer(first, second) || lists {
                times.swap(0, 1);
            }
        }
        times
    }
}

/// A duration that only its numbers show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) of_upstream: bool,
    pub(super) unit: Unit,
}

impl Measured {
    pub(super) fn nginx_name(self) -> &'static str {
        duration_name(if self.of_upstream { "upstream_response_time" } else { "request_time" }, self.unit)
    }

    /// Apache has no time of the upstream.
    pub(super) fn apache_name(self) -> &'static str {
        match self.unit {
            _ if self.of_upstream => APACHE_OTHER,
            Unit::Micros => "%D",
            Unit::Millis => "%{ms}T",
            Unit::Seconds => "%T",
            _ => APACHE_OTHER,
        }
    }
}

/// The sum of a list of times, µs.
fn longest(value: &[u8]) -> u64 {
    entries(value).filter_map(duration_us).sum()
}
