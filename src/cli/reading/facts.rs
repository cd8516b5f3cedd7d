//! What a [`ReadSummary`] contributes to the facts of a report.

use super::super::output::command_line;
use super::super::settings;
use super::ReadSummary;
use super::anonymise::{anonymous_command_line, key_sentence};
use wsim_report::{NextStep, RunFacts};
use wsim_text::plural;
use wsim_trace::ingest::LineTally;

impl ReadSummary {
    /// What the report says of the run as a whole.
    pub(in crate::cli) fn run_facts(&self, next: Vec<NextStep>) -> RunFacts {
        RunFacts {
            wsim: env!("CARGO_PKG_VERSION").to_owned(),
            created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            command: if self.hides_command { anonymous_command_line() } else { command_line() },
            seed: self.seed,
            synapse_version: self.synapse_version.clone(),
            table_note: self.table_note.clone(),
            time_zone: self.hours_zone().to_owned(),
            partial: self.partial,
            joined: self.joined,
            assumptions: self.assumptions(),
            next,
        }
    }

    fn assumptions(&self) -> Vec<String> {
        let mut list = vec![match self.hours_zone {
            None => format!("Time stamps without a zone are read as {}; --tz changes that.", self.zone),
            Some(_) => format!("Time stamps without a zone were read as {} when the trace was made.", self.zone),
        }];
        if self.outside_range > 0 {
            let left_out = plural(self.outside_range, "request", "requests");
            list.push(format!(
                "{left_out} of the trace are outside --from and --to and left out; the table of inputs counts the whole logs."
            ));
        }
        if self.anonymised {
            let sentence = key_sentence(self.key_kept);
            list.push(format!("{}{}.", sentence[..1].to_uppercase(), &sentence[1..]));
        }
        list.extend(settings::note().filter(|_| !self.hides_command));
        list.extend(self.other_names.sentences());
        list.extend(clock_changes(&self.tallies, &self.zone));
        list.extend(self.source_notes.iter().take(NOTES_MAX).map(|note| format!("{note}.")));
        list.extend(
            self.source_notes
                .len()
                .checked_sub(NOTES_MAX)
                .filter(|more| *more > 0)
                .map(|more| format!("{more} more files are left out or the same as others.")),
        );
        list
    }
}

/// What stamps without an offset leave open where clocks were changed.
fn clock_changes(tallies: &[LineTally], zone: &str) -> Vec<String> {
    let sum = |count: fn(&LineTally) -> u64| tallies.iter().map(count).sum::<u64>();
    let mut list = Vec::new();
    let doubled = sum(|tally| tally.doubled_hour);
    if doubled > 0 {
        let requests = plural(doubled, "request", "requests");
        list.push(format!(
            "{requests} are in the hour that came twice when the clocks of {zone} were put back, and the order of the lines does not tell which: the first is assumed. Stamps with an offset, or logs in UTC, leave no doubt."
        ));
    }
    let missing = sum(|tally| tally.missing_hour);
    if missing > 0 {
        let requests = plural(missing, "request", "requests");
        list.push(format!(
            "{requests} are in an hour that the clocks of {zone} never showed, because they were put forward: the stamps are read as if they had not been. The logs are probably of another zone; check --tz."
        ));
    }
    list
}

/// Notes on files left out that are told one by one.
const NOTES_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_that_clocks_skip_or_double_are_told_with_their_requests() {
        let tally = |doubled_hour, missing_hour| LineTally { doubled_hour, missing_hour, ..LineTally::default() };
        assert!(clock_changes(&[tally(0, 0)], "Europe/Berlin").is_empty());
        let told = clock_changes(&[tally(2, 1), tally(1, 0)], "Europe/Berlin");
        assert!(told[0].starts_with("3 requests are in the hour that came twice") && told[0].contains("Europe/Berlin"), "{told:?}");
        assert!(told[1].starts_with("1 request") && told[1].contains("never showed"), "{told:?}");
    }
}
