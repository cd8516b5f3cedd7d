//! Processes and database on one machine: each gets its share of the cores.
//!
//! The share is computed when a slice or transaction starts and holds to its end; both are short compared with the
//! bursts that fill a machine.

use super::Cluster;
use crate::engine::time::{Span, Time};

impl Cluster<'_> {
    /// Updates the share of a core that the machine gives a process. Call before submitting a slice or a thread.
    #[inline]
    pub(super) fn update_machine_share(&mut self, now: Time, process: u16) {
        let Some(machine) = self.run.topology.machine else { return };
        let process = usize::from(process);
        // The process itself counts as one core, whether it is busy already or only now.
        let others = self.cores_in_use(now) - self.processes[process].interpreter.cores_in_use(now);
        let share = machine.share(1.0 + others, f64::from(self.database.running()));
        self.processes[process].interpreter.set_share(share);
    }

    /// The length of a transaction on the machine's current load: the database's CPU part is stretched.
    #[inline]
    pub(super) fn stretch_transaction(&self, now: Time, length: Span) -> Span {
        let Some(machine) = self.run.topology.machine else { return length };
        let share = machine.share(self.cores_in_use(now), f64::from(self.database.running()));
        length.scaled(1.0 + machine.database * (1.0 / share - 1.0))
    }

    /// Cores in use by all processes.
    fn cores_in_use(&self, now: Time) -> f64 {
        self.processes.iter().map(|process| process.interpreter.cores_in_use(now)).sum()
    }
}
