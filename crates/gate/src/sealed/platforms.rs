//! Secrets of the platforms that we report to: what we sign with, and the token of their calls to us.

use model::id::PlatformId;
use model::secret::Secret;
use store::StoreError;

use crate::denied::GateError;
use crate::gate::Gate;

const KEY: &str = "platform-key";
const TOKEN: &str = "platform-token";

impl Gate {
    /// Seals what we sign with at a platform, or forgets it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_platform_key(&self, id: &PlatformId, key: Option<&str>) -> Result<(), GateError> {
        self.set_sealed(KEY, id.as_str(), key).await
    }

    /// Whether there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn has_platform_key(&self, id: &PlatformId) -> Result<bool, StoreError> {
        Ok(self.store.secret(KEY, id.as_str()).await?.is_some())
    }

    /// What we sign with at a platform, for whoever reports to it.
    ///
    /// # Errors
    /// When the store fails, or it was sealed with another installation key.
    pub async fn platform_key(&self, id: &PlatformId) -> Result<Option<Secret>, GateError> {
        self.sealed(KEY, id.as_str()).await
    }

    /// Seals the token by which calls of a platform are known, or forgets it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_platform_token(&self, id: &PlatformId, token: Option<&str>) -> Result<(), GateError> {
        self.set_sealed(TOKEN, id.as_str(), token).await
    }

    /// Whether there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn has_platform_token(&self, id: &PlatformId) -> Result<bool, StoreError> {
        Ok(self.store.secret(TOKEN, id.as_str()).await?.is_some())
    }

    /// The token by which calls of a platform are known.
    ///
    /// # Errors
    /// When the store fails, or it was sealed with another installation key.
    pub async fn platform_token(&self, id: &PlatformId) -> Result<Option<Secret>, GateError> {
        self.sealed(TOKEN, id.as_str()).await
    }
}
