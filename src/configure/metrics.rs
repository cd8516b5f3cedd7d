//! Prometheus' scrape configuration for all processes.
//!
//! Path and labels are those of Synapse's docs/metrics-howto.md: `job` and `index` group the processes in Synapse's Grafana dashboard.
//! The label `process` has the name of the process, by which `wsim analyse --process-cpu` and `--prometheus` find it.

use std::fmt::Write as _;

use super::address::Address;
use super::{Context, OutputFile};

/// What Prometheus asks of one process.
pub(super) struct Scraped<'c> {
    pub(super) address: &'c Address,
    pub(super) job: &'c str,
    pub(super) index: &'c str,
    pub(super) process: &'c str,
}

impl Scraped<'_> {
    /// The labels, by their names.
    pub(super) fn labels(&self) -> [(&'static str, &str); 3] {
        [("job", self.job), ("index", self.index), ("process", self.process)]
    }
}

/// All processes with a listener for Prometheus; none unless they were asked for.
pub(super) fn scraped<'c>(context: &Context<'c>) -> Vec<Scraped<'c>> {
    let cluster = context.cluster;
    let Some(main) = &cluster.main_metrics else { return Vec::new() };
    let workers = cluster.workers.iter().filter_map(|process| {
        let number = process.name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (job, index) = process.name.split_at(number);
        let (job, index) = (job.trim_end_matches(['-', '_']), if index.is_empty() { "1" } else { index });
        let job = if job.is_empty() { &process.name } else { job };
        Some(Scraped { address: process.metrics.as_ref()?, job, index, process: &process.name })
    });
    std::iter::once(Scraped { address: main, job: "master", index: "1", process: "main" }).chain(workers).collect()
}

pub(super) fn files(context: &Context<'_>) -> Vec<OutputFile> {
    let scraped = scraped(context);
    if scraped.is_empty() {
        return Vec::new();
    }
    let reach = if context.config.platform.has_containers() {
        "# Merge the job into Prometheus' own scrape_configs. Prometheus reaches the names from the network of the processes only."
    } else {
        "# Merge the job into Prometheus' own scrape_configs. Addresses that only the machine itself reaches need Prometheus, or its agent, there."
    };
    let mut out = format!("# Scrape configuration for the plan {:?}.\n{reach}\n{HEAD}", context.plan.name);
    for target in scraped {
        let _ = write!(out, "      - targets: ['{}']\n        labels:\n", target.address);
        for (label, value) in target.labels() {
            let _ = writeln!(out, "          {label}: '{value}'");
        }
    }
    vec![OutputFile::new("prometheus/prometheus.yml", out)]
}

/// Where a process serves its metrics.
pub(super) const PATH: &str = "/_synapse/metrics";
const HEAD: &str = "\
# Never let the proxy publish /_synapse/metrics.

scrape_configs:
  - job_name: synapse
    scrape_interval: 15s
    metrics_path: /_synapse/metrics
    static_configs:
";
