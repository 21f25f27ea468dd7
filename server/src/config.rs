//! Settings: defaults, then a TOML file, then the environment (`ZAIJIA_ADDR`),
//! then flags; the later one wins. Secrets never stand in the file: the key of
//! this installation is made once, in the data folder, readable by its owner alone.

use serde::Deserialize;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings of a server. Every one has a sound default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `sqlite://path` or `postgres://user:password@host/database`.
    pub database: String,
    /// PostgreSQL schema, if not the default one.
    pub schema: Option<String>,
    /// Where the server listens.
    pub addr: SocketAddr,
    /// Where the shop is reached from outside; `http://<addr>` if unset.
    pub public_url: Option<String>,
    /// Folder of the installation's key and, by default, of the database.
    pub data: PathBuf,
    /// Folder of styles, scripts and pictures; unset uses those in the binary, else `target/site`.
    pub site: Option<PathBuf>,
    /// How logs are written.
    pub log: LogFormat,
    /// What is logged, such as `info,store=debug`.
    pub log_filter: String,
    /// Serve the sandbox payment channel and the page of its messages.
    pub sandbox: bool,
    /// How long an unpaid order holds its goods, in minutes.
    pub hold_min: i64,
    /// How far ahead delivery slots are opened, in days.
    pub slot_days: i32,
    /// Requests a second of one visitor on average; 0 is without limit.
    pub visitor_per_second: u32,
    /// Requests a second of one address on average (phones share addresses); 0 is without limit.
    pub address_per_second: u32,
    /// Connections that may be open in this process, beside live streams; 0 is without limit.
    pub connections: u32,
    /// Connections of one address (phones share addresses); 0 is without limit. Behind a proxy all are the proxy's.
    pub connections_per_address: u32,
    /// Seconds in which the head of a connection's next request must have come.
    pub head_s: u32,
    /// Seconds in which a request must be answered (a stream: begun), its body read.
    pub request_s: u32,
    /// Seconds in which a client must take something of its answer.
    pub stall_s: u32,
    /// Live streams that may be open in this process; 0 is without limit.
    pub streams: u32,
    /// Live streams of one visitor; 0 is without limit.
    pub streams_per_visitor: u32,
    /// Live streams of one address (phones share addresses); 0 is without limit.
    pub streams_per_address: u32,
    /// Seconds between SIGTERM, when `/readyz` says no, and the end of taking requests.
    pub drain_s: u32,
    /// The server stands behind one proxy, whose `X-Forwarded-For` is believed.
    pub behind_proxy: bool,
    /// Connections for reading.
    pub read_connections: u32,
    /// Writer lanes on PostgreSQL.
    pub lanes: usize,
    /// Units that may wait in a lane.
    pub queue: usize,
    /// Key of this installation, in hex, if it is not to be kept in the data folder.
    pub secret: Option<Secret>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: String::new(),
            schema: None,
            addr: SocketAddr::from(([127, 0, 0, 1], 3000)),
            public_url: None,
            data: PathBuf::from("data"),
            site: None,
            log: LogFormat::Text,
            log_filter: "info".to_owned(),
            sandbox: true,
            hold_min: 15,
            slot_days: 3,
            visitor_per_second: 50,
            address_per_second: 500,
            connections: 10_000,
            connections_per_address: 2_000,
            head_s: 75,
            request_s: 30,
            stall_s: 60,
            streams: 20_000,
            streams_per_visitor: 32,
            streams_per_address: 5_000,
            drain_s: 0,
            behind_proxy: false,
            read_connections: 8,
            lanes: 4,
            queue: 4096,
            secret: None,
        }
    }
}

/// A text that no log shows.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file or the environment.
    #[error("settings: {0}")]
    Read(#[from] config::ConfigError),
    /// The data folder or the key in it.
    #[error("{0}: {1}")]
    Data(PathBuf, std::io::Error),
    /// The key is not one.
    #[error("the key of the installation must be at least 16 bytes in hex")]
    Secret,
}

/// Flags that every command takes; each overrides the file and the environment.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// TOML file with settings.
    #[arg(long, global = true, env = "ZAIJIA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// `sqlite://path` or `postgres://user:password@host/database`.
    #[arg(long, visible_alias = "database-url", global = true, value_name = "URL")]
    pub database: Option<String>,
    /// PostgreSQL schema to live in.
    #[arg(long, global = true)]
    pub schema: Option<String>,
    /// Folder of the installation's key and of the database.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// How logs are written.
    #[arg(long, global = true)]
    pub log: Option<LogFormat>,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ConfigError::Read`] for a file or a value that cannot be read.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let mut builder = config::Config::builder();
        if let Some(file) = &flags.config {
            builder = builder.add_source(config::File::from(file.as_path()).format(config::FileFormat::Toml));
        }
        builder = builder.add_source(config::Environment::with_prefix("ZAIJIA").try_parsing(true));
        let mut config: Self = builder.build()?.try_deserialize()?;
        if let Some(database) = &flags.database {
            config.database.clone_from(database);
        }
        if let Some(data) = &flags.data {
            config.data.clone_from(data);
        }
        if let Some(schema) = &flags.schema {
            config.schema = Some(schema.clone());
        }
        config.log = flags.log.unwrap_or(config.log);
        if config.database.is_empty() {
            config.database = format!("sqlite://{}", config.data.join("zaijia.sqlite").display());
        }
        Ok(config)
    }

    /// Where the shop is reached from outside, without a slash at the end.
    pub fn public_url(&self) -> String {
        let own = || format!("http://{}", self.addr);
        self.public_url.as_deref().map_or_else(own, |url| url.trim_end_matches('/').to_owned())
    }

    /// Is the shop reached by HTTPS, so that cookies are sent by it alone?
    pub fn is_https(&self) -> bool {
        self.public_url().starts_with("https://")
    }

    /// Settings of the database.
    pub fn store(&self) -> store::StoreConfig {
        store::StoreConfig {
            url: self.database.clone(),
            read_connections: self.read_connections.max(1),
            lanes: self.lanes.max(1),
            queue: self.queue.max(1),
            schema: self.schema.clone(),
        }
    }

    /// Path of the SQLite file, if the database is one.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let path = self.database.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
    }

    /// The key of this installation: from the settings, else from the data
    /// folder, where it is made the first time.
    ///
    /// # Errors
    /// [`ConfigError::Data`] if it can be neither read nor made; [`ConfigError::Secret`].
    pub fn key(&self) -> Result<Vec<u8>, ConfigError> {
        if self.secret.is_none() {
            make_folder(&self.data).map_err(|error| ConfigError::Data(self.data.clone(), error))?;
            let path = self.data.join("secret");
            match write_new(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(ConfigError::Data(path, error)),
            }
        }
        self.known_key()?.ok_or(ConfigError::Secret)
    }

    /// The key of this installation, if there is one: none is made.
    ///
    /// # Errors
    /// As [`key`](Self::key).
    pub fn known_key(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        if let Some(secret) = &self.secret {
            return from_hex(&secret.0).map(Some).ok_or(ConfigError::Secret);
        }
        let path = self.data.join("secret");
        match std::fs::read_to_string(&path) {
            Ok(text) => from_hex(text.trim()).map(Some).ok_or(ConfigError::Secret),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ConfigError::Data(path, error)),
        }
    }
}

/// Options for writing a file that only its owner can read, if it is new.
pub(crate) fn private() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a folder, and those above it, that only its owner can look into; one that is there stays as it is.
pub(crate) fn make_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a new key that only its owner can read; fails if there is one.
fn write_new(path: &Path) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = private().create_new(true).open(path)?;
    let key: [u8; 32] = rand::random();
    let hex = service::members::hex(&key);
    file.write_all(hex.as_bytes())?;
    file.sync_all()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if bytes.len() < 32 || !bytes.len().is_multiple_of(2) || !bytes.is_ascii() {
        return None;
    }
    (0..bytes.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_overridden_by_flags() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("x.toml");
        std::fs::write(&file, "hold_min = 5\nlog = \"json\"\ndatabase = \"sqlite://a\"").expect("a file");
        let flags = Flags { config: Some(file), database: Some("sqlite://b".to_owned()), ..Flags::default() };
        let config = Config::load(&flags).expect("settings");
        assert_eq!((config.hold_min, config.log, config.database.as_str()), (5, LogFormat::Json, "sqlite://b"));
        assert_eq!(config.sqlite_file(), Some(PathBuf::from("b")));
    }

    #[test]
    fn the_key_is_made_once_and_is_its_owners() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config { data: folder.path().join("data"), ..Config::default() };
        let key = config.key().expect("a key");
        assert_eq!(key.len(), 32);
        assert_eq!(config.key().expect("the same"), key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
            assert_eq!((mode(config.data.join("secret")), mode(config.data.clone())), (0o600, 0o700));
        }
    }

    #[test]
    fn who_only_looks_makes_no_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config { data: folder.path().join("data"), ..Config::default() };
        assert_eq!(config.known_key().expect("none"), None);
        assert!(!config.data.exists());
        let key = config.key().expect("a key");
        assert_eq!(config.known_key().expect("the same"), Some(key));
    }

    #[test]
    fn no_log_shows_the_key() {
        let config = Config { secret: Some(Secret("00ff".repeat(16))), ..Config::default() };
        assert!(!format!("{config:?}").contains("00ff"));
    }
}
