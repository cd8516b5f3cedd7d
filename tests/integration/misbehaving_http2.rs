//! The homeserver of [`misbehaving`](crate::misbehaving) over HTTP/2: it resets streams and says GOAWAY.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use hyper::Response;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::misbehaving::{answer, world_name};

/// What the server does with the requests of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http2Behaviour {
    /// RST_STREAM for every request.
    Reset,
    /// A head and a part of the body, then RST_STREAM.
    ResetWithin,
    /// GOAWAY with an error instead of a response.
    GoAway,
    /// Leaves each connection gracefully after a few requests, as a proxy that is told to reload.
    Leave,
}

/// The server. It stops when it is dropped.
pub(crate) struct Http2Server {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
}

impl Http2Server {
    pub(crate) fn start(behaviour: Http2Behaviour) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, behaviour, Arc::clone(&counter)));
            }
        });
        Self { address, requests, runtime: Some(runtime) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests of the replay that the server has read.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Http2Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(stream: TcpStream, behaviour: Http2Behaviour, requests: Arc<AtomicUsize>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut taken = 0;
    while let Some(Ok((request, response))) = connection.accept().await {
        let agent = request.headers().get("user-agent").map(|agent| agent.as_bytes().starts_with(b"wsim-replay/"));
        if agent != Some(true) {
            let (status, body) = answer(request.uri().path(), &world_name());
            respond(response, status, body.to_string());
            continue;
        }
        requests.fetch_add(1, Ordering::SeqCst);
        taken += 1;
        match behaviour {
            Http2Behaviour::GoAway => connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM),
            Http2Behaviour::Leave if taken == LEAVES_AFTER => connection.graceful_shutdown(),
            _ => {}
        }
        act(response, behaviour);
    }
}

fn act(mut response: SendResponse<Bytes>, behaviour: Http2Behaviour) {
    match behaviour {
        Http2Behaviour::Reset => response.send_reset(Reason::INTERNAL_ERROR),
        Http2Behaviour::ResetWithin => {
            let Ok(mut stream) = response.send_response(Response::new(()), false) else { return };
            let _ = stream.send_data("par".into(), false);
            // So that the part leaves before the reset, which drops what has not been sent.
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.send_reset(Reason::INTERNAL_ERROR);
            });
        }
        Http2Behaviour::GoAway => {}
        Http2Behaviour::Leave => respond(response, 200, "{}".to_owned()),
    }
}

/// Requests of a replay on a connection before the server leaves it.
const LEAVES_AFTER: usize = 4;

fn respond(mut response: SendResponse<Bytes>, status: u16, body: String) {
    let head = Response::builder().status(status).body(()).unwrap();
    if let Ok(mut stream) = response.send_response(head, false) {
        let _ = stream.send_data(body.into(), true);
    }
}
