//! `report.html` of a comparison.

use askama::Template;

use super::report::ComparisonReport;
use crate::charts::Chart;
use crate::exporter::Report;
use crate::exporter::ReportError;
use crate::shared::page::{self, PageFrame, Paper, Part, parts, sentence};
use crate::shared::verdict::VerdictSection;
use wsim_text as text;

pub(super) fn html(report: &ComparisonReport) -> Result<String, ReportError> {
    let charts = report.charts();
    let runs = text::plural(report.runs.len() as u64, "run", "runs");
    let frame = PageFrame::from_several_runs("comparison", &report.wsim, &report.created, runs).with_contents([
        ("compared", "Tables", true),
        ("charts", "Charts", !charts.is_empty()),
        ("method", "Method", true),
        ("terms", "Terms", true),
    ]);
    let headline = report.headline();
    let verdicts = report.pairs.iter().map(|pair| sentence(&format!("{}.", text::capital(&pair.verdict))));
    let doubts = report.doubts().into_iter().map(|doubt| sentence(&format!("{doubt}.")));
    let verdict = VerdictSection {
        headline: sentence(&headline.text),
        tone: headline.tone.class(),
        lead: verdicts.chain(doubts).collect(),
        ..VerdictSection::default()
    };
    page::render(&ComparisonPage {
        frame,
        verdict,
        heading: "Comparison",
        charts,
        tables: parts(&mut Paper::new(), OPEN_TABLES, report.tables()),
        command: sentence(&report.command),
        created: format!("{} by wsim {}", report.created, report.wsim),
        method: vec![METHOD],
    })
}

/// A page about several runs.
#[derive(Template)]
#[template(path = "comparison.html")]
pub(crate) struct ComparisonPage {
    pub(crate) frame: PageFrame,
    pub(crate) verdict: VerdictSection,
    /// Above the tables.
    pub(crate) heading: &'static str,
    pub(crate) charts: Vec<Chart>,
    pub(crate) tables: Vec<Part>,
    pub(crate) command: String,
    pub(crate) created: String,
    /// Paragraphs.
    pub(crate) method: Vec<&'static str>,
}

/// Response times and traffic, or predictions and processes.
const OPEN_TABLES: usize = 2;

const METHOD: &str = "The first run is the baseline. The uncertainty of a replay's quantiles, and of the p95 of a log in the verdict, is a 95\u{a0}% interval from order statistics, which assumes that requests are independent; that of a simulation is the 95\u{a0}% interval over its replications. The uncertainty of a difference is derived from those of the two figures. “Same” means that the interval of the change contains no change, or that the change is below 5\u{a0}%.";
