//! What the core wants to know of the store: who may charge, and what was charged before.

use model::id::SiteId;
use model::site::Site;
use model::tariff::PriceBook;
use model::time::{Millis, Timestamp};
use model::units::WattHours;
use store::{SessionFilter, Store, StoreError, Typed};

use crate::budgets::{BudgetAsk, Owner, Spent};
use crate::sessions::Directory;

const DAY: Millis = Millis(86_400_000);

/// Users, cards, cars and how full those are.
pub(crate) async fn directory(store: &dyn Store) -> Result<Directory, StoreError> {
    let users: Vec<model::user::User> = store.list().await?;
    let cards: Vec<model::user::Card> = store.list().await?;
    let vehicles: Vec<model::vehicle::Vehicle> = store.list().await?;
    let charges: Vec<model::vehicle::VehicleCharge> = store.list().await?;
    Ok(Directory {
        users: users.into_iter().map(|user| (user.id.clone(), user)).collect(),
        cards: cards.into_iter().map(|card| (card.id.clone(), card)).collect(),
        vehicles: vehicles
            .into_iter()
            .map(|vehicle| (vehicle.id.clone(), vehicle))
            .collect(),
        soc: charges
            .into_iter()
            .map(|charge| (charge.id, charge.known))
            .collect(),
    })
}

/// All tariffs, and the prices of their providers from yesterday to the day after tomorrow.
pub(crate) async fn prices(store: &dyn Store, site: &Site, now: Timestamp) -> Result<PriceBook, StoreError> {
    let mut book = PriceBook::of_zone(&site.time_zone, store.list().await?);
    let providers: Vec<String> = book.providers().into_iter().map(str::to_owned).collect();
    for provider in providers {
        let slots = store.prices(&provider, now - DAY, now + DAY + DAY).await?;
        book.set_prices(&provider, slots);
    }
    Ok(book)
}

/// What was charged of a budget, apart from the open session.
pub(crate) async fn spent(store: &dyn Store, site: &SiteId, ask: &BudgetAsk) -> Result<Spent, StoreError> {
    let mut filter = SessionFilter {
        from: Some(ask.from),
        ..SessionFilter::default()
    };
    match &ask.owner {
        Owner::User(user) => filter.user = Some(user.clone()),
        Owner::Card(card) => filter.card = Some(card.clone()),
    }
    let all = store.session_totals(&filter).await?.energy;
    if ask.plugged >= ask.from {
        let own = store.session(&ask.session).await?;
        let own = own.map_or(WattHours::ZERO, |session| ask.owner.energy_in(&session));
        return Ok(Spent {
            elsewhere: (all - own).at_least_zero(),
            before: WattHours::ZERO,
        });
    }
    let Some(own) = store.session(&ask.session).await? else {
        return Ok(Spent {
            elsewhere: all,
            before: WattHours::ZERO,
        });
    };
    let pages = store
        .ledger(site, ask.plugged - Millis(900_000), ask.from)
        .await?;
    let is_own = |number: u32| {
        let mut transactions = own.transactions.iter().filter(|t| t.number == number);
        transactions.any(|t| match &ask.owner {
            Owner::User(user) => t.authorisation.user.as_ref() == Some(user),
            Owner::Card(card) => t.authorisation.card.as_ref() == Some(card),
        })
    };
    let shares = pages.iter().flat_map(|page| &page.shares);
    let before = shares.filter(|share| share.session == ask.session && is_own(share.transaction));
    Ok(Spent {
        elsewhere: all,
        before: before.map(|share| share.origin.total()).sum(),
    })
}
