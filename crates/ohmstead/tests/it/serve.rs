//! `serve` with devices of another process, as a real site has them.

use std::fmt::Write;

use serde_json::{Value, json};

use super::process::Process;

/// Starts virtual devices and says at which addresses they answer.
pub async fn devices(dir: &std::path::Path) -> (Process, Vec<(String, String)>) {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sim.example.toml");
    let state = dir.join("world.json");
    let mut sim = Process::start(&["sim", "--config", example, "--state", state.to_str().unwrap()]);
    sim.line_with("device").await;
    let mut addresses = Vec::new();
    for _ in 0..6 {
        let line = sim.line_with("127.0.0.1:").await;
        let (device, address) = line.split_once(' ').expect("a table");
        addresses.push((device.to_owned(), address.trim().to_owned()));
    }
    (sim, addresses)
}

pub fn config(addresses: &[(String, String)]) -> String {
    let address = |id: &str| {
        &addresses
            .iter()
            .find(|(device, _)| device == id)
            .expect("known device")
            .1
    };
    let mut text = String::from(
        "listen = \"127.0.0.1:0\"\n[[site]]\nid = \"home\"\ntime_zone = \"Europe/Vienna\"\n\
         [[site.circuit]]\nid = \"house\"\nlimit_a = 35\nmeter = \"grid\"\n\
         [[goe.charger]]\nevse = \"wallbox-left\"\nserial = \"050001\"\ntoken = \"a-token-from-the-file\"\n",
    );
    let kinds = [
        ("grid", "kind = \"meter\"\nrole = \"grid\""),
        ("pv", "kind = \"inverter\""),
        (
            "battery",
            "kind = \"battery\"\nmax_charge_w = 5000\nmax_discharge_w = 5000",
        ),
    ];
    for (id, kind) in kinds {
        writeln!(
            text,
            "[[site.device]]\nid = \"{id}\"\n{kind}\ndriver = \"sunspec\"\naddress = \"{}\"",
            address(id)
        )
        .unwrap();
    }
    for id in ["wallbox-left", "wallbox-right"] {
        writeln!(
            text,
            "[[site.device]]\nid = \"{id}\"\nkind = \"charging_station\"\ndriver = \"goe\"\nurl = \"http://{}\"",
            address(id)
        )
        .unwrap();
    }
    // Its address is the administrator's own; the guard lets nobody else dial this machine.
    let cars = address("cars").replace("<EVSE>", "left");
    writeln!(
        text,
        "[[vehicle]]\nid = \"red-car\"\nsoc = \"http\"\nsoc_url = \"{cars}\"\nsoc_path = \"battery.soc\"\nsoc_every_s = 15"
    )
    .unwrap();
    // A device that is off must not block the start.
    text.push_str(
        "[[site.device]]\nid = \"attic\"\nkind = \"meter\"\nrole = \"display\"\ndriver = \"sunspec\"\naddress = \"127.0.0.1:9\"\n",
    );
    text
}

#[tokio::test]
async fn a_real_site_is_set_up_by_the_printed_link_and_controls_devices_of_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let (sim, addresses) = devices(dir.path()).await;
    let file = dir.path().join("site.toml");
    std::fs::write(&file, config(&addresses)).unwrap();
    let data = dir.path().join("data");
    let args = [
        "serve",
        "--config",
        file.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
    ];
    let mut serve = Process::start(&args);
    let base = serve
        .line_with("listens on")
        .await
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    let link = serve.line_with("#setup=").await;
    let ticket = link.split("#setup=").nth(1).unwrap().to_owned();
    let http = crate::process::http();

    let closed = http.get(format!("{base}/api/v1/sites")).send().await.unwrap();
    assert_eq!(closed.status(), 401);
    let setup = json!({"ticket": ticket, "password": "correct horse battery staple"});
    let wrong = json!({"ticket": "x", "password": "correct horse battery staple"});
    assert_eq!(
        http.post(format!("{base}/api/v1/setup"))
            .json(&wrong)
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    let done = http
        .post(format!("{base}/api/v1/setup"))
        .json(&setup)
        .send()
        .await
        .unwrap();
    assert_eq!(done.status(), 204);
    let cookie = done.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        http.post(format!("{base}/api/v1/setup"))
            .json(&setup)
            .send()
            .await
            .unwrap()
            .status(),
        409,
        "once"
    );

    let mut site = Value::Null;
    for _ in 0..240 {
        let reply = http
            .get(format!("{base}/api/v1/sites/home"))
            .header("cookie", &cookie)
            .send()
            .await
            .unwrap();
        site = reply.json().await.unwrap();
        let online = site["devices"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|d| d["link"]["state"] == "online")
            .count();
        if online == 5 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    assert!(
        site["flow"]["grid_w"].is_i64() && site["flow"]["house_w"].is_i64(),
        "{:#}",
        site["flow"]
    );
    let see = async |path: &str| {
        let reply = http
            .get(format!("{base}/api/v1/{path}"))
            .header("cookie", &cookie);
        reply.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let mut car = Value::Null;
    for _ in 0..240 {
        car = see("vehicles/red-car").await;
        if car["soc"]["soc_permille"].is_i64() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    assert!(car["soc"]["soc_permille"].as_i64() > Some(100), "{car:#}");
    assert_eq!(
        (&car["source"], &car["soc"]["estimated"]),
        (&json!("file"), &json!(false))
    );
    let settings = see("settings").await;
    let site = &settings["sites"][0];
    assert_eq!(
        (
            &site["name_from_file"],
            &site["time_zone_from_file"],
            &settings["backup"]["from_file"]
        ),
        (&json!(false), &json!(true), &json!(false))
    );
    let renamed = http
        .patch(format!("{base}/api/v1/settings"))
        .header("cookie", &cookie)
        .json(&json!({"sites": {"home": {"name": "Our home"}}}))
        .send()
        .await
        .unwrap();
    let renamed: Value = renamed.json().await.unwrap();
    assert_eq!(
        renamed["after_restart"],
        json!(["sites.home.name"]),
        "{renamed:#}"
    );

    let goe = http
        .get(format!(
            "{base}/api/status?token=a-token-from-the-file&filter=sse,typ"
        ))
        .send()
        .await
        .unwrap();
    assert_eq!(goe.status(), 200);
    assert_eq!(goe.json::<Value>().await.unwrap()["sse"], "050001");

    assert_eq!(serve.terminate().await, Some(0));
    let mut again = Process::start(&args);
    let base = again
        .line_with("listens on")
        .await
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    let sign_in = json!({"user": "admin", "password": "correct horse battery staple"});
    let signed_in = http
        .post(format!("{base}/api/v1/session"))
        .json(&sign_in)
        .send()
        .await
        .unwrap();
    assert_eq!(signed_in.status(), 204);
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
    let sites = http
        .get(format!("{base}/api/v1/sites"))
        .header("cookie", cookie.split(';').next().unwrap())
        .send()
        .await
        .unwrap();
    let sites: Value = sites.json().await.unwrap();
    assert_eq!(
        sites["items"][0]["name"], "Our home",
        "what was chosen counts now"
    );
    assert_eq!(again.terminate().await, Some(0));
    assert_eq!(sim.terminate().await, Some(0));
}
