//! The known account, and the token of the native API.

use std::path::Path;

use gate::Gate;
use model::id::SiteId;
use model::user::Role;
use serde_json::{Value, json};

use super::tell::{FILE, Told};

/// The demo's accounts are known; that is why it never listens beyond loopback.
pub const ADMIN: &str = "admin";
const ADMIN_PASSWORD: &str = "ohmstead-demo";

/// Returns the token, which stays the same over restarts.
pub async fn open(gate: &Gate, data: &Path) -> anyhow::Result<String> {
    gate.create_admin(ADMIN, ADMIN_PASSWORD).await?;
    let before = std::fs::read_to_string(data.join(FILE)).ok();
    let before = before.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    match before.as_ref().and_then(|json| json["native"]["token"].as_str()) {
        Some(token) => {
            gate.set_token("demo", Role::Admin, token).await?;
            Ok(token.to_owned())
        }
        None => Ok(gate.renew_token("demo", Role::Admin).await?),
    }
}

pub fn tell(gate: &Gate, base: &str, token: &str, site: &SiteId) -> anyhow::Result<Told> {
    let ticket = gate.sign_in_ticket(ADMIN)?;
    let json = json!({
        "admin_user": ADMIN, "admin_password": ADMIN_PASSWORD, "token": token, "site_id": site.as_str(),
    });
    Ok(Told {
        json: Some(("native", json)),
        rows: vec![
            ("page", format!("{base}/")),
            ("sign in, once", format!("{base}/#ticket={ticket}")),
            ("user", format!("{ADMIN}, password {ADMIN_PASSWORD}")),
            ("native API", format!("{base}/api/v1/sites")),
            ("", format!("Authorization: Bearer {token}")),
            ("description", format!("{base}/api/v1/openapi.json")),
        ],
    })
}
