//! How much a supervision platform takes in: `supervision_load BINARY embedded|server` reports signed samples to the
//! program as it is shipped, with its real store in files or in a PostgreSQL server of its own, over loopback and on
//! the same processors. `supervision_load BINARY ports [COUNT]` registers very many ports and asks for pages of them.
//! Prints one line of JSON.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a figure that cannot be taken ends the run"
)]

mod bodies;
#[path = "../../../store/src/postgres/cluster.rs"]
#[allow(dead_code, reason = "the tests of the store need more of it")]
mod cluster;
mod copy;
mod generator;
mod house;

use std::sync::Arc;
use std::time::Duration;

use cluster::Cluster;
use generator::{Caller, Reporter};
use house::House;
use serde_json::{Value, json};

const OPERATORS: [&str; 4] = ["MA005DBW1", "MA27XG3C0", "MA2AX4K57", "MA28M0F42"];
const PORTS: usize = 60_000;
const LIST: &str = "POST /platform/report/chargingMetaInfoList";
const SINGLE: &str = "POST /platform/report/chargingMetaInfo";
const LASTS: Duration = Duration::from_secs(10);
/// Connections that lists and single samples come over.
const OF_LISTS: usize = 64;
const OF_SINGLES: usize = 128;
/// Of each operator, while it registers something.
const OF_REGISTERING: usize = 32;

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let figures = match arguments[..] {
        [binary, "embedded"] => runtime.block_on(intake(binary, None)),
        [binary, "server"] => runtime.block_on(intake(binary, Some(Cluster::start()))),
        [binary, "ports"] => runtime.block_on(ports(binary, 1_700_000)),
        [binary, "ports", count] => runtime.block_on(ports(binary, count.parse().unwrap())),
        _ => {
            eprintln!("supervision_load BINARY embedded|server|ports [COUNT]");
            std::process::exit(2);
        }
    };
    println!("{figures}");
}

async fn intake(binary: &str, cluster: Option<Cluster>) -> Value {
    let house = House::start(binary, cluster.as_ref()).await;
    let callers = house.callers(&OPERATORS).await;
    let each = PORTS / callers.len();
    register(&callers, each).await;
    let mut lists = reporters(&callers, each, OF_LISTS, 12);
    let mut singles = reporters(&callers, each, OF_SINGLES, 1);
    // The first seconds fill what is filled once.
    generator::report(LIST, &mut lists, LASTS / 4, None).await;
    let before = house.cpu_s();
    let mut fast = generator::report(LIST, &mut lists, LASTS, None).await;
    let list_cores = (house.cpu_s() - before) / LASTS.as_secs_f64();
    let mut half = generator::report(LIST, &mut lists, LASTS, Some(20_000.0 / 12.0)).await;
    let before = house.cpu_s();
    let mut single = generator::report(SINGLE, &mut singles, LASTS, None).await;
    let single_cores = (house.cpu_s() - before) / LASTS.as_secs_f64();
    let mut single_half = generator::report(SINGLE, &mut singles, LASTS, Some(3_000.0)).await;
    let copied = cluster.as_ref().map(copy::rows_per_s);
    let calls = [&fast, &half].map(|outcome| outcome.calls).iter().sum::<usize>();
    json!({
        "list_samples_per_s": fast.per_s() * 12.0,
        "list_cores": list_cores,
        "list_median_ms": fast.within_ms(50),
        "list_half_per_s": half.per_s() * 12.0,
        "list_half_median_ms": half.within_ms(50),
        "list_half_p99_ms": half.within_ms(99),
        "single_per_s": single.per_s(),
        "single_cores": single_cores,
        "single_median_ms": single.within_ms(50),
        "single_half_per_s": single_half.per_s(),
        "single_half_median_ms": single_half.within_ms(50),
        "single_half_p99_ms": single_half.within_ms(99),
        "samples": calls * 12 + single.calls + single_half.calls,
        "copy_rows_per_s": copied,
        "rss_mb": house.rss_mb(),
    })
}

/// What each connection says, of ports of its own.
fn reporters(callers: &[Arc<Caller>], ports: usize, connections: usize, of_body: usize) -> Vec<Reporter> {
    let of_caller = connections / callers.len();
    let share = ports / of_caller;
    let of = |connection: usize| {
        let caller = &callers[connection / of_caller];
        let first = connection % of_caller * share;
        let bodies = (first..first + share - share % of_body)
            .step_by(of_body)
            .map(|port| bodies::Body::samples(&caller.operator, port, of_body, of_body > 1));
        Reporter {
            caller: Arc::clone(caller),
            bodies: bodies.collect(),
        }
    };
    (0..of_caller * callers.len()).map(of).collect()
}

/// Stations, their equipment, its ports, so many of each operator; says how long the last took.
async fn register(callers: &[Arc<Caller>], ports: usize) -> Duration {
    let create = |what: &str| format!("POST /platform/management/{what}");
    let stations = ports.div_ceil(bodies::OF_STATION);
    let equipment = ports.div_ceil(bodies::OF_EQUIPMENT);
    let over = OF_REGISTERING;
    generator::all(callers, &create("station"), over, stations, bodies::station).await;
    generator::all(callers, &create("equipment"), over, equipment, bodies::equipment).await;
    generator::all(callers, &create("cell"), over, ports, bodies::port).await
}

async fn ports(binary: &str, count: usize) -> Value {
    let house = House::start(binary, None).await;
    let callers = house.callers(&OPERATORS).await;
    let empty_mb = house.rss_mb();
    let each = count / callers.len();
    let before = house.cpu_s();
    let took = register(&callers, each).await;
    let cores = (house.cpu_s() - before) / took.as_secs_f64();
    let registered_mb = house.rss_mb();
    for caller in &callers {
        let reporters = reporters(std::slice::from_ref(caller), each, OF_LISTS, 12);
        generator::once(LIST, reporters).await;
    }
    let reported_mb = house.rss_mb();
    let mut pages = Vec::new();
    let last = each / 100;
    for index in [1, 2, last / 4, last / 2, last - 1, last] {
        for caller in &callers {
            let query = format!("operatorId={}&pageIndex={index}&pageSize=100", caller.operator);
            pages.push(generator::ask(caller, &format!("GET /platform/management/cell?{query}")).await);
        }
    }
    let mut natives = Vec::new();
    for operator in OPERATORS {
        natives.append(&mut house.pages(operator, each).await);
    }
    let most = |waits: &mut Vec<f64>| waits.drain(..).fold(0.0, f64::max);
    json!({
        "ports": each * callers.len(),
        "registered_per_s": (each * callers.len()) as f64 / took.as_secs_f64(),
        "registering_cores": cores,
        "empty_mb": empty_mb,
        "registered_mb": registered_mb,
        "reported_mb": reported_mb,
        "bytes_each": (reported_mb - empty_mb) * 1024.0 * 1024.0 / (each * callers.len()) as f64,
        "page_most_ms": most(&mut pages),
        "native_page_most_ms": most(&mut natives),
    })
}
