//! Where a request must go, computed from the classifier, the plan and the balancer alone: nothing here reads a proxy's configuration.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use wsim::balance::{Balancer, Pick, PickContext};
use wsim::configure::Configuration;
use wsim::endpoints::{Classifier, Method};
use wsim::plan::{Destination, Key};

use super::requests::Request;

/// The servers that may get a request.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) servers: Vec<String>,
    /// The name of the pool if the request's key chooses the one server.
    pub(super) keyed: Option<String>,
}

/// Computes where requests must go.
pub(super) struct ExpectedRouter<'c> {
    configuration: &'c Configuration,
    classifier: &'c Classifier,
    balancers: Vec<Balancer>,
}

impl<'c> ExpectedRouter<'c> {
    pub(super) fn new(configuration: &'c Configuration, classifier: &'c Classifier) -> Self {
        let plan = &configuration.plan;
        let balancers = (0..plan.pools.len()).map(|pool| plan.balancer(pool).unwrap()).collect();
        Self { configuration, classifier, balancers }
    }

    pub(super) fn route(&mut self, request: &Request) -> Expected {
        let (plan, cluster) = (&self.configuration.plan, &self.configuration.cluster);
        let classify = |method| self.classifier.endpoint(self.classifier.classify(method, request.target.as_bytes()));
        // A proxy sends a preflight where its query belongs; for the classifier it is no initial sync.
        let of_preflight = (request.method == Method::Options).then(|| classify(Method::Get)).filter(|get| get.group == "initial_sync");
        let endpoint = of_preflight.unwrap_or_else(|| classify(request.method));
        let any = |servers| Expected { servers, keyed: None };
        match plan.route(endpoint) {
            Destination::Main => any(vec![cluster.main.to_string()]),
            Destination::Writer(stream) => {
                let address = |name: &String| cluster.worker(name).and_then(|worker| worker.clients.as_ref()).map(ToString::to_string);
                any(plan.stream_writers[&stream].names().iter().filter_map(address).collect())
            }
            Destination::Pool(index) => {
                let pool = &plan.pools[index];
                let key = plan.rule(index).key.as_ref().and_then(|key| key_value(key, request));
                match key.filter(|_| pool.size() > 1) {
                    Some(key) => Expected { servers: vec![self.pick(index, &key, request)], keyed: Some(pool.name.clone()) },
                    None => any(pool.servers.clone()),
                }
            }
        }
    }

    fn pick(&mut self, pool: usize, key: &str, request: &Request) -> String {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let address = Some([127, 0, 0, request.source].into());
        let balancer = &mut self.balancers[pool];
        let Pick::Server(slot) = balancer.pick(&mut PickContext { key: Some(key.as_bytes()), address, random: &mut random }) else {
            panic!("no server for {request:?}")
        };
        balancer.release(slot);
        balancer.servers()[slot.server()].name.clone()
    }
}

/// The value of a request's key, computed from the request alone.
fn key_value(key: &Key, request: &Request) -> Option<String> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let in_url = query.split('&').find_map(|part| part.strip_prefix("access_token=")).unwrap_or_default();
    let text = match key {
        Key::User => {
            let localpart = |token: &str| token.strip_prefix("syt_").and_then(|rest| rest.split('_').next()).map(str::to_owned);
            match request.authorization.strip_prefix("Bearer ").and_then(localpart) {
                Some(user) => user,
                None if !request.authorization.is_empty() => request.authorization.clone(),
                None => localpart(in_url).unwrap_or_else(|| in_url.to_owned()),
            }
        }
        Key::Token if request.authorization.is_empty() => in_url.to_owned(),
        Key::Token => request.authorization.clone(),
        Key::Room => {
            let parts: Vec<&str> = path.split('/').collect();
            let index = parts.iter().position(|part| ["rooms", "join", "knock"].contains(part))?;
            (*parts.get(index + 1)?).to_owned()
        }
        Key::Address => format!("127.0.0.{}", request.source),
        Key::Uri => request.target.clone(),
        Key::Origin => {
            let fields = request.authorization.strip_prefix("X-Matrix ")?.split(',');
            fields.filter_map(|field| field.strip_prefix("origin=")).next()?.trim_matches('"').to_owned()
        }
        Key::Header(_) => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}
