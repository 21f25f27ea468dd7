//! Everything that `zaijia …` can be told. Each command opens the shop, calls
//! one use case, says what came of it, and closes the shop.
//!
//! Serving, migrating and importing make a shop that is not there, and bring its
//! schema up to date. Everything else is for a shop as it is: a wrong path makes
//! no empty shop, and a newer program does not change the database below a server
//! that runs.

mod data;
mod serve;
mod staff;
mod till;

use crate::config::{Config, ConfigError, Flags, make_folder};
use crate::operation;
use clap::{Parser, Subcommand};
use service::ports::{SystemClock, SystemRandom};
use service::sandbox::{SandboxChannel, SandboxMessenger};
use service::{Ports, Settings, Shop};
use std::process::ExitCode;
use std::sync::Arc;
use store::{Schema, Store};

/// The member shop of a supermarket whose goods stand on real shelves.
#[derive(Debug, Parser)]
#[command(name = "zaijia", version, propagate_version = true)]
pub struct Cli {
    /// Settings.
    #[command(flatten)]
    pub flags: Flags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `zaijia` can be told.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the shop.
    Serve(serve::Serve),
    /// Bring the database's schema up to date.
    Migrate,
    /// Read stores, goods, stock, sales and offers from CSV or XLSX files.
    Import(data::Import),
    /// Play recorded till sales against a running shop.
    Feed(till::Feed),
    /// Prove the books: levels equal movements, orders their lines, shares their discounts.
    Check,
    /// Copy the database of a running shop into a file.
    Backup(data::Backup),
    /// Write orders, stock or goods as CSV.
    Export(data::Export),
    /// Staff accounts.
    #[command(subcommand)]
    User(staff::User),
    /// API tokens.
    #[command(subcommand)]
    Token(staff::Token),
    /// Member prices and sessions of a phone's owner.
    #[command(subcommand)]
    Member(staff::Member),
    /// Report packs of an order's line as missing from the shelf; refunds them.
    Short(staff::Short),
    /// Say why a product can be sold as often as it can.
    Why(staff::Why),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The shop.
    #[error(transparent)]
    Shop(#[from] service::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A file or the network.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It may be done or not; under its key it is not done twice.
    #[error("it may have been done all the same; to make sure, run it again with `--key {key}`")]
    Unanswered {
        /// The key.
        key: String,
        /// What happened.
        source: service::Error,
    },
    /// In words.
    #[error("{0}")]
    Said(String),
    /// Nothing failed, but the answer is no: said already.
    #[error("")]
    Findings,
}

/// What a command answers.
pub type Done = Result<(), Failure>;

/// Runs a command; the process ends with its code.
pub async fn run(cli: Cli) -> ExitCode {
    let failed = match Config::load(&cli.flags) {
        Ok(config) => obey(cli.command, config).await.err(),
        Err(error) => Some(error.into()),
    };
    match failed {
        None => ExitCode::SUCCESS,
        Some(Failure::Findings) => ExitCode::FAILURE,
        Some(failure) => {
            let mut text = failure.to_string();
            let mut cause = std::error::Error::source(&failure);
            while let Some(error) = cause {
                let more = error.to_string();
                if !text.ends_with(&more) {
                    text = format!("{text}: {more}");
                }
                cause = error.source();
            }
            eprintln!("zaijia: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn obey(command: Command, mut config: Config) -> Done {
    // A command speaks for itself; the server's log is told in the settings.
    if !matches!(command, Command::Serve(_)) && config.log_filter == "info" {
        "warn".clone_into(&mut config.log_filter);
    }
    operation::start_logs(&config);
    match command {
        Command::Serve(serve) => serve.run(config).await,
        Command::Feed(feed) => feed.run().await,
        command => {
            let shop = match &command {
                Command::Migrate | Command::Import(_) => open(&config).await?,
                // The copy before an update is made by the new program.
                Command::Backup(_) => open_made(&config, &[Schema::Current, Schema::Older]).await?,
                _ => open_made(&config, &[Schema::Current]).await?,
            };
            let done = with_shop(command, &config, &shop).await;
            shop.store().close().await;
            done
        }
    }
}

async fn with_shop(command: Command, config: &Config, shop: &Shop) -> Done {
    match command {
        Command::Serve(_) | Command::Feed(_) => Ok(()),
        Command::Migrate => {
            println!("the schema is up to date");
            Ok(())
        }
        Command::Import(import) => import.run(shop).await,
        Command::Check => data::check(shop).await,
        Command::Backup(backup) => backup.run(config, shop).await,
        Command::Export(export) => export.run(shop).await,
        Command::User(user) => user.run(shop).await,
        Command::Token(token) => token.run(shop).await,
        Command::Member(member) => member.run(shop).await,
        Command::Short(short) => short.run(shop).await,
        Command::Why(why) => why.run(shop).await,
    }
}

/// Who runs a command: the machine's user, for the logs.
fn actor() -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    format!("command:{}", user.filter(|user| !user.is_empty()).unwrap_or_else(|| "unknown".to_owned()))
}

/// A look at personal data by a command.
fn look(purpose: &str) -> service::looks::Look {
    service::looks::Look { actor: actor(), purpose: purpose.to_owned() }
}

/// Opens the shop of these settings, its schema brought up to date.
///
/// # Errors
/// If the key or the database cannot be had.
pub async fn open(config: &Config) -> Result<Shop, Failure> {
    let sandbox_key = config.key()?;
    if let Some(folder) = config.sqlite_file().as_deref().and_then(std::path::Path::parent) {
        make_folder(folder)?;
    }
    let store = Store::open(&config.store()).await?;
    store.migrate().await?;
    Ok(shop(config, store, sandbox_key))
}

/// Opens the shop of these settings as it is, if its schema is one of these: no
/// database and no key is made, and no schema changed.
async fn open_made(config: &Config, good: &[Schema]) -> Result<Shop, Failure> {
    let schema = Store::schema(&config.store()).await?;
    if good.contains(&schema) {
        let store = Store::open(&config.store()).await?;
        return Ok(shop(config, store, config.known_key()?.unwrap_or_default()));
    }
    let place = match config.sqlite_file() {
        Some(file) => file.display().to_string(),
        None => data::without_password(&config.database).map(|(url, _)| url).unwrap_or_default(),
    };
    Err(Failure::Said(match schema {
        Schema::Missing => format!(
            "no shop at {place}: say where it is (--database, --data), or make one (zaijia migrate, zaijia import)"
        ),
        Schema::Older => format!(
            "the shop at {place} has the schema of an older version: stop its server, copy it (zaijia backup FILE), \
             and bring it up to date (zaijia migrate)"
        ),
        Schema::Current | Schema::Newer => {
            format!("the shop at {place} has the schema of a newer version: use the zaijia that it belongs to")
        }
    }))
}

fn shop(config: &Config, store: Store, sandbox_key: Vec<u8>) -> Shop {
    let settings = Settings {
        hold_ms: config.hold_min.clamp(1, 24 * 60) * domain::time::MINUTE_MS,
        public_url: config.public_url(),
        sandbox: config.sandbox,
        sandbox_key,
        slot_days: config.slot_days.clamp(1, 30),
    };
    let clock = Arc::new(SystemClock);
    let ports = Ports {
        channel: Arc::new(SandboxChannel::new(store.clone(), &settings.sandbox_key, clock.clone())),
        messenger: Arc::new(SandboxMessenger::new(store.clone(), clock.clone())),
        clock,
        random: Arc::new(SystemRandom),
    };
    Shop::new(store, ports, settings)
}
