//! A client that keeps its connection: what it costs must not be taken for
//! what the shop costs, so it is hyper's bare connection.

use crate::{Error, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;

/// A balancer asks each server so often whether it is ready.
const CHECK: Duration = Duration::from_millis(50);
/// A server that says nothing for so long is not.
const CHECK_PATIENCE: Duration = Duration::from_secs(2);

/// Servers, and what a balancer before them knows.
#[derive(Debug)]
pub struct Servers {
    addrs: Vec<SocketAddr>,
    /// Of each, whether it said that it is going, or nothing, when it was last asked.
    going: Vec<AtomicBool>,
}

impl Servers {
    /// Servers that are taken to be ready as long as nobody asks them.
    pub fn new(addrs: Vec<SocketAddr>) -> Self {
        let going = addrs.iter().map(|_| AtomicBool::new(false)).collect();
        Self { addrs, going }
    }

    /// Asks one of them again and again whether it is ready, as a balancer does. Does not end.
    pub async fn watch(self: Arc<Self>, no: usize) {
        loop {
            let asked = tokio::time::timeout(CHECK_PATIENCE, says_ready(self.addrs[no])).await;
            self.going[no].store(!matches!(asked, Ok(Ok(true))), Ordering::Relaxed);
            tokio::time::sleep(CHECK).await;
        }
    }
}

async fn says_ready(addr: SocketAddr) -> Result<bool> {
    Ok(Client::connect(addr).await?.get("/readyz", "").await?.status == StatusCode::OK)
}

/// A connection to the shop: to one server, or to any of several, as a proxy
/// keeps it.
#[derive(Debug)]
pub struct Client {
    servers: Arc<Servers>,
    /// Which of them it is, or will be, connected to.
    at: usize,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// Answers that came, and requests that another server had to take.
    pub count: Count,
}

/// What a client did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Requests answered.
    pub answered: usize,
    /// Of them, those that another server had to take.
    pub moved: usize,
}

/// A request without an answer.
struct Broken {
    error: Error,
    reached: Reached,
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// To nobody: the connection was refused, or closed before anything was written.
    Nobody,
    /// Perhaps to a server, which closed the connection before the head of an answer was there.
    Somebody,
    /// To a server that had begun to answer, or said what is no answer.
    Answer,
}

impl Reached {
    fn of(error: &hyper::Error) -> Self {
        if error.is_canceled() {
            Self::Nobody
        } else if error.is_parse() {
            Self::Answer
        } else {
            Self::Somebody
        }
    }

    /// May another server get the request, as proxies have it? What changes something
    /// may only if it is certain that nobody has done it.
    fn may_move(self, method: &Method) -> bool {
        match self {
            Self::Nobody => true,
            Self::Somebody => method.is_safe(),
            Self::Answer => false,
        }
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON text that the body is.
    ///
    /// # Errors
    /// If the status is not 200, or it is none.
    pub fn json_text(&self) -> Result<String> {
        if self.status != StatusCode::OK {
            return Err(format!("{}: {}", self.status, self.text()).into());
        }
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl Client {
    /// Connects to one server.
    ///
    /// # Errors
    /// If nobody listens.
    pub async fn connect(addr: SocketAddr) -> Result<Self> {
        let sender = Some(open(addr).await?);
        Ok(Self { servers: Arc::new(Servers::new(vec![addr])), at: 0, sender, count: Count::default() })
    }

    /// Is connected to one of several servers, and goes to the next one if that says
    /// that it is going, or as far as a proxy may where a connection breaks.
    pub fn balanced(servers: Arc<Servers>, first: usize) -> Self {
        let at = first % servers.addrs.len();
        Self { servers, at, sender: None, count: Count::default() }
    }

    /// `GET`, with a cookie.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn get(&mut self, path: &str, cookie: &str) -> Result<Answer> {
        let request = Request::builder().method(Method::GET).uri(path).header("host", self.addr().to_string());
        self.send(request.header("cookie", cookie).body(Full::default())?).await
    }

    /// A call of a server function by a form's fields, as the islands make it.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn call(&mut self, path: &str, cookie: &str, form: &str) -> Result<Answer> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("host", self.addr().to_string())
            .header("sec-fetch-site", "same-origin")
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookie);
        self.send(request.body(Full::from(form.to_owned()))?).await
    }

    /// Sends any request.
    ///
    /// # Errors
    /// If the connection breaks; with several servers, if the request must not be sent
    /// again then, or none of them answers.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let count = self.servers.addrs.len();
        if count == 1 {
            return self.receive(request).await.map_err(|broken| broken.error);
        }
        self.leave_who_is_going();
        let mut turns = 0;
        loop {
            // What was closed meanwhile is opened again.
            if let Some(sender) = &mut self.sender
                && sender.ready().await.is_err()
            {
                self.sender = None;
            }
            let broken = match self.receive(request.clone()).await {
                Ok(answer) => {
                    self.count.moved += usize::from(turns > 0);
                    return Ok(answer);
                }
                Err(broken) => broken,
            };
            self.sender = None;
            // Each server may have been restarted since it was last used.
            if turns == 2 * count || !broken.reached.may_move(request.method()) {
                return Err(broken.error);
            }
            turns += 1;
            self.at = (self.at + 1) % count;
        }
    }

    /// Who says that it is going gets no new request, if there is another.
    fn leave_who_is_going(&mut self) {
        let Servers { addrs, going } = &*self.servers;
        let (at, count) = (self.at, addrs.len());
        let ready = (0..count).map(|n| (at + n) % count).find(|&no| !going[no].load(Ordering::Relaxed));
        if let Some(ready) = ready.filter(|&ready| ready != at) {
            self.at = ready;
            self.sender = None;
        }
    }

    async fn receive(&mut self, request: Request<Full<Bytes>>) -> std::result::Result<Answer, Broken> {
        let nobody = |error: Error| Broken { error, reached: Reached::Nobody };
        let addr = self.addr();
        let sender = match &mut self.sender {
            Some(sender) => sender,
            empty => empty.insert(open(addr).await.map_err(nobody)?),
        };
        sender.ready().await.map_err(|error| nobody(error.into()))?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| Broken { reached: Reached::of(&error), error: error.into() })?;
        let status = response.status();
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| Broken { error: error.into(), reached: Reached::Answer })?.to_bytes();
        self.count.answered += 1;
        Ok(Answer { status, body })
    }

    /// The server's address.
    pub fn addr(&self) -> SocketAddr {
        self.servers.addrs[self.at]
    }
}

async fn open(addr: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // An end of the connection is seen by the next request.
        let _ = connection.await;
    });
    Ok(sender)
}

/// A form's fields.
pub fn form(fields: &[(&str, &str)]) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        write!(text, "{name}=").expect("a String takes all");
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                write!(text, "%{byte:02X}").expect("a String takes all");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    /// A server that reads a request, answers with these bytes and, if they are none or
    /// the client goes, closes the connection.
    async fn server(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(answer).await;
                if answer == OK {
                    let _ = stream.read(&mut buffer).await;
                }
            }
        });
        addr
    }

    fn nobody() -> SocketAddr {
        crate::shop::free_addr().expect("a port")
    }

    /// Knows this server first, then one that answers.
    async fn before_another(first: SocketAddr) -> Client {
        Client::balanced(Arc::new(Servers::new(vec![first, server(OK).await])), 0)
    }

    #[tokio::test]
    async fn what_reached_nobody_goes_to_another_server() {
        let mut client = before_another(nobody()).await;
        assert_eq!(client.call("/", "", "a=1").await.expect("an answer").status, StatusCode::OK);
        let mut client = before_another(nobody()).await;
        assert_eq!(client.get("/", "").await.expect("an answer").text(), "ok");
        assert_eq!((client.count.answered, client.count.moved), (1, 1));
    }

    #[tokio::test]
    async fn what_a_server_may_have_done_is_not_sent_again() {
        let mut client = before_another(server(b"").await).await;
        assert!(client.call("/", "", "a=1").await.is_err(), "a change");
        let mut client = before_another(server(b"").await).await;
        assert!(client.get("/", "").await.is_ok(), "a page");
        for half in [&b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"[..], b"what?\r\n\r\n"] {
            let mut client = before_another(server(half).await).await;
            assert!(client.get("/", "").await.is_err(), "an answer had begun");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_going_gets_no_request() {
        let servers = Arc::new(Servers::new(vec![nobody(), server(OK).await]));
        servers.going[0].store(true, Ordering::Relaxed);
        let mut client = Client::balanced(Arc::clone(&servers), 0);
        assert!(client.call("/", "", "a=1").await.is_ok());
        assert_eq!(client.count.moved, 0, "it was not tried");
        assert!(!says_ready(servers.addrs[0]).await.unwrap_or(false));
    }
}
