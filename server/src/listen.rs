//! Connections: how they are taken, bounded and ended.
//!
//! A request's head must come in time, so that slow clients hold nothing for
//! long. A live stream leaves the HTTP machinery once its head is known: the
//! connection goes on in a task of its own, without the machinery's buffers,
//! which are several times what a stream needs.

use crate::live::{self, Events, Takeover};
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
use tower::ServiceExt;

/// The next request's head must be there within this time.
const HEAD: Duration = Duration::from_secs(75);
/// What a request's head may weigh.
const HEAD_BYTES: usize = 64 * 1024;
/// A live stream whose browser takes nothing for so long is given up.
const TAKEN: Duration = Duration::from_mins(1);
/// Without file descriptors nothing can be accepted for a while.
const BREATH: Duration = Duration::from_millis(500);

/// Serves until `stop` becomes true, then finishes what is in hand.
pub async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    // Held by every connection: when none holds it, all have ended.
    let (held, mut ended) = mpsc::channel::<Infallible>(1);
    loop {
        let accepted = tokio::select! {
            () = live::stopping(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Without this small answers wait for the client's acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                tokio::spawn(connection(stream, peer, router.clone(), stop.clone(), held.clone()));
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

/// The answer goes another way.
#[derive(Debug, thiserror::Error)]
#[error("the connection was taken over")]
struct TakenOver;

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    mut stop: watch::Receiver<bool>,
    held: mpsc::Sender<Infallible>,
) {
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
                    tokio::spawn(tell(stream, head(&response), events, held));
                }
                Err(TakenOver)
            }
        })
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    let serving = http.serve_connection(TokioIo::new(slot), service);
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
    drop(held);
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
async fn tell(mut stream: TcpStream, head: Vec<u8>, mut events: Events, held: mpsc::Sender<Infallible>) {
    let mut piece = bytes::Bytes::from(head);
    loop {
        match tokio::time::timeout(TAKEN, stream.write_all(&piece)).await {
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

/// Waits until the other side has gone; what it says meanwhile is of no interest.
async fn left(stream: &TcpStream) {
    let mut ignored = [0; 64];
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut ignored) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
