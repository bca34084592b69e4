//! How the chargers of both sites appear to go-e clients.

use dialects::goe::{DIALECT, Variant};
use gate::{Access, Gate, Thing};
use model::document::Document;
use model::secret::Secret;
use model::settings::{GoeCharger, GoeSettings};
use model::time::Now;
use serde_json::json;

use super::tell::Told;

struct Charger {
    evse: &'static str,
    serial: &'static str,
    token: Option<&'static str>,
    state: &'static str,
}

/// Those that answer.
const LEFT: Charger = Charger {
    evse: "left",
    serial: "000001",
    token: Some("myapitoken"),
    state: "live",
};
const RIGHT: Charger = Charger {
    evse: "right",
    serial: "000002",
    token: None,
    state: "live",
};

const CHARGERS: [Charger; 5] = [
    LEFT,
    RIGHT,
    broken("offline", "000003"),
    broken("disabled", "000004"),
    broken("silent", "000005"),
];

/// In the yard an EVSE is called by what is wrong with it.
const fn broken(state: &'static str, serial: &'static str) -> Charger {
    Charger {
        evse: state,
        serial,
        token: None,
        state,
    }
}

pub fn settings() -> anyhow::Result<GoeSettings> {
    let chargers = CHARGERS
        .iter()
        .map(|charger| {
            Ok(GoeCharger {
                evse: charger.evse.parse()?,
                serial: charger.serial.to_owned(),
                enabled: charger.state != "disabled",
            })
        })
        .collect::<Result<_, model::id::IdError>>()?;
    Ok(GoeSettings {
        local_open: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
        chargers,
        ..GoeSettings::default()
    })
}

/// Known names and tokens.
pub async fn open(gate: &Gate) -> anyhow::Result<()> {
    for charger in &CHARGERS {
        let access = Access::new(DIALECT, charger.serial, Thing::Evse(charger.evse.parse()?));
        let token = charger.token.map(Secret::new);
        gate.settle_credential(&access, token.as_ref()).await?;
    }
    Ok(())
}

/// What is left of a charger that once answered: its last status, and what it said it was.
pub fn kept(evse: &str, at: Now) -> anyhow::Result<(Document, String)> {
    let charger = CHARGERS.iter().find(|charger| charger.evse == evse);
    let serial = charger.map_or("", |charger| charger.serial);
    let mut document = Variant::V4.document();
    document.insert("sse".to_owned(), json!(serial));
    let document = Document {
        dialect: DIALECT.name.to_owned(),
        at,
        json: serde_json::to_string(&document)?.into(),
    };
    Ok((document, format!("go-e go-eCharger_V4 22 kW, serial {serial}")))
}

pub fn tell(gate: &Gate, base: &str) -> anyhow::Result<Told> {
    let mut chargers = Vec::new();
    for charger in &CHARGERS {
        let token = token(gate, charger)?;
        let mut entry = json!({"serial": charger.serial, "token": token, "state": charger.state});
        if charger.state == "live" {
            entry["local_url"] = json!(format!("{base}/goe/{}", charger.serial));
        }
        chargers.push(entry);
    }
    let (left, right) = (token(gate, &LEFT)?, token(gate, &RIGHT)?);
    Ok(Told {
        json: Some(("goe", json!({"chargers": chargers, "local_v1": true}))),
        rows: vec![
            ("go-e cloud", format!("{base}/api/status?token={left}")),
            ("", format!("{base}/api/status?token={right}")),
            ("go-e local", format!("{base}/goe/{}/api/status", LEFT.serial)),
        ],
    })
}

fn token(gate: &Gate, charger: &Charger) -> anyhow::Result<String> {
    let token = gate.credential(&DIALECT, &Thing::Evse(charger.evse.parse()?))?;
    Ok(token.as_ref().map_or("", Secret::expose).to_owned())
}
