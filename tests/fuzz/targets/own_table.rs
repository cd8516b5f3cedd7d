//! Fuzz target: endpoint tables of one's own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::endpoints::read_own_table;

fuzz_target!(|data: &[u8]| {
    let _ = read_own_table("table", data);
});
