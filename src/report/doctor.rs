//! What inputs can answer: as text for a terminal and as JSON (`wsim.doctor/1`).

use std::io::{self, Write};

use anstyle::Style as Ansi;
use serde::Serialize;

use crate::exporter::ReportError;
use crate::shared::escape;
use crate::shared::json::{self, Span, WireInput};
use crate::shared::table::Tone;
use crate::shared::terminal::{Style, TerminalWriter, bold, dim, tone_style};
use crate::shared::text_table::{Align, TextCell, TextTable};
use crate::shared::vocabulary;
use wsim_advise::{Answer, Question};
use wsim_profile::Window;
use wsim_text as text;
use wsim_trace::ingest::LineTally;

/// What `wsim doctor` found.
#[derive(Debug, Clone)]
pub struct DoctorReport {
    pub inputs: Vec<LineTally>,
    pub window: Window,
    pub questions: Vec<Question>,
    /// What the reader must know of the inputs.
    pub notes: Vec<String>,
}

#[derive(Serialize)]
struct Wire<'a> {
    schema: &'static str,
    wsim: &'static str,
    window: Span,
    inputs: Vec<WireInput<'a>>,
    questions: &'a [Question],
    notes: &'a [String],
}

impl DoctorReport {
    /// The findings as JSON.
    ///
    /// # Errors
    /// [`ReportError::Json`]; no value of a report causes it.
    pub fn json(&self) -> Result<String, ReportError> {
        Ok(json::write(&Wire {
            schema: "wsim.doctor/1",
            wsim: env!("CARGO_PKG_VERSION"),
            window: self.window.into(),
            inputs: self.inputs.iter().map(WireInput::from).collect(),
            questions: &self.questions,
            notes: &self.notes,
        })?)
    }

    /// Whether any question cannot be answered at all.
    pub fn leaves_questions(&self) -> bool {
        self.questions.iter().any(|question| question.answer == Answer::No)
    }

    /// Writes the findings for a terminal.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn terminal(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        let mut terminal = TerminalWriter::new(out, style);
        let requests: u64 = self.inputs.iter().map(|input| input.requests).sum();
        let head = format!(
            "wsim {} · {} · {} · {}",
            env!("CARGO_PKG_VERSION"),
            text::plural(self.inputs.len() as u64, "input", "inputs"),
            text::plural(requests, "request", "requests"),
            vocabulary::window(self.window)
        );
        terminal.paragraph(0, &head, dim())?;
        for note in &self.notes {
            terminal.paragraph(0, &format!("Note: {note}."), tone_style(Tone::Warn))?;
        }
        terminal.heading("Inputs", "")?;
        let mut table = TextTable::new(&[
            ("input", Align::Left),
            ("format", Align::Left),
            ("requests", Align::Right),
            ("other lines", Align::Right),
            ("malformed", Align::Right),
        ]);
        for input in &self.inputs {
            table.push(vec![
                TextCell::plain(escape::path(&input.path, 36)),
                TextCell::plain(escape::terminal(&input.format, 28)),
                TextCell::plain(text::count(input.requests)),
                TextCell::plain(text::count(input.not_requests)),
                TextCell::styled(text::count(input.malformed), if input.malformed > 0 { tone_style(Tone::Warn) } else { Ansi::new() }),
            ]);
        }
        terminal.text_table(&table)?;
        terminal.heading("What these logs can answer", "")?;
        for question in &self.questions {
            let tone = match question.answer {
                Answer::Yes => Tone::Good,
                Answer::Roughly => Tone::Warn,
                Answer::No => Tone::Bad,
            };
            terminal.labelled(&format!("  {}", question.answer.word()), question.question, bold())?;
            terminal.labelled("", &text::capital(&question.why), tone_style(tone))?;
            if let Some(how) = &question.how {
                terminal.labelled("", &format!("→ {how}"), Ansi::new())?;
            }
            for line in &question.lines {
                // To be copied, so never wrapped.
                terminal.command(line)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::terminal::TableChoice;

    fn report() -> DoctorReport {
        let tally = LineTally {
            path: "/var/log/nginx/\u{1b}[2Jaccess.log".to_owned(),
            format: "nginx combined".to_owned(),
            lines: 12,
            requests: 10,
            not_requests: 1,
            malformed: 1,
            ..LineTally::default()
        };
        let question = |answer, how: Option<&str>| Question {
            id: "workers",
            question: "Do I need workers, and how many?",
            answer,
            why: "CPU is inferred".to_owned(),
            how: how.map(str::to_owned),
            lines: if how.is_some() { vec!["option httplog"] } else { Vec::new() },
        };
        let window = Window { start_us: 1_763_650_000_000_000, end_us: 1_763_650_060_000_000 };
        let questions = vec![question(Answer::No, Some("add Synapse's own logs")), question(Answer::Yes, None)];
        DoctorReport { inputs: vec![tally], window, questions, notes: Vec::new() }
    }

    #[test]
    fn the_findings_read_like_this() {
        let mut out = Vec::new();
        report().terminal(&mut out, Style { colour: false, width: 80, tables: TableChoice::NONE }).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn json_has_the_schema_and_every_question() {
        let json: serde_json::Value = serde_json::from_str(&report().json().unwrap()).unwrap();
        assert_eq!((&json["schema"], &json["questions"][0]["answer"]), (&"wsim.doctor/1".into(), &"no".into()));
        assert!(report().leaves_questions());
    }
}
