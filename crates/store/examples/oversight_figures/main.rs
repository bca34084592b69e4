//! Figures of what operators report: prints `name value` lines. `benchmarks/run.mjs` lays them beside limits and peers.
//!
//! `intake <directory>` and `intake server` accept samples in calls of twelve and of one while somebody settles rounds and
//! moves the journal into pages; the server also copies the same samples as rows. `register <directory> <ports>` and
//! `register server <ports>` register that many, read all of them, and ask for pages.
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
mod intake;
mod load;
#[path = "../history_figures/measure.rs"]
mod measure;
mod register;

use std::path::Path;

use store::{Postgres, Sqlite};

use crate::cluster::Cluster;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["intake", "server"] => {
            let cluster = Cluster::start();
            intake::figures(Postgres::open(&cluster.url()).unwrap()).await;
            intake::copy(&cluster);
        }
        ["intake", directory] => intake::figures(Sqlite::open(Path::new(directory)).unwrap()).await,
        ["register", "server", ports] => {
            let cluster = Cluster::start();
            register::figures(Postgres::open(&cluster.url()).unwrap(), number(ports)).await;
        }
        ["register", directory, ports] => {
            register::figures(Sqlite::open(Path::new(directory)).unwrap(), number(ports)).await;
        }
        _ => println!("usage: see the head of this file"),
    }
}

fn number(argument: &str) -> i64 {
    argument.parse().unwrap()
}
