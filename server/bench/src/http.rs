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

/// A connection to the shop.
#[derive(Debug)]
pub struct Client {
    addr: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
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
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    pub async fn connect(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // An end of the connection is seen by the next request.
            let _ = connection.await;
        });
        Ok(Self { addr, sender })
    }

    /// `GET`, with a cookie.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn get(&mut self, path: &str, cookie: &str) -> Result<Answer> {
        let request = Request::builder().method(Method::GET).uri(path).header("host", self.addr.to_string());
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
            .header("host", self.addr.to_string())
            .header("sec-fetch-site", "same-origin")
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookie);
        self.send(request.body(Full::from(form.to_owned()))?).await
    }

    /// Sends any request.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, body })
    }

    /// The shop's address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
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
