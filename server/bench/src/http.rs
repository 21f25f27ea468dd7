//! A client that keeps its connection: what it costs must not be taken for
//! what the shop costs, so it is hyper's bare connection.

use crate::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// A connection to the shop: to one server, or to any of several, as a proxy
/// keeps it.
#[derive(Debug)]
pub struct Client {
    /// Where it is connected first, then the others.
    addrs: Vec<SocketAddr>,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// Answers that came, and requests that another server had to take.
    pub count: Count,
}

/// What a client did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Requests answered.
    pub answered: usize,
    /// Requests that the first server did not take.
    pub moved: usize,
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
        Ok(Self { addrs: vec![addr], sender, count: Count::default() })
    }

    /// Is connected to one of several servers, and goes to the next one if that
    /// refuses the connection or closes it before any byte of an answer.
    pub fn balanced(mut addrs: Vec<SocketAddr>, first: usize) -> Self {
        let first = first % addrs.len();
        addrs.rotate_left(first);
        Self { addrs, sender: None, count: Count::default() }
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
    /// If the connection breaks; with several servers, if none of them answers.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        if self.addrs.len() == 1 {
            return self.receive(request).await?;
        }
        let mut turns = 0;
        loop {
            match self.receive(request.clone()).await {
                Ok(answer) => {
                    self.count.moved += usize::from(turns > 0);
                    return answer;
                }
                // Each server may have been restarted since it was last used.
                Err(error) if turns == 2 * self.addrs.len() => return Err(error),
                Err(_) => {
                    turns += 1;
                    self.sender = None;
                    self.addrs.rotate_left(1);
                }
            }
        }
    }

    /// The inner result is of an answer that had begun, the outer one of what came before.
    async fn receive(&mut self, request: Request<Full<Bytes>>) -> Result<Result<Answer>> {
        let sender = match &mut self.sender {
            Some(sender) => sender,
            empty => empty.insert(open(self.addrs[0]).await?),
        };
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = match response.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return Ok(Err(error.into())),
        };
        self.count.answered += 1;
        Ok(Ok(Answer { status, body }))
    }

    /// The server's address.
    pub fn addr(&self) -> SocketAddr {
        self.addrs[0]
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
