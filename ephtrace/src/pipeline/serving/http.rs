//! Four pages over HTTP: metrics, health, readiness, and what there is.
//!
//! A client can't hold anything up: connections are few, and each has a time limit, for its request
//! and for taking the answer.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::board::{Board, Published};
use crate::{
    model::escape::shown,
    output::metrics::{Exposition, series},
};

/// Maximum number of connections at the same time; others wait in the kernel's queue.
const CONNECTIONS: usize = 128;

/// Time within which a request must be there.
const REQUEST: Duration = Duration::from_secs(5);

/// Maximum life of a connection: a scraper that takes nothing is let go.
const LIFE: Duration = Duration::from_mins(1);

/// Pause after an error of the listening socket, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket that listens.
pub(crate) enum Listener {
    /// Over IP.
    Tcp(TcpListener),
    /// On this machine.
    Unix(UnixListener),
}

impl Listener {
    /// Returns where the metrics are, for people; `None` if the socket does not tell.
    pub(crate) fn address(&self) -> Option<String> {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().ok().map(|addr| format!("http://{addr}/metrics"))
            }
            Self::Unix(listener) => {
                let addr = listener.local_addr().ok()?;
                Some(format!("/metrics on {}", shown(&addr.as_pathname()?)))
            }
        }
    }

    /// Answers until the task is dropped.
    pub(crate) async fn serve(self, board: Arc<Board>, room: Arc<Semaphore>) {
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let board = Arc::clone(&board);
            let accepted = match &self {
                Self::Tcp(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, _)| tokio::spawn(hold(permit, answer(stream, board))))
                }
                Self::Unix(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, _)| tokio::spawn(hold(permit, answer(stream, board))))
                }
            };
            if let Err(error) = accepted {
                log::warn!("can't accept a connection: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Returns the room for connections of all listeners.
pub(crate) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(CONNECTIONS))
}

async fn hold<P>(permit: P, task: impl Future<Output = ()>) {
    task.await;
    drop(permit);
}

/// Answers the requests of one connection.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, board: Arc<Board>) {
    let service = service_fn(|request: Request<Incoming>| {
        let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
        let exposition = Exposition::accepted_by(accept.unwrap_or_default());
        let page = page(request.method(), request.uri().path(), exposition, &board.latest());
        async { Ok::<_, Infallible>(page) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(LIFE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::debug!("a connection ended: {error}"),
        Err(_) => log::debug!("a connection took too long"),
    }
}

/// Returns the answer to a request.
fn page(
    method: &Method,
    path: &str,
    exposition: Exposition,
    published: &Published,
) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match path {
        "/metrics" => match published.text(exposition) {
            Ok(metrics) => of_type(StatusCode::OK, exposition.content_type(), metrics),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics can't be written\n"),
        },
        "/-/healthy" => text(StatusCode::OK, "ephtrace is healthy\n"),
        "/-/ready" => match published.trouble() {
            None => text(StatusCode::OK, "ephtrace is ready\n"),
            Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
        },
        "/" => of_type(StatusCode::OK, "text/html; charset=utf-8", index(published)),
        _ => text(StatusCode::NOT_FOUND, "not found; the metrics are at /metrics\n"),
    }
}

/// Returns the page with the state and the links.
fn index(published: &Published) -> String {
    let snapshot = &published.snapshot;
    let hook = snapshot.hook.map_or("none", |hook| hook.name());
    let state = published.trouble().unwrap_or("counting");
    let links = ["/metrics", "/-/healthy", "/-/ready"];
    maud::html! {
        (maud::DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "ephtrace" } }
            body {
                h1 { "ephtrace " (env!("CARGO_PKG_VERSION")) }
                p { "State: " (state) ". Hook: " (hook) ". Kernel: " (snapshot.kernel) "." }
                p { "Series: " (series(snapshot)) "." }
                ul { @for link in links { li { a href=(link) { (link) } } } }
            }
        }
    }
    .into_string()
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    of_type(status, "text/plain; charset=utf-8", body)
}

fn of_type(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
