//! Who charges here, and with which card.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::Directory;
use gate::{By, Gate, Principal};
use model::site::Site;
use model::tariff::PriceBook;
use model::user::{Card, CardKind, Role, User};
use model::vehicle::Vehicle;
use store::{Store, Typed};

use super::native::ADMIN;
use crate::commands::backfill::People;

/// Those who charge at the demo, each with a card. What somebody changed stays.
pub async fn settle_in(gate: &Gate) -> anyhow::Result<()> {
    let console = Principal::console();
    let by = By::new(&console, "demo");
    for (user, name, card, number) in [
        ("resident-1", "Resident 1", "white-card", "04A1B2C3"),
        ("resident-2", "Resident 2", "blue-card", "04D4E5F6"),
        ("guest", "Guest", "guest-card", "0411223344"),
    ] {
        let user = User {
            display: true,
            ..User::new(user.parse()?, name, Role::User)
        };
        if gate.user(&user.id).is_none() {
            gate.create_user(&by, user.clone()).await?;
        }
        if gate.card(&user.id, card).is_some() {
            continue;
        }
        let card = Card {
            id: card.parse()?,
            user: user.id.clone(),
            kind: CardKind::Rfid,
            name: format!("Card of {name}"),
            enabled: true,
            valid_until: None,
            budget: None,
            phases: None,
            tariff: None,
            vehicle: None,
            rules: Vec::new(),
        };
        gate.create_card(&by, card, number).await?;
    }
    Ok(())
}

/// Cards are used at `right`; `left` is plug and go.
pub async fn in_the_past(store: &dyn Store, site: &Site) -> anyhow::Result<People> {
    let users: Vec<User> = store.list().await?;
    let cards: Vec<Card> = store.list().await?;
    let vehicles: Vec<Vehicle> = store.list().await?;
    Ok(People {
        evse: "right".parse()?,
        directory: Directory {
            users: users.into_iter().map(|user| (user.id.clone(), user)).collect(),
            cards: cards.into_iter().map(|card| (card.id.clone(), card)).collect(),
            vehicles: vehicles.into_iter().map(|car| (car.id.clone(), car)).collect(),
            soc: BTreeMap::new(),
        },
        looks_after: ADMIN.parse()?,
        prices: Arc::new(PriceBook::of_zone(&site.time_zone, store.list().await?)),
    })
}
