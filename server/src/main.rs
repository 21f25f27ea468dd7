//! `zaijia`: serves the shop, and does what its staff tell it on the command line.

use clap::Parser;
use server::commands::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("zaijia: the runtime could not be started: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(server::commands::run(Cli::parse()));
    // What is still at work by now, such as a job over all goods, ends with the process.
    runtime.shutdown_background();
    code
}
