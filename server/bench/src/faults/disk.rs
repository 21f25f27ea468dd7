//! A small disk that can be filled to its last byte: a tmpfs, mounted for the
//! time of a fault.

use crate::Result;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The disk; unmounted when it is dropped.
#[derive(Debug)]
pub struct Disk {
    at: TempDir,
}

impl Disk {
    /// Mounts one of so many MiB; `None` where that is not allowed.
    ///
    /// # Errors
    /// If there is no place to mount it at.
    pub fn mount(mib: usize) -> Result<Option<Self>> {
        let at = tempfile::tempdir()?;
        let size = format!("size={mib}m,mode=0755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "zaijia-faults"])
            .arg(at.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Ok(Some(Self { at }));
        }
        Ok(None)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.at.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Leaves no byte free.
    ///
    /// # Errors
    /// If it cannot be written, for another reason than that it is full.
    pub fn fill(&self) -> Result {
        let mut file = OpenOptions::new().create(true).append(true).open(self.ballast())?;
        for piece in [1 << 20, 1 << 12, 1] {
            until_full(&mut file, &vec![0; piece])?;
        }
        Ok(())
    }

    /// Makes room again.
    ///
    /// # Errors
    /// If the ballast cannot be thrown off.
    pub fn make_room(&self) -> Result {
        Ok(fs::remove_file(self.ballast())?)
    }
}

fn until_full(file: &mut File, piece: &[u8]) -> Result {
    loop {
        match file.write_all(piece) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: who still has a file open loses it without keeping the mount.
        let _ = Command::new("umount").arg("-l").arg(self.at.path()).stderr(Stdio::null()).status();
    }
}
