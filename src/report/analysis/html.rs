//! `report.html` of an analysis: one file that needs no other.
//!
//! askama escapes everything except the charts (SVG already) and the style and script of this crate. A Content-Security-Policy
//! forbids all network access and every script except the one whose hash it contains; without the script the page is still
//! complete.

use askama::Template;

use super::line_prose::{joined, line_prose};
use super::model::{AnalysisReport, heading_of_plan, warnings};
use super::{charts, measured, tables};
use crate::charts::Chart;
use crate::exporter::ReportError;
use crate::shared::escape;
use crate::shared::page::{self, PageFrame, Paper, Part, parts, run_rows, sentence};
use crate::shared::verdict::{Fact, VerdictBox, VerdictSection, headline, next_steps};
use crate::shared::vocabulary;
use wsim_text as text;

pub(super) fn html(report: &AnalysisReport) -> Result<String, ReportError> {
    page::render(&Page::new(report))
}

#[derive(Template)]
#[template(path = "analysis.html")]
struct Page {
    frame: PageFrame,
    verdict: VerdictSection,
    facts: Vec<Fact>,
    charts: Vec<Chart>,
    candidates: Vec<Part>,
    traffic: Vec<Part>,
    heavy: Vec<Part>,
    heavy_note: String,
    inputs: Vec<Part>,
    line_prose: Vec<String>,
    method: Vec<(&'static str, String)>,
    assumptions: Vec<String>,
}

impl Page {
    fn new(report: &AnalysisReport) -> Self {
        let advice = &report.advice;
        let mut paper = Paper::new();
        // The groups are shown at once; the rest is evidence.
        let traffic = [
            tables::groups(report),
            tables::processes(report),
            tables::peaks(report),
            tables::destinations(report),
            measured::measured(report),
            tables::outcomes(report),
            tables::coverage(report),
            tables::dispersion(report),
        ];
        let mut page = Self {
            frame: PageFrame::new("capacity report", &report.facts, window(report)),
            verdict: verdict(report),
            facts: traffic_facts(report),
            charts: charts::charts(report),
            traffic: parts(&mut paper, 1, traffic),
            candidates: parts(&mut paper, 0, [tables::candidates(report), tables::candidate_processes(report)]),
            heavy: parts(&mut paper, 0, tables::heavy_hitters(report)),
            heavy_note: heavy_note(report),
            inputs: parts(&mut paper, 0, [tables::inputs_of_page(report), tables::malformed(report)]),
            line_prose: line_prose(report).iter().map(|text| sentence(text)).collect(),
            method: method(report),
            assumptions: report.facts.assumptions.iter().chain(&advice.assumptions).map(|assumption| sentence(assumption)).collect(),
        };
        if report.facts.partial {
            page.frame.notice = Some(("Partial", "reading was interrupted. All numbers cover what had been read until then."));
        }
        page.frame = page.frame.with_contents([
            ("traffic", "Traffic", !page.facts.is_empty()),
            ("charts", "Charts", !page.charts.is_empty()),
            ("tables", "Tables", !page.traffic.is_empty()),
            ("heavy", "Heavy hitters", !page.heavy.is_empty()),
            ("candidates", "Candidates", !page.candidates.is_empty()),
            ("inputs", "Inputs", true),
            ("method", "Method", true),
            ("terms", "Terms", true),
        ]);
        page
    }
}

/// The window of time for the head of the page.
fn window(report: &AnalysisReport) -> String {
    if report.requests() == 0 { "no requests".to_owned() } else { vocabulary::window(report.profile.window) }
}

fn verdict(report: &AnalysisReport) -> VerdictSection {
    let advice = &report.advice;
    VerdictSection {
        headline: match advice.shown() {
            Some((plan, _)) => headline(advice.verdict.decision, plan),
            None if report.requests() == 0 => "Nothing to plan: no requests".to_owned(),
            None if report.profile.deployment.too_partial => "No verdict: the picture is too partial".to_owned(),
            None => "The CPU demand is unknown".to_owned(),
        },
        lead: std::iter::once(&advice.verdict.text).chain(&warnings(report)).map(|text| sentence(text)).collect(),
        plan: verdict_box(report),
        reasons: advice.reasons.iter().map(|reason| sentence(reason)).collect(),
        confidence: (&advice.confidence).into(),
        tone: "",
        next: next_steps(&report.facts),
    }
}

fn verdict_box(report: &AnalysisReport) -> Option<VerdictBox> {
    let (plan, recommended) = report.advice.shown()?;
    let cpu = Fact {
        label: "Total CPU at the peak",
        value: format!("{} cores", text::number(plan.total_cores.value)),
        note: format!(
            "uncertainty {}–{}, background CPU included",
            text::number(plan.total_cores.low),
            text::number(plan.total_cores.high)
        ),
    };
    let shown = VerdictBox::new(plan, recommended, cpu, &report.advice.objective, ("uncertainty", "at the peak"));
    Some(VerdictBox { heading: heading_of_plan(report, recommended), ..shown })
}

fn traffic_facts(report: &AnalysisReport) -> Vec<Fact> {
    let profile = &report.profile;
    if report.requests() == 0 {
        return Vec::new();
    }
    let seconds = profile.observed_seconds();
    let mut facts = vec![
        Fact {
            label: "Requests",
            value: text::count(profile.requests),
            note: if profile.internal_requests > 0 {
                format!("and {} between processes", text::count(profile.internal_requests))
            } else {
                "from clients and other servers".to_owned()
            },
        },
        Fact {
            label: "Time span",
            value: text::duration(seconds),
            note: format!("mean {} requests/s", text::number(profile.requests as f64 / seconds)),
        },
    ];
    if let Some(cpu) = report.cpu_seconds() {
        facts.push(Fact {
            label: "CPU of requests",
            value: format!("{} s", text::number(cpu)),
            note: format!("mean {} cores, {}", text::number(cpu / seconds), profile.demand.method),
        });
    }
    facts.push(peak_fact(report));
    let concurrency = &profile.concurrency;
    facts.push(Fact {
        label: "Requests in progress",
        value: format!("{} on average", text::number(concurrency.working_mean)),
        note: format!(
            "at most {}; waiting long polls: {} on average, at most {}",
            text::number(concurrency.working_max),
            text::number(concurrency.waiting_mean),
            text::number(concurrency.waiting_max)
        ),
    });
    let hitters = &profile.heavy_hitters;
    if hitters.distinct_users > 0 {
        facts.push(Fact {
            label: "Users",
            value: format!("{}{}", hitters.distinct_users_are.prefix(), text::count(hitters.distinct_users)),
            note: format!("identified by {} (see Heavy hitters)", escape::page(&hitters.user_key, 60)),
        });
    }
    facts.push(Fact {
        label: "Events persisted",
        value: format!("{} /s", text::number(profile.events_per_second.mean)),
        note: format!("{} /s at the peak", text::number(profile.events_per_second.peak)),
    });
    facts
}

fn peak_fact(report: &AnalysisReport) -> Fact {
    let peak = &report.profile.peaks.five_minutes;
    Fact {
        label: "Peak (busiest five minutes)",
        value: peak.cores.map_or_else(
            || format!("{} requests/s", text::number(peak.requests_per_second)),
            |cores| format!("{} cores", text::number(cores)),
        ),
        note: format!("{}from {} UTC", if peak.cores.is_some() { "CPU of requests, " } else { "" }, text::date_time(peak.window.start_us)),
    }
}

fn heavy_note(report: &AnalysisReport) -> String {
    let hitters = &report.profile.heavy_hitters;
    let concentration = hitters.user_hhi.map_or_else(String::new, |hhi| format!(" Concentration (HHI) of users: {}.", text::number(hhi)));
    format!(
        "Users are identified by {}.{concentration} Balancing by user cannot spread the load of a single user over several workers.",
        escape::page(&hitters.user_key, 400)
    )
}

fn method(report: &AnalysisReport) -> Vec<(&'static str, String)> {
    let profile = &report.profile;
    let mut rows = vec![
        ("CPU demand", format!("{}: {} Uncertainty: × {}.", profile.demand.method, profile.demand.note, text::range(profile.demand.range))),
        ("Coverage factor", format!("{}; {}", text::range(profile.coverage.factor), profile.coverage.note)),
        ("Endpoint table", report.facts.table_note.clone()),
    ];
    rows.extend(report.facts.joined.as_ref().map(|facts| ("Joined logs", joined(facts))));
    rows.push((
        "Time zone",
        format!("{} for times without a zone in a log and for weekdays; times in this report are in UTC", report.facts.time_zone),
    ));
    rows.extend(run_rows(&report.facts, report.facts.seed));
    rows.into_iter().map(|(label, text)| (label, sentence(&text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture;
    use crate::shared::html_check;

    #[test]
    fn log_text_is_inert() {
        for report in [fixture::report(), fixture::proxy_only(), fixture::empty(), fixture::large()] {
            html_check::assert_log_text_is_inert(&html(&report).unwrap());
        }
        let page = html(&fixture::report()).unwrap();
        assert!(html_check::body(&page).contains("@&#60;script&#62;alert(document.cookie)"), "the name is shown, escaped");
    }

    #[test]
    fn nothing_is_fetched() {
        html_check::assert_nothing_is_fetched(&html(&fixture::report()).unwrap());
    }

    #[test]
    fn the_recommendation_comes_first() {
        let page = html(&fixture::report()).unwrap();
        let order = [
            "<h1>Split off 2 sync and 1 federation workers</h1>",
            "Split off /sync first",
            "Recommended plan",
            "id=\"reasons\"",
            "id=\"costs\"",
            "id=\"confidence\"",
            "id=\"next\"",
            "id=\"traffic\"",
            "id=\"charts\"",
            "id=\"heavy\"",
            "id=\"candidates\"",
            "id=\"inputs\"",
            "id=\"method\"",
            "id=\"terms\"",
        ];
        html_check::assert_order(html_check::body(&page), &order);
    }

    #[test]
    fn a_report_is_light() {
        let bytes = html(&fixture::report()).unwrap().len();
        assert!(bytes < 700_000, "{bytes}");
        let large = fixture::large();
        assert_eq!((large.profile.groups.len(), large.advice.candidates.len()), (100, 48));
        let page = html(&large).unwrap();
        println!("100 groups × 48 candidates: {} bytes", page.len());
        assert!(page.len() < 2_000_000, "{}", page.len());
    }

    #[test]
    fn a_long_table_asks_before_it_shows_all_rows() {
        let page = html(&fixture::large()).unwrap();
        assert!(page.contains("Show all 100 rows") && page.contains("id=\"all-groups\""));
        assert!(!html(&fixture::report()).unwrap().contains("id=\"all-groups\""), "twelve rows are not many");
    }

    #[test]
    fn the_groups_are_shown_at_once_and_evidence_is_folded() {
        let page = html(&fixture::report()).unwrap();
        assert!(page.contains("id=\"table-groups\" open"));
        assert_eq!(page.matches(" open><summary>").count(), 1);
        let printed = |page: &str| page.matches("<details class=\"block printed\"").count();
        assert!((1..page.matches("<details class=\"block").count()).contains(&printed(&page)), "some folded tables are printed");
        let large = html(&fixture::large()).unwrap();
        assert!(large.matches("<details class=\"block\"").count() > 0, "six pages do not hold everything");
    }

    #[test]
    fn headings_are_nested() {
        for report in [fixture::report(), fixture::proxy_only(), fixture::empty()] {
            html_check::assert_headings_are_nested(&html(&report).unwrap());
        }
    }

    #[test]
    fn every_id_is_unique() {
        html_check::assert_ids_are_unique(&html(&fixture::report()).unwrap());
    }

    #[test]
    fn pages_are_written_to_the_folder_in_wsim_keep() {
        let Some(folder) = std::env::var_os("WSIM_KEEP") else { return };
        for (name, report) in
            [("report", fixture::report()), ("proxy-only", fixture::proxy_only()), ("empty", fixture::empty()), ("large", fixture::large())]
        {
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), html(&report).unwrap()).unwrap();
        }
    }
}
