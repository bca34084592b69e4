//! The native side of the go-e doors: what administrators decide, and all keys of a charger.

use axum::http::StatusCode;
use model::message::{Message, Report, Reported};
use model::time::Clock;
use serde_json::{Value, json};

use bus::Bus;

use crate::world::{Answer, TOKEN, VIEWER, World, bearer, device_id, document, request, site_id};

const BASE: &str = "/api/v1/sites/home/evses/left/goe";

async fn live() -> World {
    let world = World::new().await;
    let at = world.clock.now();
    let reported = Reported {
        site: site_id("home"),
        device: device_id("left-station"),
        at,
        report: Report::Document(document(at)),
    };
    world.bus.publish(Message::Reported(reported)).await;
    world
}

async fn as_user(world: &World, method: &str, path: &str, body: &str) -> Answer {
    let user = world
        .state
        .gate
        .set_token("user", model::user::Role::User, "a-token-of-a-user");
    user.await.unwrap();
    world.call("a-token-of-a-user", method, path, body).await
}

fn row(list: &Value, key: &str) -> Value {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .find(|item| item["key"] == key)
        .unwrap_or_else(|| panic!("{key}"))
        .clone()
}

#[tokio::test]
async fn every_key_has_its_meaning_and_secrets_have_no_value() {
    let world = live().await;
    let list = world.get(&format!("{BASE}/keys")).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 547);
    assert_eq!(list["at_ms"], json!(1_763_769_600_000_i64));
    let amp = row(&list, "amp");
    assert_eq!(
        amp,
        json!({
            "key": "amp", "access": "read_write", "type": "integer", "nullable": false, "range": {"min": 6, "max": 32},
            "unit": "A", "category": "Config", "meaning": amp["meaning"], "values": [], "value": 16, "secret": false,
            "grant_needed": false, "writable": true, "source": "ours",
        })
    );
    assert!(
        amp["meaning"].as_str().unwrap().contains("requested current"),
        "{amp}"
    );
    assert_eq!(
        row(&list, "frc")["values"][2],
        json!({"value": "2", "meaning": "On"})
    );
    let eto = row(&list, "eto");
    assert_eq!(
        (&eto["value"], &eto["source"], &eto["writable"]),
        (&json!(1_234_567), &json!("charger"), &json!(false))
    );
    for secret in ["cak", "wak", "ocppck"] {
        let secret = row(&list, secret);
        assert_eq!(
            (secret.get("value"), &secret["secret"]),
            (None, &json!(true)),
            "{secret}"
        );
    }
    assert!(row(&list, "mod").get("value").is_none());
    let values = world.get(&format!("{BASE}/values")).await.json();
    assert_eq!(
        (&values["values"]["amp"], &values["values"]["eto"]),
        (&json!(16), &json!(1_234_567))
    );
    assert!(values["values"].get("cak").is_none() && values["values"].get("ocppck").is_none());
    // An EVSE of which the charger said nothing shows what is made of the model.
    let silent = World::new().await.get(&format!("{BASE}/keys")).await.json();
    assert_eq!(row(&silent, "eto")["source"], "ours");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let world = live().await;
    for path in ["keys", "values"] {
        let path = format!("{BASE}/{path}");
        let first = world.get(&path).await;
        let tag = first.header("etag").unwrap().to_owned();
        let again = async |tag: &str| {
            let headers = [("authorization", &*bearer(TOKEN)), ("if-none-match", tag)];
            world.ask(request("GET", &path, &headers, "")).await
        };
        for (known, status) in [(&*tag, 304), (&*format!("\"x\", W/{tag}"), 304), ("\"x\"", 200)] {
            let answer = again(known).await;
            assert_eq!(answer.status, status, "{path} {known}");
            assert_eq!(answer.header("etag"), Some(&*tag), "{path} {known}");
            assert_eq!(answer.text.is_empty(), status == 304, "{path} {known}");
        }
        let amp = format!("{BASE}/keys/amp");
        assert_eq!(world.put(&amp, r#"{"value":9}"#).await.status, 204);
        assert_eq!(again(&tag).await.status, 200, "{path}");
        assert_eq!(world.put(&amp, r#"{"value":16}"#).await.status, 204);
    }
}

#[tokio::test]
async fn a_key_is_written_by_the_rules_of_the_doors() {
    let world = live().await;
    for (key, value, status, said) in [
        ("amp", "8", 204, ""),
        ("amp", "5", 422, "amp: failed: Value 5 exceeds range 6 to 32 (5)"),
        ("amp", "\"8\"", 422, "amp: failed: value must be integer (\"8\")"),
        ("amp", "null", 422, "amp: failed: value must be integer (null)"),
        (
            "alw",
            "true",
            422,
            "alw: tried to set api key without setter (true)",
        ),
        ("fna", "\"my \\\"garage\\\"\"", 204, ""),
        ("nosuch", "1", 404, "there is no go-e key `nosuch`"),
        (
            "rst",
            "true",
            422,
            "rst: tried to set api key which is not allowed from api without a grant (true)",
        ),
    ] {
        let body = format!(r#"{{"value":{value}}}"#);
        let answer = world.put(&format!("{BASE}/keys/{key}"), &body).await;
        assert_eq!(answer.status.as_u16(), status, "{key}={value}: {}", answer.text);
        if status != 204 {
            assert_eq!(answer.json()["error"]["message"], said, "{key}={value}");
        }
    }
    for body in ["", "{}", r#"{"value":1,"more":2}"#] {
        let answer = world.put(&format!("{BASE}/keys/amp"), body).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 422),
            "{body}: {}",
            answer.text
        );
    }
    let viewer = world
        .call(VIEWER, "PUT", &format!("{BASE}/keys/amp"), r#"{"value":8}"#)
        .await;
    assert_eq!(viewer.error(), (403, "not_allowed".into()));
}

#[tokio::test]
async fn grants_open_guarded_keys_to_administrators() {
    let world = live().await;
    let rst = async || {
        world
            .put(&format!("{BASE}/keys/rst"), r#"{"value":true}"#)
            .await
            .status
    };
    let writable = async |path: &str| row(&world.get(path).await.json(), "rst")["writable"].clone();
    assert_eq!(
        (rst().await, writable(&format!("{BASE}/keys")).await),
        (StatusCode::UNPROCESSABLE_ENTITY, json!(false))
    );
    let put = world.put(BASE, r#"{"enabled":null,"granted":["rst"]}"#).await;
    assert_eq!(
        (put.status, &put.json()["granted"]),
        (StatusCode::OK, &json!(["rst"])),
        "{}",
        put.text
    );
    assert_eq!(
        (rst().await, writable(&format!("{BASE}/keys")).await),
        (StatusCode::NO_CONTENT, json!(true))
    );
    for key in ["rst", "cak", "cae"] {
        let answer = as_user(&world, "PUT", &format!("{BASE}/keys/{key}"), r#"{"value":true}"#).await;
        assert_eq!(answer.error(), (403, "not_allowed".into()), "{key}");
    }
    let shown = as_user(&world, "GET", &format!("{BASE}/keys"), "").await.json();
    assert_eq!(
        (&row(&shown, "rst")["writable"], &row(&shown, "amp")["writable"]),
        (&json!(false), &json!(true))
    );
    let odd = world.put(BASE, r#"{"enabled":null,"granted":["amp"]}"#).await;
    assert_eq!(odd.error(), (422, "out_of_range".into()));
    let audit = world.get("/api/v1/audit?door=native").await.json();
    let actions: Vec<&str> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["action"].as_str())
        .collect();
    assert!(actions.contains(&"go-e door of left: granted rst"), "{actions:?}");
}

#[tokio::test]
async fn the_door_of_a_charger_is_for_administrators() {
    let world = live().await;
    let cloud = async |token: &str| {
        let path = format!("/api/status?token={token}&filter=amp");
        world.open(&path).await.status.as_u16()
    };
    let shown = world.get(&format!("{BASE}?token=false")).await.json();
    assert_eq!(
        shown,
        json!({
            "serial": "000001", "token": null, "enabled": true, "enabled_from_file": false, "granted": [],
            "guarded": ["wifis", "wak", "pass", "mcu", "ocppu", "oct", "rst", "cwe"],
            "cloud_host": "000001.api.v3.go-e.io", "local_paths": ["/goe/000001/{token}", "/goe/000001"],
        })
    );
    assert_eq!(world.get("/api/v1/audit").await.json()["items"], json!([]));
    assert_eq!(cloud("myapitoken").await, 200);
    assert_eq!(
        world.put(BASE, r#"{"enabled":false,"granted":[]}"#).await.json()["enabled"],
        false
    );
    assert_eq!(cloud("myapitoken").await, 403);
    assert_eq!(
        world.put(BASE, r#"{"enabled":null,"granted":[]}"#).await.json()["enabled"],
        true
    );
    assert_eq!(cloud("myapitoken").await, 200);
    let renewed = world.post(&format!("{BASE}/token"), "").await.json();
    let token = renewed["token"].as_str().unwrap().to_owned();
    assert_eq!((cloud("myapitoken").await, cloud(&token).await), (401, 200));
    for (method, path) in [
        ("GET", BASE.to_owned()),
        ("PUT", BASE.to_owned()),
        ("POST", format!("{BASE}/token")),
    ] {
        let body = if method == "PUT" {
            r#"{"enabled":null,"granted":[]}"#
        } else {
            ""
        };
        let answer = as_user(&world, method, &path, body).await;
        assert_eq!(answer.error(), (403, "not_allowed".into()), "{method} {path}");
    }
    let unknown = world.get("/api/v1/sites/home/evses/none/goe/keys").await;
    assert_eq!(unknown.error(), (404, "unknown".into()));
}
