//! A running server: started, told to stop, killed.

use crate::Result;
use std::net::SocketAddr;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Server {
    /// Starts it; it answers when this returns.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(command: &mut Command, addr: SocketAddr) -> Result<Self> {
        let mut server = Self { child: command.spawn()?, addr };
        server.wait_until_ready()?;
        Ok(server)
    }

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

    /// Ends it at once: it says and writes nothing more. What it has handed to the
    /// system is written all the same, which a power cut would not spare.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn kill(mut self) -> Result {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Tells it to stop, as a service manager does, and waits for its end.
    ///
    /// # Errors
    /// If it does not end in time, or not in order.
    pub async fn stop(mut self) -> Result {
        let told = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status()?;
        if !told.success() {
            return Err("the server could not be told to stop".into());
        }
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(40) {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the server ended: {status}").into()),
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        Err("the server does not end".into())
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
