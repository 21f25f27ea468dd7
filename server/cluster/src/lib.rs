//! A PostgreSQL of our own for tests, benches and faults: the installed
//! binaries in a folder on a free port, stopped and deleted when it is dropped.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Errors are read by a developer, so text is enough.
type Error = Box<dyn std::error::Error + Send + std::marker::Sync>;
/// What every step answers.
pub type Result<T = ()> = std::result::Result<T, Error>;

/// It starts and recovers within this time.
const READY: Duration = Duration::from_secs(30);

/// Does a commit wait for the disk?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// It does, as in earnest: for benches.
    Full,
    /// Nothing of it is kept: for tests.
    Off,
    /// It does, and the log of transactions is small: for small disks.
    Small,
}

impl Sync {
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Full => &["shared_buffers=512MB", "max_wal_size=4GB", "max_connections=300"],
            Self::Off => &["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300"],
            Self::Small => &["shared_buffers=32MB", "min_wal_size=2MB", "max_wal_size=8MB", "max_connections=100"],
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Cluster {
    child: Child,
    bin: PathBuf,
    user: Option<(u32, u32)>,
    sync: Sync,
    port: u16,
    folder: Folder,
}

impl Cluster {
    /// Makes a cluster in a temporary folder and starts it; ready when this returns.
    ///
    /// # Errors
    /// If PostgreSQL is not installed or does not start.
    pub fn start(sync: Sync) -> Result<Self> {
        Self::start_in(&std::env::temp_dir(), sync)
    }

    /// The same, in a folder of its own below `parent`.
    ///
    /// # Errors
    /// If PostgreSQL is not installed or does not start.
    pub fn start_in(parent: &Path, sync: Sync) -> Result<Self> {
        let bin = bin().ok_or("PostgreSQL is not installed")?;
        let folder = Folder::new(parent)?;
        let user = unprivileged(&folder.0)?;
        let mut initdb = command(&bin, "initdb", user, &folder.0);
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        if sync == Sync::Small {
            initdb.arg("--wal-segsize=1");
        }
        let made = initdb.arg("--pgdata").arg(folder.data()).stdout(Stdio::null()).status()?;
        if !made.success() {
            return Err(format!("initdb failed: {made}").into());
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = spawn(&bin, user, &folder, (sync, port))?;
        let mut cluster = Self { child, bin, user, sync, port, folder };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    /// URL of its maintenance database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once and without a last word to the disk: what is left is
    /// what a crash of its own leaves. (What it had handed to the system is kept.)
    ///
    /// # Errors
    /// If it cannot be ended.
    pub fn crash(&mut self) -> Result {
        self.stop("immediate");
        Ok(())
    }

    /// Starts it again on what is on the disk; ready when this returns.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_again(&mut self) -> Result {
        self.child = spawn(&self.bin, self.user, &self.folder, (self.sync, self.port))?;
        self.wait_until_ready()
    }

    /// Starts it again with TLS for whoever asks for it, by a certificate and its key in PEM.
    ///
    /// # Errors
    /// If they cannot be written, or it does not start with them.
    pub fn serve_tls(&mut self, certificate: &str, key: &str) -> Result {
        self.stop("fast");
        let data = self.folder.data();
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = data.join(name);
            fs::write(&path, text)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            if let Some((uid, gid)) = self.user {
                chown(&path, Some(uid), Some(gid))?;
            }
        }
        let mut settings = OpenOptions::new().append(true).open(data.join("postgresql.conf"))?;
        settings.write_all(b"\nssl = on\n")?;
        self.start_again()
    }

    /// Does it run? It gives up by itself when it cannot write its log.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn wait_until_ready(&mut self) -> Result {
        let began = Instant::now();
        loop {
            // It says so in its log before it says so on the wire.
            let text = fs::read_to_string(self.folder.log()).unwrap_or_default();
            let says_ready = text.contains("ready to accept connections");
            if says_ready && TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            if !self.is_running() || began.elapsed() > READY {
                return Err(format!("PostgreSQL does not start:\n{text}").into());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(&mut self, mode: &str) {
        if self.is_running() {
            let mut stop = command(&self.bin, "pg_ctl", self.user, &self.folder.0);
            stop.args(["stop", "--mode", mode, "--silent", "--pgdata"]).arg(self.folder.data());
            if !stop.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
                let _ = self.child.kill();
            }
            let _ = self.child.wait();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop("immediate");
    }
}

fn spawn(bin: &Path, user: Option<(u32, u32)>, folder: &Folder, (sync, port): (Sync, u16)) -> Result<Child> {
    // A new log each time: what is waited for stands in it once.
    let log = File::create(folder.log())?;
    let mut postgres = command(bin, "postgres", user, &folder.0);
    postgres.arg("-D").arg(folder.data()).arg("-k").arg(&folder.0).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    for setting in sync.settings() {
        postgres.args(["-c", setting]);
    }
    Ok(postgres.stdout(log.try_clone()?).stderr(log).spawn()?)
}

/// A folder, deleted with all that is in it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new(parent: &Path) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let no = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("zaijia-postgres-{}-{no}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
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

/// Folder of `initdb`, `pg_ctl` and `postgres`: on PATH, or the newest one that
/// Debian keeps aside.
pub fn bin() -> Option<PathBuf> {
    let whole = |dir: &PathBuf| ["initdb", "pg_ctl", "postgres"].iter().all(|name| dir.join(name).is_file());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(AsRef::<OsStr>::as_ref(&path)).find(whole);
    on_path.or_else(|| {
        let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
            .ok()?
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
            })
            .filter(|(_, bin)| whole(bin))
            .collect();
        versions.sort();
        versions.pop().map(|(_, bin)| bin)
    })
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
