//! Records that are durable before they are acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::time::Timestamp;
use store::{Audit, AuditEntry};

use crate::measure::print;

const WRITERS: usize = 1_000;
const RATE: u32 = 5_000;
const LASTS: Duration = Duration::from_secs(8);

fn entry(n: u32) -> AuditEntry {
    AuditEntry {
        at: Timestamp(1_772_323_200_000 + i64::from(n)),
        principal: format!("user-{}", n % 50),
        door: "native".to_owned(),
        action: format!("set the wish of evse-{} to solar with 6 A or more", n % 8),
        outcome: "done".to_owned(),
    }
}

pub async fn figures<S: Audit + 'static>(store: Arc<S>) {
    disk();
    let mut late = open_loop(&store).await;
    late.sort_unstable();
    let millis = |share: usize| late[(late.len() * share / 1_000).min(late.len() - 1)].as_secs_f64() * 1e3;
    print("records_open_median_ms", millis(500));
    print("records_open_p99_ms", millis(990));
    print("records_open_most_ms", millis(1_000));
    print("records_per_s", closed_loop(&store).await);
}

/// What a sync costs here: a page is written and synced, again and again.
fn disk() {
    use std::os::unix::fs::FileExt as _;
    let file = tempfile::tempfile_in(".").unwrap();
    let mut took: Vec<Duration> = (0..300)
        .map(|n| {
            let begun = Instant::now();
            file.write_all_at(&[7; 4_096], n % 16 * 4_096).unwrap();
            file.sync_data().unwrap();
            begun.elapsed()
        })
        .collect();
    took.sort_unstable();
    print("sync_median_ms", took[150].as_secs_f64() * 1e3);
    print("sync_p99_ms", took[296].as_secs_f64() * 1e3);
}

/// As many a second, whether those before are done or not; how long each took from the moment at which it was due.
async fn open_loop<S: Audit + 'static>(store: &Arc<S>) -> Vec<Duration> {
    let begun = Instant::now();
    let mut tasks = Vec::new();
    let count = RATE * LASTS.as_secs() as u32;
    for n in 0..count {
        let due = begun + Duration::from_secs(1) * n / RATE;
        let early = due.saturating_duration_since(Instant::now());
        if early > Duration::from_millis(1) {
            tokio::time::sleep(early).await;
        }
        let store = Arc::clone(store);
        tasks.push(tokio::spawn(async move {
            store.record(&entry(n)).await.unwrap();
            Instant::now().saturating_duration_since(due)
        }));
    }
    let mut late = Vec::new();
    for task in tasks {
        late.push(task.await.unwrap());
    }
    late
}

/// Writers that each wait for their record before they bring the next.
async fn closed_loop<S: Audit + 'static>(store: &Arc<S>) -> f64 {
    let begun = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut count = 0;
                while begun.elapsed() < LASTS {
                    store.record(&entry(count)).await.unwrap();
                    count += 1;
                }
                count
            })
        })
        .collect();
    let mut count = 0;
    for writer in writers {
        count += writer.await.unwrap();
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}
