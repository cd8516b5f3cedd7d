//! The process or pool that serves one request: what [`super::route`] says of its class, and the plan's own patterns and clients.
//!
//! 1. The pools' own patterns, those that are no row of the endpoint table or name methods, in order.
//! 2. The request's class, among the pools that take requests of its client.
//!
//! Invariant: a request has the destination that the files of `wsim configure` give it, or none with the reason.

use thiserror::Error;

use super::checked::CheckedPlan;
use super::clients::{Client, ClientSelectors, Missing};
use super::model::Selector;
use super::path_pattern::{PathPattern, Piece};
use super::route::{Destination, EndpointFacts};
use wsim_endpoints::Method;

/// The path of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestPath<'a> {
    /// As sent, without the query.
    Sent(&'a str),
    /// A trace's template, in which `{room}` stands for `room` (empty if not known) and other placeholders for text that was not kept.
    Template { template: &'a str, room: &'a str },
}

/// What routing needs to know of a request besides its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestFacts<'a> {
    pub method: Method,
    pub path: RequestPath<'a>,
    pub client: Client<'a>,
}

/// Why nobody can say where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Undecided {
    /// The pattern asks about text that a trace does not keep.
    #[error(
        "pool {pool:?}: whether {pattern:?} matches {template} depends on a part of the path that is not kept of a log; write [^/]+ for that part, or select by users, agents or addresses"
    )]
    Pattern { pool: String, pattern: String, template: String },
    /// The pattern cannot be compared.
    #[error("pool {pool:?}: the pattern {pattern:?} cannot be compared with requests: {why}")]
    TooLarge { pool: String, pattern: String, why: String },
    /// The pool selects by a name that was not kept.
    #[error(
        "pool {pool:?} selects by {what}, of which the log has more than are kept by name; select by addresses, or simulate a shorter log"
    )]
    Names {
        pool: String,
        /// `users` or `agents`.
        what: &'static str,
    },
    /// The pool selects by address.
    #[error(
        "pool {pool:?} selects by addresses, but the address of some of its requests is not known: of requests between servers a log keeps the server's name; take the federation groups out of the pool, or select by users or agents"
    )]
    Address { pool: String },
    /// The pool selects by token.
    #[error(
        "pool {pool:?} selects by tokens, which are cut when a log is read; to simulate it, select the same clients by users, appservices, agents or addresses"
    )]
    Token { pool: String },
}

/// Routes single requests under a plan.
#[derive(Debug)]
pub struct RequestRouter {
    plan: CheckedPlan,
    own: Vec<OwnPattern>,
    /// One for each pool.
    clients: Vec<ClientSelectors>,
}

#[derive(Debug)]
struct OwnPattern {
    pool: usize,
    pattern: String,
    /// Empty for all.
    methods: Vec<Method>,
    path: PathPattern,
}

impl RequestRouter {
    /// `is_row`: whether a pattern is a row of the endpoint table, so that it takes a class.
    ///
    /// # Errors
    /// A pattern is too large to be compared.
    pub fn new(plan: &CheckedPlan, is_row: impl Fn(&str) -> bool) -> Result<Self, Undecided> {
        let mut own = Vec::new();
        for (index, pool) in plan.pools.iter().enumerate() {
            for selector in &pool.endpoints {
                let Selector::Pattern { pattern, methods } = selector else { continue };
                if selector.is_row(&is_row) {
                    continue;
                }
                let path = PathPattern::new(pattern).map_err(|why| Undecided::TooLarge {
                    pool: pool.name.clone(),
                    pattern: pattern.clone(),
                    why,
                })?;
                let methods = methods.iter().map(|method| Method::from_bytes(method.as_bytes())).collect();
                own.push(OwnPattern { pool: index, pattern: pattern.clone(), methods, path });
            }
        }
        let clients = plan.pools.iter().map(|pool| pool.client_selectors().unwrap_or_default()).collect();
        Ok(Self { plan: plan.clone(), own, clients })
    }

    /// Whether a request's class alone says where it goes.
    pub fn is_by_class(&self) -> bool {
        self.own.is_empty() && self.clients.iter().all(ClientSelectors::is_empty)
    }

    /// The process or pool that serves a request of a class.
    ///
    /// # Errors
    /// The plan asks about something that is not known of the request.
    pub fn route<'a>(&self, endpoint: impl Into<EndpointFacts<'a>>, request: &RequestFacts<'_>) -> Result<Destination, Undecided> {
        for own in self.own.iter().filter(|own| own.methods.is_empty() || own.methods.contains(&request.method)) {
            let matches = own.matches(&request.path);
            if matches == Some(false) || !self.takes(own.pool, &request.client)? {
                continue;
            }
            return match matches {
                Some(_) => Ok(Destination::Pool(own.pool)),
                None => Err(self.open(own, &request.path)),
            };
        }
        let endpoint = endpoint.into();
        let mut undecided = None;
        let destination = self.plan.route_among(endpoint, |pool| {
            self.takes(pool, &request.client).unwrap_or_else(|why| {
                undecided.get_or_insert(why);
                false
            })
        });
        undecided.map_or(Ok(destination), Err)
    }

    fn takes(&self, pool: usize, client: &Client<'_>) -> Result<bool, Undecided> {
        self.clients[pool].takes(client).map_err(|missing| {
            let pool = self.plan.pools[pool].name.clone();
            match missing {
                Missing::User => Undecided::Names { pool, what: "users" },
                Missing::Agent => Undecided::Names { pool, what: "agents" },
                Missing::Address => Undecided::Address { pool },
                Missing::Token => Undecided::Token { pool },
            }
        })
    }

    fn open(&self, own: &OwnPattern, path: &RequestPath<'_>) -> Undecided {
        let (RequestPath::Sent(template) | RequestPath::Template { template, .. }) = *path;
        Undecided::Pattern { pool: self.plan.pools[own.pool].name.clone(), pattern: own.pattern.clone(), template: template.to_owned() }
    }
}

impl OwnPattern {
    /// Whether the pattern is found in the path; `None` if that depends on what is not known.
    fn matches(&self, path: &RequestPath<'_>) -> Option<bool> {
        match *path {
            RequestPath::Sent(path) => self.path.matches([Piece::Text(path)]),
            // No path of Matrix: a broken request line, or one of too many paths to keep.
            RequestPath::Template { template, .. } if !template.starts_with('/') => Some(false),
            RequestPath::Template { template, room } => self.path.matches(pieces(template, room)),
        }
    }
}

/// The parts of a template's path.
fn pieces<'a>(template: &'a str, room: &'a str) -> Vec<Piece<'a>> {
    let path = template.split_once('?').map_or(template, |(path, _)| path);
    let mut pieces = Vec::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (placeholder, behind) = after.split_once('}').unwrap_or((after, ""));
        pieces.push(Piece::Text(before));
        pieces.push(match placeholder {
            "room" if room.starts_with(['!', '#']) => Piece::Text(room),
            "rest" => Piece::Rest,
            _ => Piece::Segment,
        });
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plan;
    use wsim_endpoints::{Classifier, ClassifierConfig, table_for};

    fn plan(pools: &str) -> CheckedPlan {
        Plan::from_toml(&format!("name = \"p\"\nsynapse = \"1.157\"\n{pools}"), "p.toml").unwrap()
    }

    /// The pool of a request.
    fn pool(plan: &CheckedPlan, target: &str, request: RequestFacts<'_>) -> Result<String, String> {
        let table = table_for(None).unwrap().table;
        let classifier = Classifier::new(&table, &ClassifierConfig::default()).unwrap();
        let router = RequestRouter::new(plan, |text| table.rows.iter().any(|row| row.effective_pattern() == text)).unwrap();
        let endpoint = classifier.endpoint(classifier.classify(request.method, target.as_bytes()));
        let destination = router.route(endpoint, &request).map_err(|why| why.to_string())?;
        Ok(match destination {
            Destination::Main => "main".to_owned(),
            Destination::Pool(index) => plan.pools[index].name.clone(),
            Destination::Writer(stream) => format!("writer of {stream}"),
        })
    }

    const SEND: &str = "/_matrix/client/v3/rooms/!broom1:a/send/m.room.message/1";
    const TEMPLATE: &str = "/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}";

    fn put<'a>(room: &'a str, client: Client<'a>) -> RequestFacts<'a> {
        RequestFacts { method: Method::Put, path: RequestPath::Template { template: TEMPLATE, room }, client }
    }

    #[test]
    fn own_patterns_come_first_and_are_matched_with_the_rooms_of_a_trace() {
        let plan = plan(
            "[[pool]]\nname = \"bridge\"\nendpoints = [{pattern = \"^/_matrix/client/v3/rooms/!broom\", methods = [\"PUT\"]}]\nworkers = 1\n\
             [[pool]]\nname = \"event\"\nendpoints = [\"event_sending\"]\nworkers = 1\n",
        );
        let nobody = Client::default();
        assert_eq!(pool(&plan, SEND, put("!broom1:a", nobody)), Ok("bridge".to_owned()));
        assert_eq!(pool(&plan, SEND, put("!room1:a", nobody)), Ok("event".to_owned()));
        let post = RequestFacts { method: Method::Post, ..put("!broom1:a", nobody) };
        assert_eq!(pool(&plan, SEND, post), Ok("event".to_owned()));
        let sent = RequestFacts { path: RequestPath::Sent(SEND), ..put("", nobody) };
        assert_eq!(pool(&plan, SEND, sent), Ok("bridge".to_owned()));
        let why = pool(&plan, SEND, put("", nobody)).unwrap_err();
        assert!(why.contains("pool \"bridge\"") && why.contains("not kept") && why.contains(TEMPLATE), "{why}");
    }

    #[test]
    fn a_pool_of_some_clients_takes_their_requests_only() {
        let plan = plan(
            "[[pool]]\nname = \"bridge\"\nendpoints = [\"event_sending\", \"typing\"]\nusers = [\"@_t_*\"]\nworkers = 1\n\
             [[pool]]\nname = \"event\"\nendpoints = [\"event_sending\"]\nworkers = 1\n[stream_writers]\ntyping = \"typing1\"\n",
        );
        let bridge = Client { user: "@_t_1:a", appservice: true, ..Client::default() };
        assert_eq!(pool(&plan, SEND, put("!r:a", bridge)), Ok("bridge".to_owned()));
        assert_eq!(pool(&plan, SEND, put("!r:a", Client { user: "@alice:a", ..Client::default() })), Ok("event".to_owned()));
        assert_eq!(pool(&plan, "/_matrix/client/v3/rooms/!r:a/typing/@_t_1:a", put("!r:a", bridge)), Ok("writer of typing".to_owned()));
        assert_eq!(pool(&plan, "/_matrix/client/v3/sync", put("!r:a", bridge)), Ok("main".to_owned()));
    }

    #[test]
    fn initial_syncs_of_everybody_else_do_not_follow_a_pool_of_some_clients() {
        let plan = plan(
            "[[pool]]\nname = \"bot\"\nendpoints = [\"initial_sync\"]\nagents = [\"bot\"]\nworkers = 1\n\
             [[pool]]\nname = \"sync\"\nendpoints = [\"sync\"]\nworkers = 1\n",
        );
        let sync = "/_matrix/client/v3/sync";
        let get =
            |agent| RequestFacts { method: Method::Get, path: RequestPath::Sent(sync), client: Client { agent, ..Client::default() } };
        assert_eq!(pool(&plan, sync, get("bot/1.0")), Ok("bot".to_owned()));
        assert_eq!(pool(&plan, sync, get("Element")), Ok("sync".to_owned()));
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let text = |list: &str| format!("[[pool]]\nname = \"lan\"\nendpoints = [\"event_sending\"]\n{list}\nworkers = 1\n");
        let why = |list: &str| pool(&plan(&text(list)), SEND, put("!r:a", Client::default())).unwrap_err();
        assert!(why("addresses = [\"10.0.0.0/8\"]").contains("select by users or agents"));
        assert!(why("tokens = [\"syt_*\"]").contains("tokens, which are cut"));
    }
}
