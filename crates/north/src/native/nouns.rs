//! What all documents that are kept whole have in common: who changed them is noted, engines are told.

use axum::http::StatusCode;
use gate::Principal;
use model::message::Message;
use model::noun::Noun;
use model::user::Card;
use store::Typed;

use super::audit::note;
use super::error::ApiError;
use crate::State;

/// More of one kind is a program gone wild.
const MOST: usize = 1_000;

/// Whether a document is new or takes the place of another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Change {
    New,
    Again,
}

impl Change {
    pub fn fits<N: Noun>(self, all: &[N], one: &N) -> Result<(), ApiError> {
        let is_there = all.iter().any(|known| known.id() == one.id());
        match self {
            Self::New if is_there => Err(ApiError::new(
                StatusCode::CONFLICT,
                "exists",
                format!("there is a {} `{}` already", N::KIND, one.id()),
            )
            .at("id", "an id that is free")),
            Self::New if all.len() >= MOST => Err(ApiError::new(
                StatusCode::CONFLICT,
                "too_many",
                format!("there are {MOST} already; delete what is not needed"),
            )),
            Self::Again if !is_there => Err(ApiError::unknown(N::KIND, one.id())),
            Self::New | Self::Again => Ok(()),
        }
    }
}

/// Whether the config file holds it.
pub fn from_file<N: Noun>(of_file: &[N], id: &str) -> bool {
    of_file.iter().any(|noun| noun.id() == id)
}

/// Refuses what stands in the config file.
pub fn only_in_store<N: Noun>(of_file: &[N], id: &str) -> Result<(), ApiError> {
    if from_file(of_file, id) {
        return Err(ApiError::from_file(N::KIND, id));
    }
    Ok(())
}

/// Refuses a document that is put at the place of another.
pub fn as_in_path(path: &str, id: &str) -> Result<(), ApiError> {
    if id == path {
        return Ok(());
    }
    let shown: String = id.chars().take(80).collect();
    Err(ApiError::invalid("id", shown, format!("`{path}` as in the path")))
}

/// Stores a document, notes who did it and tells the engines.
pub async fn stored<N: Noun>(state: &State, caller: &Principal, noun: &N) -> Result<(), ApiError> {
    state.store.put(noun).await?;
    changed::<N>(state, caller, "put", noun.id()).await;
    Ok(())
}

/// Deletes a document that nobody names, notes who did it and tells the engines.
pub async fn deleted<N: Noun>(
    state: &State,
    caller: &Principal,
    id: &str,
    named_by: &[String],
) -> Result<StatusCode, ApiError> {
    if !named_by.is_empty() {
        return Err(ApiError::in_use(N::KIND, id, named_by));
    }
    if !state.store.delete::<N>(id).await? {
        return Err(ApiError::unknown(N::KIND, id));
    }
    changed::<N>(state, caller, "delete", id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Notes who changed a document and tells the engines.
pub async fn changed<N: Noun>(state: &State, caller: &Principal, verb: &str, id: &str) {
    note(state, caller, &format!("{verb} {} {id}", N::KIND), "done").await;
    let kind = N::KIND.to_owned();
    state.bus.publish(Message::NounsChanged { kind }).await;
}

/// Cards that name something, for [`deleted`].
pub async fn cards_with(state: &State, names: impl Fn(&Card) -> bool) -> Result<Vec<String>, ApiError> {
    let cards = state.store.list::<Card>().await?;
    let naming = cards.iter().filter(|card| names(card));
    Ok(naming
        .map(|card| format!("card `{}` of user `{}`", card.id, card.user))
        .collect())
}
