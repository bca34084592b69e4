//! Backup, restore and doctor as a person calls them.

use std::os::unix::fs::PermissionsExt;

use super::process::{Process, run};

#[tokio::test]
async fn a_running_server_is_backed_up_restored_and_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let file = at("site.toml");
    std::fs::write(
        &file,
        "listen = \"127.0.0.1:0\"\n[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n\
         [[tariff]]\nid = \"day\"\nsite = \"home\"\n[[tariff.contract]]\nname = \"Flat\"\nfrom = \"2020-01-01\"\nprice = 0.2\n",
    )
    .unwrap();
    let (data, copy, backup) = (at("data"), at("copy"), at("backup.tar.gz"));
    let mut server = Process::start(&["serve", "--config", &file, "--data", &data]);
    server.line_with("listens on").await;
    // What `systemctl reload` sends ends nothing.
    server.signal("-HUP");

    let (ok, said) = run(&["backup", "--data", &data, "--to", &backup]).await;
    assert!(ok && said.contains("holds 2 parts"), "{said}");
    let (ok, said) = run(&["backup", "--data", &data, "--to", &backup]).await;
    assert!(!ok && said.contains("is there already"), "{said}");
    let (ok, said) = run(&["doctor", "--config", &file, "--data", &data]).await;
    assert!(ok && said.contains("records.db is whole"), "{said}");
    for finding in ["GB are free", "there is no nightly backup", "the server runs"] {
        assert!(said.contains(finding), "{finding}: {said}");
    }
    assert_eq!(server.terminate().await, Some(0));

    let (ok, said) = run(&["restore", &backup, "--data", &copy]).await;
    assert!(ok && said.contains("There was no key"), "{said}");
    let (ok, said) = run(&["restore", &backup, "--data", &copy]).await;
    assert!(!ok && said.contains("is not empty"), "{said}");
    let tariffs: Vec<model::tariff::Tariff> = store::backup::read_nouns(copy.as_ref()).unwrap();
    assert_eq!(tariffs.len(), 1);

    let key = std::path::Path::new(&data).join("key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (ok, said) = run(&["doctor", "--data", &data]).await;
    assert!(!ok && said.contains("chmod 600"), "{said}");
}

#[tokio::test]
async fn a_database_is_left_to_its_own_tools() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("site.toml");
    std::fs::write(
        &file,
        "store = \"postgres://ohmstead@127.0.0.1/ohmstead\"\n[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n",
    )
    .unwrap();
    let to = dir.path().join("backup.tar.gz");
    let (ok, said) = run(&[
        "backup",
        "--config",
        file.to_str().unwrap(),
        "--to",
        to.to_str().unwrap(),
    ])
    .await;
    assert!(!ok && said.contains("pg_dump"), "{said}");
}
