//! A real `zaijia` process on a free port, over a fresh database with the demo shop.

#![allow(dead_code, reason = "each test file uses its part")]

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use store::Store;

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// A file of its own.
    Sqlite,
    /// A schema of its own.
    Postgres,
}

/// A database with the demo shop in it, and the settings to open it.
pub struct Shop {
    folder: tempfile::TempDir,
    url: String,
    schema: Option<String>,
    /// Kept for its schema.
    _postgres: Option<store::testing::TestStore>,
}

impl Shop {
    /// A demo shop; `None`, said aloud, where no PostgreSQL is given.
    pub async fn demo(on: On) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let (url, schema, postgres) = match on {
            On::Sqlite => (format!("sqlite://{}", folder.path().join("shop.sqlite").display()), None, None),
            On::Postgres => {
                let store = store::testing::postgres().await?;
                (store.config.url.clone(), store.config.schema.clone(), Some(store))
            }
        };
        let shop = Self { folder, url, schema, _postgres: postgres };
        let imported = shop.run(&["import", "--demo", "--strict"]);
        assert!(imported.status.success(), "import: {}", String::from_utf8_lossy(&imported.stdout));
        Some(shop)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zaijia"));
        command.args(args).arg("--database").arg(&self.url).arg("--data").arg(self.path("data"));
        if let Some(schema) = &self.schema {
            command.arg("--schema").arg(schema);
        }
        command.env_remove("ZAIJIA_SITE").current_dir(self.folder.path());
        command
    }

    /// A path in the shop's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command of `zaijia` to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("zaijia runs")
    }

    /// Starts a command of `zaijia`.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("zaijia starts")
    }

    /// What a command printed; it must succeed.
    pub fn say(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{args:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
        text.trim().to_owned()
    }

    /// The database itself, to look into.
    pub async fn store(&self) -> Store {
        let mut config = store::StoreConfig::new(&self.url);
        config.schema.clone_from(&self.schema);
        config.read_connections = 2;
        config.lanes = 1;
        Store::open(&config).await.expect("the database")
    }

    /// Serves the shop.
    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// Serves the shop with more settings from the environment.
    pub fn serve_with(&self, env: &[(&str, &str)]) -> Server {
        self.start_server(env, Stdio::inherit())
    }

    /// The same, with its log in a file.
    pub fn serve_logged(&self, env: &[(&str, &str)], log: &Path) -> Server {
        self.start_server(env, std::fs::File::create(log).expect("a file").into())
    }

    fn start_server(&self, env: &[(&str, &str)], log: Stdio) -> Server {
        // A shop with an address for the public prints that one: it gets a port that was free just now.
        let public = env.iter().any(|(name, _)| *name == "ZAIJIA_PUBLIC_URL");
        let free = || std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let addr = if public { free().expect("a port").to_string() } else { "127.0.0.1:0".to_owned() };
        let mut command = self.command(&["serve", "--addr", &addr]);
        command.env("ZAIJIA_LOG_FILTER", "warn").envs(env.iter().copied()).stderr(log);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("zaijia starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let said = line.trim().rsplit(' ').next().expect("its address");
        let url = if public { format!("http://{addr}") } else { said.to_owned() };
        assert!(url.starts_with("http://"), "{line}");
        Server { child, url }
    }
}

/// A running `zaijia serve`.
pub struct Server {
    child: Child,
    /// Where it is.
    pub url: String,
}

impl Server {
    /// The address of a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Ends it at once, as a loss of power would.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to stop; how long that took. It must end without an error.
    pub fn stop(mut self) -> Duration {
        let asked = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
        asked.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser without JavaScript: keeps cookies, follows nothing by itself.
pub fn browser() -> reqwest::Client {
    client("text/html,application/xhtml+xml")
}

/// A page's script: keeps cookies, asks for JSON.
pub fn script() -> reqwest::Client {
    client("application/json")
}

fn client(accept: &'static str) -> reqwest::Client {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    reqwest::Client::builder()
        .cookie_store(true)
        .redirect(reqwest::redirect::Policy::none())
        .default_headers(headers)
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client")
}

/// A form's body.
pub fn form(fields: &[(&str, &str)]) -> (reqwest::header::HeaderName, &'static str, String) {
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() {
                out.push(char::from(byte));
            } else {
                write!(out, "%{byte:02X}").expect("a String takes all");
            }
            out
        })
    };
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    (reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded", body.join("&"))
}

/// Sends a form from the sign-in page, as a browser would.
pub async fn post(client: &reqwest::Client, url: String, fields: &[(&str, &str)]) -> reqwest::Response {
    let (name, kind, body) = form(fields);
    let from = url.split("/api/").next().map(|shop| format!("{shop}/sign-in?step=code")).unwrap_or_default();
    client
        .post(url)
        .header(reqwest::header::REFERER, from)
        .header(name, kind)
        .body(body)
        .send()
        .await
        .expect("an answer")
}

/// Runs a test on both databases.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($shop:ident) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "a test may need nothing of its file")]
            use super::*;
            async fn run($shop: support::Shop) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run(support::Shop::demo(support::On::Sqlite).await.expect("SQLite is there")).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(shop) = support::Shop::demo(support::On::Postgres).await {
                    run(shop).await;
                }
            }
        }
    )*};
}
