//! Processes and database on one machine: who wants a core gets its share.
//!
//! The share is taken when a slice or a transaction begins and holds to its end; both are short beside the bursts that crowd a machine.

use super::super::time::{Span, Time};
use super::Cluster;

impl Cluster<'_> {
    /// Tells a process what its machine gives it now. To be called before work that somebody waits for.
    #[inline]
    pub(super) fn shares_machine(&mut self, now: Time, process: u16) {
        let Some(machine) = self.run.costs.machine else { return };
        let process = usize::from(process);
        // Its own core, whether it still works or begins to.
        let others = self.wanted(now) - self.processes[process].interpreter.wants(now);
        let share = machine.share(1.0 + others, f64::from(self.database.running()));
        self.processes[process].interpreter.set_share(share);
    }

    /// A transaction's time on the machine as it is now: the part in which the database computes is stretched.
    #[inline]
    pub(super) fn on_machine(&self, now: Time, length: Span) -> Span {
        let Some(machine) = self.run.costs.machine else { return length };
        let share = machine.share(self.wanted(now), f64::from(self.database.running()));
        length.scaled(1.0 + machine.database * (1.0 / share - 1.0))
    }

    /// Cores that the processes use.
    fn wanted(&self, now: Time) -> f64 {
        self.processes.iter().map(|process| process.interpreter.wants(now)).sum()
    }
}
