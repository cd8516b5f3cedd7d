//! How the requests of one endpoint class divide among a plan's destinations, where the plan has patterns of its own or pools of some clients: a
//! profile knows classes, so the requests of the trace decide, one by one.
//!
//! Invariant: the parts of a class add up to the whole. A plan for which a request cannot be decided has no split; its simulation is refused with
//! the reason.

use std::collections::HashMap;

use wsim_endpoints::{Endpoint, Method};
use wsim_plan::{CheckedPlan, Client, Destination, RequestFacts, RequestPath, RequestRouter};
use wsim_profile::{EndpointProfile, Window};
use wsim_trace::{NameId, Names, Request, Trace, flag};

/// The part of a class that one destination gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Part {
    pub(in super::super) cpu: f64,
    pub(in super::super) requests: f64,
}

impl Part {
    pub(in super::super) const ALL: Self = Self::even(1.0);

    pub(in super::super) const fn even(share: f64) -> Self {
        Self { cpu: share, requests: share }
    }

    pub(in super::super) fn divided(self, by: usize) -> Self {
        let by = by.max(1) as f64;
        Self { cpu: self.cpu / by, requests: self.requests / by }
    }
}

/// Destinations of the classes of which not all requests go where the class goes.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Split {
    /// By group and pattern.
    classes: HashMap<Class, Vec<(Destination, Part)>>,
}

/// Group and pattern of a class.
type Class = (String, Option<String>);

/// What decides: endpoint, method, template, room, user, peer, agent, and whether a bridge names the user.
type Facts = (u16, Method, [NameId; 5], bool);

impl Split {
    /// `None` where classes alone decide, or a request cannot be decided. `peak`: the part of the trace whose CPU counts.
    pub(in super::super) fn of(plan: &CheckedPlan, trace: &Trace, endpoints: &[Endpoint], peak: Window) -> Option<Self> {
        let is_row = |text: &str| endpoints.iter().any(|endpoint| endpoint.pattern.as_deref() == Some(text));
        let router = RequestRouter::new(plan, is_row).ok().filter(|router| !router.is_by_class())?;
        let mut known: HashMap<Facts, Destination> = HashMap::new();
        let mut sums: HashMap<u16, Vec<(Destination, Sums)>> = HashMap::new();
        for request in trace.requests().filter(|request| !request.has(flag::INTERNAL | flag::FOREIGN)) {
            let Some(endpoint) = endpoints.get(usize::from(request.endpoint.0)) else { continue };
            let names = [request.template, request.room, request.user, request.peer, request.agent];
            let facts = (request.endpoint.0, request.method, names, request.has(flag::APPSERVICE));
            let destination = match known.get(&facts) {
                Some(destination) => destination.clone(),
                None => known.entry(facts).or_insert(router.route(endpoint, &request_facts(&request, &trace.names)).ok()?).clone(),
            };
            let of_class = sums.entry(request.endpoint.0).or_default();
            let index = of_class.iter().position(|(other, _)| *other == destination).unwrap_or_else(|| {
                of_class.push((destination, Sums::default()));
                of_class.len() - 1
            });
            of_class[index].1.add(&request, peak);
        }
        let key = |class: u16| endpoints.get(usize::from(class)).map(|endpoint| (endpoint.group.clone(), endpoint.pattern.clone()));
        let mut classes: HashMap<Class, Vec<(Destination, Sums)>> = HashMap::new();
        // Classes that differ in their methods only are one class of the profile's reader.
        for (class, destinations) in sums {
            classes.entry(key(class)?).or_default().extend(destinations);
        }
        Some(Self { classes: classes.into_iter().map(|(class, destinations)| (class, parts(&destinations))).collect() })
    }

    /// Where the requests of a class go; `None` if the class alone decides.
    pub(super) fn of_class(&self, endpoint: &EndpointProfile) -> Option<&[(Destination, Part)]> {
        let parts = self.classes.get(&(endpoint.group.clone(), endpoint.pattern.clone()))?;
        (!parts.is_empty()).then_some(parts)
    }
}

/// Requests of one class with one destination.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    requests: f64,
    cpu: f64,
    peak_requests: f64,
    peak_cpu: f64,
}

impl Sums {
    fn add(&mut self, request: &Request, peak: Window) {
        let cpu = f64::from(request.cpu_us);
        self.requests += 1.0;
        self.cpu += cpu;
        if (peak.start_us..peak.end_us).contains(&request.arrival_us) {
            self.peak_requests += 1.0;
            self.peak_cpu += cpu;
        }
    }
}

/// Shares by CPU at the peak; by CPU of the whole log, by requests at the peak or by requests where that is zero.
fn parts(destinations: &[(Destination, Sums)]) -> Vec<(Destination, Part)> {
    let total = |of: fn(&Sums) -> f64| destinations.iter().map(|(_, sums)| of(sums)).sum::<f64>();
    let weights: [fn(&Sums) -> f64; 4] = [|sums| sums.peak_cpu, |sums| sums.cpu, |sums| sums.peak_requests, |sums| sums.requests];
    let Some(weight) = weights.into_iter().find(|weight| total(*weight) > 0.0) else { return Vec::new() };
    let (cpu, requests) = (total(weight), total(|sums| sums.requests));
    let part = |sums: &Sums| Part { cpu: weight(sums) / cpu, requests: sums.requests / requests };
    destinations.iter().map(|(destination, sums)| (destination.clone(), part(sums))).collect()
}

fn request_facts<'n>(request: &Request, names: &'n Names) -> RequestFacts<'n> {
    RequestFacts {
        method: request.method,
        path: RequestPath::Template { template: names.text(request.template), room: names.text(request.room) },
        client: Client {
            user: names.text(request.user),
            appservice: request.has(flag::APPSERVICE),
            agent: names.text(request.agent),
            address: names.text(request.peer).parse().ok(),
            token: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::loads;
    use super::*;
    use crate::fixture::ProfileFixture;
    use wsim_endpoints::{Classifier, ClassifierConfig, table_for};
    use wsim_plan::Plan;

    const PEAK: Window = Window { start_us: 0, end_us: 300_000_000 };

    /// A hundred syncs of a bridge's user with 30 ms each, and three hundred of Alice with 10 ms.
    fn trace() -> (Trace, Vec<Endpoint>) {
        let classifier = Classifier::new(&table_for(None).unwrap().table, &ClassifierConfig::default()).unwrap();
        let endpoint = classifier.classify(Method::Get, b"/_matrix/client/v3/sync?since=s1");
        let mut trace = Trace::new();
        let [bridge, alice] = [&b"@_telegram_1:a.org"[..], b"@alice:a.org"].map(|name| trace.names.intern(name));
        let template = trace.names.intern(b"/_matrix/client/v3/sync?since={since}");
        for number in 0..400_i64 {
            let is_bridge = number % 4 == 0;
            trace.push(Request {
                arrival_us: number * 500_000,
                cpu_us: if is_bridge { 30_000 } else { 10_000 },
                user: if is_bridge { bridge } else { alice },
                template,
                endpoint,
                status: 200,
                method: Method::Get,
                flags: flag::SYNAPSE | flag::COST | if is_bridge { flag::APPSERVICE } else { 0 },
                ..Request::default()
            });
        }
        trace.seal();
        (trace, classifier.endpoints().to_vec())
    }

    fn plan(pools: &str) -> CheckedPlan {
        Plan::from_toml(&format!("name = \"p\"\nsynapse = \"1.157\"\n{pools}"), "plan").unwrap()
    }

    const BRIDGES: &str = "[[pool]]\nname = \"bridges\"\nendpoints = [\"sync\"]\nusers = [\"@_telegram_*\"]\nworkers = 1\n";

    #[test]
    fn a_pool_of_some_clients_has_their_share_and_the_main_process_the_rest() {
        let (trace, endpoints) = trace();
        let plan = plan(BRIDGES);
        let split = Split::of(&plan, &trace, &endpoints, PEAK).unwrap();
        let mut profile = ProfileFixture::new().class("sync", 0.6, 40).build();
        profile.endpoints[0].pattern = endpoints[usize::from(trace.requests().next().unwrap().endpoint.0)].pattern.clone();
        let of = |split: Option<&Split>| -> Vec<(f64, u64)> {
            loads(&plan, &profile, split).iter().map(|load| (load.demand.requests.value, load.requests)).collect()
        };
        let close = |a: (f64, u64), cores: f64, requests: u64| {
            assert!((a.0 - cores).abs() < 1e-9 && a.1.abs_diff(requests) <= 1, "{a:?} {cores} {requests}");
        };
        let with = of(Some(&split));
        close(with[0], 0.3, 90_000);
        close(with[1], 0.3, 30_000);
        // By class alone the pool of some clients gets nothing.
        let without = of(None);
        close(without[0], 0.6, 120_000);
        close(without[1], 0.0, 0);
    }

    #[test]
    fn a_plans_own_pattern_divides_a_class_and_classes_alone_need_no_split() {
        let (trace, endpoints) = trace();
        let own = "[[pool]]\nname = \"own\"\nendpoints = [{pattern = \"^/_matrix/client/v3/sync$\"}]\nworkers = 1\n";
        let split = Split::of(&plan(own), &trace, &endpoints, PEAK).unwrap();
        let (_, parts) = split.classes.iter().next().unwrap();
        assert_eq!(parts, &[(Destination::Pool(0), Part::ALL)]);
        let by_class = "[[pool]]\nname = \"sync\"\nendpoints = [\"sync\"]\nworkers = 1\n";
        assert_eq!(Split::of(&plan(by_class), &trace, &endpoints, PEAK), None);
        // Tokens are cut when a log is read.
        let tokens = BRIDGES.replace("users = [\"@_telegram_*\"]", "tokens = [\"syt_*\"]");
        assert_eq!(Split::of(&plan(&tokens), &trace, &endpoints, PEAK), None);
    }
}
