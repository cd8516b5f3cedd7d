//! Numbers without a subject: histograms, intervals, dispersion, heavy hitters.
//!
//! Knows nothing of requests. Everything here can be merged, so that two threads can each count half.

pub mod interval;

pub use interval::Interval;
