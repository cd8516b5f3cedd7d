//! The fit of costs that no request line shows to the CPU counters of processes (worker model, sections 6 and 12): over windows of time and
//! all processes together, by non-negative least squares with priors.
//!
//! ```text
//! cpu(t) = idle + (1 + unlogged)·logged(t) + fetched·E(t)   of any process
//!        + persist·events(t)                                if it persists events, else
//!          replication·events(t)
//!        + own                                              if it does neither
//! ```
//!
//! `idle`, `unlogged`, `fetched`, `replication`, `persist` are common to all processes; `own` is the background work of processes that hardly
//! serve any requests (for the others it cannot be distinguished from `unlogged`). At a constant rate the terms cannot be distinguished either, and
//! the priors decide.

use std::collections::BTreeMap;

use super::unlogged_costs::{PERSIST, REPLICATION, UNLOGGED};
use wsim_stats::least_squares::NonNegativeLeastSquares;

/// One process in one window of time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WindowRow {
    pub(super) seconds: f64,
    pub(super) cpu: f64,
    /// CPU of its request lines, those of other processes included but for events handed to it.
    pub(super) logged: f64,
    pub(super) fetched: f64,
    pub(super) events: f64,
}

/// One process with a CPU counter.
pub(super) struct MeasuredProcess {
    pub(super) name: String,
    /// It serves a tenth of the requests, of clients or of other processes.
    pub(super) serves: bool,
    /// It persists events, its own or those that others hand to it.
    pub(super) persists: bool,
    pub(super) rows: Vec<WindowRow>,
}

/// The costs that fit best.
pub(super) struct FittedCosts {
    /// Unlogged CPU per logged second.
    pub(super) unlogged: f64,
    pub(super) fetched_event: f64,
    pub(super) replication: f64,
    pub(super) persist: f64,
    pub(super) idle: f64,
    /// Background work of processes that neither serve nor persist, cores.
    pub(super) own_background: BTreeMap<String, f64>,
    /// Whether a persister was among the processes.
    pub(super) saw_persister: bool,
    /// Windows of the process with the most, and the length of the first.
    pub(super) windows: usize,
    pub(super) window_seconds: f64,
}

/// Unknowns are in units of their priors, so that the strengths of the priors can be compared.
pub(super) fn fit(processes: &[MeasuredProcess]) -> FittedCosts {
    let mut squares = NonNegativeLeastSquares::new(COMMON + processes.len());
    let merged: Vec<Vec<WindowRow>> = processes.iter().map(|process| merged(&process.rows)).collect();
    for ((number, process), rows) in processes.iter().enumerate().zip(&merged) {
        for row in rows {
            let mut coefficients = vec![0.0; COMMON + processes.len()];
            coefficients[0] = row.seconds * IDLE;
            coefficients[1] = row.logged * UNLOGGED;
            coefficients[2] = row.fetched * FETCHED;
            if process.persists {
                coefficients[4] = row.events * PERSIST.value;
            } else {
                coefficients[3] = row.events * REPLICATION.value;
            }
            if process.has_own_background() {
                coefficients[COMMON + number] = row.seconds * OWN;
            }
            // Allows for counters that were read a little early or late.
            let deviation = (NOISE * row.cpu).max(NOISE_SECONDS);
            coefficients.iter_mut().for_each(|coefficient| *coefficient /= deviation);
            squares.observe(&coefficients, (row.cpu - row.logged) / deviation);
        }
    }
    (0..COMMON).for_each(|unknown| squares.add_prior(unknown, 1.0, 1.0 / PRIOR_DEVIATIONS[unknown].powi(2)));
    (0..processes.len()).for_each(|process| squares.add_prior(COMMON + process, 0.0, 1.0));
    let x = squares.solve();
    let own = processes.iter().enumerate().filter(|(_, process)| process.has_own_background());
    FittedCosts {
        unlogged: x[1] * UNLOGGED,
        fetched_event: x[2] * FETCHED,
        replication: x[3] * REPLICATION.value,
        persist: x[4] * PERSIST.value,
        idle: x[0] * IDLE,
        own_background: own.map(|(number, process)| (process.name.clone(), x[COMMON + number] * OWN)).collect(),
        saw_persister: processes.iter().any(|process| process.persists),
        windows: merged.iter().map(Vec::len).max().unwrap_or(0),
        window_seconds: merged.iter().flatten().map(|row| row.seconds).next().unwrap_or(0.0),
    }
}

/// Joins neighbouring windows until each is long enough. A log has all CPU of a request at one instant, the counters when it was used: in short windows
/// that noise in what explains makes its slope too flat, and the difference goes to the idle CPU.
fn merged(rows: &[WindowRow]) -> Vec<WindowRow> {
    let mut all: Vec<WindowRow> = Vec::new();
    for row in rows {
        match all.last_mut() {
            Some(last) if last.seconds < WINDOW_SECONDS_MIN => {
                last.seconds += row.seconds;
                last.cpu += row.cpu;
                last.logged += row.logged;
                last.fetched += row.fetched;
                last.events += row.events;
            }
            _ => all.push(*row),
        }
    }
    all
}

impl MeasuredProcess {
    fn has_own_background(&self) -> bool {
        !self.serves && !self.persists
    }
}

/// Length of a window from which on the noise of its edges hardly matters, s. Measured: of one run in windows of 2 and 6 s, 0.10 and 0.13 s were fitted after
/// each logged second, in windows of 10 and 20 s 0.65 and 0.66 s.
const WINDOW_SECONDS_MIN: f64 = 9.5;
/// Number of unknowns common to all processes: idle, unlogged, fetched, replication, persist.
const COMMON: usize = 5;
/// Standard deviations of the priors, as shares of the priors.
const PRIOR_DEVIATIONS: [f64; COMMON] = [0.4, 0.8, 1.0, 0.5, 1.0];
/// Cores of an idle process. Measured: 0.9 %, the main process 1.3 % (docs/accuracy.md). The prior for logs without process CPU is higher, because it
/// must hold for larger caches too.
const IDLE: f64 = 0.01;
/// Per fetched event, s. Assumed.
const FETCHED: f64 = 0.000_2;
/// Unit of a process's own background work, cores.
const OWN: f64 = 0.01;
const NOISE: f64 = 0.05;
const NOISE_SECONDS: f64 = 0.02;

#[cfg(test)]
mod tests {
    use super::*;

    /// A process of which the log has the CPU in other windows than the counter: half as much unlogged as logged, 1 % of a core idle, windows of 2 s.
    fn shifted(windows: usize) -> MeasuredProcess {
        let row = |number: usize| {
            let busy = if (number / 10).is_multiple_of(2) { 0.1 } else { 0.3 };
            let shift = 0.045 * ((number % 5) as f64 - 2.0);
            WindowRow { seconds: 2.0, cpu: 0.02 + 1.5 * busy, logged: busy + shift, ..WindowRow::default() }
        };
        MeasuredProcess { name: "generic1".to_owned(), serves: true, persists: false, rows: (0..windows).map(row).collect() }
    }

    #[test]
    fn cpu_that_the_log_has_in_another_window_is_not_taken_for_idle_cpu() {
        let fit = fit(&[shifted(100)]);
        assert_eq!((fit.windows, fit.window_seconds), (20, 10.0));
        assert!((fit.unlogged - 0.5).abs() < 0.05 && (fit.idle - 0.01).abs() < 0.005, "{} {}", fit.unlogged, fit.idle);
    }

    #[test]
    fn windows_that_are_long_enough_stay_and_the_last_may_be_short() {
        let rows = |seconds: &[f64]| -> Vec<WindowRow> {
            seconds.iter().map(|&seconds| WindowRow { seconds, cpu: 1.0, ..WindowRow::default() }).collect()
        };
        let lengths = |seconds: &[f64]| merged(&rows(seconds)).iter().map(|row| (row.seconds, row.cpu)).collect::<Vec<_>>();
        assert_eq!(lengths(&[10.0, 10.0, 4.0]), [(10.0, 1.0), (10.0, 1.0), (4.0, 1.0)]);
        assert_eq!(lengths(&[4.0, 4.0, 4.0, 4.0]), [(12.0, 3.0), (4.0, 1.0)]);
        assert!(lengths(&[]).is_empty());
    }
}
