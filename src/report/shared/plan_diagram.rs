//! A plan as a diagram: proxy, pools, and a bar for each process that shows how busy it is.
//!
//! Contains the data only; `templates/verdict.html` draws it.

use super::escape;
use super::plan_cells::{pools_of, served_by_main};
use super::table::Tone;
use super::vocabulary;
use wsim_advise::{Objective, PlanSummary, ProcessSummary};
use wsim_endpoints::groups;
use wsim_plan::{Plan, Pool};
use wsim_stats::Interval;
use wsim_text as text;

/// A plan to draw. Positions and widths are percentages of the width of a bar, as text for CSS.
#[derive(Debug, Clone)]
pub(crate) struct PlanDiagram {
    /// The proxy's name.
    pub(crate) proxy: &'static str,
    /// Main process first, then pools, then stream writers.
    pub(crate) rows: Vec<DiagramRow>,
    /// Position of the objective's limit on the busy share.
    pub(crate) objective: String,
    /// Position of one full core.
    pub(crate) core: String,
    pub(crate) objective_text: String,
}

/// Processes that serve the same pools: the main process, the workers of one pool or of several, or the stream writers.
#[derive(Debug, Clone)]
pub(crate) struct DiagramRow {
    /// The pools that all processes of the row serve; the main process and stream writers count as one.
    pub(crate) pools: Vec<DiagramPool>,
    /// `5 pools on the same 2 workers`; empty for one pool.
    pub(crate) note: String,
    pub(crate) bars: Vec<ProcessBar>,
}

/// What some processes serve.
#[derive(Debug, Clone)]
pub(crate) struct DiagramPool {
    /// `main process`, or the pool's name.
    pub(crate) name: String,
    /// The first group ids, patterns or streams.
    pub(crate) serves: Vec<Served>,
    /// The others in one text, and their number.
    pub(crate) more: String,
    pub(crate) more_count: usize,
    /// Balancing rule in a few words; empty for a single process.
    pub(crate) rule: String,
}

/// A group id, a pattern or a stream, with what it means; empty if unknown.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) name: String,
    pub(crate) help: &'static str,
}

impl DiagramPool {
    fn new(name: String, mut serves: Vec<String>, rule: String) -> Self {
        let rest = if serves.len() > SERVES_SHOWN + 1 { serves.split_off(SERVES_SHOWN) } else { Vec::new() };
        let served = |name: String| Served { help: groups::description(&name), name };
        Self { name, serves: serves.into_iter().map(served).collect(), more: rest.join(", "), more_count: rest.len(), rule }
    }

    fn of(pool: &Pool) -> Self {
        let serves = pool.endpoints.iter().map(vocabulary::selector).collect();
        Self::new(escape::page(&pool.name, 40), serves, vocabulary::balancing_rule(pool))
    }
}

/// One process.
#[derive(Debug, Clone)]
pub(crate) struct ProcessBar {
    pub(crate) name: String,
    /// `44 % (37–58 %)`.
    pub(crate) text: String,
    /// Whether the process is within the objective, as a colour and in words.
    pub(crate) tone: Tone,
    pub(crate) tone_text: &'static str,
    /// Width of the bar.
    pub(crate) fill: String,
    /// Start and width of the whisker.
    pub(crate) low: String,
    pub(crate) span: String,
    /// What limits the process, and the streams that it writes; may be empty.
    pub(crate) note: String,
}

impl PlanDiagram {
    /// The diagram of a plan and its processes at the peak, compared with an objective.
    pub(crate) fn new(summary: &PlanSummary, objective: &Objective) -> Self {
        let largest = |of: fn(Interval) -> f64| {
            summary.processes.iter().map(|process| of(process.peak)).filter(|share| share.is_finite()).fold(1.0, f64::max)
        };
        // A whisker that is far longer than all bars leaves the picture.
        let highest = largest(|peak| peak.high).min(largest(|peak| peak.value) * 1.6);
        let scale = Scale { full: (highest * 1.05).min(4.0), busy_max: objective.busy };
        let plan: &Plan = &summary.plan;
        // Processes with the same pools are one row, in the order in which the plan names them.
        let mut rows: Vec<(Vec<usize>, bool, Vec<ProcessBar>)> = vec![(Vec::new(), true, Vec::new())];
        for process in &summary.processes {
            let pools = pools_of(&summary.plan, process);
            let bar = scale.bar(process, plan);
            let is_main = process.is_main();
            match rows.iter_mut().find(|(of, main, _)| *main == is_main && (is_main || *of == pools)) {
                Some((of, _, bars)) => {
                    if is_main {
                        of.extend(pools);
                    }
                    bars.push(bar);
                }
                None => rows.push((pools, false, vec![bar])),
            }
        }
        let row = |(pools, main, bars): (Vec<usize>, bool, Vec<ProcessBar>)| {
            let mut shown: Vec<DiagramPool> = pools.iter().filter_map(|pool| plan.pools.get(*pool)).map(DiagramPool::of).collect();
            if main {
                shown.insert(0, DiagramPool::new("main process".to_owned(), vec![served_by_main(plan).to_owned()], String::new()));
            } else if shown.is_empty() {
                let streams = plan.stream_writers.keys().map(|stream| escape::page(stream, 30)).collect();
                shown.push(DiagramPool::new("stream writers".to_owned(), streams, String::new()));
            }
            let note = if !main && shown.len() > 1 {
                let workers = text::plural(bars.len() as u64, "worker", "workers");
                format!("{} pools on the same {workers}", shown.len())
            } else {
                String::new()
            };
            DiagramRow { pools: shown, note, bars }
        };
        let rows = rows.into_iter().map(row).collect();
        Self {
            proxy: vocabulary::proxy_name(plan.proxy.kind),
            rows,
            objective: scale.percent(objective.busy),
            core: scale.percent(1.0),
            objective_text: escape::page(&objective.to_string(), 60),
        }
    }
}

struct Scale {
    /// Busy share at the full width of a bar.
    full: f64,
    busy_max: f64,
}

impl Scale {
    fn percent(&self, share: f64) -> String {
        let share = if share.is_finite() { share.max(0.0) } else { self.full };
        format!("{:.1}", (share / self.full * 100.0).min(100.0))
    }

    fn bar(&self, process: &ProcessSummary, plan: &Plan) -> ProcessBar {
        let Interval { value, low, high } = process.peak;
        let (tone, tone_text) = if value > self.busy_max {
            (Tone::Bad, "over the objective")
        } else if high > self.busy_max {
            (Tone::Warn, "over the objective at the upper end of the uncertainty")
        } else {
            (Tone::Good, "within the objective")
        };
        let streams: Vec<&str> = plan
            .stream_writers
            .iter()
            .filter(|(_, writers)| writers.names().contains(&process.name))
            .map(|(stream, _)| stream.as_str())
            .collect();
        let writes = (!streams.is_empty()).then(|| format!("writes {}", streams.join(", ")));
        let note: Vec<String> = writes.into_iter().chain(process.limit.clone()).collect();
        ProcessBar {
            name: escape::page(&process.name, 40),
            text: text::percent_range(process.peak),
            tone,
            tone_text,
            fill: self.percent(value),
            low: self.percent(low),
            span: format!("{:.1}", (high.min(self.full) - low.min(self.full)).max(0.0) / self.full * 100.0),
            note: escape::page(&note.join("; "), 160),
        }
    }
}

/// Groups of a pool that are named unfolded.
const SERVES_SHOWN: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture;

    #[test]
    fn every_process_is_drawn_once() {
        for candidate in &fixture::report().advice.candidates {
            let diagram = PlanDiagram::new(candidate, &Objective::default());
            let drawn: usize = diagram.rows.iter().map(|row| row.bars.len()).sum();
            assert_eq!(drawn, candidate.processes.len(), "{}", candidate.plan.name);
        }
    }

    #[test]
    fn pools_that_share_workers_are_in_one_row() {
        let shared = Plan::from_toml(
            "name = \"shared\"\nsynapse = \"1.157\"\n[[pool]]\nname = \"a\"\nendpoints = [\"sync\"]\nservers = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n\
             [[pool]]\nname = \"b\"\nendpoints = [\"client\"]\nservers = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n\
             [[pool]]\nname = \"c\"\nendpoints = [\"federation\"]\nservers = [\"127.0.0.1:2\"]\n",
            "plan.toml",
        )
        .unwrap();
        let model = fixture::report().advice.candidates[0].clone();
        let process = |name: &str, role| ProcessSummary { name: name.to_owned(), role, ..model.processes[0].clone() };
        let workers = shared.workers().iter().map(|worker| process(&worker.name, wsim_advise::ProcessRole::Worker));
        let processes = std::iter::once(process("main", wsim_advise::ProcessRole::Main)).chain(workers).collect();
        let summary = PlanSummary { plan: shared, processes, ..model };
        let rows = PlanDiagram::new(&summary, &Objective::default()).rows;
        let pools = |row: usize| rows[row].pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>();
        assert_eq!((rows.len(), pools(1), pools(2)), (3, vec!["a", "b"], vec!["a", "b", "c"]));
        assert!(rows.iter().all(|row| row.bars.len() == 1), "no pool is empty");
        assert_eq!(rows[2].note, "3 pools on the same 1 worker");
    }

    #[test]
    fn colours_repeat_what_words_say() {
        let report = fixture::report();
        let monolith = PlanDiagram::new(&report.advice.candidates[0], &Objective::default());
        assert_eq!((monolith.rows[0].bars[0].tone, monolith.rows[0].bars[0].tone_text), (Tone::Bad, "over the objective"));
        assert_eq!(monolith.rows[0].pools[0].serves[0].name, "everything");
    }

    #[test]
    fn an_unlimited_queue_fits_the_scale() {
        let mut candidate = fixture::report().advice.candidates[0].clone();
        candidate.processes[0].peak = Interval { value: f64::INFINITY, low: 0.5, high: f64::INFINITY };
        let bar = &PlanDiagram::new(&candidate, &Objective::default()).rows[0].bars[0];
        assert_eq!(bar.fill, "100.0");
        assert_eq!(bar.text, "–");
    }
}
