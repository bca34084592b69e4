//! Starts that must be refused, with words that help.

use super::process::{Demo, run};

#[tokio::test]
async fn a_wrong_file_lists_all_its_problems() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("site.toml");
    std::fs::write(&file, "listn = \"127.0.0.1:1\"\n[[site]]\nid = \"Home\"\n").unwrap();
    let (ok, said) = run(&["config", "check", file.to_str().unwrap()]).await;
    assert!(!ok);
    for expected in [
        "line 1, column 1: the file has no key `listn`; did you mean `listen`?",
        "line 3, column 6: id in [[site]]",
    ] {
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn mistakes_in_the_rules_that_warn_are_named_with_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let (file, rules) = (dir.path().join("site.toml"), dir.path().join("risks.toml"));
    let site = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n";
    let text = format!("[supervision]\nrules = \"{}\"\n{site}", rules.display());
    std::fs::write(&file, text).unwrap();
    let check = async || run(&["config", "check", file.to_str().unwrap()]).await;
    let (ok, said) = check().await;
    assert!(!ok && said.contains("cannot read the rules that warn"), "{said}");
    let rule = "[[rule]]\nname = \"hot\"\nlevel = \"high\"\nreason = \"it is hot\"\n";
    std::fs::write(&rules, format!("{rule}when = \"heat > 1\"\nfor_s = -1\n")).unwrap();
    let (ok, said) = check().await;
    assert!(!ok, "{said}");
    for expected in ["line 5, column 8: when:", "line 6, column 9: for_s is -1"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    std::fs::write(&rules, format!("{rule}when = \"temperature > 60\"\n")).unwrap();
    let (ok, said) = check().await;
    assert!(ok && said.contains("is right"), "{said}");
}

#[tokio::test]
async fn the_demo_refuses_every_address_but_loopback() {
    let dir = tempfile::tempdir().unwrap();
    let (ok, said) = run(&[
        "demo",
        "--listen",
        "0.0.0.0:0",
        "--data",
        dir.path().to_str().unwrap(),
    ])
    .await;
    assert!(!ok);
    assert!(
        said.contains("listens on loopback only, not on 0.0.0.0:0"),
        "{said}"
    );
}

#[tokio::test]
async fn a_server_without_administrator_refuses_every_address_but_loopback() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("site.toml");
    std::fs::write(
        &file,
        "listen = \"0.0.0.0:0\"\n[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n",
    )
    .unwrap();
    let data = dir.path().join("data");
    let (ok, said) = run(&[
        "serve",
        "--config",
        file.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
    ])
    .await;
    assert!(!ok);
    assert!(said.contains("there is no administrator yet"), "{said}");
}

#[tokio::test]
async fn a_data_directory_belongs_to_one_process_and_a_port_to_one_program() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;

    let (ok, said) = run(&[
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--data",
        dir.path().to_str().unwrap(),
    ])
    .await;
    assert!(!ok);
    assert!(said.contains("is in use by another process"), "{said}");

    let other = tempfile::tempdir().unwrap();
    let address = demo.base.trim_start_matches("http://").to_owned();
    let (ok, said) = run(&[
        "demo",
        "--listen",
        &address,
        "--data",
        other.path().to_str().unwrap(),
    ])
    .await;
    assert!(!ok);
    assert!(
        said.contains(&format!("cannot listen on {address}")) && said.contains("--listen"),
        "{said}"
    );

    assert_eq!(demo.process.terminate().await, Some(0));
}

#[tokio::test]
async fn users_are_looked_for_where_the_config_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let (file, data) = (dir.path().join("site.toml"), dir.path().join("data"));
    let text =
        format!("data = {data:?}\n[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    for args in [
        &["user", "list", "--config", file][..],
        &["user", "reset-password", "admin", "--config", file],
    ] {
        let (ok, said) = run(args).await;
        let expected = format!("{} is no data directory of this program", data.display());
        assert!(!ok && said.contains(&expected), "{said}");
    }
}
