//! What the kernel says of a process.

use crate::Result;
use std::fs;

/// Ticks a second, as Linux counts them for user space on all common machines.
const TICKS: f64 = 100.0;

/// Seconds of CPU that a process used so far, its own and the kernel's for it.
///
/// # Errors
/// If there is no such process.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold anything; behind its bracket stand numbers.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |no: usize| fields.get(no).and_then(|ticks| ticks.parse::<f64>().ok()).ok_or("no such field");
    Ok((field(11)? + field(12)?) / TICKS)
}

/// Memory of a process that is in RAM, in KiB.
///
/// # Errors
/// If there is no such process.
pub fn resident_kib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// Files that this process may open.
///
/// # Errors
/// If the kernel does not say.
pub fn most_files() -> Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).ok_or("no limit of open files")?;
    let soft = line.split_whitespace().next().unwrap_or_default();
    Ok(if soft == "unlimited" { usize::MAX } else { soft.parse()? })
}

/// Says so early, where more connections are wanted than files may be open.
///
/// # Errors
/// If they are not enough.
pub fn need_files(connections: usize) -> Result {
    let (most, needed) = (most_files()?, connections + 200);
    if most < needed {
        return Err(format!("{needed} open files are needed, {most} are allowed: ulimit -n {needed}").into());
    }
    Ok(())
}
