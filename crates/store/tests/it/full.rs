//! A full disk: writes refuse and say why, nothing breaks, and when there is room again all goes on.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use model::reading::Quantity;
use model::time::Timestamp;
use store::{AuditEntry, Sample, Series, Step, Store, StoreError};
use tempfile::TempDir;

use crate::backend;
use crate::cluster::{Cluster, is_root, make_directory};

/// What is left free before the test writes.
const ROOM: u64 = 1 << 20;

/// A file system in memory of 24 MiB.
struct SmallDisk {
    place: TempDir,
}

impl SmallDisk {
    fn mount() -> Self {
        let place = tempfile::tempdir().unwrap();
        run(as_root("mount")
            .args(["-t", "tmpfs", "-o", "size=24m,mode=0777", "tmpfs"])
            .arg(place.path()));
        Self { place }
    }

    /// Takes all of the disk but a little.
    fn fill(&self) -> PathBuf {
        let path = self.place.path().join("filler");
        let mut file = File::create(&path).unwrap();
        let mut length = 0;
        while file.write_all(&[1; 1 << 16]).is_ok() {
            length += 1 << 16;
        }
        drop(file);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(length - ROOM).unwrap();
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(as_root("umount").arg("--lazy").arg(self.place.path()));
    }
}

fn as_root(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

fn run(command: &mut Command) {
    let out = command
        .output()
        .expect("this test mounts a small file system, as root or by sudo");
    assert!(
        out.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[tokio::test]
async fn files_on_a_full_disk_refuse_and_recover() {
    let disk = SmallDisk::mount();
    let directory = disk.place.path().join("data");
    let address = directory.display().to_string();
    refuses_and_recovers(&disk, &address).await;
    for file in ["records.db", "history.db"] {
        let connection = rusqlite::Connection::open(directory.join(file)).unwrap();
        let verdict: String = connection
            .pragma_query_value(None, "integrity_check", |row| row.get(0))
            .unwrap();
        assert_eq!(verdict, "ok", "{file}");
    }
}

/// Only the tables are on the small disk: a server whose log finds no room stops altogether.
#[tokio::test]
async fn a_server_with_a_full_disk_refuses_and_recovers() {
    let disk = SmallDisk::mount();
    let cluster = Cluster::start();
    let space = disk.place.path().join("space");
    make_directory(&space);
    cluster.psql(&format!("CREATE TABLESPACE small LOCATION '{}'", space.display()));
    cluster.psql("ALTER DATABASE postgres SET default_tablespace = small");
    refuses_and_recovers(&disk, &cluster.url()).await;
    drop(cluster);
}

async fn refuses_and_recovers(disk: &SmallDisk, address: &str) {
    let store = backend::open(address);
    let filler = disk.fill();
    let mut noise = 1_u64;
    let mut kept = Vec::new();
    let refusal = loop {
        let n = kept.len();
        assert!(n < 10_000, "the disk does not get full");
        match store.record(&entry(n, &mut noise)).await {
            Ok(()) => kept.push(n),
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, StoreError::Full { .. }), "{refusal}");
    assert!(refusal.to_string().contains("the disk is full"), "{refusal}");
    check_entries(&*store, &kept).await;

    // Readings wait in memory.
    append(&*store, 0..60_000).await;
    let refused = store.flush().await;
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    assert_eq!(readings(&*store).await, 60_000);

    std::fs::remove_file(&filler).unwrap();
    append(&*store, 60_000..60_100).await;
    store.flush().await.unwrap();
    for n in kept.len()..kept.len() + 3 {
        store.record(&entry(n, &mut noise)).await.unwrap();
        kept.push(n);
    }
    drop(store);
    let store = backend::open(address);
    check_entries(&*store, &kept).await;
    assert_eq!(readings(&*store).await, 60_100);
}

/// An entry with 20 kB that do not compress.
fn entry(n: usize, noise: &mut u64) -> AuditEntry {
    let mut action = String::new();
    while action.len() < 20_000 {
        *noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        action.push(char::from(b' ' + u8::try_from(*noise >> 58).unwrap()));
    }
    AuditEntry {
        at: Timestamp(0),
        principal: n.to_string(),
        door: String::new(),
        action,
        outcome: String::new(),
    }
}

async fn check_entries(store: &dyn Store, kept: &[usize]) {
    let found = store.recent(u32::MAX).await.unwrap();
    let found: Vec<usize> = found
        .iter()
        .rev()
        .map(|entry| entry.principal.parse().unwrap())
        .collect();
    assert_eq!(found, kept);
}

fn power() -> Series {
    Series {
        subject: "device:grid".to_owned(),
        quantity: Quantity::Power,
    }
}

async fn append(store: &dyn Store, seconds: std::ops::Range<i64>) {
    let sample = |second: i64| Sample {
        series: power(),
        at: Timestamp::from_seconds(second),
        value: second.wrapping_mul(6_364_136_223_846_793_005) >> 8,
    };
    store.append(seconds.map(sample).collect()).await.unwrap();
}

async fn readings(store: &dyn Store) -> usize {
    let rows = store
        .query(&power(), Timestamp(0), Timestamp(i64::MAX), Step::Raw)
        .await;
    rows.unwrap().len()
}
