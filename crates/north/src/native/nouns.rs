//! What all documents that are kept whole have in common: who changed them is noted, engines are told.

use axum::http::StatusCode;
use gate::Principal;
use model::message::Message;
use model::noun::Noun;
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
pub fn only_in_store<N: Noun>(of_file: &[N], one: &N) -> Result<(), ApiError> {
    if from_file(of_file, one.id()) {
        return Err(ApiError::from_file(N::KIND, one.id()));
    }
    Ok(())
}

/// Stores a document, notes who did it and tells the engines.
pub async fn stored<N: Noun>(state: &State, caller: &Principal, noun: &N) -> Result<(), ApiError> {
    state.store.put(noun).await?;
    changed::<N>(state, caller, "put", noun.id()).await;
    Ok(())
}

/// Deletes a document, notes who did it and tells the engines.
pub async fn deleted<N: Noun>(state: &State, caller: &Principal, id: &str) -> Result<StatusCode, ApiError> {
    if !state.store.delete::<N>(id).await? {
        return Err(ApiError::unknown(N::KIND, id));
    }
    changed::<N>(state, caller, "delete", id).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn changed<N: Noun>(state: &State, caller: &Principal, verb: &str, id: &str) {
    note(state, caller, &format!("{verb} {} {id}", N::KIND), "done").await;
    let kind = N::KIND.to_owned();
    state.bus.publish(Message::NounsChanged { kind }).await;
}
