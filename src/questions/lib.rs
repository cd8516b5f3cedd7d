//! Questions that administrators ask beyond capacity and plans: what a server without a log would need, whether a preset pays, what plans cost, what
//! changed between two hours, what presence costs, how bad a restart is, how long a federation sender takes to catch up, what rotating tokens, bursts of bots and a new
//! worker do.
//!
//! Knows nothing of arguments and of how answers are printed. Each answer has a range; `docs/questions.md` says where each is wrong.
//!
//! ```text
//! habits        what people do, with sources ──▶ size       a server without a log: load, CPU, memory, workers
//! layouts       of guides and playbooks ───────▶ presets    each on one log, with its cost (prices) and footprint (memory)
//! changed       a good and a bad window of a trace ──▶ who and what explains the difference
//! restart       restarts of one process or of all, beside the plan without them
//! without_news  a trace without presence or typing ──▶ what_if  the same plans with and without
//! federation    lines of senders ──▶ loads of destinations, catch-up, more senders
//! tokens        a trace as if its tokens rotated ──▶ what each worker asks and how often caches are cold
//! bots          a burst against one reactor and its socket
//! moved_keys    a worker more in a pool with a hash
//! ```

pub mod bots;
pub mod changed;
pub mod federation;
pub mod habits;
pub mod layouts;
pub mod memory;
pub mod moved_keys;
pub mod presets;
pub mod prices;
pub mod restart;
pub mod size;
pub mod tokens;
pub mod what_if;
pub mod without_news;

pub use habits::{Habits, HabitsError};

/// The line of a text's byte, counted from 1.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
