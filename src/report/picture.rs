//! A plan as a picture: proxy, pools, processes with their busy time. The data of it; the page draws it with boxes.
//!
//! Knows nothing of HTML.

use super::analysis;
use super::escape;
use super::format;
use super::table::Tone;
use wsim_advise::{Candidate, Process};
use wsim_plan::{Pool, ProxyKind, Selector, Writers};
use wsim_stats::Interval;

/// A plan to draw.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The proxy's name.
    pub proxy: &'static str,
    /// Main process first, then pools, then stream writers.
    pub lanes: Vec<Lane>,
    /// Where the objective lies on the scale of the bars, percent of their width.
    pub objective: Option<String>,
    /// Where one full core lies, percent.
    pub core: String,
    /// The objective in words.
    pub objective_text: String,
}

/// A pool, the main process, or the stream writers.
#[derive(Debug, Clone)]
pub struct Lane {
    /// `main process`, or the pool's name.
    pub name: String,
    /// What it takes, group ids or patterns.
    pub takes: Vec<String>,
    /// How it is balanced, in a few words; empty for a single process.
    pub rule: String,
    /// Its processes.
    pub bars: Vec<Bar>,
}

/// One process.
#[derive(Debug, Clone)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// `44 % (37–58)`.
    pub text: String,
    /// Under the objective, perhaps, or over it.
    pub tone: Tone,
    /// What the colour says: `within the objective`, …
    pub tone_text: &'static str,
    /// Width of the bar, percent.
    pub fill: String,
    /// Begin of the range, percent.
    pub low: String,
    /// Length of the range, percent.
    pub span: String,
    /// What limits it, streams it writes; may be empty.
    pub note: String,
}

impl Picture {
    /// The picture of `candidate` against the objective in `objective`.
    pub fn of(candidate: &Candidate, objective: &str) -> Self {
        let limit = analysis::objective_share(objective);
        let highest =
            candidate.processes.iter().map(|process| process.utilisation.high).filter(|high| high.is_finite()).fold(1.0, f64::max);
        let scale = Scale { full: (highest * 1.05).min(4.0), limit };
        let bars = |pool: Option<&str>, main: bool| -> Vec<Bar> {
            candidate
                .processes
                .iter()
                .filter(|process| process.pool.as_deref() == pool && (pool.is_some() || main == (process.name == "main")))
                .map(|process| scale.bar(process, candidate))
                .collect()
        };
        let mut lanes = vec![Lane {
            name: "main process".to_owned(),
            takes: vec![if candidate.plan.pools.is_empty() { "everything" } else { "everything else" }.to_owned()],
            rule: String::new(),
            bars: bars(None, true),
        }];
        lanes.extend(candidate.plan.pools.iter().map(|pool| Lane {
            name: escape::page(&pool.name, 40),
            takes: pool.endpoints.iter().map(selector).collect(),
            rule: rule(pool),
            bars: bars(Some(&pool.name), false),
        }));
        let writers = bars(None, false);
        if !writers.is_empty() {
            lanes.push(Lane {
                name: "stream writers".to_owned(),
                takes: candidate.plan.stream_writers.keys().map(|stream| escape::page(stream, 30)).collect(),
                rule: String::new(),
                bars: writers,
            });
        }
        Self {
            proxy: proxy(candidate.plan.proxy.kind),
            lanes,
            objective: limit.map(|limit| scale.percent(limit)),
            core: scale.percent(1.0),
            objective_text: escape::page(objective, 60),
        }
    }
}

/// How the proxy is called.
pub fn proxy(kind: ProxyKind) -> &'static str {
    match kind {
        ProxyKind::Nginx => "nginx",
        ProxyKind::Haproxy => "HAProxy",
        ProxyKind::Caddy => "Caddy",
        ProxyKind::Traefik => "Traefik",
        ProxyKind::Apache => "Apache",
        ProxyKind::Envoy => "Envoy",
    }
}

/// What a selector takes, for people.
pub fn selector(selector: &Selector) -> String {
    match selector {
        Selector::Group(group) => escape::page(group, 40),
        Selector::Pattern { pattern, .. } => escape::page(pattern, 60),
    }
}

/// `hash consistent by user, workers of 0.25 cores`.
pub fn rule(pool: &Pool) -> String {
    let mut words = escape::page(&pool.balance, 60);
    if let Some(key) = &pool.key {
        words.push_str(" by ");
        words.push_str(&escape::page(key, 40));
    }
    if (pool.cpu - 1.0).abs() > f64::EPSILON {
        words.push_str(&format!(", {} cores each", format::number(pool.cpu)));
    }
    words
}

struct Scale {
    full: f64,
    limit: Option<f64>,
}

impl Scale {
    fn percent(&self, share: f64) -> String {
        let share = if share.is_finite() { share.max(0.0) } else { self.full };
        format!("{:.1}", (share / self.full * 100.0).min(100.0))
    }

    fn bar(&self, process: &Process, candidate: &Candidate) -> Bar {
        let Interval { value, low, high } = process.utilisation;
        let (tone, tone_text) = match self.limit {
            Some(limit) if value > limit => (Tone::Bad, "over the objective"),
            Some(limit) if high > limit => (Tone::Warn, "over the objective at the upper end of its range"),
            Some(_) => (Tone::Good, "within the objective"),
            None => (Tone::Plain, ""),
        };
        let streams: Vec<&str> = candidate
            .plan
            .stream_writers
            .iter()
            .filter(|(_, writers)| writes(writers, &process.name))
            .map(|(stream, _)| stream.as_str())
            .collect();
        let mut note = if streams.is_empty() { String::new() } else { format!("writes {}", streams.join(", ")) };
        if let Some(limit) = &process.limit {
            note = if note.is_empty() { limit.clone() } else { format!("{note}; {limit}") };
        }
        Bar {
            name: escape::page(&process.name, 40),
            text: format::percent_range(process.utilisation),
            tone,
            tone_text,
            fill: self.percent(value),
            low: self.percent(low),
            span: format!("{:.1}", (high.min(self.full) - low.min(self.full)).max(0.0) / self.full * 100.0),
            note: escape::page(&note, 160),
        }
    }
}

fn writes(writers: &Writers, name: &str) -> bool {
    match writers {
        Writers::One(one) => one == name,
        Writers::Several(several) => several.iter().any(|writer| writer == name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_process_is_in_the_picture_once() {
        let report = fixture::report();
        for candidate in &report.advice.candidates {
            let picture = Picture::of(candidate, &report.advice.objective);
            let drawn: usize = picture.lanes.iter().map(|lane| lane.bars.len()).sum();
            assert_eq!(drawn, candidate.processes.len(), "{}", candidate.plan.name);
        }
    }

    #[test]
    fn colours_say_what_words_say() {
        let report = fixture::report();
        let monolith = Picture::of(&report.advice.candidates[0], "busy < 70%");
        assert_eq!((monolith.lanes[0].bars[0].tone, monolith.lanes[0].bars[0].tone_text), (Tone::Bad, "over the objective"));
        assert_eq!(monolith.lanes[0].takes, ["everything"]);
    }

    #[test]
    fn an_endless_queue_fits_the_scale() {
        let mut candidate = fixture::report().advice.candidates[0].clone();
        candidate.processes[0].utilisation = Interval { value: f64::INFINITY, low: 0.5, high: f64::INFINITY };
        let bar = &Picture::of(&candidate, "busy < 70%").lanes[0].bars[0];
        assert_eq!(bar.fill, "100.0");
        assert_eq!(bar.text, "–");
    }
}
