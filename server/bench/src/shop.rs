//! A shop in a temporary folder: its database, filled with the demo goods in
//! quantities that do not run out, and the servers on it.

use crate::{Common, Result};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use store::{Store, StoreConfig};
use tempfile::TempDir;

/// The key of the bench's installation; it guards nothing.
pub const SECRET: [u8; 32] = [0x5a; 32];

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
}

impl Shop {
    /// An empty shop, its schema made.
    ///
    /// # Errors
    /// If the database cannot be made.
    pub async fn empty(common: &Common, place: &Place) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = match place {
            Place::Sqlite => format!("sqlite://{}/shop.sqlite", folder.path().display()),
            Place::Postgres(url) => new_database(url).await?,
        };
        let binary = fs::canonicalize(&common.zaijia)
            .map_err(|error| format!("{}: {error} (cargo xtask build makes it)", common.zaijia.display()))?;
        let shop = Self { folder, binary, database };
        shop.run(&["migrate"])?;
        Ok(shop)
    }

    /// The demo supermarket, with stock and slots that do not run out.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn stocked(common: &Common, place: &Place) -> Result<Self> {
        let shop = Self::empty(common, place).await?;
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

    /// A command of the shop.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).args(["--database-url", &self.database]).current_dir(self.folder.path());
        let hex: String = SECRET.iter().map(|byte| format!("{byte:02x}")).collect();
        command.env("ZAIJIA_SECRET", hex).env("ZAIJIA_DATA", self.folder.path()).env("ZAIJIA_LOG_FILTER", "warn");
        command.env("ZAIJIA_VISITOR_PER_SECOND", "0").env("ZAIJIA_ADDRESS_PER_SECOND", "0");
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
        let mut command = self.command(&["serve", "--addr", &addr.to_string()]);
        // One public address, whichever server answers.
        command.args(["--public-url", &format!("http://{addr}")]).stdout(Stdio::null());
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log"))?;
        let mut server = Server { child: command.stderr(log).spawn()?, addr };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Proves the books.
    ///
    /// # Errors
    /// With what does not add up.
    pub fn check(&self) -> Result {
        self.run(&["check"]).map(|_| ())
    }
}

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Server {
    fn wait_until_ready(&mut self) -> Result {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server ended: {status}").into());
            }
            if answers(self.addr) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("the server does not answer".into())
    }

    /// Ends it at once, as a power cut does.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn kill(mut self) -> Result {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does `/readyz` say 200?
fn answers(addr: SocketAddr) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(addr) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut head = [0; 12];
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").is_ok()
        && stream.read_exact(&mut head).is_ok()
        && head.ends_with(b"200")
}

/// A port that nobody listens on.
pub fn free_addr() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A new database in a PostgreSQL.
async fn new_database(url: &str) -> Result<String> {
    use sqlx::Connection;
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
