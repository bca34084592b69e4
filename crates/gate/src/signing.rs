//! The key with which webhooks are signed: one per installation, made when it is first needed.

use hmac::{Hmac, KeyInit, Mac};
use model::secret::Secret;
use model::time::Timestamp;
use sha2::Sha256;
use store::StoredSecret;

use crate::denied::GateError;
use crate::gate::Gate;
use crate::secrets::random_token;

const KIND: &str = "signing";
const NAME: &str = "webhooks";

/// Signs what leaves, so that a receiver can tell it is from here and fresh.
#[derive(Clone, Debug)]
pub struct SigningKey(Secret);

impl SigningKey {
    /// The key as text, for whoever sets up a receiver.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The value of `Ohmstead-Signature`: `t=<seconds>,v1=<hex>`. The hex digits are HMAC-SHA-256 under the
    /// text of the key, of the seconds, a dot, the id, a dot, and the body.
    #[must_use]
    pub fn sign(&self, at: Timestamp, id: &str, body: &str) -> String {
        let seconds = at.as_seconds();
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.expose().as_bytes()) else {
            return String::new();
        };
        mac.update(format!("{seconds}.{id}.{body}").as_bytes());
        let digits: String = mac
            .finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("t={seconds},v1={digits}")
    }
}

impl Gate {
    /// The key of this installation.
    ///
    /// # Errors
    /// When the store fails, or the key was sealed with another installation key.
    pub async fn signing_key(&self) -> Result<SigningKey, GateError> {
        if let Some(stored) = self.store.secret(KIND, NAME).await? {
            let clear = self.key.unseal(KIND, NAME, &stored.bytes)?;
            return Ok(SigningKey(Secret::new(
                String::from_utf8_lossy(&clear).into_owned(),
            )));
        }
        let key = random_token()?;
        let secret = StoredSecret {
            owner: "installation".to_owned(),
            bytes: self.key.seal(KIND, NAME, key.as_bytes())?,
            expires: None,
        };
        self.store.put_secret(KIND, NAME, &secret).await?;
        Ok(SigningKey(Secret::new(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digits were computed with another program.
    #[test]
    fn a_signature_is_what_a_receiver_computes() {
        let key = SigningKey(Secret::new("key".to_owned()));
        assert_eq!(
            key.sign(Timestamp(1_763_769_600_999), "alarm-1", "{}"),
            "t=1763769600,v1=59a634eaa67ca23042baf8c49c1426a4583a19403dd4476f84460793ecc48cde"
        );
    }
}
