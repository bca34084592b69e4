//! The binary: parses arguments, reads the config, wires the rooms together, runs. No logic of its own.

mod args;
mod assemble;
mod chosen;
mod clock;
mod commands;
mod config;
mod from_file;
mod listen;
mod nightly;
mod oversight;
mod prices;
mod vehicles;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let args = args::Args::parse();
    start_logging(args.verbose);
    match commands::run(args.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The one place where a failure of the whole program is said.
            #[allow(clippy::print_stderr)]
            {
                eprintln!("ohmstead: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Logs go to standard error; what a person asked for goes to standard output.
fn start_logging(verbose: u8) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::prelude::*;
    let ours = match verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let named = std::env::var("OHMSTEAD_LOG")
        .ok()
        .and_then(|text| text.parse::<Targets>().ok());
    let targets = named.unwrap_or_else(|| {
        [
            "bus",
            "engine",
            "gate",
            "links",
            "north",
            "ohmstead",
            "oversight",
            "sim",
            "south",
            "store",
        ]
        .into_iter()
        .fold(Targets::new().with_default(LevelFilter::WARN), |targets, room| {
            targets.with_target(room, ours)
        })
    });
    let format = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false);
    tracing_subscriber::registry().with(format).with(targets).init();
}
