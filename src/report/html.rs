//! `report.html`: one file that needs nothing else.
//!
//! askama escapes everything but the charts (already SVG), the style and the script (our own). A Content-Security-Policy
//! forbids all network and every script but the one whose hash it names; the page reads the same without it.

use askama::Template;

use super::ReportError;
use super::account;
use super::analysis::{self, AnalysisReport};
use super::charts::{self, Chart};
use super::escape;
use super::format;
use super::page::{Answer, Fact, Shell, Top, costs, filled, headline, lead, sentence};
use super::picture::Picture;
use super::table::Table;
use super::tables;
use super::words;

/// The whole page.
///
/// # Errors
/// [`ReportError::Html`] if the template fails, which no value of the model makes it do.
pub fn html(report: &AnalysisReport) -> Result<String, ReportError> {
    Ok(Page::new(report).render()?)
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    shell: Shell,
    top: Top,
    facts: Vec<Fact>,
    charts: Vec<Chart>,
    candidates: Vec<Table>,
    traffic: Vec<Table>,
    heavy: Vec<Table>,
    heavy_note: String,
    inputs: Vec<Table>,
    accounts: Vec<String>,
    method: Vec<(&'static str, String)>,
    assumptions: Vec<String>,
    glossary: &'static [(&'static str, &'static str)],
}

impl Page {
    fn new(report: &AnalysisReport) -> Self {
        let advice = &report.advice;
        let mut page = Self {
            shell: Shell::new("capacity report", &report.facts, window(report)),
            top: top(report),
            facts: facts(report),
            charts: charts::all(report),
            candidates: filled([tables::candidates(report), tables::candidate_processes(report)]),
            traffic: filled([
                tables::peaks(report),
                tables::groups(report),
                tables::destinations(report),
                tables::processes(report),
                tables::outcomes(report),
                tables::dispersion(report),
                tables::coverage(report),
            ]),
            heavy: tables::heavy_hitters(report),
            heavy_note: heavy_note(report),
            inputs: filled([tables::inputs(report), tables::malformed(report)]),
            accounts: account::lines(report).iter().map(|account| sentence(account)).collect(),
            method: method(report),
            assumptions: report.facts.assumptions.iter().chain(&advice.assumptions).map(|assumption| sentence(assumption)).collect(),
            glossary: &words::GLOSSARY,
        };
        if report.facts.partial {
            page.shell.notice = Some(("Partial", "reading was interrupted. All numbers cover what had been read until then."));
        }
        page.shell = page.shell.with_contents([
            ("traffic", "Traffic", !page.facts.is_empty()),
            ("charts", "Charts", !page.charts.is_empty()),
            ("tables", "Tables", !page.traffic.is_empty()),
            ("heavy", "Heavy hitters", !page.heavy.is_empty()),
            ("candidates", "Candidates", !page.candidates.is_empty()),
            ("inputs", "Inputs", true),
            ("method", "Method", true),
            ("glossary", "Glossary", true),
        ]);
        page
    }
}

/// For the head of the page.
fn window(report: &AnalysisReport) -> String {
    if report.requests() == 0 { "no requests".to_owned() } else { format::window(report.profile.window) }
}

fn top(report: &AnalysisReport) -> Top {
    let advice = &report.advice;
    Top {
        headline: match report.shown() {
            Some(shown) => headline(shown.candidate, shown.recommended),
            None if report.requests() == 0 => "Nothing to plan: no requests".to_owned(),
            None => "No advice: the CPU demand is unknown".to_owned(),
        },
        lead: vec![lead(&advice.verdict)],
        answer: answer(report),
        reasons: advice.reasons.iter().map(|reason| sentence(reason)).collect(),
        confidence: (&advice.confidence).into(),
        next: Top::steps(&report.facts),
    }
}

fn answer(report: &AnalysisReport) -> Option<Answer> {
    let shown = report.shown()?;
    let candidate = shown.candidate;
    let (meets, tone) = tables::meets(candidate.meets_objective);
    let busiest = analysis::busiest(candidate);
    let facts = vec![
        Fact {
            label: "Processes",
            value: if candidate.workers == 0 { "main only".to_owned() } else { format!("main + {}", candidate.workers) },
            note: if candidate.workers == 0 {
                "no workers".to_owned()
            } else {
                format::plural(u64::from(candidate.workers), "worker", "workers")
            },
        },
        Fact {
            label: "Busiest process",
            value: busiest.map_or_else(|| format::UNKNOWN.to_owned(), |process| format::percent(process.utilisation.value)),
            note: busiest.map_or_else(String::new, |process| {
                format!(
                    "{}, range {}–{} %",
                    escape::page(&process.name, 30),
                    format::percent_number(process.utilisation.low),
                    format::percent_number(process.utilisation.high)
                )
            }),
        },
        Fact {
            label: "All processes together",
            value: format!("{} cores", format::number(candidate.total_cores.value)),
            note: format!(
                "range {}–{} at the peak, with the CPU that no request line shows",
                format::number(candidate.total_cores.low),
                format::number(candidate.total_cores.high)
            ),
        },
        Fact { label: "Meets the objective", value: meets.to_owned(), note: escape::page(&report.advice.objective, 60) },
    ];
    Some(Answer {
        heading: if shown.recommended { "Recommended plan" } else { "Closest plan (none meets the objective)" },
        name: escape::page(&candidate.plan.name, 80),
        tone: tone.class(),
        verdict: sentence(&candidate.verdict),
        facts,
        picture: Picture::of(candidate, &report.advice.objective),
        range: "range that the inputs leave",
        costs: costs(candidate.workers, candidate.total_cores, "in the busiest five minutes"),
    })
}

fn facts(report: &AnalysisReport) -> Vec<Fact> {
    let profile = &report.profile;
    if report.requests() == 0 {
        return Vec::new();
    }
    let seconds = profile.window.seconds();
    let mut facts = vec![
        Fact {
            label: "Requests",
            value: format::count(profile.requests),
            note: if profile.internal_requests > 0 {
                format!("and {} between processes", format::count(profile.internal_requests))
            } else {
                "from clients and other servers".to_owned()
            },
        },
        Fact {
            label: "Time span",
            value: format::duration(seconds),
            note: format!("mean {} requests/s", format::number(profile.requests as f64 / seconds)),
        },
    ];
    if let Some(cpu) = report.cpu_seconds() {
        facts.push(Fact {
            label: "CPU",
            value: format!("{} s", format::number(cpu)),
            note: format!("mean {} cores, {}", format::number(cpu / seconds), escape::page(&profile.demand.method, 60)),
        });
    }
    let peak = &profile.peaks.five_minutes;
    facts.push(Fact {
        label: "Busiest five minutes",
        value: peak.cores.map_or_else(
            || format!("{} requests/s", format::number(peak.requests_per_second)),
            |cores| format!("{} cores", format::number(cores)),
        ),
        note: format!(
            "{}from {} UTC",
            if peak.cores.is_some() { "what request lines show, " } else { "" },
            format::time(peak.window.start_us)
        ),
    });
    facts.push(Fact {
        label: "Requests at work",
        value: format!("{} at once", format::number(profile.concurrency.working_mean)),
        note: format!(
            "at most {}; parked long polls {}, at most {}",
            format::number(profile.concurrency.working_max),
            format::number(profile.concurrency.parked_mean),
            format::number(profile.concurrency.parked_max)
        ),
    });
    if profile.heavy_hitters.distinct_users > 0 {
        facts.push(Fact {
            label: "Users",
            value: format::count(profile.heavy_hitters.distinct_users),
            note: "told apart as said under heavy hitters".to_owned(),
        });
    }
    facts.push(Fact {
        label: "Events persisted",
        value: format!("{} /s", format::number(profile.events_per_second.mean)),
        note: format!("{} /s in the busiest five minutes", format::number(profile.events_per_second.peak)),
    });
    facts
}

fn heavy_note(report: &AnalysisReport) -> String {
    let hitters = &report.profile.heavy_hitters;
    let skew = hitters.user_hhi.map_or_else(String::new, |hhi| format!(" Concentration (HHI) of users: {}.", format::number(hhi)));
    format!(
        "Users are told apart by: {}.{skew} What one of them needs cannot be spread over workers that are keyed by user.",
        escape::page(&hitters.user_key, 400)
    )
}

fn method(report: &AnalysisReport) -> Vec<(&'static str, String)> {
    let profile = &report.profile;
    let mut rows = vec![
        ("CPU demand", format!("{}: {} Range × {}.", profile.demand.method, profile.demand.note, format::range(profile.demand.range))),
        (
            "Coverage",
            format!(
                "{} ({}). {}",
                format::range(profile.coverage.factor),
                if profile.coverage.measured { "measured" } else { "assumed" },
                profile.coverage.note
            ),
        ),
        ("Endpoint table", format!("Synapse {}. {}", report.facts.synapse_version, report.facts.table_note)),
        ("Seed", report.facts.seed.to_string()),
        ("Time zone", format!("{} for stamps without a zone and for weekdays; times in this report are UTC", report.facts.time_zone)),
        ("Command", report.facts.command.clone()),
        ("Made", format!("{} by wsim {}", report.facts.created, report.facts.wsim)),
    ];
    if let Some(joined) = &report.facts.joined {
        rows.insert(3, ("Joined logs", account::joined(joined)));
    }
    rows.into_iter().map(|(label, text)| (label, sentence(&text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// The page without what is our own.
    fn body(report: &AnalysisReport) -> String {
        let page = html(report).unwrap();
        let (_, after) = page.split_once("<body>").unwrap();
        after.split_once("<script>").unwrap().0.to_owned()
    }

    #[test]
    fn log_text_is_inert() {
        for report in [fixture::report(), fixture::proxy_only(), fixture::empty(), fixture::large()] {
            let body = body(&report);
            assert!(!body.contains("<script") && !body.contains("<img") && !body.contains("<b>"), "markup from a log");
            assert!(!body.contains('\x1b') && !body.contains('\u{202e}') && !body.contains('\0'), "control characters from a log");
        }
        assert!(body(&fixture::report()).contains("@&#60;script&#62;alert(document.cookie)"), "the name is shown, escaped");
    }

    #[test]
    fn nothing_is_fetched() {
        let page = html(&fixture::report()).unwrap();
        assert!(page.contains("default-src 'none'") || page.contains("default-src &#39;none&#39;"));
        for word in ["src=\"", "href=\"http", "@import", "url(", "<link", "<iframe"] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn the_answer_comes_first() {
        let page = body(&fixture::report());
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
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
            "id=\"glossary\"",
        ];
        assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
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
    fn a_long_table_asks_before_it_shows_all() {
        let page = html(&fixture::large()).unwrap();
        assert!(page.contains("Show all 100 rows") && page.contains("id=\"all-groups\""));
        assert!(!html(&fixture::report()).unwrap().contains("id=\"all-groups\""), "twelve rows are not many");
    }

    #[test]
    fn headings_go_down_one_level_at_a_time() {
        for report in [fixture::report(), fixture::proxy_only(), fixture::empty()] {
            let page = body(&report);
            let levels: Vec<u32> = page.match_indices("<h").filter_map(|(at, _)| page[at + 2..].chars().next()?.to_digit(10)).collect();
            assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
            assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
        }
    }

    #[test]
    fn every_id_is_unique() {
        let page = html(&fixture::report()).unwrap();
        let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }

    #[test]
    fn pages_are_written_where_asked() {
        let Some(folder) = std::env::var_os("WSIM_KEEP") else { return };
        for (name, report) in
            [("report", fixture::report()), ("proxy-only", fixture::proxy_only()), ("empty", fixture::empty()), ("large", fixture::large())]
        {
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), html(&report).unwrap()).unwrap();
        }
    }
}
