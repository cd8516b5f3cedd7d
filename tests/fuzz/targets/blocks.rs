//! Fuzz target: cutting streams into blocks of whole lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::logs::blocks::{Blocks, lines};

fuzz_target!(|data: (u8, &[u8])| {
    let mut blocks = Blocks::sized(data.1, usize::from(data.0) + 1);
    let mut total = 0;
    while let Some(block) = blocks.next_block(&mut Vec::new()).expect("memory does not fail") {
        assert_eq!(lines(block.bytes()).count() as u64, block.lines);
        total += block.lines;
    }
    assert_eq!(total, lines(data.1).count() as u64);
});
