//! Connections: how they are taken, bounded and ended.
//!
//! Open connections are counted, in all and by address; one too many is told to
//! come back. A request's head must come in time, and a client must go on taking
//! its answer, so that slow clients hold nothing for long. A live stream leaves the HTTP machinery once its head is known: the
//! connection goes on in a task of its own, without the machinery's buffers,
//! which are several times what a stream needs.

use crate::config::Config;
use crate::live::{self, Events, Takeover};
use crate::places::{Bounds, Place, Places};
use crate::visitor::counted;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, Response, Version, header};
use futures::StreamExt;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Sleep;
use tower::ServiceExt;

/// What a request's head may weigh.
const HEAD_BYTES: usize = 64 * 1024;
/// Without file descriptors nothing can be accepted for a while.
const BREATH: Duration = Duration::from_millis(500);
/// The answer to a connection for which there is no place.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What connections are allowed.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// How many may be open, beside live streams.
    pub bounds: Bounds,
    /// The next request's head must be there within this time.
    pub head: Duration,
    /// A client that takes nothing of its answer for so long is given up.
    pub stall: Duration,
}

impl Manners {
    /// Those of the settings.
    pub fn of(config: &Config) -> Self {
        let seconds = |s: u32| Duration::from_secs(s.into());
        // Behind a proxy all connections come from its address.
        let address = if config.behind_proxy { 0 } else { config.connections_per_address };
        Self {
            bounds: Bounds { all: config.connections, visitor: 0, address },
            head: seconds(config.head_s),
            stall: seconds(config.stall_s),
        }
    }
}

/// Serves until `stop` becomes true, then finishes what is in hand.
pub async fn serve(listener: TcpListener, manners: Manners, router: Router, mut stop: watch::Receiver<bool>) {
    let places = Places::new(manners.bounds, "zaijia_connections_open");
    // Held by every connection: when none holds it, all have ended.
    let (held, mut ended) = mpsc::channel::<Infallible>(1);
    loop {
        let accepted = tokio::select! {
            () = live::stopping(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(place) = places.take(None, &counted(peer.ip())) else {
                    metrics::counter!("zaijia_connections_refused_total").increment(1);
                    tokio::spawn(refuse(stream));
                    continue;
                };
                // Without this small answers wait for the client's acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                let taken = Taken { stream, peer, place, held: held.clone() };
                tokio::spawn(connection(taken, manners, router.clone(), stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop((listener, held));
    let _ = ended.recv().await;
}

/// Tells a client that there is no place for it, without waiting for what it says.
async fn refuse(mut stream: TcpStream) {
    let _ = tokio::time::timeout(BREATH, stream.write_all(FULL)).await;
}

/// The socket of a connection, until a live stream takes it over.
#[derive(Clone, Debug)]
struct Slot(Arc<Mutex<Option<TcpStream>>>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls the socket; `gone` where it was taken over.
    fn poll<T>(
        &self,
        gone: impl FnOnce() -> Poll<io::Result<T>>,
        poll: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.lock() {
            Some(stream) => poll(Pin::new(stream)),
            None => gone(),
        }
    }
}

fn taken<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
}

impl AsyncRead for Slot {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll(|| Poll::Ready(Ok(())), |stream| stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Slot {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(taken, |stream| stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(taken, |stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|| Poll::Ready(Ok(())), |stream| stream.poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(taken, |stream| stream.poll_write_vectored(cx, bufs))
    }
}

/// A connection whose client must go on taking what is sent.
struct Patient {
    slot: Slot,
    patience: Duration,
    /// Runs while the client takes nothing.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// What became of a write; an error once the client has taken nothing for too long.
    fn bear<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.patience)));
        waiting.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.slot).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.slot).poll_write(cx, buf);
        self.bear(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.slot).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.slot).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.slot).poll_write_vectored(cx, bufs);
        self.bear(cx, written)
    }
}

/// The answer goes another way.
#[derive(Debug, thiserror::Error)]
#[error("the connection was taken over")]
struct TakenOver;

/// A connection as it was taken.
struct Taken {
    stream: TcpStream,
    peer: SocketAddr,
    /// Its place among the open ones.
    place: Place,
    /// Held until it has ended.
    held: mpsc::Sender<Infallible>,
}

async fn connection(taken: Taken, manners: Manners, router: Router, mut stop: watch::Receiver<bool>) {
    let Taken { stream, peer, place, held } = taken;
    let slot = Slot(Arc::new(Mutex::new(Some(stream))));
    let service = {
        let (slot, held) = (slot.clone(), held.clone());
        hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
            let (router, slot, held) = (router.clone(), slot.clone(), held.clone());
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                let can_take = request.version() == Version::HTTP_11 && request.method() == Method::GET;
                let mut response = match router.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                let takeover = response.extensions_mut().remove::<Takeover>().filter(|_| can_take);
                let Some(events) = takeover.and_then(|takeover| takeover.take()) else { return Ok(response) };
                if let Some(stream) = slot.lock().take() {
                    tokio::spawn(tell(stream, head(&response), events, manners.stall, held));
                }
                Err(TakenOver)
            }
        })
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(manners.head).max_buf_size(HEAD_BYTES);
    let patient = Patient { slot, patience: manners.stall, waiting: None };
    let serving = http.serve_connection(TokioIo::new(patient), service);
    let mut serving = std::pin::pin!(serving);
    let done = tokio::select! {
        done = serving.as_mut() => done,
        () = live::stopping(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = done {
        tracing::trace!(%error, "a connection ended");
    }
    drop((place, held));
}

/// The head of an answer whose body ends with the connection.
fn head(response: &Response<Body>) -> Vec<u8> {
    let mut out = b"HTTP/1.1 200 OK\r\nconnection: close\r\n".to_vec();
    let own = [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    for (name, value) in response.headers().iter().filter(|(name, _)| !own.contains(name)) {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Sends a live stream until it ends or its browser goes away.
async fn tell(
    mut stream: TcpStream,
    head: Vec<u8>,
    mut events: Events,
    stall: Duration,
    held: mpsc::Sender<Infallible>,
) {
    let mut piece = bytes::Bytes::from(head);
    loop {
        match tokio::time::timeout(stall, stream.write_all(&piece)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
        piece = tokio::select! {
            next = events.next() => match next {
                Some(Ok(next)) => next,
                None => break,
            },
            () = left(&stream) => return,
        };
    }
    let _ = stream.shutdown().await;
    drop(held);
}

/// Waits until the other side has gone. It has nothing to say any more, since its
/// connection ends with this answer: who goes on talking is left as well.
async fn left(stream: &TcpStream) {
    let mut said = [0; 1];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut said) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return,
        }
    }
}
