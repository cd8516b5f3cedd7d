//! How much CPU a process uses for each second of CPU that its request lines show (the coverage factor).
//!
//! Request lines do not include work that Synapse charges to no request: persisting, fetching events for the cache, replication,
//! garbage collection, timers. The factor is process CPU divided by logged CPU over the time that both cover; otherwise a prior.

use wsim_stats::{Interval, ObservedTime};

use super::model::{Coverage, DemandMethod, ProcessCoverage};
use super::process_cpu::{CpuCounter, ProcessCpu};
use super::processes::ProcessSums;

/// The prior: 49 to 64 % of the process CPU was in the request lines of a measured cluster's generic workers
/// (Synapse 1.163.2, one to three workers).
pub(super) fn prior() -> Coverage {
    Coverage {
        factor: Interval::new(1.8, 1.6, 2.0),
        measured: false,
        processes: Vec::new(),
        note: "assumed: request lines showed 49 to 64 % of a worker's CPU on a measured cluster; --process-cpu measures yours".to_owned(),
    }
}

/// The factor over all processes that serve clients, from process CPU; the prior where there is nothing to compare.
pub(super) fn coverage(processes: &[&ProcessSums], cpu: Option<&ProcessCpu>, observed: &ObservedTime, method: DemandMethod) -> Coverage {
    let Some(cpu) = cpu else { return prior() };
    if method == DemandMethod::Regression {
        return Coverage {
            factor: Interval::exact(1.0),
            measured: true,
            processes: Vec::new(),
            note: "demand was fitted to process CPU itself, so it covers all of it".to_owned(),
        };
    }
    let compared: Vec<MeasuredProcess> =
        processes.iter().filter_map(|sums| MeasuredProcess::new(sums, cpu.find(&sums.name)?, observed)).collect();
    let Some(factor) = factor(&compared) else {
        return Coverage { note: format!("{}; {}", unmatched(processes, cpu, &compared), prior().note), ..prior() };
    };
    let mut listed: Vec<ProcessCoverage> = compared.iter().map(MeasuredProcess::report).collect();
    // Processes without requests of their own: their CPU is background work, which a plan may move.
    listed.extend(cpu.synapse().filter(|counter| !processes.iter().any(|sums| cpu.find(&sums.name) == Some(*counter))).filter_map(
        |counter| {
            let (first, last) = counter.span_us();
            let common = observed.within(first, last);
            (common.seconds() > 0.0).then(|| ProcessCoverage {
                name: counter.name().to_owned(),
                seconds: common.seconds(),
                process_cpu_seconds: counter.seconds_within(&common),
                logged_cpu_seconds: 0.0,
            })
        },
    ));
    listed.sort_by(|a, b| b.process_cpu_seconds.total_cmp(&a.process_cpu_seconds).then_with(|| a.name.cmp(&b.name)));
    Coverage {
        factor,
        measured: true,
        processes: listed,
        note: format!(
            "measured: process CPU over CPU in request lines, over the processes that serve clients{}",
            Some(unmatched(processes, cpu, &compared)).filter(|s| !s.is_empty()).map_or_else(String::new, |s| format!("; {s}"))
        ),
    }
}

/// One process over the time that both its log and its counter cover.
struct MeasuredProcess<'a> {
    name: &'a str,
    client_cpu_us: u64,
    seconds: f64,
    process_seconds: f64,
    logged_seconds: f64,
    /// Process CPU and logged CPU in blocks of time, seconds.
    blocks: Vec<(f64, f64)>,
}

impl<'a> MeasuredProcess<'a> {
    fn new(sums: &'a ProcessSums, counter: &CpuCounter, observed: &ObservedTime) -> Option<Self> {
        let (first, last) = counter.span_us();
        let common = observed.within(first, last);
        let most = (BLOCKS / i64::try_from(common.spans().count().max(1)).unwrap_or(BLOCKS)).max(1);
        let blocks: Vec<(f64, f64)> = common.spans().flat_map(|span| blocks(sums, counter, span, most)).collect();
        if sums.costed == 0 || blocks.is_empty() {
            return None;
        }
        Some(Self {
            name: &sums.name,
            client_cpu_us: sums.client_cpu_us,
            seconds: common.seconds(),
            process_seconds: blocks.iter().map(|b| b.0).sum(),
            logged_seconds: blocks.iter().map(|b| b.1).sum(),
            blocks,
        })
    }

    fn report(&self) -> ProcessCoverage {
        ProcessCoverage {
            name: self.name.to_owned(),
            seconds: self.seconds,
            process_cpu_seconds: self.process_seconds,
            logged_cpu_seconds: self.logged_seconds,
        }
    }
}

/// Process CPU and logged CPU of at most `most` blocks of a span of time, seconds.
fn blocks(sums: &ProcessSums, counter: &CpuCounter, (start, end): (i64, i64), most: i64) -> Vec<(f64, f64)> {
    let width = sums.cpu_over_time.width_us();
    // Whole bins only.
    let (from, to) = ((start + width - 1).div_euclid(width), end.div_euclid(width));
    let count = (to - from).min(most);
    let Some(mut logged) = usize::try_from(count).ok().filter(|&count| count > 0).map(|count| vec![0.0; count]) else { return Vec::new() };
    for (bin_start, row) in sums.cpu_over_time.rows_between(from * width, to * width) {
        let bin = bin_start.div_euclid(width);
        if let Ok(block) = usize::try_from((bin - from) * count / (to - from)) {
            logged[block] += row[0] as f64 / 1e6;
        }
    }
    // Block b holds the bins with (bin - from) * count / (to - from) == b.
    let edge = |block: i64| (from + (block * (to - from) + count - 1) / count) * width;
    (0..).zip(logged).map(|(b, l)| (counter.seconds_between(edge(b), edge(b + 1)), l)).collect()
}

/// Ratio estimate over blocks of time of the processes that have a tenth or more of the clients' CPU; the cost of other processes
/// does not depend on clients. The range is the 95 % interval of the ratio (Cochran, Sampling Techniques, section 6.3), widened to
/// contain the factor of each process.
fn factor(compared: &[MeasuredProcess<'_>]) -> Option<Interval> {
    let clients: u64 = compared.iter().map(|c| c.client_cpu_us).sum();
    let serving: Vec<&MeasuredProcess> =
        compared.iter().filter(|c| c.logged_seconds > 0.0 && c.client_cpu_us.saturating_mul(10) >= clients).collect();
    let process: f64 = serving.iter().map(|c| c.process_seconds).sum();
    let logged: f64 = serving.iter().map(|c| c.logged_seconds).sum();
    if logged <= 0.0 || process <= 0.0 {
        return None;
    }
    let ratio = process / logged;
    let blocks: Vec<(f64, f64)> = serving.iter().flat_map(|c| c.blocks.iter().copied()).collect();
    let m = blocks.len() as f64;
    let half = if blocks.len() < 3 {
        ratio * HALF_WITHOUT_BLOCKS
    } else {
        let squares: f64 = blocks.iter().map(|(p, l)| (p - ratio * l).powi(2)).sum();
        T_95 * (squares * m / (m - 1.0)).sqrt() / logged
    };
    let each = || serving.iter().map(|c| c.process_seconds / c.logged_seconds);
    let low = each().fold(ratio - half, f64::min);
    let high = each().fold(ratio + half, f64::max);
    Some(Interval::new(ratio.max(1.0), low.max(1.0), high.max(1.0)))
}

/// Which processes could not be compared, for the note; empty if all could.
fn unmatched(processes: &[&ProcessSums], cpu: &ProcessCpu, compared: &[MeasuredProcess<'_>]) -> String {
    let in_log: Vec<&str> = processes.iter().filter(|p| p.costed > 0).map(|p| p.name.as_str()).collect();
    let missing = in_log.iter().filter(|name| !compared.iter().any(|c| c.name == **name)).copied();
    let unlogged = cpu.synapse().filter(|c| !in_log.iter().any(|name| cpu.find(name) == Some(*c))).map(CpuCounter::name);
    let mut parts = Vec::new();
    for (what, names) in [("without process CPU", listed(missing)), ("in the CPU file only", listed(unlogged))] {
        if !names.is_empty() {
            parts.push(format!("{what}: {names}"));
        }
    }
    parts.join("; ")
}

/// At most five names, each reduced to letters, digits and `_.:-@`.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let clean = |name: &str| -> String {
        name.chars().take(40).map(|c| if c.is_ascii_alphanumeric() || "_.:-@".contains(c) { c } else { '?' }).collect()
    };
    let mut all: Vec<String> = names.map(clean).collect();
    all.sort_unstable();
    let more = all.len().saturating_sub(5);
    all.truncate(5);
    let text = all.join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}

const BLOCKS: i64 = 12;
const T_95: f64 = 2.2;
const HALF_WITHOUT_BLOCKS: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Classes;
    use crate::processes::Processes;
    use crate::testing::{costed, table};
    use wsim_trace::Names;

    const SECOND: i64 = 1_000_000;

    /// 100 s of requests of 100 ms, five a second: half a core logged.
    fn worker() -> (Processes, ObservedTime) {
        let mut names = Names::new();
        let process = names.intern(b"generic_worker1");
        let mut processes = Processes::new();
        for i in 0..500i64 {
            let begins = 1_000_000 * SECOND + i * SECOND / 5;
            processes.observe(&costed(begins, 0, 100_000), process, Classes::new(&table()).traits[0], begins, &names);
        }
        (processes, ObservedTime::single(1_000_000 * SECOND, 1_000_100 * SECOND))
    }

    fn cpu(rate: f64) -> ProcessCpu {
        let line = |i: u32| format!("{},generic_worker1,{}\n{0},worker9,{i}\n", 999_990 + i * 10, f64::from(i) * 10.0 * rate);
        ProcessCpu::parse((0..20).map(line).collect::<String>().as_bytes()).unwrap()
    }

    #[test]
    fn the_factor_is_process_cpu_over_logged_cpu() {
        let (processes, window) = worker();
        let coverage = coverage(&processes.sums(), Some(&cpu(0.85)), &window, DemandMethod::Logged);
        assert!((coverage.factor.value - 1.7).abs() < 0.01, "{coverage:?}");
        assert!(coverage.factor.high - coverage.factor.low < 0.1);
        assert!(coverage.measured && coverage.note.contains("in the CPU file only: worker9"), "{}", coverage.note);
    }

    #[test]
    fn without_a_counter_of_the_logged_process_the_prior_is_used() {
        let (processes, window) = worker();
        let other = ProcessCpu::parse(b"1,main,0\n2,main,1\n").unwrap();
        let coverage = coverage(&processes.sums(), Some(&other), &window, DemandMethod::Logged);
        assert_eq!((coverage.measured, coverage.factor), (false, prior().factor));
        assert!(coverage.note.contains("without process CPU: generic_worker1"), "{}", coverage.note);
    }

    #[test]
    fn the_factor_is_at_least_one() {
        let (processes, window) = worker();
        assert_eq!(coverage(&processes.sums(), Some(&cpu(0.1)), &window, DemandMethod::Logged).factor.value, 1.0);
    }
}
