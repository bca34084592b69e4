//! Nouns that are configured, few, and kept whole.

use async_trait::async_trait;
use model::noun::Noun;

use crate::{Done, StoreError};

/// Documents by kind and id: users, cards, vehicles, tariffs. What they say is the model's business.
#[async_trait]
pub trait Nouns: Send + Sync {
    async fn put_noun(&self, kind: &str, id: &str, body: &str) -> Done;
    async fn noun(&self, kind: &str, id: &str) -> Result<Option<String>, StoreError>;
    /// All of a kind, ordered by id.
    async fn nouns(&self, kind: &str) -> Result<Vec<(String, String)>, StoreError>;
    /// Whether it was there.
    async fn delete_noun(&self, kind: &str, id: &str) -> Result<bool, StoreError>;
}

/// The same in types of the model.
#[async_trait]
pub trait Typed: Nouns {
    async fn put<N: Noun>(&self, noun: &N) -> Done {
        let body = serde_json::to_string(noun).map_err(|error| odd::<N>(noun.id(), &error))?;
        self.put_noun(N::KIND, noun.id(), &body).await
    }

    async fn get<N: Noun>(&self, id: &str) -> Result<Option<N>, StoreError> {
        match self.noun(N::KIND, id).await? {
            Some(body) => parse(id, &body).map(Some),
            None => Ok(None),
        }
    }

    /// All there are, ordered by id.
    async fn list<N: Noun>(&self) -> Result<Vec<N>, StoreError> {
        let bodies = self.nouns(N::KIND).await?;
        bodies.iter().map(|(id, body)| parse(id, body)).collect()
    }

    /// Whether it was there.
    async fn delete<N: Noun>(&self, id: &str) -> Result<bool, StoreError> {
        self.delete_noun(N::KIND, id).await
    }
}

impl<T: Nouns + ?Sized> Typed for T {}

fn parse<N: Noun>(id: &str, body: &str) -> Result<N, StoreError> {
    serde_json::from_str(body).map_err(|error| odd::<N>(id, &error))
}

fn odd<N: Noun>(id: &str, error: &serde_json::Error) -> StoreError {
    StoreError::Other {
        operation: "read or write a document",
        cause: format!("{} `{id}`: {error}", N::KIND),
    }
}
