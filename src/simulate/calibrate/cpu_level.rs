//! How well a log tells the level of its requests' CPU.
//!
//! Two runs of one server on the same requests differ, and a short log has few requests. The first was measured, the second is the error of a
//! block bootstrap: blocks of time are drawn with replacement, because neighbouring requests depend on each other. Its variance has a closed form.

use crate::synapse::record::{Record, mark};

/// Deviation of the logarithm of the CPU of all requests, from one run of a server to another.
pub(super) fn deviation(records: &[Record], classes: usize) -> f64 {
    RUN_TO_RUN.hypot(bootstrap_error(records, classes))
}

/// Error of total CPU beyond what the mix of classes explains, as a share of total CPU.
fn bootstrap_error(records: &[Record], classes: usize) -> f64 {
    let mut by_class = vec![(0_u64, 0.0); classes];
    for record in records.iter().filter(|record| !record.has(mark::TIMED_OUT)) {
        if let Some((count, cpu)) = by_class.get_mut(usize::from(record.class)) {
            (*count, *cpu) = (*count + 1, *cpu + f64::from(record.cpu_us));
        }
    }
    let mean = |record: &Record| by_class.get(usize::from(record.class)).map_or(0.0, |(count, cpu)| cpu / (*count).max(1) as f64);
    let (mut blocks, mut total, mut block) = (Vec::new(), 0.0, None);
    for record in records.iter().filter(|record| !record.has(mark::TIMED_OUT)) {
        let number = record.arrival_us() / BLOCK_US;
        if block != Some(number) {
            block = Some(number);
            blocks.push(0.0);
        }
        total += f64::from(record.cpu_us);
        if let Some(excess) = blocks.last_mut() {
            *excess += f64::from(record.cpu_us) - mean(record);
        }
    }
    if blocks.len() < BLOCKS_MIN || total <= 0.0 {
        return FEW_BLOCKS;
    }
    let squares: f64 = blocks.iter().map(|excess| excess * excess).sum();
    squares.sqrt() / total
}

/// Measured on two machines: the CPU of equal requests on equal deployments, a quarter of an hour apart (docs/accuracy.md).
const RUN_TO_RUN: f64 = 0.075;
const BLOCK_US: u64 = 5_000_000;
const BLOCKS_MIN: usize = 8;
/// Error of a log of less than a minute.
const FEW_BLOCKS: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    fn records(seconds: u32, cpu_us: impl Fn(u32) -> u32) -> Vec<Record> {
        let record = |n| {
            let mut record = Record::at(u64::from(n) * 500_000);
            record.cpu_us = cpu_us(n);
            record
        };
        (0..seconds * 2).map(record).collect()
    }

    #[test]
    fn the_error_is_that_of_total_cpu_over_blocks_of_time() {
        assert!((deviation(&records(600, |_| 5000), 1) - RUN_TO_RUN).abs() < 1e-12, "equal requests tell the level");
        // Blocks of ten requests with 4 or 6 ms each, in turn: 120 blocks with an excess of ±10 ms in 6 s of CPU.
        let blocks = bootstrap_error(&records(600, |n| if n / 10 % 2 == 0 { 4000 } else { 6000 }), 1);
        assert!((blocks - 120f64.sqrt() * 0.01 / 6.0).abs() < 1e-9, "{blocks}");
        assert_eq!(bootstrap_error(&records(30, |_| 5000), 1), FEW_BLOCKS);
        assert_eq!(bootstrap_error(&[], 0), FEW_BLOCKS);
    }
}
