//! A plan: which pools of workers there are, which endpoints go where, how each pool is balanced, who writes which stream.
//!
//! Reads and writes plan files, holds the standard plans. Knows nothing of time.

pub mod model;

pub use model::*;
