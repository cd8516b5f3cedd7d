//! Reads logs line by line for what federation senders say, which is in no request line.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;

use wsim_logs::blocks::{Blocks, lines};
use wsim_logs::{compression, input, source};
use wsim_profile::ProcessCpu;
use wsim_questions::federation::Outbound;

/// All lines of the logs that arguments name. A file of a folder that cannot be read is left out, as by every other command.
pub(super) fn read(arguments: &[String]) -> anyhow::Result<Outbound> {
    let expansion = source::expand(arguments)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut outbound = Outbound::default();
    for source in &expansion.sources {
        let read = read_one(source, &stop, &mut outbound).with_context(|| format!("could not read {source}"));
        if source.explicit {
            read?;
        }
    }
    Ok(outbound)
}

fn read_one(source: &source::Source, stop: &Arc<AtomicBool>, outbound: &mut Outbound) -> std::io::Result<()> {
    let (_, stream) = compression::open(input::open(source, stop)?)?;
    let mut blocks = Blocks::new(stream);
    let mut buffer = Vec::new();
    while let Some(block) = blocks.next_block(&mut buffer)? {
        lines(block.bytes()).for_each(|line| outbound.add(line));
        buffer = block.into_buffer();
    }
    Ok(())
}

/// CPU of the federation senders over the time of the log, cores, and how many they are; without a sender by name it is that of the main process.
pub(super) fn cpu_of_senders(cpu: &ProcessCpu, span_us: Option<(i64, i64)>) -> Option<(f64, u32)> {
    let (start, end) = span_us?;
    let is_sender = |name: &str| name.contains("federation_sender") || name.contains("federation-sender") || name.contains("fedsender");
    let own = cpu.synapse().filter(|counter| is_sender(counter.name()));
    let within = |counter: &wsim_profile::process_cpu::CpuCounter| {
        let (first, last) = counter.span_us();
        let (start, end) = (start.max(first), end.min(last));
        (end > start).then(|| counter.seconds_between(start, end) / ((end - start) as f64 / 1e6))
    };
    let cores: Vec<f64> = own.filter_map(within).collect();
    (!cores.is_empty()).then(|| (cores.iter().sum(), u32::try_from(cores.len()).unwrap_or(u32::MAX)))
}
