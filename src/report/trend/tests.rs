//! A trend with a known answer, in every format.

use serde_json::Value;

use super::{TrendReadError, TrendReport, TrendRun, read};
use crate::analysis;
use crate::exporter::{Report, printed};
use crate::shared::{html_check, schema_check};

const WEEK_US: i64 = 7 * 86_400_000_000;
/// Monday 2026-11-02 00:00 UTC.
const START_US: i64 = 1_793_577_600_000_000;

/// Weekly runs with these shares of the first limit; the load is ten times that in cores.
pub(crate) fn report(used: &[f64]) -> TrendReport {
    let model = read("run", &analysis::fixture::report().json().unwrap()).unwrap();
    let total: f64 = model.groups.iter().filter_map(|group| group.cores).sum();
    let run = |(index, share): (usize, &f64)| {
        let start_us = START_US + i64::try_from(index).unwrap() * WEEK_US;
        let mut run = TrendRun {
            name: format!("reports/<b>week{index}"),
            start_us,
            end_us: start_us + WEEK_US,
            start: wsim_text::rfc3339(start_us),
            end: wsim_text::rfc3339(start_us + WEEK_US),
            seconds: 604_800.0,
            used: Some(*share),
            limit: Some("cpu of main\u{202e}".to_owned()),
            ..model.clone()
        };
        for group in &mut run.groups {
            group.cores = group.cores.map(|cores| cores * share * 10.0 / total);
        }
        run
    };
    let runs = used.iter().enumerate().rev().map(run).collect();
    TrendReport::new("0.1.0".to_owned(), "2026-12-01T10:00:00Z".to_owned(), "wsim report a b c".to_owned(), runs)
}

#[test]
fn the_week_in_which_the_objective_breaks_is_found() {
    // 50 % and two points more each week reach 100 % after 25 weeks from the first; the runs are exact, so earliest and latest are the same week.
    let exact: Vec<f64> = (0..6).map(|week| 0.5 + 0.02 * f64::from(week)).collect();
    let trend = report(&exact);
    let breaks = trend.breaks.as_ref().unwrap();
    // The middle of the first log is Thursday noon, 2026-11-05; 25 weeks later is 2027-04-29, in the week of Monday the 26th.
    assert_eq!(breaks.expected.as_deref(), Some("2027-04-26"));
    assert_eq!((&breaks.earliest, &breaks.latest, breaks.already), (&breaks.expected, &breaks.expected, false));
    let growth = trend.all.growth_per_week.unwrap();
    assert!((growth.value - 0.02 / 0.6).abs() < 1e-9, "{growth:?}");
    assert!(trend.verdict().starts_with("The load grows by 3.3 %"), "{}", trend.verdict());
    assert!(trend.runs.is_sorted_by_key(|run| run.start_us), "runs may be given in any order");
}

#[test]
fn noise_makes_a_range_and_no_growth_no_week() {
    let noisy = report(&[0.50, 0.55, 0.53, 0.60, 0.58, 0.64]);
    let breaks = noisy.breaks.unwrap();
    assert!(breaks.earliest < breaks.expected && breaks.expected.is_some(), "{breaks:?}");
    assert!(breaks.latest.is_none() || breaks.latest > breaks.expected, "{breaks:?}");
    let flat = report(&[0.30, 0.31, 0.30, 0.29, 0.30, 0.31]);
    assert!(flat.verdict().starts_with("No growth beyond its uncertainty"), "{}", flat.verdict());
    assert!(flat.break_sentence().contains("within a year"), "{}", flat.break_sentence());
    assert!(report(&[0.8, 0.9, 1.1]).break_sentence().contains("already"));
}

#[test]
fn every_format_is_as_it_should_be() {
    let trend = report(&[0.50, 0.55, 0.53, 0.60, 0.58, 0.64]);
    let schema: Value = serde_json::from_str(super::SCHEMA).unwrap();
    let mut value: Value = serde_json::from_str(&trend.json().unwrap()).unwrap();
    assert_eq!(schema_check::problems(&schema, &value), Vec::<String>::new());
    value["all"]["values"] = "x".into();
    value["runs"][0].as_object_mut().unwrap().remove("used");
    assert_eq!(schema_check::problems(&schema, &value).len(), 2);
    let page = trend.html().unwrap();
    html_check::assert_log_text_is_inert(&page);
    html_check::assert_nothing_is_fetched(&page);
    html_check::assert_ids_are_unique(&page);
    html_check::assert_headings_are_nested(&page);
    assert!(trend.charts().len() == 2 && trend.charts().iter().all(|chart| !chart.svg.contains("NaN")));
    for table in trend.tables() {
        assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{}", table.id);
    }
    let text = printed(&trend, 100);
    assert!(text.contains("the objective breaks in the week of") && !text.contains('\u{202e}'), "{text}");
    assert!(trend.markdown().contains("## Method"));
}

#[test]
fn only_analyses_have_a_trend() {
    let simulation = crate::simulation::fixture::report().json().unwrap();
    assert!(matches!(read("x", &simulation), Err(TrendReadError::NotAnAnalysis)));
    assert!(matches!(read("x", "{}"), Err(TrendReadError::NotAnAnalysis)));
    assert!(matches!(read("x", "{"), Err(TrendReadError::Damaged(_))));
    assert!(matches!(read("x", r#"{"schema": "wsim.analysis/1"}"#), Err(TrendReadError::Damaged(_))));
}
