//! The proxy in front, as far as it is sockets: reads requests, hands them to the model, answers when the model says so.
//!
//! Owns connections, limits and the world behind the API. Which worker takes a request is decided by the model with the plan's exact rules;
//! here stands only what the rule hashes. One thread, so nothing is locked. Invariant: every request that was read is answered, or its client has gone.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::{IpAddr, TcpListener};
use std::rc::Rc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use super::api::{self, Area, Call, Reply};
use super::demands::{Asked, Book};
use super::model::{Coming, Command};
use super::world::{UserId, World};
use super::{Keys, Settings, WithoutRow, key};
use wsim_plan::{Key, Plan};
use wsim_simulate::deploy::Deployment;
use wsim_transport::ROW_HEADER;

/// What each pool hashes, and which pool serves which endpoint.
#[derive(Debug)]
pub(super) struct Pools {
    keys: Vec<Option<Key>>,
    routes: Vec<u16>,
}

impl Pools {
    pub(super) fn of(plan: &Plan, deployment: &Deployment) -> Self {
        // As the deployment numbers them: main, the plan's pools, writers.
        let mut keys = vec![None; deployment.topology.pools.len()];
        for (key, pool) in keys.iter_mut().skip(1).zip(&plan.pools) {
            *key = plan.rule(pool).ok().and_then(|rule| rule.key);
        }
        Self { keys, routes: deployment.topology.routes.clone() }
    }

    fn key_of(&self, endpoint: usize) -> Option<&Key> {
        let pool = self.routes.get(endpoint).copied().unwrap_or(0);
        self.keys.get(usize::from(pool))?.as_ref()
    }
}

/// Everything that connections share.
pub(super) struct Front {
    world: RefCell<World>,
    book: Book,
    pools: Pools,
    names: Vec<HeaderValue>,
    commands: Sender<Command>,
    tickets: Cell<u64>,
    secret: String,
    without_row: WithoutRow,
    keys: Keys,
}

impl Front {
    pub(super) fn new(book: Book, pools: Pools, names: &[String], commands: Sender<Command>, settings: Settings) -> Self {
        let unnamed = HeaderValue::from_static("unnamed");
        Self {
            world: RefCell::new(World::new(&settings.server_name, settings.seed)),
            book,
            pools,
            names: names.iter().map(|name| HeaderValue::from_str(name).unwrap_or_else(|_| unnamed.clone())).collect(),
            commands,
            tickets: Cell::new(0),
            secret: settings.secret,
            without_row: settings.without_row,
            keys: settings.keys,
        }
    }

    /// One request, from its head to its answer.
    async fn answer(self: Rc<Self>, peer: IpAddr, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let at = Instant::now();
        let (head, body) = request.into_parts();
        let token = key::token(&head.headers, &head.uri);
        let mut call = Call::read(head.method.clone(), &head.uri, token, Bytes::new());
        let most = if call.area == Area::Media { UPLOAD_MAX } else { BODY_MAX };
        match Limited::new(body, most).collect().await {
            Ok(body) => call.body = body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Ok(response(Reply::error(413, "M_TOO_LARGE", "the body is too large"), None));
            }
            Err(_) => return Ok(response(Reply::error(400, "M_UNKNOWN", "the body ended early"), None)),
        }
        let row = head.headers.get(ROW_HEADER).and_then(|row| row.to_str().ok()?.parse().ok());
        let number = self.tickets.get();
        self.tickets.set(number + 1);
        let target = head.uri.path_and_query().map_or("/", |both| both.as_str());
        let asked = self.book.ask(row, &head.method, target.as_bytes(), number);
        let mut upstream = None;
        if asked.is_row || self.without_row == WithoutRow::Drawn {
            let key = self.key(asked, &head, peer);
            match self.works(at, number, asked, &call, key).await {
                Some(process) => upstream = self.names.get(usize::from(process)).cloned(),
                None => return Ok(response(Reply::error(503, "M_UNKNOWN", "no worker takes the request"), None)),
            }
        } else if let Some((user, park)) = self.parks(&call) {
            self.waits(user, number, park).await;
        }
        let at_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
        let reply = api::answer(&mut self.world.borrow_mut(), &call, &self.secret, at_ms);
        self.wake();
        Ok(response(reply, upstream))
    }

    fn key(&self, asked: Asked, head: &hyper::http::request::Parts, peer: IpAddr) -> Option<Vec<u8>> {
        if asked.is_row && self.keys == Keys::OfLog {
            return None;
        }
        let key = self.pools.key_of(self.book.endpoint_of(asked));
        Some(key.map(|key| key::of(key, &head.headers, &head.uri, peer)).unwrap_or_default())
    }

    fn parks(&self, call: &Call) -> Option<(UserId, Duration)> {
        api::parks(&self.world.borrow(), call)
    }

    /// Waits until the model has done a request's work; the process that did it.
    async fn works(self: &Rc<Self>, at: Instant, ticket: u64, asked: Asked, call: &Call, key: Option<Vec<u8>>) -> Option<u16> {
        let (reply, answered) = oneshot::channel();
        let parked = self.parks(call);
        let park = parked.map_or(Duration::ZERO, |(_, park)| park);
        let coming = Coming { ticket, at, visit: asked.visit, park, key, reply };
        self.commands.send(Command::Arrive(coming)).ok()?;
        // Dropped too when the client goes away, so that nobody parks for nobody.
        let _parked = parked.map(|(user, _)| Parked::new(self, user, ticket));
        answered.await.ok().flatten()
    }

    /// A long poll past the model.
    async fn waits(self: &Rc<Self>, user: UserId, ticket: u64, park: Duration) {
        let _parked = Parked::new(self, user, ticket);
        let until = tokio::time::Instant::now() + park;
        // Looked at often enough for what is not measured.
        while tokio::time::Instant::now() < until && self.world.borrow().is_parked(user, ticket) {
            tokio::time::sleep_until((tokio::time::Instant::now() + LOOK_AROUND).min(until)).await;
        }
    }

    /// Parked syncs that have news by now come back.
    fn wake(&self) {
        let at = Instant::now();
        for ticket in self.world.borrow_mut().woken() {
            // Without a model nobody is answered any more.
            let _ = self.commands.send(Command::Wake { ticket, at });
        }
    }
}

/// A sync in the list of those that wait for news.
struct Parked {
    front: Rc<Front>,
    user: UserId,
    ticket: u64,
}

impl Parked {
    fn new(front: &Rc<Front>, user: UserId, ticket: u64) -> Self {
        front.world.borrow_mut().park(user, ticket);
        Self { front: Rc::clone(front), user, ticket }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        if self.front.world.borrow_mut().unpark(self.user, self.ticket) {
            let _ = self.front.commands.send(Command::Wake { ticket: self.ticket, at: Instant::now() });
        }
    }
}

fn response(reply: Reply, upstream: Option<HeaderValue>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    if let Some(upstream) = upstream {
        response.headers_mut().insert("x-upstream", upstream);
    }
    response
}

/// Serves until told to stop, on this thread.
pub(super) fn serve(listener: TcpListener, front: Front, stopped: oneshot::Receiver<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async move {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let front = Rc::new(front);
        tokio::select! {
            _ = stopped => {}
            () = accept(&listener, &front) => {}
        }
    });
}

async fn accept(listener: &tokio::net::TcpListener, front: &Rc<Front>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                spawn_local(connection(stream, peer.ip(), Rc::clone(front)));
            }
            // Out of descriptors, for example: those that are open go on, and some will close.
            Err(_) => tokio::time::sleep(LOOK_AROUND).await,
        }
    }
}

async fn connection(stream: TcpStream, peer: IpAddr, front: Rc<Front>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut start = [0; PREFACE.len()];
    // As much as there is of the first bytes says which version it is.
    let Ok(length) = stream.peek(&mut start).await else { return };
    let http2 = length > 0 && start[..length] == PREFACE[..length];
    let service = service_fn(move |request| Rc::clone(&front).answer(peer, request));
    let io = TokioIo::new(stream);
    // How a connection ends is its client's business.
    let _ = if http2 {
        hyper::server::conn::http2::Builder::new(Local).max_concurrent_streams(STREAMS_MAX).serve_connection(io, service).await
    } else {
        hyper::server::conn::http1::Builder::new().header_read_timeout(None).serve_connection(io, service).await
    };
}

/// Runs HTTP/2's tasks on this thread.
#[derive(Debug, Clone, Copy)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// How HTTP/2 with prior knowledge begins; no method of HTTP/1.1 does.
const PREFACE: [u8; 4] = *b"PRI ";
const LOOK_AROUND: Duration = Duration::from_millis(20);
/// Most of an upload, as Synapse's default, bytes.
pub(super) const UPLOAD_MAX: usize = 50 << 20;
/// Most of any other body, bytes.
const BODY_MAX: usize = 10 << 20;
const STREAMS_MAX: u32 = 1_000;
