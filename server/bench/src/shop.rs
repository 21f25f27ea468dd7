//! A shop in a temporary folder: its database, filled with the demo goods in
//! quantities that do not run out, and the servers on it.

use crate::server::Server;
use crate::{Common, Result};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use store::{Lane, Store, StoreConfig};
use tempfile::TempDir;

/// The key of the bench's installation; it guards nothing.
pub const SECRET: [u8; 32] = [0x5a; 32];
/// The same, as settings hold it.
const SECRET_HEX: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file in the shop's folder.
    Sqlite,
    /// A database of its own in this PostgreSQL.
    Postgres(String),
}

impl Place {
    /// The word in figures.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

/// A shop.
#[derive(Debug)]
pub struct Shop {
    folder: TempDir,
    binary: PathBuf,
    database: String,
    settings: Vec<(&'static str, String)>,
    /// The PostgreSQL in which its database was made.
    admin: Option<String>,
}

impl Shop {
    /// An empty shop, its schema made.
    ///
    /// # Errors
    /// If the database cannot be made.
    pub async fn empty(common: &Common, place: &Place) -> Result<Self> {
        Self::empty_in(common, place, tempfile::tempdir()?).await
    }

    /// The same, in a folder.
    async fn empty_in(common: &Common, place: &Place, folder: TempDir) -> Result<Self> {
        let database = match place {
            Place::Sqlite => format!("sqlite://{}/shop.sqlite", folder.path().display()),
            Place::Postgres(url) => new_database(url).await?,
        };
        let admin = match place {
            Place::Sqlite => None,
            Place::Postgres(url) => Some(url.clone()),
        };
        let binary = fs::canonicalize(&common.zaijia)
            .map_err(|error| format!("{}: {error} (cargo xtask build makes it)", common.zaijia.display()))?;
        let shop = Self { folder, binary, database, settings: Vec::new(), admin };
        shop.run(&["migrate"])?;
        Ok(shop)
    }

    /// The demo supermarket, with stock and slots that do not run out.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn stocked(common: &Common, place: &Place) -> Result<Self> {
        Self::stocked_in(common, place, tempfile::tempdir()?).await
    }

    /// The same, in a folder.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn stocked_in(common: &Common, place: &Place, folder: TempDir) -> Result<Self> {
        let shop = Self::empty_in(common, place, folder).await?;
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo");
        let data = shop.folder.path().join("import");
        fs::create_dir(&data)?;
        for entry in fs::read_dir(demo)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if Path::new(&name).extension().is_some_and(|end| end == "csv") {
                let text = plenty(&name, &fs::read_to_string(&path)?);
                fs::write(data.join(name), text)?;
            }
        }
        shop.run(&["import", &data.display().to_string()])?;
        Ok(shop)
    }

    /// The shop's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A shop of [`crate::goods`] with so many SKUs.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn of_goods(common: &Common, place: &Place, skus: usize) -> Result<Self> {
        let shop = Self::empty(common, place).await?;
        let import = shop.folder().join("import");
        crate::goods::write(&import, skus, 1)?;
        shop.run(&["import", "--strict", &import.display().to_string()])?;
        Ok(shop)
    }

    /// Its database need not be dropped at the end: it goes with its PostgreSQL.
    pub fn leave_database(&mut self) {
        self.admin = None;
    }

    /// A setting of its servers, by the environment.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.settings.push((name, value.to_owned()));
    }

    /// URL of its database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// A command of the shop.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_on(&self.database, args)
    }

    fn command_on(&self, database: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).args(["--database-url", database]).current_dir(self.folder.path());
        command
            .env("ZAIJIA_SECRET", SECRET_HEX)
            .env("ZAIJIA_DATA", self.folder.path())
            .env("ZAIJIA_LOG_FILTER", "warn");
        // All of the load comes from one address.
        for limit in ["ZAIJIA_VISITOR_PER_SECOND", "ZAIJIA_ADDRESS_PER_SECOND", "ZAIJIA_CONNECTIONS_PER_ADDRESS"] {
            command.env(limit, "0");
        }
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// With what it said, if it fails.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        let output = self.command(args).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        Err(format!("zaijia {}: {}\n{said}{}", args.join(" "), output.status, String::from_utf8_lossy(&output.stderr))
            .into())
    }

    /// Opens its database.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn store(&self) -> Result<Store> {
        Ok(Store::open(&StoreConfig::new(self.database.as_str())).await?)
    }

    /// Starts a server; it answers when this returns.
    ///
    /// # Errors
    /// If it does not start.
    pub fn serve(&self) -> Result<Server> {
        self.serve_at(free_addr()?)
    }

    /// Starts a server at an address.
    ///
    /// # Errors
    /// If it does not start.
    pub fn serve_at(&self, addr: SocketAddr) -> Result<Server> {
        self.serve_on(&self.database, addr)
    }

    /// Starts a server that reaches the database by a bad way, which may take
    /// several tries.
    ///
    /// # Errors
    /// If it does not start.
    pub fn serve_stubbornly(&self, database: &str) -> Result<Server> {
        let mut last = None;
        for _ in 0..10 {
            match self.serve_on(database, free_addr()?) {
                Err(error) => last = Some(error),
                server => return server,
            }
        }
        Err(last.unwrap_or_else(|| "the server does not start".into()))
    }

    fn serve_on(&self, database: &str, addr: SocketAddr) -> Result<Server> {
        let mut command = self.command_on(database, &["serve", "--addr", &addr.to_string()]);
        // One public address, whichever server answers.
        command.args(["--public-url", &format!("http://{addr}")]).stdout(Stdio::null());
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log"))?;
        Server::start(command.stderr(log), addr)
    }

    /// Proves the books.
    ///
    /// # Errors
    /// With what does not add up.
    pub fn check(&self) -> Result {
        self.run(&["check"]).map(|_| ())
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(url) = self.admin.take() {
            let name = self.database.rsplit('/').next().unwrap_or_default().to_owned();
            LEFT.lock().unwrap_or_else(PoisonError::into_inner).push((url, name));
        }
    }
}

/// A port that nobody listens on.
pub fn free_addr() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Databases whose shops are gone, by the PostgreSQL that they are in.
static LEFT: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Fails where a PostgreSQL, or the shop's own connection to it, does not wait for the disk:
/// figures would be worth nothing. (Of SQLite a test of the store says so.)
///
/// # Errors
/// If it does not, or cannot be reached.
pub async fn commits_wait_for_the_disk(place: &Place) -> Result {
    let Place::Postgres(url) = place else { return Ok(()) };
    let store = Store::open(&StoreConfig::new(url.as_str())).await?;
    let unit = store.write(Lane::Background, (), |conn, ()| {
        Box::pin(async move {
            let sql = "SELECT current_setting('fsync'), current_setting('synchronous_commit')";
            conn.one::<(String, String)>(sql, &[]).await
        })
    });
    let (fsync, commit) = unit.await?;
    store.close().await;
    if (fsync.as_str(), commit.as_str()) == ("on", "on") {
        return Ok(());
    }
    Err(format!("commits of this PostgreSQL need not be kept: fsync {fsync}, synchronous_commit {commit}").into())
}

/// Drops the databases of shops that are gone.
///
/// # Errors
/// If a PostgreSQL cannot be reached.
pub async fn tidy() -> Result {
    use sqlx::Connection;
    let left = std::mem::take(&mut *LEFT.lock().unwrap_or_else(PoisonError::into_inner));
    for (url, name) in left {
        let mut conn = sqlx::PgConnection::connect(&url).await?;
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut conn).await?;
    }
    Ok(())
}

/// A new database in a PostgreSQL.
async fn new_database(url: &str) -> Result<String> {
    use sqlx::Connection;
    tidy().await?;
    let name = format!("bench_{}", store::new_id().replace('-', ""));
    let mut conn = sqlx::PgConnection::connect(url).await?;
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut conn).await?;
    let (server, _) = url.rsplit_once('/').ok_or("the URL names no database")?;
    Ok(format!("{server}/{name}"))
}

/// The demo's files with stock and slots that do not run out.
fn plenty(name: &str, text: &str) -> String {
    let (column, plenty) = match name {
        "stock.csv" => ("on_hand", "1000000000"),
        "slots.csv" => ("capacity", "100000"),
        _ => return text.to_owned(),
    };
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let at = header.split(',').position(|cell| cell.trim() == column);
    let mut out = header.to_owned();
    for line in lines {
        let cells = line.split(',').enumerate();
        let cells: Vec<&str> = cells.map(|(no, cell)| if Some(no) == at { plenty } else { cell }).collect();
        out.push('\n');
        out.push_str(&cells.join(","));
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stock_is_plenty_and_the_rest_stays() {
        let stock = plenty("stock.csv", "store,pool,on_hand,as_of\na,b,3,-8m\n");
        assert_eq!(stock, "store,pool,on_hand,as_of\na,b,1000000000,-8m\n");
        assert_eq!(plenty("skus.csv", "x,y\n1,2\n"), "x,y\n1,2\n");
    }
}
