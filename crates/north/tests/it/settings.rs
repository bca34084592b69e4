//! Settings over the native API.

use model::settings::{Chosen, MailSettings, MailTls, Retention};
use model::user::Role;
use serde_json::{Value, json};
use store::Typed;

use crate::world::{TOKEN, VIEWER, World};

const PATH: &str = "/api/v1/settings";

async fn change(world: &World, body: Value) -> crate::world::Answer {
    world.call(TOKEN, "PATCH", PATH, &body.to_string()).await
}

#[tokio::test]
async fn what_is_chosen_is_kept_and_what_takes_effect_later_is_named() {
    let world = World::new().await;
    let before = world.get(PATH).await.json();
    assert_eq!(
        before,
        json!({
            "history": {"raw_days": 90, "minute_days": 730, "from_file": false},
            "backup": {"keep": 7, "at_minute": 180, "from_file": false},
            "mail": null,
            "outbound": {"allow": ["127.0.0.0/8"], "from_file": false},
            "goe": {"local_open": ["127.0.0.0/8"], "from_file": false},
            "sites": [
                {"id": "home", "name": before["sites"][0]["name"], "name_from_file": false,
                 "time_zone": before["sites"][0]["time_zone"], "time_zone_from_file": false,
                 "inverters": [{"id": "pv", "name": before["sites"][0]["inverters"][0]["name"], "panels": [], "panels_from_file": false}]},
                {"id": "yard", "name": before["sites"][1]["name"], "name_from_file": false,
                 "time_zone": before["sites"][1]["time_zone"], "time_zone_from_file": false, "inverters": []},
            ],
            "after_restart": [],
        })
    );
    let wanted = json!({
        "history": {"raw_days": 30, "minute_days": 60},
        "backup": {"keep": 3, "at_minute": 90},
        "mail": {"host": "mail.example.org", "tls": "starttls", "user": "hub", "password": "s3cret",
                 "from": "Ohmstead <hub@example.org>"},
        "outbound": {"allow": ["192.168.1.0/24", "hub.lan"]},
        "goe": {"local_open": ["::1"]},
        "sites": {"home": {"name": " Our home ", "time_zone": "America/New_York"}},
    });
    let answer = change(&world, wanted).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.text.contains("s3cret"));
    let after = world.get(PATH).await.json();
    assert_eq!(answer.json(), after);
    assert_eq!(after["history"]["raw_days"], 30);
    assert_eq!(
        after["backup"],
        json!({"keep": 3, "at_minute": 90, "from_file": false})
    );
    assert_eq!(
        after["mail"],
        json!({"host": "mail.example.org", "port": 587, "tls": "starttls", "user": "hub", "has_password": true,
               "from": "Ohmstead <hub@example.org>", "from_file": false})
    );
    assert_eq!(after["outbound"]["allow"], json!(["192.168.1.0/24", "hub.lan"]));
    assert_eq!(after["sites"][0]["name"], "Our home");
    assert_eq!(
        after["after_restart"],
        json!(["goe.local_open", "sites.home.name", "sites.home.time_zone"])
    );
    let in_force = store::retention(&*world.store, None).await.unwrap();
    assert_eq!((in_force.raw_days, in_force.minute_days), (30, 60));
    let password = world.state.gate.mail_password().await.unwrap().unwrap();
    assert_eq!(password.expose(), "s3cret");

    // At the next start it is put under what the file says.
    let chosen: Chosen = world.store.get(Chosen::ID).await.unwrap().unwrap();
    let mut settings = (*world.state.settings).clone();
    settings.given.insert("backup");
    settings.given.insert("sites.home.time_zone");
    let zone = settings.sites[0].time_zone.clone();
    chosen.over(&mut settings);
    assert_eq!((settings.backup.keep, settings.goe.local_open.len()), (7, 1));
    assert_eq!(
        (settings.sites[0].name.as_str(), &settings.sites[0].time_zone),
        ("Our home", &zone)
    );

    let audit = world.get("/api/v1/audit").await.text;
    assert!(audit.contains("put settings chosen"), "{audit}");
}

#[tokio::test]
async fn the_password_stays_with_its_relay() {
    let world = World::new().await;
    let mail = |host: &str, user: Option<&str>, password: Option<&str>| {
        let mut mail = json!({"host": host, "tls": "tls", "user": user, "from": "hub@example.org"});
        if let Some(password) = password {
            mail["password"] = json!(password);
        }
        json!({ "mail": mail })
    };
    for (body, status, kept) in [
        (mail("a.example", Some("hub"), None), 422, None),
        (mail("a.example", None, Some("one")), 422, None),
        (mail("a.example", Some("hub"), Some("one")), 200, Some("one")),
        (mail("a.example", Some("hub"), None), 200, Some("one")),
        (mail("b.example", Some("hub"), None), 422, Some("one")),
        (mail("b.example", None, None), 200, None),
        (mail("b.example", Some("hub"), Some("two")), 200, Some("two")),
        (json!({"backup": {"keep": 1, "at_minute": 0}}), 200, Some("two")),
        (json!({"mail": null}), 200, None),
    ] {
        let answer = change(&world, body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text);
        let password = world.state.gate.mail_password().await.unwrap();
        assert_eq!(
            password.map(|text| text.expose().to_owned()).as_deref(),
            kept,
            "{body}"
        );
    }
    assert_eq!(world.get(PATH).await.json()["mail"], Value::Null);
}

#[tokio::test]
async fn nothing_is_kept_when_anything_is_wrong() {
    let world = World::new().await;
    let mail = |host: &str, tls: &str, from: &str| json!({"mail": {"host": host, "tls": tls, "user": "u", "password": "p", "from": from}});
    for (mut body, place) in [
        (
            json!({"history": {"raw_days": 0, "minute_days": 9}}),
            "history.raw_days",
        ),
        (
            json!({"history": {"raw_days": 9, "minute_days": 8}}),
            "history.minute_days",
        ),
        (json!({"backup": {"keep": 1001, "at_minute": 0}}), "backup.keep"),
        (
            json!({"backup": {"keep": 1, "at_minute": 1440}}),
            "backup.at_minute",
        ),
        (mail("", "tls", "a@example.org"), "mail.host"),
        (mail("m.example", "none", "a@example.org"), "mail.tls"),
        (mail("m.example", "tls", "nobody"), "mail.from"),
        (
            json!({"outbound": {"allow": ["192.168.1.0/99"]}}),
            "outbound.allow",
        ),
        (json!({"goe": {"local_open": ["everybody"]}}), "goe.local_open"),
        (json!({"sites": {"home": {"name": ""}}}), "sites.home.name"),
        (
            json!({"sites": {"home": {"time_zone": "Europe/Wien"}}}),
            "sites.home.time_zone",
        ),
        (json!({"sites": {"nowhere": {"name": "x"}}}), "nowhere"),
        (json!({"sitse": {}}), "sitse"),
    ] {
        if body.get("sites").is_none() {
            body["sites"] = json!({"yard": {"name": "Kept by mistake"}});
        }
        let answer = change(&world, body.clone()).await;
        assert!(answer.status.is_client_error(), "{body}: {}", answer.text);
        assert!(answer.text.contains(place), "{body}: {}", answer.text);
        assert!(
            world.store.get::<Chosen>(Chosen::ID).await.unwrap().is_none(),
            "{body}"
        );
        assert!(
            world.state.gate.mail_password().await.unwrap().is_none(),
            "{body}"
        );
    }
}

#[tokio::test]
async fn what_the_file_says_is_shown_and_cannot_be_changed() {
    let mut world = World::new().await;
    let mut settings = (*world.state.settings).clone();
    settings.history = Some(Retention {
        raw_days: 10,
        minute_days: 20,
    });
    settings.mail = Some(MailSettings {
        host: "mail.example.org".to_owned(),
        port: 25,
        tls: MailTls::None,
        user: None,
        password_file: None,
        from: "hub@example.org".to_owned(),
    });
    settings.given.insert("backup");
    settings.given.insert("mail");
    settings.given.insert("outbound");
    settings.given.insert("goe.local_open");
    settings.given.insert("sites.home.name");
    settings.given.insert("sites.home.time_zone");
    world.use_settings(settings);
    let shown = world.get(PATH).await.json();
    for section in ["history", "backup", "mail", "outbound", "goe"] {
        assert_eq!(shown[section]["from_file"], true, "{section}");
    }
    let flags = |site: usize| {
        let site = &shown["sites"][site];
        (
            site["name_from_file"] == true,
            site["time_zone_from_file"] == true,
        )
    };
    assert_eq!((flags(0), flags(1)), ((true, true), (false, false)));
    for body in [
        json!({"history": {"raw_days": 1, "minute_days": 1}}),
        json!({"backup": {"keep": 1, "at_minute": 1}}),
        json!({"mail": null}),
        json!({"outbound": {"allow": []}}),
        json!({"goe": {"local_open": []}}),
        json!({"sites": {"home": {"name": "x"}}}),
        json!({"sites": {"home": {"time_zone": "UTC"}}}),
    ] {
        let answer = change(&world, body.clone()).await;
        assert_eq!(answer.error(), (409, "from_file".into()), "{body}");
    }
    let answer = change(&world, json!({"sites": {"yard": {"name": "x"}}})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn administrators_change_settings_and_operators_see_them() {
    let world = World::new().await;
    for (name, role) in [("desk", Role::Operator), ("resident", Role::User)] {
        world
            .state
            .gate
            .set_token(name, role, &format!("a-bearer-token-of-{name}"))
            .await
            .unwrap();
    }
    let body = r#"{"backup":{"keep":1,"at_minute":1}}"#;
    for (token, see, set) in [
        (TOKEN, 200, 200),
        ("a-bearer-token-of-desk", 200, 403),
        ("a-bearer-token-of-resident", 403, 403),
        (VIEWER, 403, 403),
    ] {
        let seen = world.call(token, "GET", PATH, "").await.status.as_u16();
        let put = world.call(token, "PATCH", PATH, body).await.status.as_u16();
        assert_eq!((seen, put), (see, set), "{token}");
    }
}

#[tokio::test]
async fn what_hangs_on_an_inverter_is_chosen_where_the_file_says_nothing() {
    let mut world = World::new().await;
    let shown = world.get(PATH).await.json();
    let expected = json!([{"id": "pv", "name": shown["sites"][0]["inverters"][0]["name"], "panels": [], "panels_from_file": false}]);
    assert_eq!(shown["sites"][0]["inverters"], expected);
    let roofs = json!([
        {"peak_w": 9_400, "tilt_deg": 30, "azimuth_deg": 190},
        {"peak_w": 3_600, "tilt_deg": 0, "azimuth_deg": 0},
    ]);
    let wanted =
        |site: &str, inverter: &str, panels: &Value| json!({"sites": {site: {"panels": {inverter: panels}}}});
    let done = change(&world, wanted("home", "pv", &roofs)).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(done.json()["sites"][0]["inverters"][0]["panels"], roofs);
    assert_eq!(
        done.json()["after_restart"],
        json!(["sites.home.devices.pv.panels"])
    );

    let wrong = |key: &str, value: i64| {
        let mut roof = roofs[0].clone();
        roof[key] = json!(value);
        json!([roofs[1], roof])
    };
    let many = Value::Array(vec![roofs[0].clone(); 33]);
    for (panels, place) in [
        (wrong("peak_w", 0), "sites.home.devices.pv.panels.1.peak_w"),
        (wrong("tilt_deg", 91), "sites.home.devices.pv.panels.1.tilt_deg"),
        (
            wrong("azimuth_deg", -1),
            "sites.home.devices.pv.panels.1.azimuth_deg",
        ),
        (many, "sites.home.devices.pv.panels"),
    ] {
        let refused = change(&world, wanted("home", "pv", &panels)).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert_eq!(refused.json()["error"]["where"], place, "{}", refused.text);
    }
    for inverter in ["grid", "nobody"] {
        let refused = change(&world, wanted("home", inverter, &roofs)).await;
        assert_eq!(refused.error(), (404, "unknown".to_owned()));
    }

    // At the next start it is what the sky is reckoned with, unless the file says something.
    let chosen: Chosen = world.store.get(Chosen::ID).await.unwrap().unwrap();
    let mut settings = (*world.state.settings).clone();
    chosen.over(&mut settings);
    let count = |settings: &model::settings::Settings| {
        let model::device::DeviceKind::Inverter { panels, .. } = &settings.sites[0].devices[1].kind else {
            panic!("no inverter");
        };
        panels.len()
    };
    assert_eq!(count(&settings), 2);
    let mut settings = (*world.state.settings).clone();
    settings.given.insert("sites.home.devices.pv.panels");
    chosen.over(&mut settings);
    assert_eq!(count(&settings), 0);
    world.use_settings(settings);
    let refused = change(&world, wanted("home", "pv", &roofs)).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert_eq!(
        world.get(PATH).await.json()["sites"][0]["inverters"][0]["panels_from_file"],
        true
    );
}
