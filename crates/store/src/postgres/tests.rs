//! What only a server can show: restarts, locks, schema versions, silence.

use std::time::Duration;

use model::id::SiteId;
use model::reading::Quantity;
use model::time::Timestamp;

use super::cluster::Cluster;
use super::*;
use crate::{Audit, AuditEntry, History, Sample, Series, Sites, Step, contract};

fn entry(n: usize) -> AuditEntry {
    AuditEntry {
        at: Timestamp(0),
        principal: n.to_string(),
        door: String::new(),
        action: String::new(),
        outcome: String::new(),
    }
}

fn power() -> Series {
    Series {
        subject: "device:grid".to_owned(),
        quantity: Quantity::Power,
    }
}

async fn append(store: &Postgres, seconds: std::ops::Range<i64>) {
    let sample = |second| Sample {
        series: power(),
        at: Timestamp::from_seconds(second),
        value: second * 7,
    };
    store.append(seconds.map(sample).collect()).await.unwrap();
}

async fn readings(store: &Postgres) -> Vec<i64> {
    let rows = store
        .query(&power(), Timestamp(0), Timestamp(i64::MAX), Step::Raw)
        .await
        .unwrap();
    rows.iter().map(|row| row.last / 7).collect()
}

#[tokio::test]
async fn keeps_the_contract() {
    let cluster = Cluster::start();
    let store = Postgres::open(&cluster.url()).unwrap();
    contract::check(&*store).await;
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let cluster = Cluster::start();
    let home = SiteId::new("home").unwrap();
    for n in 0..3 {
        let store = Postgres::open(&cluster.url()).unwrap();
        assert_eq!(readings(&store).await, (0..n * 1_000).collect::<Vec<_>>());
        assert_eq!(
            i64::try_from(store.take_epoch(&home).await.unwrap()).unwrap(),
            n + 1
        );
        append(&store, n * 1_000..(n + 1) * 1_000).await;
    }
}

#[tokio::test]
async fn a_database_belongs_to_one_process_and_one_schema() {
    let cluster = Cluster::start();
    let store = Postgres::open(&cluster.url()).unwrap();
    match Postgres::open(&cluster.url()).err() {
        Some(StoreError::InUse { place, .. }) => {
            assert!(place.starts_with("database postgres on 127.0.0.1:"), "{place}");
        }
        other => panic!("{other:?}"),
    }
    let seen = inspect::inspect(&cluster.url()).unwrap();
    assert!(seen.is_in_use && !seen.is_encrypted, "{seen:?}");
    assert_eq!((seen.schema, seen.known), (Some(5), 5));
    assert!(seen.records_bytes > 0 && seen.history_bytes > 0, "{seen:?}");
    drop(store);
    assert!(!inspect::inspect(&cluster.url()).unwrap().is_in_use);
    drop(Postgres::open(&cluster.url()).unwrap());
    cluster.psql("UPDATE schema_version SET version = 99");
    match Postgres::open(&cluster.url()).err() {
        Some(StoreError::TooNew {
            file,
            found: 99,
            known,
        }) => {
            assert!(file.starts_with("database postgres on"), "{file}");
            assert_eq!(known.to_string(), "5");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_database_that_has_nothing_of_ours_is_left_so() {
    let cluster = Cluster::start();
    for _ in 0..2 {
        let seen = inspect::inspect(&cluster.url()).unwrap();
        assert_eq!((seen.schema, seen.is_in_use), (None, false));
        assert_eq!(seen.missing_rights, [""; 0]);
    }
    cluster.psql("CREATE ROLE guest LOGIN");
    let url = cluster.url().replace("//postgres@", "//guest@");
    assert_eq!(
        inspect::inspect(&url).unwrap().missing_rights,
        ["CREATE on the schema"]
    );
}

#[tokio::test]
async fn who_was_overtaken_writes_no_more() {
    let cluster = Cluster::start();
    let store = Postgres::open(&cluster.url()).unwrap();
    store.record(&entry(1)).await.unwrap();
    // As if another process had come and gone while the connection was lost.
    cluster.psql("UPDATE opened SET number = number + 1");
    cluster
        .psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ohmstead'");
    let error = store.record(&entry(2)).await.unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
    assert_eq!(store.recent(9).await.unwrap(), [entry(1)]);
}

#[test]
fn a_password_is_never_told() {
    for url in [
        "postgres://me:s3cret@127.0.0.1:1/db",
        "postgres://me:s3cret@127.0.0.1:x/db",
        "postgres://me:s3cret@/",
        "s3cret",
    ] {
        let error = Postgres::open(url).err().unwrap();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    let away = Postgres::open("postgres://me:s3cret@127.0.0.1:1/db")
        .err()
        .unwrap();
    assert!(matches!(away, StoreError::Away { .. }), "{away}");
    assert!(away.to_string().contains("database db on 127.0.0.1:1"), "{away}");
}

/// An authority as PEM, and a certificate with its key that it issued for a name.
fn issued_for(name: &str) -> (String, String, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let (of_authority, of_server) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&of_authority).unwrap().pem();
    let server = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let issuer = Issuer::new(authority, of_authority);
    let certificate = server.signed_by(&of_server, &issuer).unwrap().pem();
    (root, certificate, of_server.serialize_pem())
}

/// Whether the connections of the store are encrypted, by what the server says.
fn is_encrypted(cluster: &Cluster) -> bool {
    let count = cluster.psql(
        "SELECT count(*) FILTER (WHERE ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE application_name = 'ohmstead'",
    );
    match count.trim() {
        "4|4" => true,
        "0|4" => false,
        other => panic!("{other} connections are encrypted"),
    }
}

#[tokio::test]
async fn connections_are_encrypted_and_the_server_checked_as_asked() {
    let mut cluster = Cluster::start();
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let url = |parameters: &str| format!("{}?{parameters}", cluster.url());
    let refused = |parameters: &str| {
        let error = Postgres::open(&url(parameters)).err().unwrap().to_string();
        assert!(error.contains("database postgres on 127.0.0.1:"), "{error}");
        error
    };
    for mode in ["disable", "prefer"] {
        let store = Postgres::open(&url(&format!("sslmode={mode}"))).unwrap();
        assert!(!is_encrypted(&cluster), "{mode}");
        drop(store);
    }
    let error = refused("sslmode=require");
    assert!(error.contains("it offers no TLS; set `ssl = on`"), "{error}");

    let (root, certificate, key) = issued_for("127.0.0.1");
    let (root, other) = (
        file("root.crt", &root),
        file("other.crt", &issued_for("127.0.0.1").0),
    );
    cluster.encrypt(&certificate, &key);
    let url = |parameters: &str| format!("{}?{parameters}", cluster.url());
    let refused = |parameters: &str| Postgres::open(&url(parameters)).err().unwrap().to_string();
    for (parameters, expected) in [
        ("sslmode=disable".to_owned(), false),
        ("sslmode=prefer".to_owned(), true),
        ("sslmode=require".to_owned(), true),
        (format!("sslmode=require&sslrootcert={root}"), true),
        (format!("sslmode=verify-ca&sslrootcert={root}"), true),
        (format!("sslmode=verify-full&sslrootcert={root}"), true),
    ] {
        let store = Postgres::open(&url(&parameters)).unwrap_or_else(|error| panic!("{parameters}: {error}"));
        assert_eq!(is_encrypted(&cluster), expected, "{parameters}");
        store.record(&entry(1)).await.unwrap();
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let error = refused(&format!("sslmode={mode}&sslrootcert={other}"));
        assert!(
            error.contains(&format!(
                "was not issued by the authority in {other}; set sslrootcert"
            )),
            "{error}"
        );
    }
    let error = refused("sslmode=verify-full&sslrootcert=/nowhere.crt");
    assert!(error.contains("cannot read sslrootcert /nowhere.crt"), "{error}");
    let empty = file("empty.crt", "");
    let error = refused(&format!("sslmode=verify-full&sslrootcert={empty}"));
    assert!(error.contains("there is no certificate in it"), "{error}");

    let (root, certificate, key) = issued_for("database.example");
    let root = file("named.crt", &root);
    cluster.encrypt(&certificate, &key);
    let url = |parameters: &str| format!("{}?{parameters}", cluster.url());
    drop(Postgres::open(&url(&format!("sslmode=verify-ca&sslrootcert={root}"))).unwrap());
    let error = Postgres::open(&url(&format!("sslmode=verify-full&sslrootcert={root}")));
    let error = error.err().unwrap().to_string();
    assert!(error.contains("is for another name"), "{error}");
}

#[tokio::test]
async fn a_server_that_was_killed_under_load_is_found_again() {
    let mut cluster = Cluster::start();
    let store = Postgres::open(&cluster.url()).unwrap();
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for round in 0..3 {
        let writers: Vec<_> = (0..200)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    for m in 0..1_000 {
                        let n = (round * 200 + n) * 1_000 + m;
                        match store.record(&entry(n)).await {
                            Ok(()) => done.push(n),
                            Err(StoreError::Away { .. }) => break,
                            Err(other) => panic!("{other}"),
                        }
                    }
                    done
                })
            })
            .collect();
        let readings = i64::try_from(round).unwrap() * 100;
        append(&store, readings..readings + 50).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        cluster.kill();
        for writer in writers {
            let done = writer.await.unwrap();
            refused += usize::from(done.len() < 1_000);
            acknowledged.extend(done);
        }
        assert!(matches!(store.recent(1).await, Err(StoreError::Away { .. })));
        append(&store, readings + 50..readings + 100).await;
        assert!(matches!(store.flush().await, Err(StoreError::Away { .. })));
        assert!(cluster.run());
    }
    assert!(refused > 0 && !acknowledged.is_empty(), "{refused} refused");
    store.flush().await.unwrap();
    assert_eq!(readings(&store).await, (0..300).collect::<Vec<_>>());
    let kept = store.recent(u32::MAX).await.unwrap();
    let mut kept: Vec<usize> = kept
        .iter()
        .map(|entry| entry.principal.parse().unwrap())
        .collect();
    kept.sort_unstable();
    let count = kept.len();
    kept.dedup();
    assert_eq!(kept.len(), count, "nothing is there twice");
    for n in acknowledged {
        assert!(
            kept.binary_search(&n).is_ok(),
            "entry {n} was acknowledged and is lost"
        );
    }
    drop(store);
    assert_eq!(
        readings(&Postgres::open(&cluster.url()).unwrap()).await.len(),
        300
    );
}

#[tokio::test]
async fn rollups_that_were_rows_become_pages() {
    let cluster = Cluster::start();
    cluster.psql("CREATE TABLE schema_version AS SELECT CAST(2 AS BIGINT) AS version");
    for step in &schema::MIGRATIONS[..2] {
        cluster.psql(step.statements);
    }
    cluster.psql(contract::pages::ROWS);
    for _ in 0..2 {
        let store = Postgres::open(&cluster.url()).unwrap();
        contract::pages::check(&*store).await;
        let left = "SELECT count(*) FROM pg_class WHERE relname IN ('minute', 'quarter')";
        assert_eq!(cluster.psql(left).trim(), "0");
    }
}
