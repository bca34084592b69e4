//! The home and the roof as plants to ShineMonitor clients, with the account and the session that the vendor's pages print.

use dialects::shinemonitor::DIALECT;
use dialects::shinemonitor::rc4::PasswordHash;
use gate::{Account, By, DoorSession, Gate, Principal, Thing};
use model::id::SiteId;
use model::secret::Secret;
use model::settings::{ShinemonitorPlant, ShinemonitorSettings};
use model::time::Timestamp;
use model::user::Role;
use serde_json::json;

use super::tell::Told;

/// Of the printed examples.
const COMPANY_KEY: &str = "0123456789ABCDEF";
const PN: &str = "G0916522248153";
const OWNER: Known = Known::new("vplant", "vplant", Role::Operator);
const TOKEN: &str = "88d22d819e31897eea2d9d5b9f7792cf4065ac5372aad3672f5e4e147cd25b5f";
const SECRET: &str = "ffa1655ee3726840822063a02ac5017795809b18";

/// Of the public portal, which most clients send.
const APP_COMPANY_KEY: &str = "bnrl_frRFjEz8Mkn";
/// Names that clients have to write with care; they may look.
const ODD: Known = Known::new("solar home", "solar-home-demo", Role::Viewer);
const CJK: Known = Known::new("太阳能", "taiyangneng-demo", Role::Viewer);

/// An account whose password everybody knows.
struct Known {
    name: &'static str,
    password: &'static str,
    role: Role,
}

impl Known {
    const fn new(name: &'static str, password: &'static str, role: Role) -> Self {
        Self { name, password, role }
    }
}

pub fn settings(site: &SiteId) -> ShinemonitorSettings {
    ShinemonitorSettings {
        plants: vec![ShinemonitorPlant {
            site: site.clone(),
            pn: PN.to_owned(),
        }],
        ..ShinemonitorSettings::default()
    }
}

/// Known accounts, and the printed session of the first. What somebody changed of an account stays.
pub async fn open(gate: &Gate, sites: &[&SiteId], now: Timestamp) -> anyhow::Result<()> {
    let owner = settle(gate, sites, &OWNER).await?;
    settle(gate, sites, &ODD).await?;
    settle(gate, sites, &CJK).await?;
    let session = DoorSession {
        token: Secret::new(TOKEN),
        secret: Secret::new(SECRET),
        expires: now + ShinemonitorSettings::default().expire,
    };
    let owner = Thing::Account(owner);
    gate.adopt_door_session(&DIALECT, &owner, &session).await?;
    Ok(())
}

async fn settle(gate: &Gate, sites: &[&SiteId], known: &Known) -> anyhow::Result<u32> {
    let accounts = gate.accounts(&DIALECT);
    if let Some(account) = accounts.iter().find(|account| account.name == known.name) {
        return Ok(account.number);
    }
    let console = Principal::console();
    let by = By::new(&console, "demo");
    let wanted = Account {
        sites: sites.iter().map(|site| ((*site).clone(), known.role)).collect(),
        ..Account::new(known.name)
    };
    let password = Secret::new(PasswordHash::of_password(known.password).expose());
    Ok(gate.create_account(&by, &DIALECT, wanted, &password).await?)
}

pub fn tell(base: &str) -> Told {
    let url = format!("{base}/public/");
    let printed = format!(
        "{url}?sign=f0c57c88bdd73a1867355068e9e3c49d735ae668&salt=1491967717697&token={TOKEN}\
         &action=queryCollectorInfo&pn={PN}"
    );
    let json = json!({
        "url": url,
        "usr": OWNER.name,
        "pwd": OWNER.password,
        "company_key": COMPANY_KEY,
        "app_company_key": APP_COMPANY_KEY,
        "pn": PN,
        "plant_id": 1,
        "odd_usr": ODD.name,
        "odd_pwd": ODD.password,
        "cjk_usr": CJK.name,
        "cjk_pwd": CJK.password,
    });
    Told {
        json: Some((DIALECT.name, json)),
        rows: vec![
            (
                "ShineMonitor",
                format!("{url}, {}, password {}", OWNER.name, OWNER.password),
            ),
            ("", printed),
        ],
    }
}
