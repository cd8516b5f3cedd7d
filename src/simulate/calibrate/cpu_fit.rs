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

use super::unlogged_costs::{IDLE, PERSIST, REPLICATION, UNLOGGED};
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
    for (number, process) in processes.iter().enumerate() {
        for row in &process.rows {
            let mut coefficients = vec![0.0; COMMON + processes.len()];
            coefficients[0] = row.seconds * IDLE.value;
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
        idle: x[0] * IDLE.value,
        own_background: own.map(|(number, process)| (process.name.clone(), x[COMMON + number] * OWN)).collect(),
        saw_persister: processes.iter().any(|process| process.persists),
        windows: processes.iter().map(|process| process.rows.len()).max().unwrap_or(0),
        window_seconds: processes.iter().flat_map(|process| &process.rows).map(|row| row.seconds).next().unwrap_or(0.0),
    }
}

impl MeasuredProcess {
    fn has_own_background(&self) -> bool {
        !self.serves && !self.persists
    }
}

/// Number of unknowns common to all processes: idle, unlogged, fetched, replication, persist.
const COMMON: usize = 5;
/// Standard deviations of the priors, as shares of the priors.
const PRIOR_DEVIATIONS: [f64; COMMON] = [1.0, 0.8, 1.0, 0.5, 1.0];
/// Per fetched event, s. Assumed.
const FETCHED: f64 = 0.000_2;
/// Unit of a process's own background work, cores.
const OWN: f64 = 0.01;
const NOISE: f64 = 0.05;
const NOISE_SECONDS: f64 = 0.02;
