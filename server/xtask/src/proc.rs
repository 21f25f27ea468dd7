//! Child processes: run and check, run and keep some lines, run until a signal.
//! A signal ends the child at hand; the step then fails and what it started is
//! cleaned up by the usual drops.

use crate::{Error, Result};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Process id of the child in the foreground, 0 for none.
static FOREGROUND: AtomicU32 = AtomicU32::new(0);

/// A signal must not kill xtask itself before it has stopped what it started.
pub fn install_signal_handler() -> Result {
    ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        let pid = FOREGROUND.load(Ordering::SeqCst);
        if pid != 0 {
            terminate(pid);
        }
    })?;
    Ok(())
}

/// Whether a signal has asked to stop.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Asks a process to end (TERM).
pub fn terminate(pid: u32) {
    // A process that is gone already is what we want.
    let _ = Command::new("kill").arg(pid.to_string()).stderr(Stdio::null()).status();
}

/// A command in the repository's top folder.
pub fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(crate::paths::root());
    command
}

/// The cargo that called us, with the arguments given.
pub fn cargo(args: &[&str]) -> Command {
    let mut cargo = command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), args);
    // Set by the outer `cargo run`, and wrong for other packages.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        cargo.env_remove(name);
    }
    cargo
}

/// The command as a developer would type it.
fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

fn wait(mut child: Child, what: &str) -> Result {
    FOREGROUND.store(child.id(), Ordering::SeqCst);
    let status = child.wait();
    FOREGROUND.store(0, Ordering::SeqCst);
    if interrupted() {
        return Err("interrupted".into());
    }
    match status? {
        status if status.success() => Ok(()),
        status => Err(format!("`{what}` failed: {status}").into()),
    }
}

fn spawn(command: &mut Command) -> Result<(Child, String)> {
    let what = describe(command);
    if interrupted() {
        return Err("interrupted".into());
    }
    eprintln!("$ {what}");
    let child = command.spawn().map_err(|error| Error::from(format!("`{what}`: {error}")))?;
    Ok((child, what))
}

/// Runs to the end with its output shown; anything but success is an error.
pub fn run(command: &mut Command) -> Result {
    let (child, what) = spawn(command)?;
    wait(child, &what)
}

/// Runs to the end, and answers what was written to standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let what = describe(command);
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|error| Error::from(format!("`{what}`: {error}")))?;
    if !output.status.success() {
        return Err(format!("`{what}` failed: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs with its output shown, and keeps the lines that `keep` wants: the
/// closing lines of a test runner. The lines are kept even if it fails.
pub fn run_keeping(command: &mut Command, keep: fn(&str) -> bool) -> (Vec<String>, Result) {
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always").env("FORCE_COLOR", "1");
    }
    let spawned = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let (mut child, what) = match spawned {
        Ok(spawned) => spawned,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let out = child.stdout.take().map(|pipe| thread::spawn(move || tee(pipe, std::io::stdout(), keep)));
    let err = child.stderr.take().map(|pipe| thread::spawn(move || tee(pipe, std::io::stderr(), keep)));
    let answer = wait(child, &what);
    let kept = [out, err].into_iter().flatten().filter_map(|reader| reader.join().ok()).flatten().collect();
    (kept, answer)
}

fn tee(pipe: impl Read, mut to: impl Write, keep: fn(&str) -> bool) -> Vec<String> {
    let mut kept = Vec::new();
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // A closed terminal must not stop the child by a full pipe.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        let text = plain(&String::from_utf8_lossy(&line));
        if keep(&text) {
            kept.push(text.trim().to_owned());
        }
        line.clear();
    }
    kept
}

/// Text without terminal colours.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(c);
        }
    }
    plain
}

/// A server in the background; it is stopped when this is dropped.
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts the command and waits until `http://addr/readyz` answers 200.
    pub fn start(command: &mut Command, addr: SocketAddr) -> Result<Self> {
        let (child, what) = spawn(command)?;
        let mut server = Self { child };
        let began = Instant::now();
        while !ready(addr) {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("`{what}` ended: {status}").into());
            }
            if interrupted() {
                return Err("interrupted".into());
            }
            if began.elapsed() > Duration::from_mins(1) {
                return Err(format!("`{what}` is not ready on {addr} after 60 s").into());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }

    /// Waits until the server ends, or a signal ends it.
    pub fn wait(mut self) -> Result {
        FOREGROUND.store(self.child.id(), Ordering::SeqCst);
        if interrupted() {
            terminate(self.child.id());
        }
        let status = self.child.wait()?;
        FOREGROUND.store(0, Ordering::SeqCst);
        if status.success() || interrupted() { Ok(()) } else { Err(format!("the server ended: {status}").into()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        terminate(self.child.id());
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if began.elapsed() > Duration::from_secs(10) {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether the shop at `addr` says that it is ready.
fn ready(addr: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&addr, Duration::from_secs(1)) else {
        return false;
    };
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    let mut answer = [0; 12];
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && stream.write_all(request.as_bytes()).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.ends_with(b" 200")
}
