//! No text of a chart overlaps another or leaves the chart, whatever the data: long names, many groups, tiny and huge values.

use proptest::prelude::*;

use super::labels;
use crate::analysis::fixture;
use crate::exporter::Report;
use wsim_profile::Quantiles;
use wsim_stats::Interval;

/// A text of a chart with its box, as wide as the widest font draws it.
#[derive(Debug)]
struct Drawn {
    words: String,
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
}

fn texts(svg: &str) -> Vec<Drawn> {
    svg.split("<text ")
        .skip(1)
        .map(|part| {
            let (attributes, rest) = part.split_once('>').unwrap();
            let attribute = |name: &str| {
                let start = attributes.find(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name} in {attributes}")) + name.len() + 2;
                attributes[start..].split('"').next().unwrap()
            };
            let words = rest.split("</text>").next().unwrap().trim_matches('\n');
            let words =
                words.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&");
            let number = |name: &str| attribute(name).parse::<f64>().unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size of a few pixels")]
            let (x, y, size) = (number("x") as i32, number("y") as i32, number("font-size").round() as u32);
            let wide = labels::width(&words, size);
            let left = match attribute("text-anchor") {
                "start" => x,
                "middle" => x - wide / 2,
                _ => x - wide,
            };
            let high = i32::try_from(size).unwrap();
            // The part of a line that its letters fill.
            let top = if attribute("dy") == "0.5ex" { y - high * 2 / 5 } else { y + 1 };
            Drawn { words, left, right: left + wide, top, bottom: top + high * 4 / 5 }
        })
        .collect()
}

fn assert_free(name: &str, svg: &str) {
    let texts = texts(svg);
    assert!(!texts.is_empty(), "{name} has no text");
    let height: i32 = svg.split_once("height=\"").unwrap().1.split('"').next().unwrap().parse().unwrap();
    for (index, one) in texts.iter().enumerate() {
        let is_inside = one.left >= 0 && one.right <= super::canvas::WIDTH && one.top >= -1 && one.bottom <= height + 1;
        assert!(is_inside, "{name}: {:?} leaves the chart of {height}: {one:?}", one.words);
        for other in &texts[index + 1..] {
            let apart = one.right <= other.left || other.right <= one.left || one.bottom <= other.top || other.bottom <= one.top;
            assert!(apart, "{name}: {:?} and {:?}: {one:?}, {other:?}", one.words, other.words);
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{1,12}", "[A-Zmw%@]{30,60}", ".{0,40}", Just("漢字漢字漢字漢字漢字漢字漢字漢字".to_owned())]
}

/// Positive values over many powers of ten.
fn value() -> impl Strategy<Value = f64> {
    (-6_f64..9.0).prop_map(|power| 10_f64.powf(power))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of requests")]
fn count(value: f64) -> u64 {
    value as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn labels_of_an_analysis_never_overlap(
        groups in prop::collection::vec((name(), value(), value(), value()), 0..40),
        bin_seconds in prop_oneof![Just(1.0), Just(60.0), Just(3_600.0), Just(86_400.0), Just(604_800.0)],
        bins in 1_usize..200,
        peak in value(),
    ) {
        let mut report = fixture::report();
        let model = report.profile.groups[0].clone();
        report.profile.groups = groups
            .iter()
            .map(|(id, cpu, fast, slow)| {
                let mut group = model.clone();
                group.id = id.clone();
                group.cpu_seconds = Some(*cpu);
                group.requests = count(*cpu);
                group.latency_ms = Some(Quantiles { p50: *fast, p90: fast + slow, p95: fast + slow, p99: fast + 2.0 * slow, ..model.latency_ms.unwrap() });
                group
            })
            .collect();
        let series = &mut report.profile.series;
        series.groups = groups.iter().map(|(id, ..)| id.clone()).collect();
        series.bin_seconds = bin_seconds;
        series.skips.clear();
        series.cpu_seconds = groups.iter().map(|(_, cpu, ..)| vec![*cpu; bins]).collect();
        series.requests = groups.iter().map(|(_, cpu, ..)| vec![count(*cpu); bins]).collect();
        for row in &mut series.latency_heat {
            row.resize(bins, 3);
        }
        for candidate in &mut report.advice.candidates {
            for process in &mut candidate.processes {
                process.peak = Interval::new(peak, peak / 3.0, peak * 3.0);
            }
        }
        for chart in report.charts() {
            assert_free(chart.name, &chart.svg);
        }
    }

    #[test]
    fn labels_of_a_simulation_never_overlap(
        names in prop::collection::vec(name(), 1..12),
        times in prop::collection::vec(value(), 1..12),
        workers in prop::collection::vec(0_u32..64, 1..12),
        queue in value(),
        limit in value(),
    ) {
        let mut report = crate::simulation::fixture::report();
        let model = report.sweep.candidates.clone();
        report.sweep.objective.latencies = vec![wsim_advise::LatencyTerm { statistic: wsim_advise::Statistic::P95, group: None, below_ms: limit }];
        report.sweep.candidates = workers
            .iter()
            .enumerate()
            .map(|(index, workers)| {
                let mut candidate = model[index % model.len()].clone();
                let ms = times[index % times.len()];
                candidate.strategy = names[index % names.len()].clone();
                candidate.summary.workers = *workers;
                candidate.overall.p95 = Interval::new(ms, ms / 2.0, ms * 2.0);
                candidate.working = vec![queue; 30];
                candidate
            })
            .collect();
        report.sweep.recommended = report.sweep.recommended.filter(|index| *index < report.sweep.candidates.len());
        report.sweep.runner_up = report.sweep.runner_up.filter(|index| *index < report.sweep.candidates.len());
        report.sweep.shown = report.sweep.shown.filter(|index| *index < report.sweep.candidates.len());
        for chart in report.charts() {
            assert_free(chart.name, &chart.svg);
        }
    }
}

#[test]
fn labels_of_the_fixtures_never_overlap() {
    let reports: Vec<Box<dyn Report>> = vec![
        Box::new(fixture::report()),
        Box::new(fixture::proxy_only()),
        Box::new(fixture::large()),
        Box::new(crate::simulation::fixture::report()),
        Box::new(crate::simulation::fixture::out_of_reach()),
        Box::new(crate::simulation::fixture::large()),
        Box::new(crate::comparison::fixture::prediction()),
        Box::new(crate::trend::fixture(&[0.5, 0.55, 0.53, 0.9])),
    ];
    for report in reports {
        for chart in report.charts() {
            assert_free(chart.name, &chart.svg);
        }
    }
}
