//! The HTTP side of the emulated proxy: reads requests, submits them to the model, and responds when the model has completed them.
//!
//! Owns connections, limits and the homeserver's state. The model chooses the worker with the plan's exact rules; this
//! file only extracts the key that a rule hashes. Runs on one thread, so nothing is locked. Invariant: every request
//! that was read gets a response, unless its client has disconnected.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::{IpAddr, TcpListener};
use std::rc::Rc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use super::api::{self, ApiRequest, ApiResponse, Area};
use super::costs::{CostLookup, CostTable};
use super::homeserver::{Homeserver, UserId};
use super::model_thread::{Command, ModelRequest};
use super::{EmulateError, EmulationConfig, KeySource, WithoutRow, key};
use wsim_endpoints::Method;
use wsim_plan::{CheckedPlan, Client, Key, RequestFacts, RequestPath, RequestRouter};
use wsim_simulate::deploy::{DeployError, Deployment, PoolNumbers};
use wsim_simulate::topology::Topology;
use wsim_transport::ROW_HEADER;

/// The pool of each request, and the key of each pool.
#[derive(Debug)]
pub(super) struct PoolKeys {
    keys: Vec<Option<Key>>,
    router: RequestRouter,
    topology: Topology,
    numbers: PoolNumbers,
}

impl PoolKeys {
    /// # Errors
    /// A pattern of the plan cannot be compared with requests.
    pub(super) fn new(plan: &CheckedPlan, deployment: &Deployment, costs: &CostTable) -> Result<Self, EmulateError> {
        // In the deployment's order: main, the plan's pools, stream writers.
        let mut keys = vec![None; deployment.topology.pools.len()];
        for (key, rule) in keys.iter_mut().skip(1).zip(plan.rules()) {
            key.clone_from(&rule.key);
        }
        let is_row = |text: &str| costs.endpoints.iter().any(|endpoint| endpoint.pattern.as_deref() == Some(text));
        let router = RequestRouter::new(plan, is_row).map_err(DeployError::from)?;
        Ok(Self { keys, router, topology: deployment.topology.clone(), numbers: deployment.numbers.clone() })
    }

    /// The pool of a request: of a logged one that which the log's user, room and client have, of another what the request itself says.
    fn pool_of(&self, lookup: CostLookup, costs: &CostTable, request: &RequestFacts<'_>) -> u16 {
        let record = costs.record_of(lookup);
        if lookup.is_row || self.router.is_by_class() {
            return self.topology.pool_of(lookup.occurrence.record, record);
        }
        let endpoint = &costs.endpoints[usize::from(record.endpoint)];
        self.router.route(endpoint, request).map_or(0, |destination| self.numbers.of(&destination))
    }

    fn key_of(&self, pool: u16) -> Option<&Key> {
        self.keys.get(usize::from(pool))?.as_ref()
    }
}

/// State that all connections share.
pub(super) struct HttpFrontend {
    homeserver: RefCell<Homeserver>,
    costs: CostTable,
    pools: PoolKeys,
    names: Vec<HeaderValue>,
    commands: Sender<Command>,
    next_id: Cell<u64>,
    secret: String,
    without_row: WithoutRow,
    key_source: KeySource,
}

impl HttpFrontend {
    pub(super) fn new(costs: CostTable, pools: PoolKeys, names: &[String], commands: Sender<Command>, config: EmulationConfig) -> Self {
        let unnamed = HeaderValue::from_static("unnamed");
        Self {
            homeserver: RefCell::new(Homeserver::new(&config.server_name, config.seed)),
            costs,
            pools,
            names: names.iter().map(|name| HeaderValue::from_str(name).unwrap_or_else(|_| unnamed.clone())).collect(),
            commands,
            next_id: Cell::new(0),
            secret: config.secret,
            without_row: config.without_row,
            key_source: config.key_source,
        }
    }

    /// Handles one request, from its head to its response.
    async fn handle(self: Rc<Self>, peer: IpAddr, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let at = Instant::now();
        let (head, body) = request.into_parts();
        let token = key::token(&head.headers, &head.uri);
        let mut api_request = ApiRequest::read(head.method.clone(), &head.uri, token, Bytes::new());
        let most = if api_request.area == Area::Media { api::UPLOAD_MAX } else { BODY_MAX };
        match Limited::new(body, most).collect().await {
            Ok(body) => api_request.body = body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Ok(http_response(ApiResponse::error(413, "M_TOO_LARGE", "the body is too large"), None));
            }
            Err(_) => return Ok(http_response(ApiResponse::error(400, "M_UNKNOWN", "the body ended early"), None)),
        }
        let row = head.headers.get(ROW_HEADER).and_then(|row| row.to_str().ok()?.parse().ok());
        let number = self.next_id.get();
        self.next_id.set(number + 1);
        let target = head.uri.path_and_query().map_or("/", |both| both.as_str());
        let lookup = self.costs.look_up(row, &head.method, target.as_bytes(), number);
        let mut upstream = None;
        if lookup.is_row || self.without_row == WithoutRow::Drawn {
            let pool = self.pools.pool_of(lookup, &self.costs, &request_facts(&head, peer));
            let key = self.key(lookup, pool, &head, peer);
            match self.await_completion(at, number, lookup, &api_request, (pool, key)).await {
                Some(process) => upstream = self.names.get(usize::from(process)).cloned(),
                None => return Ok(http_response(ApiResponse::error(503, "M_UNKNOWN", "no worker takes the request"), None)),
            }
        } else if let Some((user, wait)) = self.long_poll_wait(&api_request) {
            self.await_wakeup(user, number, wait).await;
        }
        let at_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
        let response = api::respond(&mut self.homeserver.borrow_mut(), &api_request, &self.secret, at_ms);
        self.wake_syncs();
        Ok(http_response(response, upstream))
    }

    fn key(&self, lookup: CostLookup, pool: u16, head: &hyper::http::request::Parts, peer: IpAddr) -> Option<Vec<u8>> {
        if lookup.is_row && self.key_source == KeySource::Log {
            return None;
        }
        let key = self.pools.key_of(pool);
        Some(key.map(|key| key::hash_key(key, &head.headers, &head.uri, peer)).unwrap_or_default())
    }

    fn long_poll_wait(&self, api_request: &ApiRequest) -> Option<(UserId, Duration)> {
        api::long_poll_wait(&self.homeserver.borrow(), api_request)
    }

    /// Waits until the model has completed a request; returns the process that served it, `None` if the request was rejected.
    async fn await_completion(
        self: &Rc<Self>,
        at: Instant,
        id: u64,
        lookup: CostLookup,
        api_request: &ApiRequest,
        (pool, key): (u16, Option<Vec<u8>>),
    ) -> Option<u16> {
        let (response, completed) = oneshot::channel();
        let waits = self.long_poll_wait(api_request);
        let wait = waits.map_or(Duration::ZERO, |(_, wait)| wait);
        let request = ModelRequest { id, at, occurrence: lookup.occurrence, wait, pool, key, response };
        self.commands.send(Command::Submit(request)).ok()?;
        // Dropped as well when the client disconnects, so that no sync waits without a client.
        let _waiting = waits.map(|(user, _)| WaitingSync::new(self, user, id));
        completed.await.ok().flatten()
    }

    /// Waits for the wake-up of a long poll that bypasses the model.
    async fn await_wakeup(self: &Rc<Self>, user: UserId, id: u64, wait: Duration) {
        let _waiting = WaitingSync::new(self, user, id);
        let until = tokio::time::Instant::now() + wait;
        // Polling is precise enough here, because this wait is not measured.
        while tokio::time::Instant::now() < until && self.homeserver.borrow().is_waiting(user, id) {
            tokio::time::sleep_until((tokio::time::Instant::now() + RETRY_INTERVAL).min(until)).await;
        }
    }

    /// Wakes the waiting syncs that have new events.
    fn wake_syncs(&self) {
        let at = Instant::now();
        for id in self.homeserver.borrow_mut().take_woken() {
            // The model's thread has ended: the cluster is being stopped.
            let _ = self.commands.send(Command::Wake { id, at });
        }
    }
}

/// What the plan may ask about a request.
fn request_facts(head: &hyper::http::request::Parts, peer: IpAddr) -> RequestFacts<'_> {
    let header = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let user = head.uri.query().and_then(|query| query.split('&').find_map(|parameter| parameter.strip_prefix("user_id=")));
    RequestFacts {
        method: Method::from_bytes(head.method.as_str().as_bytes()),
        path: RequestPath::Sent(head.uri.path()),
        client: Client {
            user: user.unwrap_or_default(),
            appservice: user.is_some(),
            agent: header(hyper::header::USER_AGENT),
            address: Some(peer),
            token: Some(key::token(&head.headers, &head.uri).unwrap_or_default()),
        },
    }
}

/// Registers a sync as waiting for new events, until dropped.
struct WaitingSync {
    frontend: Rc<HttpFrontend>,
    user: UserId,
    id: u64,
}

impl WaitingSync {
    fn new(frontend: &Rc<HttpFrontend>, user: UserId, id: u64) -> Self {
        frontend.homeserver.borrow_mut().add_waiting_sync(user, id);
        Self { frontend: Rc::clone(frontend), user, id }
    }
}

impl Drop for WaitingSync {
    fn drop(&mut self) {
        if self.frontend.homeserver.borrow_mut().remove_waiting_sync(self.user, self.id) {
            let _ = self.frontend.commands.send(Command::Wake { id: self.id, at: Instant::now() });
        }
    }
}

fn http_response(api_response: ApiResponse, upstream: Option<HeaderValue>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(api_response.body));
    *response.status_mut() = StatusCode::from_u16(api_response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(api_response.content_type));
    if let Some(upstream) = upstream {
        response.headers_mut().insert("x-upstream", upstream);
    }
    response
}

/// Serves on this thread until `stopped` is signalled.
pub(super) fn serve(listener: TcpListener, frontend: HttpFrontend, stopped: oneshot::Receiver<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async move {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let frontend = Rc::new(frontend);
        tokio::select! {
            _ = stopped => {}
            () = accept(&listener, &frontend) => {}
        }
    });
}

async fn accept(listener: &tokio::net::TcpListener, frontend: &Rc<HttpFrontend>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                spawn_local(connection(stream, peer.ip(), Rc::clone(frontend)));
            }
            // For example out of file descriptors: open connections continue, and some will close.
            Err(_) => tokio::time::sleep(RETRY_INTERVAL).await,
        }
    }
}

async fn connection(stream: TcpStream, peer: IpAddr, frontend: Rc<HttpFrontend>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut start = [0; PREFACE.len()];
    // The first bytes, as far as they have arrived, identify the HTTP version.
    let Ok(length) = stream.peek(&mut start).await else { return };
    let http2 = length > 0 && start[..length] == PREFACE[..length];
    let service = service_fn(move |request| Rc::clone(&frontend).handle(peer, request));
    let io = TokioIo::new(stream);
    // Errors of a connection concern its client only.
    let _ = if http2 {
        hyper::server::conn::http2::Builder::new(LocalExecutor).max_concurrent_streams(STREAMS_MAX).serve_connection(io, service).await
    } else {
        hyper::server::conn::http1::Builder::new().header_read_timeout(None).serve_connection(io, service).await
    };
}

/// Runs the tasks of HTTP/2 connections on this thread.
#[derive(Debug, Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// Start of HTTP/2 with prior knowledge; no method of HTTP/1.1 starts like this.
const PREFACE: [u8; 4] = *b"PRI ";
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// Largest other body, bytes.
const BODY_MAX: usize = 10 << 20;
const STREAMS_MAX: u32 = 1_000;
