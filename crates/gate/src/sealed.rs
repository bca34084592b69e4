//! Secrets that we show to others: to the sources of vehicles, to the mail relay. Sealed with the installation
//! key, never shown in the page again.

mod platforms;

use model::id::VehicleId;
use model::secret::Secret;
use store::{StoreError, StoredSecret};

use crate::denied::GateError;
use crate::gate::Gate;
use crate::secrets::{random_text, random_token};

/// Under the id of the vehicle: the value of a header, or the password of a broker.
const VEHICLE: &str = "vehicle";
const MAIL: (&str, &str) = ("mail", "relay");
/// Makes names of nobody out of names of people.
const PERSONS: (&str, &str) = ("persons", "key");
/// What a secret may be long, in bytes.
const LONGEST: usize = 4_096;

impl Gate {
    /// Whether a text can be such a secret: one line that travels in a header.
    #[must_use]
    pub fn can_be_sealed(text: &str) -> bool {
        (1..=LONGEST).contains(&text.len()) && text.chars().all(|c| !c.is_control())
    }

    /// Seals the secret of a vehicle's source, or forgets it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_vehicle_secret(
        &self,
        vehicle: &VehicleId,
        secret: Option<&str>,
    ) -> Result<(), GateError> {
        self.set_sealed(VEHICLE, vehicle.as_str(), secret).await
    }

    /// Whether there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn has_vehicle_secret(&self, vehicle: &VehicleId) -> Result<bool, StoreError> {
        Ok(self.store.secret(VEHICLE, vehicle.as_str()).await?.is_some())
    }

    /// The secret of a vehicle's source, for whoever goes to that source.
    ///
    /// # Errors
    /// When the store fails, or it was sealed with another installation key.
    pub async fn vehicle_secret(&self, vehicle: &VehicleId) -> Result<Option<Secret>, GateError> {
        self.sealed(VEHICLE, vehicle.as_str()).await
    }

    /// Seals the password of the mail relay, or forgets it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_mail_password(&self, password: Option<&str>) -> Result<(), GateError> {
        self.set_sealed(MAIL.0, MAIL.1, password).await
    }

    /// Whether there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn has_mail_password(&self) -> Result<bool, StoreError> {
        Ok(self.store.secret(MAIL.0, MAIL.1).await?.is_some())
    }

    /// The password of the mail relay, for whoever hands mail over.
    ///
    /// # Errors
    /// When the store fails, or it was sealed with another installation key.
    pub async fn mail_password(&self) -> Result<Option<Secret>, GateError> {
        self.sealed(MAIL.0, MAIL.1).await
    }

    /// The key by which names of people are made names of nobody; one per installation, made when it is first needed.
    ///
    /// # Errors
    /// When the store fails, or it was sealed with another installation key.
    pub async fn person_key(&self) -> Result<Secret, GateError> {
        let (kind, name) = PERSONS;
        let _changing = self.changing.lock().await;
        if let Some(key) = self.sealed(kind, name).await? {
            return Ok(key);
        }
        let key = random_token()?;
        self.set_sealed(kind, name, Some(&key)).await?;
        Ok(Secret::new(key))
    }

    /// A secret of 40 characters for somebody to sign with.
    ///
    /// # Errors
    /// When there are no random numbers.
    pub fn made_secret(&self) -> Result<Secret, GateError> {
        Ok(Secret::new(random_text::<30>()?))
    }

    async fn set_sealed(&self, kind: &str, name: &str, clear: Option<&str>) -> Result<(), GateError> {
        let Some(clear) = clear else {
            return Ok(self.store.delete_secret(kind, name).await?);
        };
        let secret = StoredSecret {
            owner: "installation".to_owned(),
            bytes: self.key.seal(kind, name, clear.as_bytes())?,
            expires: None,
        };
        Ok(self.store.put_secret(kind, name, &secret).await?)
    }

    async fn sealed(&self, kind: &str, name: &str) -> Result<Option<Secret>, GateError> {
        let Some(stored) = self.store.secret(kind, name).await? else {
            return Ok(None);
        };
        let clear = self.key.unseal(kind, name, &stored.bytes)?;
        Ok(Some(Secret::new(String::from_utf8_lossy(&clear).into_owned())))
    }
}
