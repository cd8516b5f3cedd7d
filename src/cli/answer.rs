//! How an answer to a single question is printed: as text, as JSON, or not at all.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::output::command_line;
use super::terminal_width;
use wsim_report::answer::{self, Answer};
use wsim_report::{Style, TableChoice};

#[derive(Debug, Args)]
pub(super) struct AnswerArgs {
    /// Print the answer as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print only errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
}

impl AnswerArgs {
    /// Nothing but the answer is printed.
    pub(super) fn is_silent(&self) -> bool {
        self.json || self.quiet
    }

    /// Prints the answer as the arguments say.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub(super) fn print<T: Serialize>(&self, schema: &str, result: &T, answer: impl FnOnce() -> Answer) -> anyhow::Result<()> {
        if self.json {
            let created = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            write!(std::io::stdout().lock(), "{}", answer::json(schema, &created, &command_line(), result)?)?;
        } else if !self.quiet {
            let style = Style { colour: true, width: terminal_width(), tables: TableChoice::ALL };
            answer().terminal(&mut anstream::stdout().lock(), style)?;
        }
        Ok(())
    }
}
