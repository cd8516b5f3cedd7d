//! `report.html` of a replay, with the style and script of the analysis.

use askama::Template;

use super::super::ReportError;
use super::super::escape;
use super::super::format;
use super::super::html::{SCRIPT, STYLE, policy, sentence};
use super::super::model::RunFacts;
use super::super::table::Table;
use super::ReplayReport;

/// The whole page.
///
/// # Errors
/// [`ReportError::Html`] if the template fails, which no value of the model makes it do.
pub fn html(report: &ReplayReport) -> Result<String, ReportError> {
    let method = vec![
        ("Target", escape::page(&report.target, 200)),
        ("Server name", escape::page(report.server_name.as_deref().unwrap_or(format::UNKNOWN), 200)),
        ("Part of the log", format::window(report.window)),
        ("Speed", format!("× {}", format::tick(report.speed))),
        ("Load", format!("× {} users", format::tick(report.load))),
        ("Allowed", report.allowed.to_owned()),
        ("Took", format::duration(report.took_seconds)),
        ("Seed", report.facts.seed.to_string()),
        ("Command", sentence(&report.facts.command)),
        ("Made", format!("{} by wsim {}", report.facts.created, report.facts.wsim)),
    ];
    let page = Page {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        facts: &report.facts,
        verdict: sentence(&format::capital(&report.verdict())),
        void: report.is_void(),
        lateness: sentence(&report.lateness()),
        coverage: sentence(&report.coverage()),
        tables: report.tables(),
        method,
    };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "replay.html")]
struct Page<'a> {
    policy: String,
    style: &'static str,
    script: &'static str,
    facts: &'a RunFacts,
    verdict: String,
    void: bool,
    lateness: String,
    coverage: String,
    tables: Vec<Table>,
    method: Vec<(&'static str, String)>,
}
