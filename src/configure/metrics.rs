//! Prometheus' scrape configuration for all processes.
//!
//! Path and labels are those of Synapse's docs/metrics-howto.md: `job` and `index` group the processes in Synapse's Grafana dashboard.
//! The label `process` has the name of the process, by which `wsim analyse --process-cpu` and `--prometheus` find it.

use std::fmt::Write as _;

use super::address::Address;
use super::{Context, OutputFile};

pub(super) fn files(context: &Context<'_>) -> Vec<OutputFile> {
    let cluster = context.cluster;
    let Some(main) = &cluster.main_metrics else { return Vec::new() };
    let mut out = format!("# Scrape configuration for the plan {:?}.\n{HEAD}", context.plan.name);
    write_target(&mut out, main, "master", "1", "main");
    for process in &cluster.workers {
        let Some(address) = &process.metrics else { continue };
        let number = process.name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (job, index) = process.name.split_at(number);
        let (job, index) = (job.trim_end_matches(['-', '_']), if index.is_empty() { "1" } else { index });
        write_target(&mut out, address, if job.is_empty() { &process.name } else { job }, index, &process.name);
    }
    vec![OutputFile::new("prometheus/prometheus.yml", out)]
}

fn write_target(out: &mut String, address: &Address, job: &str, index: &str, process: &str) {
    let _ = write!(
        out,
        "      - targets: ['{address}']\n        labels:\n          job: '{job}'\n          index: '{index}'\n          process: '{process}'\n"
    );
}

const HEAD: &str = "\
# Merge the job into Prometheus' own scrape_configs. Addresses that only the machine itself reaches need Prometheus, or its agent, there.
# Never let the proxy publish /_synapse/metrics.

scrape_configs:
  - job_name: synapse
    scrape_interval: 15s
    metrics_path: /_synapse/metrics
    static_configs:
";
