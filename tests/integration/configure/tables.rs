//! The generated list of routes agrees with the classifier and the plan for every supported endpoint table. No proxy is involved, so all
//! tables can be tried.

use regex::RegexSet;
use wsim::configure::routes::{Routes, Sync, Target};
use wsim::configure::{ConfigureConfig, configure};
use wsim::endpoints::{Classifier, ClassifierConfig, Method, Release, Tables};
use wsim::http::query::is_initial_sync;
use wsim::plan::{Destination, Plan};

use super::accepted::plans;
use super::requests::{Request, requests};

#[test]
fn routes_of_every_table_agree_with_classifier_and_plan() {
    let oldest: Release = "1.18".parse().unwrap();
    let (mut tables, mut compared) = (0, 0);
    for table in Tables::embedded().all().iter().filter(|table| table.since.as_ref().is_some_and(|since| *since >= oldest)) {
        let release = table.since.as_ref().unwrap().to_string();
        let classifier = Classifier::new(table, &ClassifierConfig::default()).unwrap();
        let requests = requests(table, &[Method::Get, Method::Post, Method::Put]);
        let classes: Vec<_> = requests.iter().map(|request| classifier.classify(request.method, request.target.as_bytes())).collect();
        for plan in plans(&release).into_iter().filter(|plan| PLANS.iter().any(|name| plan.name.starts_with(name))) {
            let config = ConfigureConfig { proxy: plan.proxy.kind, synapse: Some(release.clone()), ..ConfigureConfig::default() };
            let configuration = configure(&plan, &config).unwrap_or_else(|error| panic!("{} {release}: {error}", plan.name));
            let matcher = RouteMatcher::new(&configuration.routes);
            for (request, class) in requests.iter().zip(&classes) {
                let endpoint = classifier.endpoint(*class);
                let expected = target(&configuration.plan, configuration.plan.route(endpoint));
                assert_eq!(matcher.find(request), expected, "{} {release}: {request:?} {endpoint:?}", plan.name);
                compared += 1;
            }
        }
        tables += 1;
    }
    assert!(tables > 30, "only {tables} tables");
    assert!(compared > 150_000, "only {compared} requests");
}

/// Beginnings of the names of plans whose routes differ: no writers, all writers, a pool for each kind, one worker of each kind, HAProxy.
const PLANS: [&str; 5] = ["generic", "stream-writers", "separate pools", "docker-image", "ess-helm"];

fn target(plan: &Plan, destination: Destination) -> Target {
    match destination {
        Destination::Main => Target::Main,
        Destination::Pool(pool) => Target::Pool(pool),
        Destination::Writer(stream) => Target::Writers(plan.stream_writers[&stream].names().to_vec()),
    }
}

/// Finds the route of a request.
struct RouteMatcher<'r> {
    routes: &'r Routes,
    patterns: RegexSet,
}

impl<'r> RouteMatcher<'r> {
    fn new(routes: &'r Routes) -> Self {
        Self { routes, patterns: RegexSet::new(routes.rules.iter().map(|rule| &rule.pattern)).unwrap() }
    }

    /// The target of the first rule that matches.
    fn find(&self, request: &Request) -> Target {
        let (path, query) = request.target.split_once('?').map_or((request.target.as_str(), None), |(path, query)| (path, Some(query)));
        let initial = is_initial_sync(query.map(str::as_bytes));
        let rules = self.patterns.matches(path).into_iter().map(|index| &self.routes.rules[index]);
        let mut matching =
            rules.filter(|rule| (rule.methods.is_empty() || rule.methods.contains(&request.method)) && (rule.sync == Sync::Any || initial));
        matching.next().map_or(Target::Main, |rule| rule.target.clone())
    }
}
