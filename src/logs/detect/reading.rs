//! From chosen trials to a detection: the parser behind what takes off the dress, and the reason in words.

use super::super::Parser;
use super::super::collectors::Collected;
use super::mixed::Mixed;
use super::sample::behind;
use super::trial::{Reading, Trial};
use super::{Branch, Detection, Detector};

impl Detector<'_> {
    /// The parser of one branch or of several.
    pub(super) fn read_by(&self, mut branches: Vec<Branch>) -> Detection {
        let stamp_note = branches.iter().find_map(|branch| branch.stamp_note.clone());
        let year = branches.iter().find_map(|branch| self.year_note(&branch.trial));
        let stamp_note = [stamp_note, year].into_iter().flatten().reduce(|all, next| format!("{all}; {next}"));
        let is_one = branches.len() == 1 && branches.iter().all(|branch| !branch.trial.is_mixed(&self.views[branch.trial.view]));
        if is_one && let Some(Branch { trial, fields, .. }) = branches.pop() {
            let name = trial.name().to_owned();
            let reason = if name.starts_with("synapse") {
                format!(
                    "{name}{}: requests in {} of {} sampled lines of a Synapse log",
                    self.behind(&trial),
                    trial.requests(),
                    self.sampled
                )
            } else {
                let advice = if fields.is_empty() { "" } else { "; --log-format or --nginx-config states their meaning" };
                format!("{name}{}{fields}: {}{advice}", self.behind(&trial), self.share(&trial))
            };
            return Detection { parser: self.dressed(trial), name, reason, stamp_note };
        }
        let mut read = vec![false; self.sampled];
        let mut parts = Vec::new();
        for Branch { trial, fields, .. } in &branches {
            let mut own = 0;
            for (reading, read) in trial.readings.iter().zip(&mut read) {
                let is_request = matches!(reading, Reading::Usable | Reading::Request) && !*read;
                *read |= is_request;
                own += usize::from(is_request);
            }
            parts.push(format!("{}{}{fields}: {own}", trial.name(), self.behind(trial)));
        }
        let reason =
            format!("read line by line, because the sample is of several programs: of {} sampled lines {}", self.sampled, parts.join("; "));
        let parser = Mixed::new(branches.into_iter().map(|branch| self.dressed(branch.trial)).collect());
        Detection { name: parser.name().to_owned(), parser: Box::new(parser), reason, stamp_note }
    }

    /// The parser of a trial, behind what takes off the dress of its view.
    pub(super) fn dressed(&self, trial: Trial) -> Box<dyn Parser> {
        let chain = self.views[trial.view].chain.clone();
        if chain.is_empty() { trial.parser } else { Box::new(Collected::new(chain, self.clock.clone(), trial.parser)) }
    }

    pub(super) fn behind(&self, trial: &Trial) -> String {
        behind(&self.views[trial.view].chain)
    }

    /// What is assumed of stamps that have no year.
    fn year_note(&self, trial: &Trial) -> Option<String> {
        let view = &self.views[trial.view];
        let mut clock = self.clock.clone();
        let mut parser = trial.parser.fork();
        for text in &view.texts {
            if let super::super::Line::Request(record) = parser.parse(&text.text)
                && record.stamp.is_none()
                && text.stamp.is_some()
            {
                // The year is told by the clock, which is read again, because only the request's own line counts.
                self.views[0].texts.iter().for_each(|line| drop(super::super::collectors::unwrap(&view.chain, &line.text, &mut clock)));
                return clock.assumed_year().map(|year| format!("the stamps have no year: each is read as of the latest year that is not in the future, the last sampled one as of {year}"));
            }
        }
        None
    }

    /// A format that the user named, in the view in which it reads most.
    pub(super) fn fixed(&self, trial: Trial, how: &str) -> Detection {
        let name = trial.name().to_owned();
        let mut reason = format!("{name}{}, {how}: {}", self.behind(&trial), self.share(&trial));
        if trial.requests() == 0
            && let Ok(detected) = self.by_trial()
            && detected.name != name
        {
            reason.push_str(&format!("; without that it would be {}", detected.reason));
        }
        let stamp_note = self.year_note(&trial);
        let mixed = trial.is_mixed(&self.views[trial.view]);
        let parser = self.dressed(trial);
        Detection { parser: if mixed { Box::new(Mixed::new(vec![parser])) } else { parser }, name, reason, stamp_note }
    }

    pub(super) fn share(&self, trial: &Trial) -> String {
        let (all, requests, not_requests) = (self.sampled, trial.requests(), trial.not_requests());
        if not_requests == 0 || all == 0 {
            format!("{requests} of {all} sampled lines")
        } else {
            format!("{requests} of {all} sampled lines, and {not_requests} that report no request")
        }
    }
}
