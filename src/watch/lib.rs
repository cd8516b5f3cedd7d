//! Figures of logs that grow: what `wsim analyse` says of a whole log, of the last minutes.
//!
//! ```text
//! files ─▶ follow (rotation, truncation, pipes) ─▶ lines ─▶ trace::LineReader ─▶ Window ─▶ profile, advise ─▶ Figures ─┬▶ screen (ratatui)
//!   position ◀┘ (where to go on after a restart)                                                  Objective ─▶ alarms   ├▶ lines, JSON
//!                                                                                                                       └▶ metrics
//! ```
//!
//! Owns following and showing; parsing, classifying, profiling and limits are those of the other commands. Invariants: a line is read once, also across a
//! restart; memory depends on the window's limit, not on the length of the logs; text of a log is escaped wherever it is shown.

#![warn(missing_docs)]

mod alarms;
mod figures;
mod follow;
mod lines;
mod metrics;
mod position;
mod screen;
mod stream;
mod totals;
mod watcher;
mod window;

pub use alarms::Alarm;
pub use figures::{Figures, GroupRow, Headroom, InputRow, ProcessRow, UserRow};
pub use lines::{json_line, plain_line};
pub use metrics::page;
pub use screen::draw;
pub use watcher::{WatchConfig, WatchError, Watcher};
