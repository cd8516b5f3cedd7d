//! Schedules that several runs share: all candidates of a replication have the same traffic.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::synapse::schedule::Schedule;

/// A run to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunTask {
    /// Index of the candidate.
    pub candidate: usize,
    pub replication: u32,
}

/// Schedules that the candidates of a replication share, drawn when the first of them needs it.
pub(crate) struct SharedSchedules(BTreeMap<u32, Mutex<SharedSchedule>>);

#[derive(Default)]
struct SharedSchedule {
    drawn: Option<Arc<Schedule>>,
    /// Tasks that may still need the schedule.
    left: usize,
}

impl SharedSchedules {
    pub(crate) fn new(tasks: &[RunTask]) -> Self {
        let mut all: BTreeMap<u32, Mutex<SharedSchedule>> = BTreeMap::new();
        for task in tasks {
            all.entry(task.replication).or_default().get_mut().unwrap_or_else(PoisonError::into_inner).left += 1;
        }
        Self(all)
    }

    fn lock(&self, replication: u32) -> Option<MutexGuard<'_, SharedSchedule>> {
        self.0.get(&replication).map(|schedule| schedule.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The schedule of a replication. Threads that need the same one wait while it is drawn.
    pub(crate) fn get(&self, replication: u32, draw: impl Fn() -> Schedule) -> Arc<Schedule> {
        match self.lock(replication) {
            Some(mut shared) => Arc::clone(shared.drawn.get_or_insert_with(|| Arc::new(draw()))),
            None => Arc::new(draw()),
        }
    }

    /// A task of a replication is done.
    pub(crate) fn done(&self, replication: u32) {
        if let Some(mut shared) = self.lock(replication) {
            shared.left = shared.left.saturating_sub(1);
            if shared.left == 0 {
                shared.drawn = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_drawn_once_and_dropped_after_its_last_task() {
        let tasks = [0, 1, 2].map(|candidate| RunTask { candidate, replication: 7 });
        let schedules = SharedSchedules::new(&tasks);
        let drawn = std::cell::Cell::new(0);
        let get = || {
            schedules.get(7, || {
                drawn.set(drawn.get() + 1);
                Schedule::empty()
            })
        };
        let first = get();
        schedules.done(7);
        assert!(Arc::ptr_eq(&first, &get()));
        schedules.done(7);
        get();
        assert_eq!((drawn.get(), Arc::strong_count(&first)), (1, 2));
        schedules.done(7);
        assert_eq!(Arc::strong_count(&first), 1);
    }
}
