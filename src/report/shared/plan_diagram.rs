//! A plan as a diagram: proxy, pools, and a bar for each process that shows how busy it is.
//!
//! Contains the data only; `templates/verdict.html` draws it.

use super::escape;
use super::plan_cells::served_by_main;
use super::table::Tone;
use super::vocabulary;
use wsim_advise::{Objective, PlanSummary, ProcessSummary};
use wsim_plan::Plan;
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

/// The main process, a pool, or the stream writers.
#[derive(Debug, Clone)]
pub(crate) struct DiagramRow {
    /// `main process`, or the pool's name.
    pub(crate) name: String,
    /// Group ids, patterns or streams.
    pub(crate) serves: Vec<String>,
    /// Balancing rule in a few words; empty for a single process.
    pub(crate) rule: String,
    pub(crate) bars: Vec<ProcessBar>,
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
        let highest = summary.processes.iter().map(|process| process.peak.high).filter(|high| high.is_finite()).fold(1.0, f64::max);
        let scale = Scale { full: (highest * 1.05).min(4.0), busy_max: objective.busy };
        let plan: &Plan = &summary.plan;
        let bars = |pool: Option<&str>, main: bool| -> Vec<ProcessBar> {
            let belongs = |process: &&ProcessSummary| process.pool.as_deref() == pool && (pool.is_some() || main == process.is_main());
            summary.processes.iter().filter(belongs).map(|process| scale.bar(process, plan)).collect()
        };
        let mut rows = vec![DiagramRow {
            name: "main process".to_owned(),
            serves: vec![served_by_main(plan).to_owned()],
            rule: String::new(),
            bars: bars(None, true),
        }];
        rows.extend(plan.pools.iter().map(|pool| DiagramRow {
            name: escape::page(&pool.name, 40),
            serves: pool.endpoints.iter().map(vocabulary::selector).collect(),
            rule: vocabulary::balancing_rule(pool),
            bars: bars(Some(&pool.name), false),
        }));
        let writers = bars(None, false);
        if !writers.is_empty() {
            rows.push(DiagramRow {
                name: "stream writers".to_owned(),
                serves: plan.stream_writers.keys().map(|stream| escape::page(stream, 30)).collect(),
                rule: String::new(),
                bars: writers,
            });
        }
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
    fn colours_repeat_what_words_say() {
        let report = fixture::report();
        let monolith = PlanDiagram::new(&report.advice.candidates[0], &Objective::default());
        assert_eq!((monolith.rows[0].bars[0].tone, monolith.rows[0].bars[0].tone_text), (Tone::Bad, "over the objective"));
        assert_eq!(monolith.rows[0].serves, ["everything"]);
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
