//! Which requests ended in an error of the target.
//!
//! A replay cannot ask whether a response is right, but it knows how the same request ended in the log. An *error* is a request without a
//! response, or with a status that is worse than the logged one. A *failure* is an error that no made-up content explains: no response, a
//! 5xx, or a request that could not be sent because too many waited for the target.
//!
//! Knows nothing of limits. Invariant: a failure is an error; what the generator itself lacked, and what was given up because the run ended,
//! is neither.

use super::{End, Outcome, SkipReason};
use wsim_transport::Failure;

/// Whether a status is worse than the one in the log (0: unknown): a redirect or an error where the log has a success, a 5xx where the log has
/// a 4xx. 401 and 429 are worse than any other status: the target refuses the user or the rate, whatever was asked for.
pub const fn is_worse(status: u16, logged: u16) -> bool {
    rank(status) > logged_rank(logged) || (matches!(status, 401 | 429) && status != logged)
}

const fn rank(status: u16) -> u8 {
    match status {
        200..=299 | 304 => 0,
        300..=399 => 1,
        400..=499 => 2,
        _ => 3,
    }
}

const fn logged_rank(status: u16) -> u8 {
    match status {
        // nginx writes 499 if the client went away, which says nothing of the answer.
        0 | 499 => 0,
        _ => rank(status),
    }
}

impl Outcome {
    /// Whether the target owes a proper response.
    pub fn is_error(&self) -> bool {
        self.is_failure() || (self.end == End::Completed && is_worse(self.status, self.original_status))
    }

    /// Whether there was no response, or one that says that the target could not respond.
    pub fn is_failure(&self) -> bool {
        match self.end {
            End::Completed => rank(self.status) == 3 && logged_rank(self.original_status) < 3,
            End::Failed(failure) => failure != Failure::Abandoned && !failure.is_generators(),
            End::Skipped(reason) => reason == SkipReason::QueueFull,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(end: End, status: u16, original_status: u16) -> Outcome {
        Outcome { sent_ns: 1, first_byte_ns: 1, last_byte_ns: 1, status, original_status, ..Outcome::of_end(0, end) }
    }

    #[test]
    fn a_status_is_an_error_if_it_is_worse_than_in_the_log() {
        // (status, in the log, error, failure)
        let cases = [
            (200, 200, false, false),
            (204, 404, false, false),
            (304, 200, false, false),
            (302, 200, true, false),
            (302, 307, false, false),
            (404, 200, true, false),
            (404, 403, false, false),
            (401, 403, true, false),
            (401, 401, false, false),
            (429, 502, true, false),
            (429, 429, false, false),
            (500, 404, true, true),
            (503, 502, false, false),
            (503, 200, true, true),
            (200, 0, false, false),
            (404, 499, true, false),
            (502, 0, true, true),
            (101, 200, true, true),
        ];
        for (status, logged, error, failure) in cases {
            let one = outcome(End::Completed, status, logged);
            assert_eq!((one.is_error(), one.is_failure()), (error, failure), "{status} instead of {logged}");
        }
    }

    #[test]
    fn a_request_without_a_response_is_a_failure_unless_the_run_ended() {
        for failure in Failure::ALL {
            let one = outcome(End::Failed(failure), 0, 200);
            let is_targets = failure != Failure::Abandoned && !failure.is_generators();
            assert_eq!((one.is_error(), one.is_failure()), (is_targets, is_targets), "{failure}");
        }
        assert!(outcome(End::Skipped(SkipReason::QueueFull), 0, 200).is_failure());
        assert!(!outcome(End::Skipped(SkipReason::Stopped), 0, 200).is_error());
    }
}
