//! Backups taken while somebody writes, and what is not restored.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use model::reading::Quantity;
use model::time::Timestamp;
use store::backup::{back_up, back_up_nightly, inspect, nightly, restore};
use store::{History, Nouns, Series, Sqlite};

const NOW: Timestamp = Timestamp(1_764_230_400_000);

#[tokio::test]
async fn a_backup_under_load_holds_everything_acknowledged_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let store = Sqlite::open(&data).unwrap();
    std::fs::write(data.join("key"), [7; 32]).unwrap();
    let series = Series {
        subject: "device:grid".to_owned(),
        quantity: Quantity::Power,
    };
    let rows: Vec<(Timestamp, i64)> = (0..10_000).map(|n| (Timestamp(NOW.0 + n * 1_000), n)).collect();
    store.import(&series, &rows).await.unwrap();
    for n in 0..200 {
        store.put_noun("before", &format!("n{n:04}"), "{}").await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, stop) = (store.clone(), stop.clone());
            tokio::spawn(async move {
                let mut count = 0_u32;
                while !stop.load(Ordering::Relaxed) {
                    // Pairs: a copy of a moment has both or the older one of each.
                    for kind in ["left", "right"] {
                        store
                            .put_noun(kind, &format!("w{writer}"), &count.to_string())
                            .await
                            .unwrap();
                    }
                    count += 1;
                }
            })
        })
        .collect();
    let to = directory.path().join("backup.tar.gz");
    let (from, file) = (data.clone(), to.clone());
    let manifest = tokio::task::spawn_blocking(move || back_up(&from, &file, true, "1.2.3", NOW).unwrap())
        .await
        .unwrap();
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(manifest.has_key());
    let left: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "drafts stayed behind: {left:?}");

    let copy = directory.path().join("copy");
    assert_eq!(restore(&to, &copy).unwrap(), manifest);
    assert_eq!(std::fs::read(copy.join("key")).unwrap(), [7; 32]);
    let restored = Sqlite::open(&copy).unwrap();
    assert_eq!(
        restored.nouns("before").await.unwrap(),
        store.nouns("before").await.unwrap()
    );
    let (left, right) = (
        restored.nouns("left").await.unwrap(),
        restored.nouns("right").await.unwrap(),
    );
    for (id, count) in &right {
        let newer = left
            .iter()
            .find(|(other, _)| other == id)
            .map(|(_, count)| count.parse::<u32>().unwrap());
        let count: u32 = count.parse().unwrap();
        assert!(
            newer == Some(count) || newer == Some(count + 1),
            "{id}: {newer:?} {count}"
        );
    }
    let step = store::Step::Raw;
    let (from, end) = (NOW, Timestamp(i64::MAX));
    assert_eq!(
        restored.query(&series, from, end, step).await.unwrap(),
        store.query(&series, from, end, step).await.unwrap()
    );
}

/// A backup with its manifest changed.
fn forged(file: &Path, to: &Path, change: impl Fn(String) -> String) {
    let mut from = tar::Archive::new(GzDecoder::new(std::fs::File::open(file).unwrap()));
    let mut made = tar::Builder::new(GzEncoder::new(
        std::fs::File::create(to).unwrap(),
        Compression::fast(),
    ));
    for entry in from.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if name == "manifest.json" {
            bytes = change(String::from_utf8(bytes).unwrap()).into_bytes();
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        made.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    made.into_inner().unwrap().finish().unwrap().flush().unwrap();
}

#[tokio::test]
async fn what_is_not_understood_is_not_restored_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let data = at("data");
    drop(Sqlite::open(&data).unwrap());
    let good = at("good.tar.gz");
    let manifest = back_up(&data, &good, false, "1.2.3", NOW).unwrap();
    assert!(!manifest.has_key());
    let check = |file: &Path, into: &Path, expected: &str| {
        let error = restore(file, into).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    };
    let refused = |file: &Path, expected: &str| {
        check(file, &at("new"), expected);
        assert!(!at("new").exists());
        std::fs::create_dir_all(at("empty")).unwrap();
        check(file, &at("empty"), expected);
        assert_eq!(std::fs::read_dir(at("empty")).unwrap().count(), 0);
    };
    let bad = at("bad.tar.gz");
    let schema = format!("\"schema\": {}", manifest.parts[0].schema.unwrap());
    let digest = manifest.parts[0].sha256.clone();
    for (from, to, expected) in [
        (
            "\"format\": 1",
            "\"format\": 2",
            "its format 2 is newer than this program knows; update the program",
        ),
        (&schema, "\"schema\": 999", "schema 999"),
        ("history.db", "../history.db", "nobody knows what its part"),
        ("\"records.db\"", "\"history.db\"", "twice"),
        (&digest, "00", "is not what the manifest says"),
        ("\"parts\"", "\"pieces\"", "its manifest"),
    ] {
        forged(&good, &bad, |text| {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            changed
        });
        refused(&bad, expected);
    }
    let whole = std::fs::read(&good).unwrap();
    std::fs::write(&bad, &whole[..whole.len() / 2]).unwrap();
    refused(&bad, "is no whole backup");
    std::fs::write(&bad, b"no archive at all").unwrap();
    refused(&bad, "is no whole backup");
    std::fs::write(&bad, b"").unwrap();
    refused(&bad, "is no whole backup");
    refused(&at("gone.tar.gz"), "cannot open");

    check(&good, &data, "is not empty");
    let error = back_up(&data, &good, false, "1.2.3", NOW)
        .unwrap_err()
        .to_string();
    assert!(error.contains("is there already"), "{error}");
    let error = back_up(&at("nowhere"), &at("x"), false, "1.2.3", NOW)
        .unwrap_err()
        .to_string();
    assert!(error.contains("pg_dump"), "{error}");
}

#[tokio::test]
async fn the_oldest_nightly_backups_go() {
    let directory = tempfile::tempdir().unwrap();
    let (data, backups) = (directory.path().join("data"), directory.path().join("backups"));
    drop(Sqlite::open(&data).unwrap());
    for night in 0..4 {
        let now = Timestamp(NOW.0 + night * 86_400_000);
        back_up_nightly(&data, &backups, 2, "1.2.3", now).unwrap();
        std::fs::write(backups.join("mine.tar.gz"), b"").unwrap();
    }
    let names: Vec<String> = nightly(&backups)
        .unwrap()
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        names,
        [
            "ohmstead-20251129T080000Z.tar.gz",
            "ohmstead-20251130T080000Z.tar.gz"
        ]
    );
    assert!(backups.join("mine.tar.gz").exists());
}

#[tokio::test]
async fn a_look_at_the_databases_finds_damage() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(directory.path()).unwrap();
    let found = inspect(directory.path());
    assert!(
        found
            .iter()
            .all(|f| f.problems.is_empty() && f.schema == Some(f.known)),
        "{found:?}"
    );
    drop(store);
    std::fs::write(
        directory.path().join("records.db"),
        b"this is no database, whatever its name says",
    )
    .unwrap();
    std::fs::remove_file(directory.path().join("history.db")).unwrap();
    let found = inspect(directory.path());
    assert!(!found[0].problems.is_empty());
    assert_eq!((found[1].schema, found[1].problems.len()), (None, 0));
}
