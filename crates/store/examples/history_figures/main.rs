//! Figures of the store: prints `name value` lines. `benchmarks/run.mjs` lays them beside limits and peers.
//!
//! `embedded <directory> <days>` imports as many days and asks for them, then writes live; `server <days>` imports into
//! a PostgreSQL server of its own; `records <directory>` and `records server` write what must be durable; `day
//! <directory> <devices>` is one day here and in plain rows, `lines <devices>` prints that day as JSON lines for other
//! peers.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a program that measures and prints"
)]

#[path = "../../src/postgres/cluster.rs"]
#[allow(dead_code, reason = "tests need more of it")]
mod cluster;
mod embedded;
mod load;
mod measure;
mod peers;
mod records;
mod server;

use std::path::Path;

use store::{Postgres, Sqlite};

use crate::cluster::Cluster;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["embedded", directory, days] => embedded::figures(Path::new(directory), number(days)).await,
        ["server", days] => server::figures(number(days)).await,
        ["records", "server"] => {
            let cluster = Cluster::start();
            records::figures(Postgres::open(&cluster.url()).unwrap()).await;
        }
        ["records", directory] => records::figures(Sqlite::open(Path::new(directory)).unwrap()).await,
        ["day", directory, devices] => peers::figures(Path::new(directory), number(devices)).await,
        ["lines", devices] => peers::lines(number(devices)),
        _ => println!("usage: see the head of this file"),
    }
}

fn number(argument: &str) -> usize {
    argument.parse().unwrap()
}
