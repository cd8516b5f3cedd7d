//! Questions that administrators ask beyond capacity and plans: what a server without a log would need, whether a preset pays, what plans cost, what
//! changed between two hours, what presence costs, how bad a restart is.
//!
//! Knows nothing of arguments and of how answers are printed. Each answer has a range; `docs/questions.md` says where each is wrong.
//!
//! ```text
//! habits        what people do, with sources ──▶ size       a server without a log: load, CPU, memory, workers
//! layouts       of guides and playbooks ───────▶ presets    each on one log, with its cost (prices) and footprint (memory)
//! changed       a good and a bad window of a trace ──▶ who and what explains the difference
//! restart       restarts of one process or of all, beside the plan without them
//! without_news  a trace without presence or typing ──▶ what_if  the same plans with and without
//! ```

pub mod changed;
pub mod habits;
pub mod layouts;
pub mod memory;
pub mod presets;
pub mod prices;
pub mod restart;
pub mod size;
pub mod what_if;
pub mod without_news;

pub use habits::{Habits, HabitsError};

/// The line of a text's byte, counted from 1.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
