//! Fuzz target: CPU counters of processes: CSV, and Prometheus' response to a range query.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::profile::ProcessCpu;

fuzz_target!(|data: &[u8]| {
    if let Ok(cpu) = ProcessCpu::parse(data) {
        for counter in cpu.counters() {
            let (start, end) = counter.span_us();
            assert!(start <= end && counter.step_us() >= 1);
            assert!(counter.seconds_between(start, end) >= 0.0);
            let _ = (cpu.find(counter.name()), counter.software());
        }
    }
});
