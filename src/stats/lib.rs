//! Statistics: histograms, intervals, dispersion, heavy hitters, timelines, least squares, and the analysis of simulation output
//! (batch means and quantiles, warm-up, Student's t).
//!
//! Knows nothing of requests. All counters can be merged, so that two threads can each count half of the input: their state depends on
//! the values added, not on their order or on how the input was split.

pub mod batch_means;
pub mod batch_quantiles;
pub mod count_min;
pub mod dispersion;
pub mod grid;
pub mod hashing;
pub mod heavy_hitters;
pub mod histogram;
pub mod hyperloglog;
pub mod id_tallies;
pub mod interval;
pub mod least_squares;
pub mod mser;
pub mod observed_time;
pub mod random;
pub mod recorder;
mod special;
pub mod student_t;
pub mod tally;
pub mod timeline;

pub use batch_means::{BatchEstimate, BatchMeans};
pub use batch_quantiles::BatchQuantiles;
pub use count_min::CountMin;
pub use dispersion::DispersionCounter;
pub use grid::{Cell, Grid};
pub use heavy_hitters::{Distinct, HeavySummary, Hitter};
pub use histogram::DurationHistogram;
pub use hyperloglog::HyperLogLog;
pub use id_tallies::{IdTallies, IdTally};
pub use interval::Interval;
pub use observed_time::ObservedTime;
pub use recorder::DurationRecorder;
pub use tally::Tally;
pub use timeline::Timeline;
