//! What became of a request, and the account of all.

use std::collections::BTreeMap;

use wsim_endpoints::EndpointId;
use wsim_matrix::Skip;
use wsim_transport::Failure;

/// The end of one scheduled request. Times in ns since the run began; all of them are at least `intended_ns`, in the order of
/// the fields, for a completed request. 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// When the schedule wanted it sent.
    pub intended_ns: u64,
    /// When it could be sent: the later of `intended_ns` and the end of what it had to wait for in its own user's chain.
    pub due_ns: u64,
    /// Just before its first byte was written. 0 where nothing was.
    pub sent_ns: u64,
    /// The answer's head was complete. 0 where there was none.
    pub first_byte_ns: u64,
    /// The answer's last byte was read, or the failure was known.
    pub last_byte_ns: u64,
    /// Bytes of the answer's body, saturating.
    pub bytes: u32,
    /// Wall time in the log, µs.
    pub original_us: u32,
    /// Row of the schedule.
    pub row: u32,
    /// Which copy of the user.
    pub copy: u16,
    /// Class of request.
    pub endpoint: EndpointId,
    /// HTTP status; 0 where there was no answer.
    pub status: u16,
    /// HTTP status in the log.
    pub original_status: u16,
    /// Which upstream answered: a place in the run's list of upstreams, from 1; 0 if the target did not say, 255 for all
    /// behind the 254th.
    pub upstream: u8,
    /// Waits for news: never counted as latency.
    pub long_poll: bool,
    /// How it ended.
    pub end: End,
}

/// How a scheduled request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// A whole answer, of any status.
    Completed,
    /// Sent, or tried to be sent, without a whole answer.
    Failed(Failure),
    /// Not sent.
    Skipped(Reason),
}

/// Why a scheduled request was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// What it says cannot be made up, or is not allowed.
    Content(Skip),
    /// Left out by `--only` or `--skip`.
    Filtered,
    /// Came before its user did, in a run that ramps up.
    Ramp,
    /// A later sync of the same device was due before this one could be sent: a client has one at a time.
    Overtaken,
    /// As many requests as allowed were waiting or in flight.
    Full,
    /// The run ended before it was due, or while it waited.
    Stopped,
}

impl Reason {
    /// The reason as reports and `report.json` call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Content(skip) => skip.name(),
            Self::Filtered => "filtered",
            Self::Ramp => "ramp",
            Self::Overtaken => "overtaken_sync",
            Self::Full => "queue_full",
            Self::Stopped => "stopped",
        }
    }
}

impl Outcome {
    /// How late the generator was, ns: from when the request could be sent to its first byte. Absent where nothing was sent.
    pub fn lateness_ns(&self) -> Option<u64> {
        (self.sent_ns != 0).then(|| self.sent_ns.saturating_sub(self.due_ns))
    }

    /// Service time, ns: first byte written to last byte read. Absent unless completed.
    pub fn service_ns(&self) -> Option<u64> {
        (self.end == End::Completed).then(|| self.last_byte_ns.saturating_sub(self.sent_ns))
    }

    /// Response time, ns: from the intended instant to the last byte read, so that no delay of the generator or of the user's own
    /// chain is left out (coordinated omission). Absent unless completed.
    pub fn response_ns(&self) -> Option<u64> {
        (self.end == End::Completed).then(|| self.last_byte_ns.saturating_sub(self.intended_ns))
    }
}

/// The account of a run: `scheduled = sent + skipped`, `sent = completed + failed`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// Requests with a whole answer.
    pub completed: u64,
    /// Requests without one, by what went wrong.
    pub failed: BTreeMap<&'static str, u64>,
    /// Requests not sent, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
}

impl Account {
    /// Books one end.
    pub fn book(&mut self, end: End) {
        match end {
            End::Completed => self.completed += 1,
            End::Failed(failure) => *self.failed.entry(failure.name()).or_default() += 1,
            End::Skipped(reason) => *self.skipped.entry(reason.name()).or_default() += 1,
        }
    }

    /// The failure or reason of this name, as reports call it; `None` if there is none.
    pub fn known(name: &str) -> Option<&'static str> {
        let failures = Failure::ALL.into_iter().chain([Failure::Abandoned]).map(Failure::name);
        let contents = Skip::ALL.into_iter().map(Reason::Content);
        let others = [Reason::Filtered, Reason::Ramp, Reason::Overtaken, Reason::Full, Reason::Stopped];
        failures.chain(contents.chain(others).map(Reason::name)).find(|known| *known == name)
    }

    /// Adds another account: of a shard, of a thread.
    pub fn add(&mut self, other: &Self) {
        self.completed += other.completed;
        for (mine, theirs) in [(&mut self.failed, &other.failed), (&mut self.skipped, &other.skipped)] {
            for (name, count) in theirs {
                *mine.entry(name).or_default() += count;
            }
        }
    }

    /// Requests for which something was sent or a connection tried.
    pub fn sent(&self) -> u64 {
        self.completed + self.failed.values().sum::<u64>()
    }

    /// Requests not sent.
    pub fn skipped(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// Everything booked.
    pub fn scheduled(&self) -> u64 {
        self.sent() + self.skipped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_no_larger_than_a_cache_line() {
        assert!(size_of::<Outcome>() <= 64, "{}", size_of::<Outcome>());
    }

    #[test]
    fn the_account_adds_up() {
        let ends = [
            End::Completed,
            End::Failed(Failure::Timeout),
            End::Failed(Failure::Timeout),
            End::Skipped(Reason::Content(Skip::Write)),
            End::Skipped(Reason::Stopped),
        ];
        let mut account = Account::default();
        ends.into_iter().for_each(|end| account.book(end));
        let mut twice = account.clone();
        twice.add(&account);
        assert_eq!((account.scheduled(), account.sent(), account.skipped()), (5, 3, 2));
        assert_eq!((twice.scheduled(), twice.failed["timeout"], twice.skipped["write"]), (10, 4, 2));
    }
}
