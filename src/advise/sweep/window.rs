//! Which part of a trace is simulated: the busiest hour by CPU demand with a lead-in, the whole trace, or a given span.

use wsim_profile::{Profile, Window};

/// Which part of a trace to simulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowChoice {
    /// The busiest hour, and five minutes before it to warm up.
    Peak,
    /// The whole trace.
    All,
    /// A given span, as far as the trace covers it.
    Span(Window),
}

/// The window, with how it was chosen in a few words.
pub fn choose(choice: WindowChoice, profile: &Profile) -> (Window, String) {
    let whole = profile.window;
    let hour = profile.peaks.busy_hour.window;
    // The span of the log that the hour is in: what is in another span is no lead-in.
    let span = profile.observed().spans().find(|(start, end)| *start < hour.end_us && *end > hour.start_us);
    let span = span.map_or(whole, |(start_us, end_us)| Window { start_us, end_us });
    match choice {
        WindowChoice::All => (whole, "the whole log".to_owned()),
        WindowChoice::Span(window) => {
            let start_us = window.start_us.max(whole.start_us);
            (Window { start_us, end_us: window.end_us.min(whole.end_us).max(start_us) }, "as requested".to_owned())
        }
        WindowChoice::Peak if hour.start_us <= whole.start_us && hour.end_us >= whole.end_us => {
            (whole, "the whole log (not longer than an hour)".to_owned())
        }
        WindowChoice::Peak if hour.start_us <= span.start_us && hour.end_us >= span.end_us => {
            (span, "the busiest part of the log by CPU demand (not longer than an hour)".to_owned())
        }
        WindowChoice::Peak => {
            let start_us = hour.start_us.saturating_sub(LEAD_IN_US).max(span.start_us);
            (Window { start_us, end_us: hour.end_us.min(span.end_us) }, "the busiest hour by CPU demand, with its lead-in".to_owned())
        }
    }
}

/// The least time of a window that is not measured: five minutes for the caches, but no more than a fifth of a short window.
pub fn warm_up_seconds(profile: &Profile, window: Window) -> f64 {
    let seconds = profile.observed().within(window.start_us, window.end_us).seconds();
    (seconds / 5.0).min(LEAD_IN_US as f64 / 1e6)
}

/// The busiest five minutes if the window contains them, else the window.
pub(super) fn peak(profile: &Profile, window: Window) -> Window {
    let peak = profile.peaks.five_minutes.window;
    if peak.start_us >= window.start_us && peak.end_us <= window.end_us { peak } else { window }
}

const LEAD_IN_US: i64 = 300_000_000;

#[cfg(test)]
mod tests {
    use super::super::super::fixture::ProfileFixture;
    use super::*;

    #[test]
    fn the_busiest_hour_comes_with_a_lead_in_and_a_short_log_comes_whole() {
        let mut profile = ProfileFixture::new().class("sync", 0.1, 10).build();
        let hour = Window { start_us: profile.window.start_us + 7_200_000_000, end_us: profile.window.start_us + 10_800_000_000 };
        profile.peaks.busy_hour.window = hour;
        let (window, _) = choose(WindowChoice::Peak, &profile);
        assert_eq!((window.start_us, window.end_us), (hour.start_us - 300_000_000, hour.end_us));
        assert_eq!(warm_up_seconds(&profile, window), 300.0);
        profile.window = hour;
        assert_eq!(choose(WindowChoice::Peak, &profile).0, hour);
        let outside = Window { start_us: 0, end_us: hour.start_us + 60_000_000 };
        assert_eq!(choose(WindowChoice::Span(outside), &profile).0.start_us, hour.start_us);
        assert_eq!(warm_up_seconds(&profile, choose(WindowChoice::Span(outside), &profile).0), 12.0);
    }

    #[test]
    fn the_lead_in_does_not_reach_over_a_gap() {
        let mut profile = ProfileFixture::new().class("sync", 0.1, 10).window_seconds(20 * 86_400).build();
        let Window { start_us, end_us } = profile.window;
        let gap = Window { start_us: start_us + 600_000_000, end_us: end_us - 7_200_000_000 };
        profile.gaps = vec![gap];
        profile.peaks.busy_hour.window = Window { start_us: gap.end_us + 60_000_000, end_us: gap.end_us + 3_660_000_000 };
        assert_eq!(choose(WindowChoice::Peak, &profile).0.start_us, gap.end_us);
        profile.peaks.busy_hour.window = Window { start_us, end_us: start_us + 600_000_000 };
        assert_eq!(choose(WindowChoice::Peak, &profile).0, Window { start_us, end_us: gap.start_us });
        assert_eq!(warm_up_seconds(&profile, profile.window), 300.0);
        assert_eq!(warm_up_seconds(&profile, Window { start_us, end_us: start_us + 86_400_000_000 }), 120.0);
    }
}
