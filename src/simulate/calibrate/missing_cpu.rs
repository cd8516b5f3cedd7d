//! CPU of requests whose log line does not show it: drawn around the mean that the profile has for their endpoint.

use std::collections::HashMap;

use crate::engine::random::{Purpose, draw, unit};
use wsim_endpoints::Endpoint;
use wsim_profile::Profile;
use wsim_trace::{Request, flag};

/// Mean CPU of each endpoint, µs, from the profile.
#[derive(Debug, Clone)]
pub(super) struct MeanCpu {
    mean_us: Vec<f64>,
}

impl MeanCpu {
    pub(super) fn from_profile(endpoints: &[Endpoint], profile: &Profile) -> Self {
        let known: HashMap<(&str, Option<&str>), f64> = profile
            .endpoints
            .iter()
            .map(|endpoint| {
                let mean = endpoint.cpu_seconds * 1e6 / endpoint.requests.max(1) as f64;
                ((endpoint.group.as_str(), endpoint.pattern.as_deref()), mean)
            })
            .collect();
        let mean = |endpoint: &Endpoint| known.get(&(endpoint.group.as_str(), endpoint.pattern.as_deref())).copied().unwrap_or(0.0);
        Self { mean_us: endpoints.iter().map(mean).collect() }
    }

    /// The request with its CPU: the logged one, else drawn around the endpoint's mean (exponential, which is about as
    /// variable as real request CPU), at most the request's wall time.
    pub(super) fn fill(&self, mut request: Request) -> Request {
        if request.has(flag::COST) {
            return request;
        }
        let mean = self.mean_us.get(usize::from(request.endpoint.0)).copied().unwrap_or(0.0);
        let identity = u64::from_ne_bytes(request.arrival_us.to_ne_bytes()) ^ u64::from(request.user.0) << 40;
        let drawn = -unit(draw(0, Purpose::Service, identity)).ln() * mean;
        let most = if request.has(flag::WALL) { request.wall_us } else { u32::MAX };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; a draw is not negative")]
        let cpu_us = drawn as u32;
        request.cpu_us = cpu_us.min(most);
        request
    }
}
