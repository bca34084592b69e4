//! Samples that are durable before they are acknowledged.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::id::ParcelId;
use model::outbox::{Content, Parcel, ParcelState};
use model::oversight::Quality;
use model::time::Timestamp;
use store::oversight::{Accepted, Oversight, Round};

use crate::cluster::Cluster;
use crate::load::{OPERATORS, operator, samples};
use crate::measure::{cpu_s, peak_mib, print};

const WRITERS: u64 = 256;
const LASTS: Duration = Duration::from_secs(10);
/// Half of what is asked for, as a steady load.
const STEADY: u32 = 20_000;
const IN_A_CALL: u64 = 12;
/// Rows that are copied.
const COPIED: u64 = 500_000;

pub async fn figures<S: Oversight + 'static>(store: Arc<S>) {
    let reported: Arc<Vec<AtomicU64>> = Arc::new((0..OPERATORS).map(|_| AtomicU64::new(0)).collect());
    let stop = Arc::new(AtomicBool::new(false));
    let settled = Arc::new(AtomicU64::new(0));
    let settling = settle(Arc::clone(&store), Arc::clone(&stop), Arc::clone(&settled));
    let condensing = condense(Arc::clone(&store), Arc::clone(&stop));
    let behind = [tokio::spawn(settling), tokio::spawn(condensing)];
    for (name, count) in [("twelve", IN_A_CALL), ("one", 1)] {
        let (begun, cpu) = (Instant::now(), cpu_s());
        let before = settled.load(Ordering::Relaxed);
        let mut took = closed_loop(&store, &reported, count).await;
        let seconds = begun.elapsed().as_secs_f64();
        took.sort_unstable();
        let millis = |share: usize| took[took.len() * share / 1_000].as_secs_f64() * 1e3;
        print(&format!("{name}_calls_per_s"), took.len() as f64 / seconds);
        print(
            &format!("{name}_samples_per_s"),
            took.len() as f64 * count as f64 / seconds,
        );
        print(&format!("{name}_p99_ms"), millis(990));
        print(&format!("{name}_cores"), (cpu_s() - cpu) / seconds);
        let settled = settled.load(Ordering::Relaxed) - before;
        print(&format!("{name}_settled_per_s"), settled as f64 / seconds);
    }
    let mut late = open_loop(&store, &reported).await;
    late.sort_unstable();
    let millis = |share: usize| late[(late.len() * share / 1_000).min(late.len() - 1)].as_secs_f64() * 1e3;
    print("steady_samples_per_s", f64::from(STEADY));
    print("steady_median_ms", millis(500));
    print("steady_p99_ms", millis(990));
    print("steady_most_ms", millis(1_000));
    stop.store(true, Ordering::Relaxed);
    for task in behind {
        task.await.unwrap();
    }
    let begun = Instant::now();
    let mut moved = 0;
    loop {
        match store.condense(Timestamp(i64::MAX)).await.unwrap() {
            0 => break,
            count => moved += count,
        }
    }
    print(
        "condense_samples_per_s",
        moved as f64 / begun.elapsed().as_secs_f64(),
    );
    let port = samples(7, 0, 1).remove(0).port;
    let begun = Instant::now();
    let found = store
        .samples(&operator(7), &port, Timestamp(0), Timestamp(i64::MAX), 10_000)
        .await
        .unwrap();
    print("port_samples", found.len() as f64);
    print("port_ms", begun.elapsed().as_secs_f64() * 1e3);
    print("peak_mib", peak_mib());
}

fn entry(reported: &[AtomicU64], of: u64, count: u64) -> Accepted {
    let place = usize::try_from(of % OPERATORS).unwrap();
    let before = reported[place].fetch_add(count, Ordering::Relaxed);
    Accepted {
        operator: operator(of),
        at: Timestamp(0),
        samples: samples(of % OPERATORS, before, count),
        repairs: None,
    }
}

/// Writers that each wait for their call before they bring the next; how long each took.
async fn closed_loop<S: Oversight + 'static>(
    store: &Arc<S>,
    reported: &Arc<Vec<AtomicU64>>,
    count: u64,
) -> Vec<Duration> {
    let begun = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, reported) = (Arc::clone(store), Arc::clone(reported));
            tokio::spawn(async move {
                let mut took = Vec::new();
                while begun.elapsed() < LASTS {
                    let entry = entry(&reported, writer, count);
                    let asked = Instant::now();
                    store.accept(&entry).await.unwrap();
                    took.push(asked.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for writer in writers {
        took.extend(writer.await.unwrap());
    }
    took
}

/// As many a second, whether those before are done or not; how long each call took from the moment at which it was due.
async fn open_loop<S: Oversight + 'static>(store: &Arc<S>, reported: &Arc<Vec<AtomicU64>>) -> Vec<Duration> {
    let begun = Instant::now();
    let mut tasks = Vec::new();
    let calls = u64::from(STEADY) / IN_A_CALL * LASTS.as_secs();
    for n in 0..calls {
        let due = begun + LASTS.mul_f64(n as f64 / calls as f64);
        let early = due.saturating_duration_since(Instant::now());
        if early > Duration::from_millis(1) {
            tokio::time::sleep(early).await;
        }
        let (store, reported) = (Arc::clone(store), Arc::clone(reported));
        tasks.push(tokio::spawn(async move {
            store.accept(&entry(&reported, n, IN_A_CALL)).await.unwrap();
            Instant::now().saturating_duration_since(due)
        }));
    }
    let mut late = Vec::new();
    for task in tasks {
        late.push(task.await.unwrap());
    }
    late
}

/// Works off the journal: of each round something is owed.
async fn settle<S: Oversight>(store: Arc<S>, stop: Arc<AtomicBool>, settled: Arc<AtomicU64>) {
    let mut done = store.done().await.unwrap();
    for round in 0_u64.. {
        let entries = store.accepted(done, 512).await.unwrap();
        let Some((last, _)) = entries.last() else {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        done = *last;
        let count: usize = entries.iter().map(|(_, entry)| entry.samples.len()).sum();
        let parcel = Parcel {
            id: ParcelId::new(&format!("figures-{round}")).unwrap(),
            target: "operator".to_owned(),
            content: Content::Webhook {
                url: "http://127.0.0.1/".to_owned(),
                body: count.to_string(),
            },
            author: None,
            created: Timestamp(0),
            attempts: 0,
            state: ParcelState::Delivered { at: Timestamp(0) },
            last_error: None,
        };
        let quality = |of| {
            (
                operator(of),
                "2026-03-01".to_owned(),
                Quality {
                    kept: round,
                    ..Quality::default()
                },
            )
        };
        let round = Round {
            done: Some(done),
            parcels: vec![parcel],
            quality: (0..OPERATORS).map(quality).collect(),
            ..Round::default()
        };
        store.settle(&round).await.unwrap();
        settled.fetch_add(u64::try_from(count).unwrap(), Ordering::Relaxed);
    }
}

async fn condense<S: Oversight>(store: Arc<S>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        if store.condense(Timestamp(i64::MIN)).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The fastest way into that server: rows of the same samples, as it reads them from a file itself.
pub fn copy(cluster: &Cluster) {
    cluster.psql(
        "CREATE TABLE raw (operator TEXT, port TEXT, equipment TEXT, at BIGINT, state BIGINT, error BIGINT,
         smoke BIGINT, duration BIGINT, voltage BIGINT, current BIGINT, power BIGINT, energy BIGINT,
         temperature BIGINT, charge TEXT)",
    );
    let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for n in 0..COPIED {
        let of = n % OPERATORS;
        let sample = samples(of, n / OPERATORS, 1).remove(0);
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let number = |number: Option<i64>| number.map(|number| number.to_be_bytes().to_vec());
        let columns = [
            text(operator(of).as_str()),
            text(sample.port.as_str()),
            text(sample.equipment.as_str()),
            number(Some(sample.at.0)),
            number(Some(1)),
            number(sample.error),
            number(sample.smoke),
            number(sample.duration_s),
            number(sample.voltage.map(|decimal| decimal.0)),
            number(sample.current.map(|decimal| decimal.0)),
            number(sample.power.map(|decimal| decimal.0)),
            number(sample.energy.map(|decimal| decimal.0)),
            number(sample.temperature.map(|decimal| decimal.0)),
            sample.charge.as_ref().and_then(|charge| text(charge.as_str())),
        ];
        bytes.extend(i16::try_from(columns.len()).unwrap().to_be_bytes());
        for column in columns {
            match column {
                Some(value) => {
                    bytes.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
                    bytes.extend(value);
                }
                None => bytes.extend((-1_i32).to_be_bytes()),
            }
        }
    }
    bytes.extend((-1_i16).to_be_bytes());
    let files = tempfile::tempdir().unwrap();
    std::fs::set_permissions(files.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let file = files.path().join("rows");
    std::fs::File::create(&file).unwrap().write_all(&bytes).unwrap();
    let begun = Instant::now();
    cluster.psql(&format!(
        "COPY raw FROM '{}' WITH (FORMAT binary)",
        file.display()
    ));
    let seconds = begun.elapsed().as_secs_f64();
    print("copy_rows_per_s", COPIED as f64 / seconds);
    let size = |table: &str| -> f64 {
        cluster
            .psql(&format!("SELECT pg_total_relation_size('{table}')"))
            .trim()
            .parse()
            .unwrap()
    };
    print("copy_bytes_per_row", size("raw") / COPIED as f64);
    let count: f64 = cluster
        .psql("SELECT sum(count) FROM sample_page")
        .trim()
        .parse()
        .unwrap();
    print("page_bytes_per_sample", size("sample_page") / count);
}
