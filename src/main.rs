//! `flashsale`: see `flashsale --help`.

use std::process::ExitCode;

use clap::Parser;
use flashsale::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Cli::parse().run()
}
