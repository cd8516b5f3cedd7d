//! `wsim simulate --synthetic`: a textbook queue, simulated and compared with its formula.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::super::output::Output;
use super::super::{Exit, UsageError};
use wsim_simulate::theory::{Exact, RunLength, Synthetic, SyntheticResult, simulate};
use wsim_stats::Interval;
use wsim_text as text;

pub(super) fn run(words: &str, seed: u64, output: &Output) -> anyhow::Result<Exit> {
    let synthetic = parse(words)?;
    let is_stable = synthetic.utilisation() < 1.0;
    // An unstable queue has no steady state, so its intervals never narrow.
    let length = if is_stable { RunLength::default() } else { RunLength::with_fixed_count(CUSTOMERS_UNSTABLE) };
    let Some(result) = simulate(&synthetic, seed, length) else { anyhow::bail!("the run was too short for intervals") };
    let exact = Exact::of(&synthetic);
    if output.json {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &wire(words, seed, &result, exact))?;
        writeln!(out)?;
    } else if !output.quiet {
        print(&mut anstream::stdout().lock(), words, seed, &synthetic, &result, exact)?;
    }
    Ok(Exit::Done)
}

/// Parses the words, or the TOML file that they name.
fn parse(words: &str) -> anyhow::Result<Synthetic> {
    if Path::new(words).is_file() {
        let text = wsim_text::read_text(Path::new(words), 100_000).with_context(|| words.to_owned())?;
        return toml::from_str(&text).with_context(|| words.to_owned());
    }
    words.parse().map_err(|error| UsageError(format!("--synthetic: {error}")).into())
}

fn print(
    out: &mut dyn Write,
    words: &str,
    seed: u64,
    synthetic: &Synthetic,
    result: &SyntheticResult,
    exact: Option<Exact>,
) -> std::io::Result<()> {
    let formula = exact.map_or("formula", |exact| exact.formula);
    writeln!(out, "{}\n", wsim_report::escape::terminal(words, 200))?;
    writeln!(out, "        simulated                       {formula}")?;
    let exact_of = |value: Option<f64>| value.map_or_else(|| text::UNKNOWN.to_owned(), |seconds| text::milliseconds(seconds * 1e3));
    let rows = [
        ("mean", result.mean.interval, exact.map(|exact| exact.mean)),
        ("p50", result.p50.interval, None),
        ("p95", result.p95.interval, exact.and_then(|exact| exact.p95)),
        ("p99", result.p99.interval, exact.and_then(|exact| exact.p99)),
    ];
    for (name, interval, exact) in rows {
        writeln!(out, "  {name:<6}{:<32}{}", time_interval(interval), exact_of(exact))?;
    }
    let busy = format!("{} of {}", text::percent(result.utilisation), text::plural(u64::from(synthetic.servers), "server", "servers"));
    writeln!(out, "  {:<6}{busy:<32}{}", "busy", text::percent(synthetic.utilisation().min(1.0)))?;
    writeln!(
        out,
        "\n{}, {} of them as warm-up; 95 % intervals by batch means; seed {seed}.",
        text::plural(result.customers, "customer", "customers"),
        text::count(result.warm_up)
    )?;
    if synthetic.utilisation() >= 1.0 {
        writeln!(out, "The servers are overloaded: there is no steady state, and the figures grow with the length of the run.")?;
    } else if result.capped {
        writeln!(out, "The run reached the maximum number of customers before the intervals were narrow enough.")?;
    }
    Ok(())
}

/// Formats a duration and its interval in one unit: `10.0 ms (9.90–10.1)`.
fn time_interval(seconds: Interval) -> String {
    let ms = seconds.scaled(1e3);
    let (scale, unit) = if ms.value >= 999.5 { (1e-3, "s") } else { (1.0, "ms") };
    let Interval { value, low, high } = ms.scaled(scale);
    format!("{} {unit} ({}–{})", text::number(value), text::number(low), text::number(high))
}

#[derive(Serialize)]
struct Wire<'a> {
    schema: &'static str,
    synthetic: &'a str,
    seed: u64,
    customers: u64,
    warm_up_customers: u64,
    settled: bool,
    capped: bool,
    utilisation: f64,
    latency_ms: WireLatency,
    exact: Option<WireExact>,
}

#[derive(Serialize)]
struct WireLatency {
    mean: Interval,
    p50: Interval,
    p95: Interval,
    p99: Interval,
}

#[derive(Serialize)]
struct WireExact {
    formula: &'static str,
    mean_ms: f64,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

fn wire<'a>(words: &'a str, seed: u64, result: &SyntheticResult, exact: Option<Exact>) -> Wire<'a> {
    let ms = |estimate: wsim_stats::BatchEstimate| estimate.interval.scaled(1e3);
    Wire {
        schema: "wsim.synthetic/1",
        synthetic: words,
        seed,
        customers: result.customers,
        warm_up_customers: result.warm_up,
        settled: result.settled,
        capped: result.capped,
        utilisation: result.utilisation,
        latency_ms: WireLatency { mean: ms(result.mean), p50: ms(result.p50), p95: ms(result.p95), p99: ms(result.p99) },
        exact: exact.map(|exact| WireExact {
            formula: exact.formula,
            mean_ms: exact.mean * 1e3,
            p95_ms: exact.p95.map(|seconds| seconds * 1e3),
            p99_ms: exact.p99.map(|seconds| seconds * 1e3),
        }),
    }
}

const CUSTOMERS_UNSTABLE: u64 = 1_000_000;
