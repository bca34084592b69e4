//! One-time codes: who knows the one of a name may register it, once.
//!
//! For the number of something that its owner has in hand and we have never heard from. The code is shown
//! when it is made and never again: what is kept is its digest.

use std::net::IpAddr;

use model::dialect::Dialect;
use model::secret::Secret;
use model::time::Millis;
use store::StoredSecret;
use subtle::ConstantTimeEq;

use super::{Thing, names};
use crate::audit::By;
use crate::denied::Denied;
use crate::gate::Gate;
use crate::secrets::{TokenDigest, digest, random_password};
use crate::slow_down::Source;

impl Gate {
    /// Makes a code for a name; whoever redeems it gets what `thing` is. An earlier one of the name is void.
    ///
    /// # Errors
    /// [`Denied::Unfit`] name; when the store fails.
    pub async fn make_code(
        &self,
        by: &By<'_>,
        dialect: &Dialect,
        name: &str,
        thing: &Thing,
        life: Millis,
    ) -> Result<Secret, Denied> {
        names::check(name).map_err(|_| Denied::Unfit {
            what: "the number",
            expected: "1 to 128 printable characters without spaces",
        })?;
        let action = format!("make a {dialect} code for {name}");
        self.audited(by, &action, async {
            let code = random_password()?;
            let now = self.clock.now().wall;
            let stored = StoredSecret {
                owner: thing.to_string(),
                bytes: digest(&code).to_vec(),
                expires: Some(now + life),
            };
            let kind = kind_of(dialect);
            let _changing = self.changing.lock().await;
            self.store.expire_secrets(&kind, now).await?;
            self.store.put_secret(&kind, name, &stored).await?;
            Ok(Secret::new(code))
        })
        .await
    }

    /// What the code of a name was made for; it is used up. A wrong code, none and a name without one are
    /// answered alike, and slowed down by source.
    ///
    /// # Errors
    /// [`Denied::Wrong`], [`Denied::TooMany`]; when the store fails.
    pub async fn redeem_code(
        &self,
        dialect: &Dialect,
        name: &str,
        code: &str,
        source: IpAddr,
    ) -> Result<Thing, Denied> {
        let given = digest(code.trim());
        let redeemed = {
            let _changing = self.changing.lock().await;
            let kind = kind_of(dialect);
            let stored = self.store.secret(&kind, name).await?;
            let now = self.clock.now().wall;
            let stored = stored.filter(|stored| stored.expires.is_some_and(|expires| expires > now));
            let kept = stored.as_ref().map(|stored| stored.bytes.as_slice());
            let kept = kept.and_then(|bytes| TokenDigest::try_from(bytes).ok());
            let is_right = bool::from(kept.unwrap_or([0; 32]).ct_eq(&given)) && kept.is_some();
            match stored.filter(|_| is_right) {
                Some(stored) => {
                    self.store.delete_secret(&kind, name).await?;
                    Some(stored.owner.parse::<Thing>()?)
                }
                None => None,
            }
        };
        match redeemed {
            Some(thing) => {
                let action = format!("redeem the code of {name}");
                self.note_at("unknown", dialect.name, &action, "done").await;
                Ok(thing)
            }
            None => {
                let account = format!("{dialect} code");
                Err(self.wait_out(Source::from(source), &account).await)
            }
        }
    }
}

fn kind_of(dialect: &Dialect) -> String {
    format!("{}-code", dialect.name)
}
