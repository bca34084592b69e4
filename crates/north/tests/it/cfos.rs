//! `/cnf`.

use crate::world::{World, request};

#[tokio::test]
async fn get_dev_info_is_open_and_found_however_it_is_asked() {
    let world = World::new().await;
    let plain = world.open("/cnf?cmd=get_dev_info").await;
    assert_eq!(plain.status, 200);
    assert_eq!(plain.header("content-type"), Some("application/json"));
    let info = plain.json();
    assert_eq!(info["params"]["title"], "HOME");
    assert_eq!(info["params"]["max_total_current"], 35_000);
    assert_eq!(info["devices"][0]["dev_id"], "E1");
    assert_eq!(info["devices"][0]["state"], 3);
    assert_eq!(info["devices"][0]["total_energy"], 1_234_567);
    assert_eq!(info["devices"][1]["dev_id"], "M1");
    assert_eq!(info["devices"][1]["role"], 3);
    assert_eq!(info["devices"][2]["power_w"], -2_300);
    for (method, path) in [
        ("GET", "/cnf?CMD=Get_Dev_Info"),
        ("GET", "/cnf?cmd%3Dget_dev_info"),
        ("POST", "/cnf?cmd=get_dev_info"),
        ("GET", "/site/home/cnf?cmd=get_dev_info"),
    ] {
        assert_eq!(
            world.ask(request(method, path, &[], "")).await.text,
            plain.text,
            "{path}"
        );
    }
    let yard = world.open("/site/yard/cnf?cmd=get_dev_info").await.json();
    assert_eq!(yard["devices"][0]["state"], 6);
    assert_eq!(yard["devices"][0]["com_err"], true);
}

#[tokio::test]
async fn refusals_are_texts_with_200_and_foreign_hosts_get_nothing() {
    let world = World::new().await;
    for (path, expected) in [
        ("/cnf?cmd=reboot", "\"unknown command\""),
        ("/cnf", "\"unknown command\""),
        ("/site/nowhere/cnf?cmd=get_dev_info", "\"unknown site\""),
    ] {
        let answer = world.open(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text.as_str()),
            (200, expected),
            "{path}"
        );
    }
    let starting = World::before_the_first_cycle().await;
    assert_eq!(starting.open("/cnf?cmd=get_dev_info").await.text, "\"starting\"");
    let host = [("host", "evil.example")];
    let answer = world
        .ask(request("GET", "/cnf?cmd=get_dev_info", &host, ""))
        .await;
    assert_eq!(answer.error(), (421, "misdirected".into()));
}
