//! Detects the format of a file: the one the user named, or the one that fits a sample of its lines.
//!
//! ```text
//! sample -> views (without what collectors add) -> trials (every format reads every view) -> the best, and what reads the rest
//! ```
//!
//! Every format reads the sample, or the one that `--format`, `--log-format` or `--nginx-config` names; one inferred from the names of
//! further fields too. The one with most usable requests is taken; of equals the one that reads more of a request, then the one that
//! takes off less. Lines that it does not read and another format does are of another program: such a file is mixed.
//!
//! Invariants: no shortcut, a parser is judged only by what it reads of the sample, and left before the end only if another has read every
//! line and it has not; the reason states the numbers.

#[cfg(test)]
mod dressed;
mod error;
mod explain;
mod family;
mod format;
mod mixed;
mod reading;
mod sample;
mod synapse_lines;
#[cfg(test)]
mod tests;
mod trial;

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

pub use self::error::DetectError;
use self::family::{Escapes, stamp_note};
pub use self::format::{FORMATS, Format};
use self::mixed::Mixed;
use self::sample::View;
pub use self::trial::looks_like_request;
use self::trial::{Reading, Trial};
use super::binary;
use super::collectors::Clock;
use super::formats::apache;
use super::formats::expression;
use super::formats::inferred::{Family, Inferred, infer_dressed};
use super::formats::nginx;
use super::formats::nginx_config::NginxConfig;
use super::formats::no_requests::NoRequests;
use super::formats::prefix;
use super::formats::restamped::Restamped;
use super::formats::synapse::Synapse;
use super::formats::synapse_json::SynapseJson;
use super::{Parser, StampMeaning, StampReader, Zone, redact};

/// The user's statements about a file.
#[derive(Debug, Clone)]
pub struct DetectConfig {
    /// `--format`; `None` is `auto`.
    pub format: Option<Format>,
    /// `--log-format`: an nginx `log_format` or an Apache `LogFormat`.
    pub log_format: Option<String>,
    /// The content of `--nginx-config`.
    pub nginx_config: Option<Arc<NginxConfig>>,
    /// The file's path, by which its format is found in the nginx configuration.
    pub log: Option<PathBuf>,
    /// `--tz`.
    pub zone: Zone,
    /// `--stamp`.
    pub stamp: Option<StampMeaning>,
    /// When the file was last changed, µs since the epoch: no stamp without a year is later. `None` is now.
    pub changed_us: Option<i64>,
}

impl Default for DetectConfig {
    fn default() -> Self {
        Self { format: None, log_format: None, nginx_config: None, log: None, zone: Zone::utc(), stamp: None, changed_us: None }
    }
}

/// A parser and the reason for choosing it.
pub struct Detection {
    pub parser: Box<dyn Parser>,
    pub name: String,
    /// `nginx combined: 200 of 200 sampled lines`
    pub reason: String,
    /// What was assumed about the meaning of time stamps, and how to correct it; `None` if nothing had to be assumed.
    pub stamp_note: Option<String>,
}

/// Chooses the parser of a file from a sample of its lines (without terminators; blank lines are ignored).
///
/// # Errors
/// The user's expression cannot be read, or no format fits.
pub fn detect(sample: &[&[u8]], config: &DetectConfig) -> Result<Detection, DetectError> {
    let detector = Detector::new(sample, config);
    let mut detection = detector.choose().map_err(|error| match (error, binary::kind(sample)) {
        (DetectError::NothingFits { .. }, Some(kind)) => DetectError::NotText { kind },
        (DetectError::NothingFits { sampled, tried, why }, None) => match binary::kind_of_text(sample) {
            Some(kind) if tried.iter().all(|(_, usable)| *usable == 0) && !sample.iter().any(|line| looks_like_request(line)) => {
                DetectError::NoLog { kind }
            }
            _ => DetectError::NothingFits { sampled, tried, why: redact::scrubbed(why) },
        },
        (error, _) => error,
    })?;
    let notes = detection.parser.notes();
    if !notes.is_empty() {
        detection.reason.push_str("; ");
        detection.reason.push_str(&notes.join(", "));
    }
    // An inferred format repeats the keys of the lines.
    detection.reason = redact::scrubbed(detection.reason);
    if let Some(meaning) = config.stamp {
        detection.parser = Box::new(Restamped::new(detection.parser, meaning));
        let word = if meaning == StampMeaning::Start { "start" } else { "end" };
        detection.stamp_note = Some(format!("time stamps mark the {word} of a request, as --stamp says"));
    }
    Ok(detection)
}

struct Detector<'d> {
    views: Vec<View<'d>>,
    sampled: usize,
    clock: Clock,
    config: &'d DetectConfig,
}

/// A chosen trial with what its lines say of the stamps.
struct Branch {
    trial: Trial,
    stamp_note: Option<String>,
    /// ` with further fields (…), read as …`
    fields: String,
}

impl<'d> Detector<'d> {
    fn new(sample: &[&'d [u8]], config: &'d DetectConfig) -> Self {
        let lines: Vec<&[u8]> = sample.iter().copied().filter(|line| !line.trim_ascii().is_empty()).collect();
        let clock = Clock::new(StampReader::new(config.zone.clone()), config.changed_us.unwrap_or_else(now_us).min(now_us()));
        Self { views: sample::views(&lines, &clock), sampled: lines.len(), clock, config }
    }

    fn choose(&self) -> Result<Detection, DetectError> {
        if let Some(expression) = &self.config.log_format {
            return self.by_log_format(expression);
        }
        if let Some(format) = self.config.format {
            return Ok(self.by_name(format));
        }
        if self.sampled == 0 {
            return Ok(without_requests("empty", "a file with no text, only blank lines".to_owned()));
        }
        if let Some(config) = &self.config.nginx_config
            && self.error_log().is_none()
        {
            return self.by_nginx_config(config);
        }
        self.by_trial()
    }

    fn by_log_format(&self, expression: &str) -> Result<Detection, DetectError> {
        let parser = expression::parser(expression, self.stamps())?;
        Ok(self.fixed(self.best_view(parser.as_ref(), false), "as --log-format says"))
    }

    fn by_nginx_config(&self, config: &NginxConfig) -> Result<Detection, DetectError> {
        let log = self.config.log.clone().unwrap_or_default();
        let (name, format) = config.format_for(&log).ok_or(DetectError::NoAccessLog)?;
        let parser = expression::nginx_parser(&format, &format!("nginx log_format {name}"), self.stamps())
            .map_err(|source| DetectError::NginxConfig { name: name.to_owned(), source })?;
        Ok(self.fixed(self.best_view(parser.as_ref(), false), "as --nginx-config says"))
    }

    fn by_name(&self, format: Format) -> Detection {
        let trials = format.parsers(&self.stamps()).into_iter().map(|parser| self.best_view(parser.as_ref(), false));
        let Some(best) = trials.reduce(better) else {
            return without_requests("no format", "the format has no parser".to_owned());
        };
        let family = match format {
            Format::NginxCombined | Format::NginxVhost => Some(Family::Nginx),
            Format::ApacheCombined | Format::ApacheVhost => Some(Family::Apache),
            _ => None,
        };
        let wider = family.filter(|_| !best.fits(&self.views[best.view])).and_then(|family| self.inferred(Some(family)));
        match wider {
            Some((trial, inferred)) if trial.requests() > best.requests() => {
                let how = format!("as --format says, with further fields read as {}", inferred.text);
                self.fixed(trial, &how)
            }
            _ => self.fixed(best, "as --format says"),
        }
    }

    /// Every format reads every view. Once one reads every line, others are read only up to the first line that they do not.
    fn by_trial(&self) -> Result<Detection, DetectError> {
        let mut trials = Vec::new();
        self.with_candidates(|parsers, last| {
            let views = || self.views.iter().enumerate();
            let generic = |number: usize| parsers[number].name() == GUESSED;
            // The format of the file before, which is likely to be that of this one, so that the others end early.
            let of_last = |number: usize| {
                let mut trials = views().map(|(index, view)| Trial::new(parsers[number].fork(), view, index, generic(number)));
                trials.any(|trial| trial.reads_all())
            };
            let mut all_read = last.is_some_and(of_last);
            for (index, view) in views() {
                for (number, parser) in parsers.iter().enumerate() {
                    let trial = if all_read {
                        Trial::of_good_lines(parser.fork(), view, index, generic(number))
                    } else {
                        Some(Trial::new(parser.fork(), view, index, generic(number)))
                    };
                    if let Some(trial) = trial {
                        if trial.reads_all() {
                            (all_read, *last) = (true, Some(number));
                        }
                        trials.push(trial);
                    }
                }
            }
        });
        if !trials.iter().any(Trial::is_sure)
            && let Some((trial, _)) = self.inferred(None)
        {
            trials.push(trial);
        }
        let mut branches = self.branches(&trials);
        self.add_synapse(&mut branches);
        if branches.is_empty() {
            return self.error_log().ok_or_else(|| self.nothing_fits(&trials));
        }
        Ok(self.read_by(branches))
    }

    /// The best trial, then the best of those for the lines that are not read yet, and so on. Empty if more lines look like requests that
    /// no format reads than are read.
    fn branches(&self, trials: &[Trial]) -> Vec<Branch> {
        let mut branches: Vec<Branch> = Vec::new();
        let mut unread: Vec<usize> = (0..self.sampled).collect();
        while branches.len() < BRANCHES_MAX && !unread.is_empty() {
            let best = trials.iter().reduce(|best, next| if next.rank(&unread) > best.rank(&unread) { next } else { best });
            let Some(best) = best else { break };
            let score = best.score(unread.iter().copied());
            // A second format must read whole requests, because what is left may be anything.
            let takes_part = if branches.is_empty() { score.usable > 0 } else { score.good > usize::from(best.generic) };
            if !takes_part {
                break;
            }
            unread.retain(|line| !matches!(best.readings[*line], Reading::Usable | Reading::Request));
            let again = Trial::new(best.parser.fork(), &self.views[best.view], best.view, best.generic);
            branches.push(self.of_family(again));
        }
        let missed = |line: &usize| branches.iter().all(|branch| branch.trial.misses(*line, &self.views[branch.trial.view]));
        if unread.iter().filter(|line| missed(line)).count() > self.sampled - unread.len() { Vec::new() } else { branches }
    }

    /// Synapse's log is recognised by its other lines too, because few of them are requests.
    fn add_synapse(&self, branches: &mut Vec<Branch>) {
        if branches.iter().any(|branch| branch.trial.name().starts_with("synapse")) {
            return;
        }
        let count = |view: &View<'_>| view.lines().filter(|line| synapse_lines::is_text(line) || synapse_lines::is_json(line)).count();
        let counts = self.views.iter().map(count).zip(0..);
        let Some((lines, view)) = counts.reduce(|best, next| if next.0 > best.0 { next } else { best }) else { return };
        // Behind another format's requests such lines are those of Synapse if they are many, not if somebody sent their text.
        if lines == 0 || (!branches.is_empty() && lines * 20 < self.sampled) || (branches.is_empty() && lines * 10 < self.sampled) {
            return;
        }
        let view_of = &self.views[view];
        let json = view_of.lines().filter(|line| synapse_lines::is_json(line)).count() * 2 > lines;
        let parser: Box<dyn Parser> = if json { Box::new(SynapseJson::new(self.stamps())) } else { Box::new(Synapse::new(self.stamps())) };
        branches.push(Branch { trial: Trial::new(parser, view_of, view, false), stamp_note: None, fields: String::new() });
    }

    /// Decides between nginx's and Apache's combined, and describes an inferred format.
    fn of_family(&self, trial: Trial) -> Branch {
        let view = &self.views[trial.view];
        let escapes = || Escapes::of(view.lines());
        if trial.generic
            && trial.name() != GUESSED
            && let Some((_, inferred)) = self.inferred(None)
        {
            let fields = format!(" with further fields ({}), read as {}", inferred.keys.join(", "), inferred.text);
            return Branch { stamp_note: Some(stamp_note(inferred.family, &escapes())), trial, fields };
        }
        let vhost_port =
            || Trial::new(Box::new(nginx::vhost_port(self.stamps())), view, trial.view, false).requests() * 2 >= trial.requests();
        let (default, other): (Family, Box<dyn Parser>) = match trial.name() {
            "nginx combined" => (Family::Nginx, Box::new(apache::combined(self.stamps()))),
            // Debian's Apache has a format with host and port in front, nginx has none.
            "nginx vhost combined" if vhost_port() => (Family::Apache, Box::new(apache::vhost_combined(self.stamps()))),
            "nginx vhost combined" => (Family::Nginx, trial.parser.fork()),
            _ => return Branch { trial, stamp_note: None, fields: String::new() },
        };
        let escapes = escapes();
        let family = escapes.family().unwrap_or(default);
        let trial = if family == Family::Apache { Trial::new(other, view, trial.view, false) } else { trial };
        Branch { trial, stamp_note: Some(stamp_note(family, &escapes)), fields: String::new() }
    }

    fn error_log(&self) -> Option<Detection> {
        self.views.iter().enumerate().find_map(|(index, view)| {
            let nginx = ("nginx error log", view.lines().filter(|line| prefix::is_nginx_error(line)).count());
            let apache = ("apache error log", view.lines().filter(|line| prefix::is_apache_error(line)).count());
            let (name, count) = [nginx, apache].into_iter().find(|(_, count)| count * 2 > self.sampled)?;
            // Access lines may follow, as in the output of a container.
            let combined: Box<dyn Parser> =
                if name == nginx.0 { Box::new(nginx::combined(self.stamps())) } else { Box::new(apache::combined(self.stamps())) };
            let parser = self.dressed(Trial::new(combined, view, index, false));
            let reason =
                format!("{name}: {count} of {} sampled lines; it reports no requests, the access log beside it does", self.sampled);
            Some(Detection { parser: Box::new(Mixed::new(vec![parser])), name: name.to_owned(), reason, stamp_note: None })
        })
    }

    fn nothing_fits(&self, trials: &[Trial]) -> DetectError {
        let tried = trials.iter().map(|trial| (trial.name().to_owned(), trial.total().usable)).collect();
        DetectError::NothingFits { sampled: self.sampled, tried, why: explain::explain(&self.views, trials, &self.stamps()) }
    }

    fn best_view(&self, parser: &dyn Parser, generic: bool) -> Trial {
        let trial = |(index, view)| Trial::new(parser.fork(), view, index, generic);
        let plain = trial((0, &self.views[0]));
        self.views.iter().enumerate().skip(1).map(|(index, view)| trial((index, view))).fold(plain, better)
    }

    /// A format inferred from the lines of the view in which it reads most.
    fn inferred(&self, family: Option<Family>) -> Option<(Trial, Inferred)> {
        let of_view = |(index, view): (usize, &View<'_>)| {
            let lines: Vec<&[u8]> = view.lines().collect();
            let stamped = view.texts.iter().all(|text| text.stamp.is_some());
            let inferred = infer_dressed(&lines, family.or_else(|| Escapes::of(view.lines()).family()), stamped)?;
            let parser = match inferred.family {
                Family::Nginx => nginx::LogFormat::parse(&inferred.text).and_then(|format| format.parser("nginx combined", self.stamps())),
                Family::Apache => {
                    apache::LogFormat::parse(&inferred.text).and_then(|format| format.parser("apache combined", self.stamps()))
                }
            };
            Some((Trial::new(Box::new(parser.ok()?), view, index, true), inferred))
        };
        let found = self.views.iter().enumerate().filter_map(of_view);
        found.reduce(|best, next| if next.0.total_rank() > best.0.total_rank() { next } else { best })
    }

    /// Every format once: Apache's combined is told from nginx's later, and guessed keys come last.
    fn all_candidates(&self) -> impl Iterator<Item = Box<dyn Parser>> {
        let told_later = [Format::ApacheCombined, Format::ApacheVhost, Format::NginxJson];
        let own = FORMATS.iter().map(|(_, format)| *format).filter(move |format| !told_later.contains(format));
        let formats = own.chain([Format::NginxJson]);
        formats.flat_map(|format| format.parsers(&self.stamps())).filter(|parser| parser.name() != "traefik generic")
    }

    /// Gives the parsers of all formats, which are kept for the next file, because making them costs more than reading its sample.
    /// With them goes the number of one that read every line of an earlier file.
    fn with_candidates(&self, read: impl FnOnce(&[Box<dyn Parser>], &mut Option<usize>)) {
        thread_local! {
            static KEPT: RefCell<Option<KeptParsers>> = const { RefCell::new(None) };
        }
        KEPT.with_borrow_mut(|kept| {
            let known = kept.take().filter(|kept| kept.zone == self.config.zone);
            let new = || KeptParsers { zone: self.config.zone.clone(), parsers: self.all_candidates().collect(), last: None };
            let KeptParsers { parsers, last, .. } = kept.insert(known.unwrap_or_else(new));
            read(parsers, last);
        });
    }

    fn stamps(&self) -> StampReader {
        StampReader::new(self.config.zone.clone())
    }
}

/// The parsers of all formats for stamps of a zone, and the number of the one that read the last file.
struct KeptParsers {
    zone: Zone,
    parsers: Vec<Box<dyn Parser>>,
    last: Option<usize>,
}

/// The trial that reads more, the first of equals.
fn better(best: Trial, next: Trial) -> Trial {
    if (next.total_rank(), next.requests()) > (best.total_rank(), best.requests()) { next } else { best }
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

fn without_requests(name: &'static str, reason: String) -> Detection {
    Detection { parser: Box::new(NoRequests::new(name)), name: name.to_owned(), reason, stamp_note: None }
}

/// The name of the parser that guesses the meaning of a JSON object's keys.
const GUESSED: &str = "nginx json";
/// Formats in one file.
const BRANCHES_MAX: usize = 6;
