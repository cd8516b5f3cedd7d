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
use super::picture::Picture;
use super::table::{Table, Tone};
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
struct Page<'a> {
    policy: String,
    style: &'static str,
    script: &'static str,
    report: &'a AnalysisReport,
    verdict: String,
    answer: Option<Answer>,
    reasons: Vec<String>,
    confidence: (String, String, &'static str),
    next: Vec<(String, String)>,
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

/// The plan that is shown first.
pub(super) struct Answer {
    pub(super) heading: &'static str,
    pub(super) name: String,
    pub(super) tone: &'static str,
    pub(super) verdict: String,
    pub(super) facts: Vec<Fact>,
    pub(super) picture: Picture,
}

/// A number with its name.
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) note: String,
}

impl<'a> Page<'a> {
    fn new(report: &'a AnalysisReport) -> Self {
        let advice = &report.advice;
        Self {
            policy: policy(),
            style: STYLE,
            script: SCRIPT,
            report,
            verdict: sentence(&advice.verdict),
            answer: answer(report),
            reasons: advice.reasons.iter().map(|reason| sentence(reason)).collect(),
            confidence: (sentence(&advice.confidence.level), sentence(&advice.confidence.why), confidence_class(&advice.confidence.level)),
            next: report.facts.next.iter().map(|step| (sentence(&format::capital(&step.why)), sentence(&step.command))).collect(),
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
        }
    }

    /// Window, for the head of the page.
    fn window(&self) -> String {
        if self.report.requests() == 0 { "no requests".to_owned() } else { format::window(self.report.profile.window) }
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
                "range {}–{}, busiest five minutes",
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
            note: format!("mean {} cores; {}", format::number(cpu / seconds), escape::page(&profile.demand.method, 60)),
        });
    }
    let peak = &profile.peaks.five_minutes;
    facts.push(Fact {
        label: "Busiest five minutes",
        value: peak.cores.map_or_else(
            || format!("{} requests/s", format::number(peak.requests_per_second)),
            |cores| format!("{} cores", format::number(cores)),
        ),
        note: format!("{} UTC", format::time(peak.window.start_us)),
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
            note: escape::page(&profile.heavy_hitters.user_key, 80),
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
        escape::page(&hitters.user_key, 80)
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

pub(super) fn confidence_class(level: &str) -> &'static str {
    match level {
        "high" => Tone::Good.class(),
        "medium" => Tone::Warn.class(),
        "low" => Tone::Bad.class(),
        _ => Tone::Plain.class(),
    }
}

pub(super) fn filled<const N: usize>(tables: [Table; N]) -> Vec<Table> {
    tables.into_iter().filter(|table| !table.is_empty()).collect()
}

/// Our own words, which may quote a log.
pub(super) fn sentence(text: &str) -> String {
    // A number and its sign stay on one line.
    escape::page(text, 1_000).replace(" %", "\u{a0}%")
}

/// What the page may load: nothing; what may run: the one script whose hash it names.
pub(super) fn policy() -> String {
    format!("default-src 'none'; style-src 'unsafe-inline'; script-src '{SCRIPT_HASH}'; img-src data:; base-uri 'none'; form-action 'none'")
}

pub(super) const STYLE: &str = include_str!("templates/style.css");
pub(super) const SCRIPT: &str = include_str!("templates/sort.js");
/// SHA-256 of [`SCRIPT`] as a policy names it; a test says the right value when the script changes.
const SCRIPT_HASH: &str = "sha256-ID2i0UqI3zTzCTIcEbbJRPF669IuKZvqacb8/6Hqy+k=";

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_policy_names_the_script() {
        let mut child =
            Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sha256sum is part of coreutils");
        child.stdin.take().unwrap().write_all(SCRIPT.as_bytes()).unwrap();
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&output[2 * i..2 * i + 2], 16).unwrap()).collect();
        assert_eq!(SCRIPT_HASH, format!("sha256-{}", base64(&bytes)));
    }

    fn base64(bytes: &[u8]) -> String {
        let digits: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
        let mut out = String::new();
        for chunk in bytes.chunks(3) {
            let word = chunk.iter().fold(0_usize, |word, &byte| (word << 8) | usize::from(byte)) << (8 * (3 - chunk.len()));
            out.extend((0..4).map(|i| if i <= chunk.len() { digits[(word >> (18 - 6 * i)) & 63] } else { '=' }));
        }
        out
    }

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
            "Split off /sync first",
            "Recommended plan",
            "id=\"reasons\"",
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
        let bytes = html(&fixture::large()).unwrap().len();
        assert!(bytes < 2_000_000, "{bytes}");
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
