//! Where requests come from.

use wsim_matrix::Skip;
use wsim_transport::{Answer, Outgoing};

/// Which request: a row of the schedule, and which copy of its user (0 unless the load is multiplied).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Row of the schedule, in arrival order.
    pub row: u32,
    /// Copy of the user.
    pub copy: u16,
}

/// Makes up requests and learns from answers. Both are called on the dispatcher's thread and must be quick: microseconds.
pub trait Script: Send {
    /// The request at a position, made when it is due; called once for each.
    ///
    /// # Errors
    /// Why it is not sent.
    fn request(&mut self, at: Position) -> Result<Outgoing, Skip>;

    /// What came back, before any later request of the same user is made. Not called for failures.
    fn learn(&mut self, at: Position, answer: &Answer);
}

impl Script for wsim_matrix::Script {
    fn request(&mut self, at: Position) -> Result<Outgoing, Skip> {
        Self::request(self, at.row, at.copy)
    }

    fn learn(&mut self, at: Position, answer: &Answer) {
        Self::learn(self, at.row, at.copy, answer);
    }
}
