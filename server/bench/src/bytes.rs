//! `serve-bytes`: what a page could cost at least. An axum server that answers
//! with the same bytes from memory, and with the same list by Maud. A process of
//! its own, started by `pages`.

use crate::Result;
use crate::cards::Page;
use crate::shop::free_addr;
use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use bytes::Bytes;
use clap::Args;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// What is served.
#[derive(Args, Debug)]
pub struct ServeBytes {
    /// Folder of `NAME.html`, served as `/bytes/NAME`; and `list.json`, served as `/maud`
    folder: PathBuf,
    /// Where to listen
    #[arg(long)]
    addr: SocketAddr,
}

type Files = Arc<HashMap<String, Bytes>>;

impl ServeBytes {
    /// Serves until it is killed.
    ///
    /// # Errors
    /// If the files cannot be read or nobody can listen there.
    pub async fn run(&self) -> Result {
        let mut files = HashMap::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "html") {
                let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
                files.insert(name, Bytes::from(std::fs::read(&path)?));
            }
        }
        let page: Arc<Page> = Arc::new(serde_json::from_slice(&std::fs::read(self.folder.join("list.json"))?)?);
        let maud = move || {
            let page = Arc::clone(&page);
            async move { Html(page.render().into_string()) }
        };
        let router = axum::Router::new()
            .route("/bytes/{name}", get(bytes))
            .with_state(Arc::new(files))
            .route("/maud", get(maud));
        let listener = tokio::net::TcpListener::bind(self.addr).await?.tap_io(|stream| {
            // Without it small answers wait for acknowledgements.
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, router).await?)
    }
}

async fn bytes(State(files): State<Files>, UrlPath(name): UrlPath<String>) -> Response {
    match files.get(&name) {
        Some(bytes) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], bytes.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The process, killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Running {
    /// Starts it over a folder; it answers when this returns.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(folder: &Path) -> Result<Self> {
        let addr = free_addr()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve-bytes").arg(folder).args(["--addr", &addr.to_string()]).stdout(Stdio::null());
        let running = Self { child: command.spawn()?, addr };
        for _ in 0..200 {
            if std::net::TcpStream::connect(addr).is_ok() {
                return Ok(running);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("serve-bytes does not answer".into())
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
