//! Findings for a terminal.

use std::io::{self, Write};

use wsim_configure::audit::traffic::Traffic;
use wsim_configure::audit::{Audit, Severity};
use wsim_report::escape;
use wsim_text::plural;

/// Writes the findings (worst first), the parts that were not evaluated, the traffic of the logs, and a summary.
pub(super) fn print(out: &mut dyn Write, audit: &Audit, traffic: Option<&Traffic>) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    writeln!(
        out,
        "{bold}Synapse {}{bold:#}: {} checked; main process: {}",
        audit.synapse,
        plural(audit.tried as u64, "example request", "example requests"),
        escape::visible(&audit.main)
    )?;
    for finding in &audit.findings {
        let colour = match finding.severity {
            Severity::Error => anstyle::AnsiColor::Red,
            Severity::Warning => anstyle::AnsiColor::Yellow,
            Severity::Hint => anstyle::AnsiColor::Cyan,
        };
        let style = bold.fg_color(Some(colour.into()));
        let at = finding.at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
        writeln!(
            out,
            "\n{style}{}{style:#} [{}] {}{}",
            finding.severity.word(),
            finding.code,
            escape::visible(&at),
            escape::visible(&finding.what)
        )?;
        writeln!(out, "  why: {}", escape::visible(&finding.why))?;
        writeln!(out, "  fix: {}", escape::visible(&finding.fix))?;
        for example in &finding.examples {
            writeln!(out, "       {}", escape::visible(example))?;
        }
        let more = finding.requests.saturating_sub(finding.examples.len());
        if more > 0 {
            writeln!(out, "       … and {more} more")?;
        }
    }
    if !audit.notes.is_empty() {
        writeln!(out, "\n{bold}Not evaluated{bold:#}")?;
        for note in &audit.notes {
            writeln!(out, "  {}: {}", escape::visible(&note.at.to_string()), escape::visible(&note.text))?;
        }
    }
    if let Some(traffic) = traffic {
        print_misrouted(out, traffic)?;
    }
    writeln!(out, "\n{}", summary(audit))
}

/// `2 errors, 1 hint. 3 of 412 requests could not be evaluated.`
fn summary(audit: &Audit) -> String {
    let count = |severity| audit.findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let counts = [(Severity::Error, "error", "errors"), (Severity::Warning, "warning", "warnings"), (Severity::Hint, "hint", "hints")];
    let counts = counts.map(|(severity, one, many)| (count(severity), one, many));
    let parts: Vec<String> =
        counts.into_iter().filter(|(count, ..)| *count > 0).map(|(count, one, many)| plural(count, one, many)).collect();
    let findings = if parts.is_empty() { "No findings".to_owned() } else { parts.join(", ") };
    let evaluated = match (audit.tried, audit.not_evaluated) {
        (0, _) if audit.findings.iter().any(|finding| ["no-matrix", "nothing-evaluated"].contains(&finding.code)) => {
            "Nothing could be checked: the proxy files contain no Matrix site".to_owned()
        }
        (0, _) => "No request was checked, because no proxy file was given".to_owned(),
        (_, 0) => "All requests were evaluated".to_owned(),
        (tried, not_evaluated) => format!("{not_evaluated} of {} could not be evaluated", plural(tried as u64, "request", "requests")),
    };
    format!("{findings}. {evaluated}.")
}

fn print_misrouted(out: &mut dyn Write, traffic: &Traffic) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    let placed = plural(traffic.placed, "request", "requests");
    writeln!(out, "\n{bold}In the logs{bold:#}: {placed} with a known server, {} without", traffic.unplaced)?;
    for misrouted in &traffic.misrouted {
        let cost = misrouted.cpu_seconds.map_or("CPU not logged".to_owned(), |seconds| format!("{seconds:.1} CPU seconds"));
        let what = if misrouted.code == "served-by-main" {
            "went to the main process, although workers can serve them"
        } else {
            "went to a worker that cannot serve them"
        };
        writeln!(
            out,
            "  {} {} {} {what} ({}): {cost}, {} failed with 404 or 405",
            misrouted.requests,
            escape::visible(&misrouted.group),
            if misrouted.requests == 1 { "request" } else { "requests" },
            escape::visible(&misrouted.at),
            misrouted.rejected
        )?;
    }
    Ok(())
}
