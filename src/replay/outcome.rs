//! How each scheduled request ended, and the totals of a run.

use std::collections::BTreeMap;

use super::Unsendable;
use wsim_endpoints::EndpointId;
use wsim_transport::Failure;

/// The end of one scheduled request. Times are ns since the run began. For a completed request those that are not 0 are in the order of the
/// fields, but that a request which was [repeated](Self::repeated_ns) may have got its connection after that. 112 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// When the schedule wanted it sent.
    pub intended_ns: u64,
    /// When it could be sent: `intended_ns`, or later if it had to wait for earlier requests of its own lane.
    pub due_ns: u64,
    /// When the generator took it up: later than `due_ns` by the generator's own delay.
    pub dispatched_ns: u64,
    /// When it got a connection, or leave to open one: later than `dispatched_ns` if as many were open as are allowed.
    pub granted_ns: u64,
    /// When it was begun again on a new connection, because the kept one had been closed. 0 if it was not.
    pub repeated_ns: u64,
    /// When its new connection was open, without TLS. 0 on a kept one.
    pub connected_ns: u64,
    /// When the TLS handshake of its new connection was complete. 0 on a kept one, and without TLS.
    pub secured_ns: u64,
    /// Just before its first byte was written. 0 if nothing was written.
    pub sent_ns: u64,
    /// When the response's head was complete. 0 without a response.
    pub first_byte_ns: u64,
    /// When the response's last byte was read, or the failure was known.
    pub last_byte_ns: u64,
    /// Bytes of the response's body as they were transferred, saturating.
    pub bytes: u32,
    /// Wall time in the log, µs.
    pub original_us: u32,
    /// Index of the row in the schedule.
    pub row: u32,
    /// 0: the original user; others are clones.
    pub copy: u16,
    pub endpoint: EndpointId,
    /// HTTP status; 0 without a response.
    pub status: u16,
    /// HTTP status in the log.
    pub original_status: u16,
    /// Upstream that served it: index into the run's list of upstreams, plus 1. 0 if the target did not say, 255 for all after the 254th.
    pub upstream: u8,
    /// How often it was sent again.
    pub repeats: u8,
    /// A request that waits for new events: never counted as latency.
    pub long_poll: bool,
    /// The generator stood still while the request waited or was in flight ([`Stall`](super::Stall)): its times are not the target's.
    pub disturbed: bool,
    pub end: End,
}

/// How a scheduled request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// A complete response, of any status.
    Completed,
    /// Sent, or tried to be sent, without a complete response.
    Failed(Failure),
    /// Not sent.
    Skipped(SkipReason),
}

/// Why a scheduled request was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SkipReason {
    /// Its content cannot be made, or is not allowed.
    Content(Unsendable),
    /// Left out by `--only` or `--skip`.
    Filtered,
    /// Scheduled before its user joined, in a run that ramps up.
    Ramp,
    /// A later sync of the same device was due before this one could be sent: a client has one sync at a time.
    Overtaken,
    /// Too many requests were waiting already.
    QueueFull,
    /// The run ended before it was due, or while it waited.
    Stopped,
}

impl SkipReason {
    /// The reason's name in reports and `report.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Content(reason) => reason.name(),
            Self::Filtered => "filtered",
            Self::Ramp => "ramp",
            Self::Overtaken => "overtaken_sync",
            Self::QueueFull => "queue_full",
            Self::Stopped => "stopped",
        }
    }

    /// The reason in words for users.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Content(reason) => reason.describe(),
            Self::Filtered => "filtered",
            Self::Ramp => "ramp",
            Self::Overtaken => "replaced by the next sync of the device",
            Self::QueueFull => "too many requests were waiting",
            Self::Stopped => "the run had ended",
        }
    }

    /// The reason with this [`Self::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|reason| reason.name() == name)
    }

    /// All reasons.
    fn all() -> impl Iterator<Item = Self> {
        let others = [Self::Filtered, Self::Ramp, Self::Overtaken, Self::QueueFull, Self::Stopped];
        Unsendable::ALL.into_iter().map(Self::Content).chain(others)
    }
}

impl Outcome {
    /// An outcome of which no more is known than when it was due and how it ended.
    pub fn of_end(intended_ns: u64, end: End) -> Self {
        Self {
            intended_ns,
            due_ns: intended_ns,
            dispatched_ns: intended_ns,
            granted_ns: intended_ns,
            repeated_ns: 0,
            connected_ns: 0,
            secured_ns: 0,
            sent_ns: 0,
            first_byte_ns: 0,
            last_byte_ns: 0,
            bytes: 0,
            original_us: 0,
            row: 0,
            copy: 0,
            endpoint: EndpointId(0),
            status: 0,
            original_status: 0,
            upstream: 0,
            repeats: 0,
            long_poll: false,
            disturbed: false,
            end,
        }
    }

    /// How late the generator was, ns: before it took the request up, and between having a connection and the first byte. Neither waiting for
    /// a connection nor opening one counts: that is the target's time, or the limit's. `None` for a request that was skipped.
    pub fn lateness_ns(&self) -> Option<u64> {
        if matches!(self.end, End::Skipped(_)) {
            return None;
        }
        let ready = self.granted_ns.max(self.repeated_ns).max(self.connected_ns).max(self.secured_ns);
        let sending = if self.sent_ns == 0 { 0 } else { self.sent_ns.saturating_sub(ready) };
        Some(self.dispatched_ns.saturating_sub(self.due_ns) + sending)
    }

    /// How long it waited because as many connections were open as are allowed, ns; 0 if it did not.
    pub fn waited_ns(&self) -> u64 {
        // A request that lost a shared connection waits for another from the time at which it was begun again.
        let since = if self.repeated_ns <= self.granted_ns { self.dispatched_ns.max(self.repeated_ns) } else { self.dispatched_ns };
        self.granted_ns.saturating_sub(since)
    }

    /// How long opening a new connection took, without TLS, ns. `None` on a kept connection, or if it could not be opened.
    pub fn connecting_ns(&self) -> Option<u64> {
        (self.connected_ns != 0).then(|| self.connected_ns.saturating_sub(self.granted_ns.max(self.repeated_ns)))
    }

    /// How long the TLS handshake of a new connection took, ns.
    pub fn securing_ns(&self) -> Option<u64> {
        (self.secured_ns != 0).then(|| self.secured_ns.saturating_sub(self.connected_ns))
    }

    /// Service time, ns: first byte written to last byte read. `None` unless completed.
    pub fn service_ns(&self) -> Option<u64> {
        (self.end == End::Completed).then(|| self.last_byte_ns.saturating_sub(self.sent_ns))
    }

    /// Response time, ns: intended instant to last byte read, so that no delay is omitted, whether the generator or the user's earlier
    /// requests caused it (coordinated omission). `None` unless completed.
    pub fn response_ns(&self) -> Option<u64> {
        (self.end == End::Completed).then(|| self.last_byte_ns.saturating_sub(self.intended_ns))
    }
}

/// Counts of a run. Invariant: `scheduled = sent + skipped` and `sent = completed + failed`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutcomeTotals {
    /// Requests with a complete response.
    pub completed: u64,
    /// Requests without one, by the name of the failure.
    pub failed: BTreeMap<&'static str, u64>,
    /// Requests not sent, by the name of the reason.
    pub skipped: BTreeMap<&'static str, u64>,
}

impl OutcomeTotals {
    /// Counts one request.
    pub fn record(&mut self, end: End) {
        match end {
            End::Completed => self.completed += 1,
            End::Failed(failure) => *self.failed.entry(failure.name()).or_default() += 1,
            End::Skipped(reason) => *self.skipped.entry(reason.name()).or_default() += 1,
        }
    }

    /// The static text of a failure's or reason's name, for reading a report back; `None` for an unknown name.
    pub fn known(name: &str) -> Option<&'static str> {
        let failures = Failure::ALL.into_iter().map(Failure::name);
        failures.chain(SkipReason::all().map(SkipReason::name)).find(|known| *known == name)
    }

    /// Adds the totals of another shard.
    pub fn add(&mut self, other: &Self) {
        self.completed += other.completed;
        for (sum, part) in [(&mut self.failed, &other.failed), (&mut self.skipped, &other.skipped)] {
            for (name, count) in part {
                *sum.entry(name).or_default() += count;
            }
        }
    }

    /// Requests that were not sent for this reason.
    pub fn skipped_for(&self, reason: SkipReason) -> u64 {
        self.skipped.get(reason.name()).copied().unwrap_or(0)
    }

    /// Requests for which something was sent or a connection tried.
    pub fn sent(&self) -> u64 {
        self.completed + self.failed.values().sum::<u64>()
    }

    /// Requests not sent.
    pub fn skipped(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// All requests.
    pub fn scheduled(&self) -> u64 {
        self.sent() + self.skipped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_no_larger_than_two_cache_lines() {
        assert!(size_of::<Outcome>() <= 128, "{}", size_of::<Outcome>());
    }

    #[test]
    fn only_the_generator_s_own_delays_are_lateness() {
        let outcome = Outcome {
            due_ns: 100,
            dispatched_ns: 103,
            granted_ns: 203,
            repeated_ns: 300,
            connected_ns: 350,
            secured_ns: 400,
            sent_ns: 405,
            ..Outcome::of_end(0, End::Completed)
        };
        assert_eq!((outcome.lateness_ns(), outcome.waited_ns()), (Some(8), 100));
        assert_eq!((outcome.connecting_ns(), outcome.securing_ns()), (Some(50), Some(50)));
        let kept = Outcome { repeated_ns: 0, connected_ns: 0, secured_ns: 0, ..outcome };
        assert_eq!((kept.lateness_ns(), kept.connecting_ns(), kept.securing_ns()), (Some(205), None, None));
        let refused = Outcome { due_ns: 100, dispatched_ns: 103, granted_ns: 103, ..Outcome::of_end(0, End::Failed(Failure::Refused)) };
        assert_eq!(refused.lateness_ns(), Some(3));
        assert_eq!(Outcome::of_end(0, End::Skipped(SkipReason::Ramp)).lateness_ns(), None);
    }

    #[test]
    fn totals_add_up() {
        let ends = [
            End::Completed,
            End::Failed(Failure::Timeout),
            End::Failed(Failure::Timeout),
            End::Skipped(SkipReason::Content(Unsendable::Write)),
            End::Skipped(SkipReason::Stopped),
        ];
        let mut totals = OutcomeTotals::default();
        ends.into_iter().for_each(|end| totals.record(end));
        let mut twice = totals.clone();
        twice.add(&totals);
        assert_eq!((totals.scheduled(), totals.sent(), totals.skipped()), (5, 3, 2));
        assert_eq!((twice.scheduled(), twice.failed["timeout"], twice.skipped["write"]), (10, 4, 2));
        assert_eq!((totals.skipped_for(SkipReason::Stopped), totals.skipped_for(SkipReason::QueueFull)), (1, 0));
    }
}
