//! A PostgreSQL of our own for tests and benches: the installed binaries in a
//! temporary folder on a free port, stopped and deleted when it is dropped.

use crate::proc::{free_port, interrupted};
use crate::{Error, Result, setup};
use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Does a commit wait for the disk?
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// It does, as in earnest: for benches.
    Full,
    /// Nothing of it is kept: for tests.
    Off,
}

impl Sync {
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Full => &["shared_buffers=512MB", "max_wal_size=4GB", "max_connections=300"],
            Self::Off => &["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300"],
        }
    }
}

/// A running server.
pub struct Postgres {
    child: Child,
    bin: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    folder: Folder,
}

impl Postgres {
    /// Makes a cluster and starts it; ready when this returns.
    pub fn start(sync: Sync) -> Result<Self> {
        let bin = setup::postgres_bin().ok_or("PostgreSQL is not installed")?;
        let folder = Folder::new()?;
        let user = unprivileged(&folder.0)?;
        let data = folder.0.join("data");
        let mut initdb = command(&bin, "initdb", user, &folder.0);
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]);
        let made = initdb.args(["--no-sync", "--pgdata"]).arg(&data).stdout(Stdio::null()).status()?;
        if !made.success() {
            return Err(format!("initdb failed: {made}").into());
        }
        let port = free_port()?;
        let log = File::create(folder.0.join("log"))?;
        let mut postgres = command(&bin, "postgres", user, &folder.0);
        postgres.arg("-D").arg(&data).arg("-k").arg(&folder.0).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        for setting in sync.settings() {
            postgres.args(["-c", setting]);
        }
        let child = postgres.stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut server = Self { child, bin, user, port, folder };
        server.wait_until_ready()?;
        println!("PostgreSQL on {}", server.url());
        Ok(server)
    }

    /// URL of its maintenance database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn wait_until_ready(&mut self) -> Result {
        let began = Instant::now();
        // It says so in its log before it says so on the wire.
        let log = self.folder.0.join("log");
        loop {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let says_ready = text.contains("ready to accept connections");
            if says_ready && TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || interrupted() || began.elapsed() > Duration::from_secs(30) {
                return Err(Error::from(format!("PostgreSQL does not start:\n{text}")));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let mut stop = command(&self.bin, "pg_ctl", self.user, &self.folder.0);
            stop.args(["stop", "--mode=immediate", "--silent", "--pgdata"]).arg(self.folder.0.join("data"));
            if !stop.status().is_ok_and(|status| status.success()) {
                let _ = self.child.kill();
            }
            let _ = self.child.wait();
        }
    }
}

/// A temporary folder, deleted with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("zaijia-postgres-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn command(bin: &Path, name: &str, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = Command::new(bin.join(name));
    command.current_dir(folder);
    if let Some((uid, gid)) = user {
        command.gid(gid).uid(uid);
    }
    command
}

/// PostgreSQL refuses to run as root: then it runs as user `postgres`, who
/// gets the folder. For anybody else, none.
fn unprivileged(folder: &Path) -> Result<Option<(u32, u32)>> {
    if fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd")?;
    let user = user_of(&passwd, "postgres").ok_or("no user `postgres` to run PostgreSQL as")?;
    chown(folder, Some(user.0), Some(user.1))?;
    Ok(Some(user))
}

fn user_of(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_found_by_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgres:x:105:110:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(user_of(passwd, "postgres"), Some((105, 110)));
        assert_eq!(user_of(passwd, "post"), None);
    }
}
