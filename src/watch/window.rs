//! The requests of the last minutes.

use std::collections::VecDeque;

use wsim_trace::{Names, Request, Trace};

/// Requests that ended in the last minutes, in the order of their lines.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) names: Names,
    requests: VecDeque<Request>,
    length_us: i64,
    /// The latest end of a request, µs since 1970.
    latest_us: Option<i64>,
    /// The first end of a request that was seen, or the time up to which requests were dropped because there were too many.
    since_us: Option<i64>,
}

impl Window {
    pub(crate) fn new(length_us: i64) -> Self {
        Self { names: Names::new(), requests: VecDeque::new(), length_us, latest_us: None, since_us: None }
    }

    pub(crate) fn push(&mut self, request: Request, now_us: i64) {
        let end = end_us(&request);
        // A stamp in the future would empty the window.
        if end > now_us.saturating_add(AHEAD_US) && self.latest_us.is_some_and(|latest| latest <= now_us.saturating_add(AHEAD_US)) {
            return;
        }
        self.latest_us = Some(self.latest_us.map_or(end, |latest| latest.max(end)));
        self.since_us = Some(self.since_us.map_or(end, |since| since.min(end)));
        self.requests.push_back(request);
        if self.requests.len() > REQUESTS_MAX
            && let Some(dropped) = self.requests.pop_front()
        {
            self.since_us = Some(end_us(&dropped));
        }
    }

    /// The time of which the figures are: now, or the last request of a log that is of another time.
    pub(crate) fn time_us(&self, now_us: i64) -> i64 {
        match self.latest_us {
            Some(latest) if (now_us - latest).abs() > LIVE_US => latest,
            _ => now_us,
        }
    }

    /// Drops what is older than the window.
    pub(crate) fn expire(&mut self, time_us: i64) {
        let from = time_us - self.length_us;
        // Lines are out of order by the length of the longest requests, so the whole list is looked at.
        self.requests.retain(|request| end_us(request) >= from);
        self.since_us = self.since_us.map(|since| since.max(from));
    }

    /// The length of the time that the requests are of, s.
    pub(crate) fn seconds(&self, time_us: i64) -> f64 {
        let since = self.since_us.unwrap_or(time_us);
        ((time_us - since).clamp(0, self.length_us) as f64 / 1e6).max(1.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// The requests with the names that they use.
    pub(crate) fn trace(&self) -> Trace {
        let mut trace = Trace::new();
        for request in &self.requests {
            let moved = request.moved(&self.names, &mut trace.names);
            trace.push(moved);
        }
        trace.seal();
        trace
    }

    /// Whether most names are of requests that are gone.
    pub(crate) fn has_many_names(&self) -> bool {
        self.names.len() > NAMES_MAX
    }

    /// Keeps the names that are used. Ids from before are void.
    pub(crate) fn forget_names(&mut self) {
        let mut names = Names::new();
        for request in &mut self.requests {
            *request = request.moved(&self.names, &mut names);
        }
        self.names = names;
    }
}

fn end_us(request: &Request) -> i64 {
    request.arrival_us.saturating_add(i64::from(request.wall_us))
}

/// Five minutes of a thousand requests a second; with more the window is shorter.
const REQUESTS_MAX: usize = 300_000;
const NAMES_MAX: usize = 400_000;
/// A log whose last request is older than this is not live.
const LIVE_US: i64 = 10 * 60 * 1_000_000;
/// Clocks differ.
const AHEAD_US: i64 = 60 * 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn request(end_s: i64, user: &str, window: &mut Window) -> Request {
        let user = window.names.intern(user.as_bytes());
        Request { arrival_us: end_s * SECOND - 500_000, wall_us: 500_000, user, ..Request::default() }
    }

    #[test]
    fn old_requests_leave_and_names_are_kept_only_as_long() {
        let mut window = Window::new(300 * SECOND);
        for second in 1000..1400 {
            let one = request(second, &format!("@u{second}:a"), &mut window);
            window.push(one, 1400 * SECOND);
        }
        window.expire(1400 * SECOND);
        assert_eq!((window.len(), window.seconds(1400 * SECOND)), (300, 300.0));
        window.forget_names();
        assert!(window.names.len() <= 301);
        let trace = window.trace();
        let first = trace.requests().next().unwrap();
        assert_eq!(trace.names.text(first.user), "@u1100:a");
    }

    #[test]
    fn a_log_of_another_time_is_looked_at_in_its_own() {
        let mut window = Window::new(300 * SECOND);
        let one = request(1000, "@u:a", &mut window);
        window.push(one, 1010 * SECOND);
        assert_eq!(window.time_us(1010 * SECOND), 1010 * SECOND);
        assert_eq!(window.time_us(100_000 * SECOND), 1000 * SECOND);
        let stray = request(900_000, "@u:a", &mut window);
        window.push(stray, 1010 * SECOND);
        assert_eq!(window.len(), 1, "a stamp in the future does not empty the window");
    }
}
