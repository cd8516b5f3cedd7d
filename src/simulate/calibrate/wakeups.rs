//! How many wake-ups of long polls have a known cause.

use std::collections::BTreeSet;

use serde::Serialize;
use wsim_trace::{Request, flag};

/// The answered long polls of a workload, by what is known of their news.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WakeupSummary {
    /// Long polls that news answered: those that did not time out.
    pub answered: u64,
    /// Of these, polls whose news is known, so that its instant wakes all that it woke in the log.
    pub known: u64,
    /// Of these, polls that wait for the request that made their news, when it is simulated.
    pub by_request: u64,
    /// Pieces of news that woke the known ones: each woke a herd.
    pub herds: u64,
    /// The known ones by stream.
    pub streams: Streams,
}

/// Polls by the stream of their news.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Streams {
    pub events: u64,
    pub presence: u64,
    pub typing: u64,
    pub receipts: u64,
    pub account_data: u64,
    pub push_rules: u64,
    pub to_device: u64,
    pub device_lists: u64,
}

impl Streams {
    /// The count of the stream with this [number](Request::news_stream).
    fn of_mut(&mut self, number: u16) -> Option<&mut u64> {
        Some(match number {
            1 => &mut self.events,
            2 => &mut self.presence,
            3 => &mut self.typing,
            4 => &mut self.receipts,
            5 => &mut self.account_data,
            6 => &mut self.push_rules,
            7 => &mut self.to_device,
            8 => &mut self.device_lists,
            _ => return None,
        })
    }

    /// With their names, the most frequent first.
    fn ranked(&self) -> Vec<(&'static str, u64)> {
        let mut streams = vec![
            ("events", self.events),
            ("presence", self.presence),
            ("typing", self.typing),
            ("receipts", self.receipts),
            ("account data", self.account_data),
            ("push rules", self.push_rules),
            ("to-device messages", self.to_device),
            ("device lists", self.device_lists),
        ];
        streams.retain(|(_, polls)| *polls > 0);
        streams.sort_by_key(|(_, polls)| std::cmp::Reverse(*polls));
        streams
    }
}

/// Counts requests of a workload.
#[derive(Debug, Default)]
struct WakeupCounter {
    summary: WakeupSummary,
    /// News of polls, and news of other requests.
    polled: Vec<u32>,
    made: BTreeSet<u32>,
}

impl WakeupCounter {
    fn observe(&mut self, request: &Request) {
        if !request.has(flag::LONG_POLL) {
            self.made.extend((request.news != 0).then_some(request.news));
            return;
        }
        if request.timed_out() {
            return;
        }
        self.summary.answered += 1;
        if request.news != 0 {
            self.polled.push(request.news);
            if let Some(count) = self.summary.streams.of_mut(request.news_stream) {
                *count += 1;
            }
        }
    }

    fn finish(mut self) -> WakeupSummary {
        self.summary.known = self.polled.len() as u64;
        self.summary.by_request = self.polled.iter().filter(|news| self.made.contains(*news)).count() as u64;
        self.polled.sort_unstable();
        self.polled.dedup();
        self.summary.herds = self.polled.len() as u64;
        self.summary
    }
}

impl WakeupSummary {
    /// Of the requests of a workload.
    pub(super) fn of(requests: impl Iterator<Item = Request>) -> Self {
        let mut counter = WakeupCounter::default();
        requests.for_each(|request| counter.observe(&request));
        counter.finish()
    }

    /// Polls that one piece of news woke, on average; 0 without any.
    pub fn herd_size(&self) -> f64 {
        if self.herds == 0 { 0.0 } else { self.known as f64 / self.herds as f64 }
    }

    /// One sentence for the report; `None` without long polls.
    pub fn note(&self) -> Option<String> {
        if self.answered == 0 {
            return None;
        }
        let share = |part: u64, whole: u64| format!("{:.0} %", 100.0 * part as f64 / whole.max(1) as f64);
        if self.known == 0 {
            return Some(
                "What woke the long polls is not known, because no `since` is logged: each is woken at its instant in the log.".to_owned(),
            );
        }
        let streams: Vec<String> = self
            .streams
            .ranked()
            .into_iter()
            .take(STREAMS_MAX)
            .map(|(name, polls)| format!("{name} {}", share(polls, self.known)))
            .collect();
        Some(format!(
            "Of {} answered long polls {} have a known cause ({}); one piece of news woke {:.1} of them. {} are woken when the simulated request that made their news is done, the others at its instant in the log.",
            self.answered,
            share(self.known, self.answered),
            streams.join(", "),
            self.herd_size(),
            share(self.by_request, self.answered)
        ))
    }
}

/// Streams that the note names.
const STREAMS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_counted_by_their_news() {
        let poll = |news, news_stream| Request { news, news_stream, timeout_ms: 30_000, flags: flag::LONG_POLL, ..Request::default() };
        let timed_out = Request { wall_us: 30_001_000, ..poll(0, 0) };
        let send = Request { news: 1, news_stream: 1, ..Request::default() };
        let summary = WakeupSummary::of([poll(1, 1), poll(1, 1), poll(2, 3), poll(0, 0), timed_out, send, Request::default()].into_iter());
        let streams = Streams { events: 2, typing: 1, ..Streams::default() };
        assert_eq!(summary, WakeupSummary { answered: 4, known: 3, by_request: 2, herds: 2, streams });
        assert_eq!(
            summary.note().unwrap(),
            "Of 4 answered long polls 75 % have a known cause (events 67 %, typing 33 %); one piece of news woke 1.5 of them. 50 % are woken when the simulated request that made their news is done, the others at its instant in the log."
        );
        assert_eq!(WakeupSummary::default().note(), None);
    }
}
