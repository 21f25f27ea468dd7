//! A bad line: a proxy that hands bytes on in small pieces, some of them late,
//! and now and then cuts the connection in the middle of a piece, of a request
//! as well as of an answer.

use crate::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a line is like.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Bytes of a piece.
    pub piece: usize,
    /// Share of pieces that are late.
    pub late: f64,
    /// How late they are, at most.
    pub late_ms: u64,
    /// Share of pieces in the middle of which the connection is cut.
    pub cut: f64,
}

/// A proxy; it ends when it is dropped, and its connections with their ends.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub addr: SocketAddr,
    cuts: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts one in front of `upstream`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(upstream: SocketAddr, weather: Weather, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let cuts = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(accept(listener, upstream, weather, seed, Arc::clone(&cuts)));
        Ok(Self { addr, cuts, task })
    }

    /// Connections cut so far.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, weather: Weather, seed: u64, cuts: Arc<AtomicUsize>) {
    let mut no = seed;
    while let Ok((client, _)) = listener.accept().await {
        no = no.wrapping_add(2);
        let cuts = Arc::clone(&cuts);
        tokio::spawn(async move {
            // An error ends the connection, as a bad line does.
            let _ = carry(client, upstream, weather, no, &cuts).await;
        });
    }
}

async fn carry(
    client: TcpStream,
    upstream: SocketAddr,
    weather: Weather,
    seed: u64,
    cuts: &AtomicUsize,
) -> io::Result<()> {
    let server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from, back), (answers, to)) = (client.into_split(), server.into_split());
    // Whichever direction ends first ends both.
    tokio::select! {
        ended = pump(from, to, weather, StdRng::seed_from_u64(seed), cuts) => ended,
        ended = pump(answers, back, weather, StdRng::seed_from_u64(seed.wrapping_add(1)), cuts) => ended,
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    weather: Weather,
    mut rng: StdRng,
    cuts: &AtomicUsize,
) -> io::Result<()> {
    let mut piece = vec![0; weather.piece];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        if rng.random_bool(weather.late) {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..=weather.late_ms))).await;
        }
        if rng.random_bool(weather.cut) {
            cuts.fetch_add(1, Ordering::Relaxed);
            return to.write_all(&piece[..rng.random_range(0..read)]).await;
        }
        to.write_all(&piece[..read]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends all of `sent` through a line to an echo; what came back.
    async fn echoed(weather: Weather, sent: &[u8]) -> Vec<u8> {
        let echo = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = echo.local_addr().expect("an address");
        tokio::spawn(async move {
            let (mut stream, _) = echo.accept().await.expect("a connection");
            let (mut from, mut to) = stream.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        });
        let proxy = Proxy::start(upstream, weather, 7).await.expect("a proxy");
        let mut stream = TcpStream::connect(proxy.addr).await.expect("a connection");
        let (mut from, mut to) = stream.split();
        let mut back = vec![0; sent.len()];
        let _ = to.write_all(sent).await;
        let mut read = 0;
        while read < back.len() {
            match from.read(&mut back[read..]).await {
                Ok(0) | Err(_) => break,
                Ok(more) => read += more,
            }
        }
        back.truncate(read);
        back
    }

    #[tokio::test]
    async fn bytes_come_whole_or_end_in_the_middle() {
        let sent: Vec<u8> = (0..5_000).map(|n: u32| n.to_le_bytes()[0]).collect();
        let fine = Weather { piece: 100, late: 0.1, late_ms: 1, cut: 0.0 };
        assert_eq!(echoed(fine, &sent).await, sent);
        let back = echoed(Weather { cut: 0.1, ..fine }, &sent).await;
        assert!(back.len() < sent.len() && sent.starts_with(&back), "{} bytes", back.len());
    }
}
