//! Tariffs, and the prices that follow from them.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::id::SiteId;
use model::noun::Noun;
use model::tariff::{Named, PriceBook, Tariff as Noted, named_problems, problems};
use model::time::{Millis, Timestamp};
use model::user::{Card, User};
use serde::Deserialize;
use store::{StoreError, Typed};

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::nouns::{Change, as_in_path, cards_with, deleted, from_file, only_in_store, stored};
use super::sites::readable;
use super::wire::{Direction, PriceList, PriceSpan, Source, Tariff, TariffList};
use crate::State;

/// Prices are shown for at most so long a span.
const LONGEST: Millis = Millis(62 * 86_400_000);
const DAY: Millis = Millis(86_400_000);

/// Lists all tariffs.
#[utoipa::path(get, path = "/tariffs", operation_id = "list_tariffs", tag = "tariffs", responses(
    (status = 200, body = TariffList),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
) -> Result<Json<TariffList>, ApiError> {
    allow(&caller, &Action::Read, &Subject::Installation)?;
    let tariffs = state.store.list::<Noted>().await?;
    let items = tariffs
        .iter()
        .map(|tariff| Tariff::of(tariff, source(&state, tariff)));
    Ok(Json(TariffList {
        items: items.collect(),
    }))
}

/// Shows one tariff.
#[utoipa::path(get, path = "/tariffs/{id}", operation_id = "show_tariff", tag = "tariffs", params(("id" = String, Path)), responses(
    (status = 200, body = Tariff),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<Tariff>, ApiError> {
    allow(&caller, &Action::Read, &Subject::Installation)?;
    let tariff = state.store.get::<Noted>(&id).await?;
    let tariff = tariff.ok_or_else(|| ApiError::unknown("tariff", &id))?;
    Ok(Json(Tariff::of(&tariff, source(&state, &tariff))))
}

/// Adds a tariff. Whatever is wrong with it is said at once.
#[utoipa::path(post, path = "/tariffs", operation_id = "create_tariff", tag = "tariffs", request_body = Tariff, responses(
    (status = 201, body = Tariff),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "There is one with this id."),
    (status = 422, body = ErrorAnswer, description = "Contracts or defaults overlap, or a value makes no sense."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn create(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    JsonBody(wanted): JsonBody<Tariff>,
) -> Result<(StatusCode, Json<Tariff>), ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let tariff = put(&state, &caller, wanted.read()?, Change::New).await?;
    Ok((StatusCode::CREATED, Json(tariff)))
}

/// Replaces a tariff. What was charged before keeps its price.
#[utoipa::path(put, path = "/tariffs/{id}", operation_id = "replace_tariff", tag = "tariffs", params(("id" = String, Path)), request_body = Tariff, responses(
    (status = 200, body = Tariff),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "It stands in the config file."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn replace(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
    JsonBody(wanted): JsonBody<Tariff>,
) -> Result<Json<Tariff>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    as_in_path(&id, &wanted.id)?;
    Ok(Json(put(&state, &caller, wanted.read()?, Change::Again).await?))
}

async fn put(state: &State, caller: &Principal, tariff: Noted, change: Change) -> Result<Tariff, ApiError> {
    let _changing = state.changing.lock().await;
    only_in_store(&state.settings.tariffs, tariff.id())?;
    let mut all = state.store.list::<Noted>().await?;
    change.fits(&all, &tariff)?;
    all.retain(|other| other.id != tariff.id);
    all.push(tariff);
    let named = Named {
        sites: state.settings.sites.iter().map(|site| site.id.clone()).collect(),
        providers: state
            .settings
            .price_providers
            .iter()
            .map(|provider| provider.id.clone())
            .collect(),
    };
    let Some(tariff) = all.last() else {
        return Err(ApiError::unknown("tariff", ""));
    };
    let found = problems(&all, &named);
    let mut texts: Vec<String> = found
        .into_iter()
        .filter(|problem| problem.tariff == tariff.id)
        .map(|problem| problem.text)
        .collect();
    // Who names it must still mean a price of energy taken.
    let mut users = state.store.list::<User>().await?;
    users.retain(|user| user.tariff.as_ref() == Some(&tariff.id));
    let mut cards = state.store.list::<Card>().await?;
    cards.retain(|card| card.tariff.as_ref() == Some(&tariff.id));
    texts.extend(named_problems(&all, &users, &cards));
    if !texts.is_empty() {
        return Err(ApiError::wrong(&texts));
    }
    stored(state, caller, tariff).await?;
    Ok(Tariff::of(tariff, Source::Store))
}

/// Deletes a tariff that nobody names.
#[utoipa::path(delete, path = "/tariffs/{id}", operation_id = "delete_tariff", tag = "tariffs", params(("id" = String, Path)), responses(
    (status = 204),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "It stands in the config file, or users or cards name it."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn delete(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let _changing = state.changing.lock().await;
    only_in_store(&state.settings.tariffs, &id)?;
    let is_named = |tariff: Option<&model::id::TariffId>| tariff.is_some_and(|named| named.as_str() == id);
    let users = state.store.list::<User>().await?.into_iter();
    let users = users
        .filter(|user| is_named(user.tariff.as_ref()))
        .map(|user| format!("user `{}`", user.id));
    let cards = cards_with(&state, |card| is_named(card.tariff.as_ref())).await?;
    let named_by: Vec<String> = users.chain(cards).collect();
    deleted::<Noted>(&state, &caller, &id, &named_by).await
}

/// Refuses users and cards that name a tariff which is none, or none for energy taken.
pub async fn check_named(state: &State, users: &[User], cards: &[Card]) -> Result<(), ApiError> {
    let texts = named_problems(&state.store.list::<Noted>().await?, users, cards);
    if texts.is_empty() {
        Ok(())
    } else {
        Err(ApiError::wrong(&texts))
    }
}

fn source(state: &State, tariff: &Noted) -> Source {
    Source::of(from_file(&state.settings.tariffs, tariff.id()))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PricesQuery {
    /// Included.
    from_ms: i64,
    /// Not included; at most 62 days after `from_ms`.
    to_ms: i64,
    /// `import` when absent.
    #[serde(default)]
    #[param(required = false, inline)]
    direction: Option<Direction>,
}

/// Shows what energy costs, or earns, by the default tariffs of a site, with VAT.
#[utoipa::path(get, path = "/sites/{site}/prices", operation_id = "show_prices", tag = "tariffs", params(("site" = String, Path), PricesQuery), responses(
    (status = 200, body = PriceList),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn prices(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
    query: Result<Query<PricesQuery>, QueryRejection>,
) -> Result<Json<PriceList>, ApiError> {
    let site = readable(&state, &caller, &site)?;
    let Query(query) = query.map_err(|rejection| {
        ApiError::unreadable(rejection.body_text()).at("query", "from_ms, to_ms and direction")
    })?;
    let (from, to) = (Timestamp(query.from_ms), Timestamp(query.to_ms));
    if from >= to || to - from > LONGEST {
        return Err(ApiError::invalid(
            "to_ms",
            query.to_ms,
            format!("more than from_ms ({}) by at most 62 days", query.from_ms),
        ));
    }
    let book = book(&state, &site, from, to).await?;
    let direction = match query.direction {
        Some(Direction::Export) => model::tariff::Direction::Export,
        Some(Direction::Import) | None => model::tariff::Direction::Import,
    };
    let spans = book.site_spans(&site, direction, from, to);
    Ok(Json(PriceList {
        items: spans.iter().filter_map(PriceSpan::of).collect(),
    }))
}

/// The prices of a site in a span, with those of its providers.
pub async fn book(
    state: &State,
    site: &SiteId,
    from: Timestamp,
    to: Timestamp,
) -> Result<PriceBook, StoreError> {
    let tariffs = state.store.list::<Noted>().await?;
    let known = state.settings.sites.iter().find(|known| known.id == *site);
    let mut book = PriceBook::of_zone(known.map_or("UTC", |site| &site.time_zone), tariffs);
    let providers: Vec<String> = book.providers().into_iter().map(str::to_owned).collect();
    for provider in providers {
        let slots = state.store.prices(&provider, from - DAY, to).await?;
        book.set_prices(&provider, slots);
    }
    Ok(book)
}
