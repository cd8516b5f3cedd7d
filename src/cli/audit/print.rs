//! Findings for a terminal.

use std::io::{self, Write};

use wsim_configure::audit::traffic::Traffic;
use wsim_configure::audit::{Audit, Severity};
use wsim_report::escape;

/// Writes findings, worst first, then what was left out, then what the logs say.
pub(super) fn print(out: &mut dyn Write, audit: &Audit, traffic: Option<&Traffic>) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    writeln!(
        out,
        "{bold}Synapse {}{bold:#}: {} requests of its endpoint table tried; main process: {}",
        audit.synapse,
        audit.tried,
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
            writeln!(out, "       … and {more} more of the table's requests")?;
        }
    }
    if !audit.notes.is_empty() {
        writeln!(out, "\n{bold}Left out of account{bold:#}")?;
        for note in &audit.notes {
            writeln!(out, "  {}: {}", escape::visible(&note.at.to_string()), escape::visible(&note.text))?;
        }
    }
    if let Some(traffic) = traffic {
        strays(out, traffic)?;
    }
    let count = |severity| audit.findings.iter().filter(|finding| finding.severity == severity).count();
    writeln!(
        out,
        "\n{} errors, {} warnings, {} hints; {} of {} requests could not be evaluated",
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Hint),
        audit.not_evaluated,
        audit.tried
    )
}

fn strays(out: &mut dyn Write, traffic: &Traffic) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    writeln!(out, "\n{bold}In the logs{bold:#}: {} requests with a known server, {} without", traffic.placed, traffic.unplaced)?;
    for stray in &traffic.strays {
        let cost = stray.cpu_seconds.map_or("CPU not logged".to_owned(), |seconds| format!("{seconds:.1} CPU seconds"));
        let what = if stray.code == "served-by-main" {
            "went to the main process though workers may serve them"
        } else {
            "went to a worker that cannot serve them"
        };
        writeln!(
            out,
            "  {} {} requests {what} ({}): {cost}, {} refused",
            stray.requests,
            escape::visible(&stray.group),
            escape::visible(&stray.at),
            stray.refused
        )?;
    }
    Ok(())
}
