//! `ohmstead user`: for those who have the data directory and nobody who can sign in.

use std::path::PathBuf;

use anyhow::{Context, bail};
use gate::{By, Principal};
use model::id::UserId;
use model::user::{Role, User};

use super::print;
use crate::args::Place;
use crate::assemble::House;
use crate::config;

/// Where the packages keep data.
const USUAL_DATA: &str = "/var/lib/ohmstead";

pub async fn list(place: Place) -> anyhow::Result<()> {
    let house = open(place).await?;
    for user in house.gate.users() {
        print(&describe(&user, house.gate.has_password(&user.id)));
    }
    Ok(())
}

pub async fn reset_password(name: &str, place: Place) -> anyhow::Result<()> {
    let house = open(place).await?;
    let user = UserId::new(name).ok().and_then(|id| house.gate.user(&id));
    let Some(user) = user else {
        let known: Vec<String> = house
            .gate
            .users()
            .iter()
            .map(|user| user.id.to_string())
            .collect();
        bail!("there is no user `{name}`; known are: {}", known.join(", "));
    };
    let console = Principal::console();
    let password = house
        .gate
        .reset_password(&By::new(&console, "console"), &user.id)
        .await?;
    house
        .store
        .flush()
        .await
        .context("cannot write the new password")?;
    print(&format!("The new password of {name} is {}", password.expose()));
    print("They are signed out everywhere. Start the program, sign in and choose another.");
    if !user.enabled {
        print("The user is disabled: an administrator has to enable them first.");
    }
    Ok(())
}

/// Opens a directory that is there; none is made.
async fn open(place: Place) -> anyhow::Result<House> {
    let config = place.config.as_deref().map(config::load).transpose()?;
    let (of_file, database) = config.map_or((None, None), |config| (config.data, config.store));
    let data = place
        .data
        .or(of_file)
        .unwrap_or_else(|| PathBuf::from(USUAL_DATA));
    if !data.join("key").exists() {
        bail!(
            "{} is no data directory of this program; say where it is with --data DIR, or with --config FILE",
            data.display()
        );
    }
    if database.is_none() && !data.join("records.db").exists() {
        bail!(
            "there are no records in {}; when they are kept in PostgreSQL, say in which with --config FILE",
            data.display()
        );
    }
    House::open(&data, database.as_ref()).await.context(
        "cannot open the users; while the program runs, stop it first, or let an administrator do it in the page",
    )
}

fn describe(user: &User, has_password: bool) -> String {
    let role = |role: Option<Role>| match role {
        Some(Role::Admin) => "admin",
        Some(Role::Operator) => "operator",
        Some(Role::User) => "user",
        Some(Role::Viewer) => "viewer",
        None => "-",
    };
    let mut words = vec![user.id.to_string(), role(user.role).to_owned()];
    words.extend(
        user.sites
            .iter()
            .map(|(site, there)| format!("{site}={}", role(Some(*there)))),
    );
    if !user.enabled {
        words.push("disabled".to_owned());
    }
    if !has_password {
        words.push("no-password".to_owned());
    }
    words.join("  ")
}
