//! What dialects call our things, and the tokens that belong to those names.
//!
//! A go-e charger is known outside by its serial number and by a token that its clients send in clear, so
//! the token is sealed rather than hashed. Serial numbers are assigned once and never reused.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::id::EvseId;
use store::{Store, StoredSecret};
use subtle::ConstantTimeEq;

use crate::audit::By;
use crate::denied::{Denied, GateError};
use crate::gate::Gate;
use crate::principal::Principal;
use crate::secrets::{InstallationKey, TokenDigest, digest, random_goe_token};
use crate::slow_down::Source;

pub(crate) const DIALECT: &str = "goe";
const KIND: &str = "goe";
const LONGEST_TOKEN: usize = 128;
/// The tokens that the configuration named, beside those in force.
const NAMED: &str = "goe-named";
/// Account name of the slow-down.
const TOKEN: &str = "go-e token";

/// A charger that can be asked for in the go-e dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoeAccess {
    pub evse: EvseId,
    pub serial: String,
}

/// Chargers by serial number and by token. A charger has the serial number it was given last.
#[derive(Default)]
pub(crate) struct GoeChargers {
    by_serial: BTreeMap<String, GoeCharger>,
    serials: BTreeMap<EvseId, String>,
    by_token: BTreeMap<TokenDigest, Vec<String>>,
}

#[derive(Clone)]
struct GoeCharger {
    evse: EvseId,
    token: TokenDigest,
}

impl GoeChargers {
    pub(crate) async fn load(store: &dyn Store, key: &InstallationKey) -> Result<Self, GateError> {
        let mut chargers = Self::default();
        for (name, secret) in store.secrets(KIND).await? {
            let Ok(evse) = EvseId::new(&name) else { continue };
            let token = key.unseal(KIND, &name, &secret.bytes)?;
            let token = digest(&String::from_utf8_lossy(&token));
            chargers.set(secret.owner, GoeCharger { evse, token });
        }
        Ok(chargers)
    }

    fn set(&mut self, serial: String, charger: GoeCharger) {
        if let Some(former) = self.serials.insert(charger.evse.clone(), serial.clone()) {
            self.by_serial.remove(&former);
        }
        self.by_serial.insert(serial, charger);
        self.by_token.clear();
        for (serial, charger) in &self.by_serial {
            self.by_token
                .entry(charger.token)
                .or_default()
                .push(serial.clone());
        }
    }

    /// The charger of a serial number whose token has that digest, or the one that such a token alone names. A
    /// wrong token, none and an unknown serial number cost the same. Chargers that share a token cannot be told
    /// apart by it, so there is none then.
    fn find(&self, serial: Option<&str>, given: &TokenDigest) -> Option<(&str, &GoeCharger)> {
        let serial = match (serial, self.by_token.get(given).map(Vec::as_slice)) {
            (Some(serial), _) => serial,
            (None, Some([serial])) => serial,
            (None, Some(_) | None) => return None,
        };
        let charger = self.by_serial.get_key_value(serial);
        let expected = charger.map_or([0; 32], |(_, charger)| charger.token);
        let is_right = bool::from(expected.ct_eq(given));
        let (serial, charger) = charger.filter(|_| is_right)?;
        Some((serial, charger))
    }

    pub(crate) fn serial_of(&self, evse: &EvseId) -> Option<&str> {
        self.serials.get(evse).map(String::as_str)
    }

    fn holds(&self, serial: &str, evse: &EvseId, token: Option<TokenDigest>) -> bool {
        let held = self.by_serial.get(serial).filter(|held| held.evse == *evse);
        held.is_some_and(|held| token.is_none_or(|token| held.token == token))
    }
}

impl Gate {
    /// Gives an EVSE its go-e serial number and the token that the configuration names. Without a token the one
    /// it has stays, or one of 32 characters is made. A token that was made anew since stays too: the
    /// configuration has a say again when it names another one.
    ///
    /// # Errors
    /// When the serial number is another EVSE's, when serial or token do not do, or when the store fails.
    pub async fn set_goe_charger(
        &self,
        evse: &EvseId,
        serial: &str,
        token: Option<&str>,
    ) -> Result<(), GateError> {
        check_serial(serial)?;
        token.map_or(Ok(()), |token| check_token(serial, token))?;
        let named = self.kept_goe_token(NAMED, evse).await?;
        let token = token.filter(|token| named.as_deref() != Some(*token));
        if self.held().goe.holds(serial, evse, token.map(digest)) {
            return Ok(());
        }
        self.store
            .put_alias(DIALECT, serial, &format!("evse:{evse}"))
            .await?;
        let in_force = match (token, self.goe_token(evse).await?) {
            (Some(given), _) => given.to_owned(),
            (None, Some(kept)) => kept,
            (None, None) => random_goe_token()?,
        };
        self.put_goe_token(evse, serial, in_force).await?;
        if let Some(token) = token {
            self.keep_goe_token(NAMED, evse, serial, token).await?;
        }
        Ok(())
    }

    /// Makes a new token for a charger; the old one is worth nothing from then on.
    ///
    /// # Errors
    /// When there is no such charger, or the store fails.
    pub async fn renew_goe_token(&self, by: &By<'_>, evse: &EvseId) -> Result<(), Denied> {
        let chargers = self.goe_chargers();
        let charger = chargers.into_iter().find(|charger| charger.evse == *evse);
        let Some(GoeAccess { serial, .. }) = charger else {
            return Err(Denied::Unknown {
                what: "charger",
                id: evse.to_string(),
            });
        };
        self.put_goe_token(evse, &serial, random_goe_token()?).await?;
        let action = format!("new go-e token for {evse}");
        self.audit(&by.principal.name, by.door, &action, "done").await?;
        Ok(())
    }

    async fn put_goe_token(&self, evse: &EvseId, serial: &str, token: String) -> Result<(), GateError> {
        self.keep_goe_token(KIND, evse, serial, &token).await?;
        let charger = GoeCharger {
            evse: evse.clone(),
            token: digest(&token),
        };
        self.held().goe.set(serial.to_owned(), charger);
        Ok(())
    }

    async fn keep_goe_token(
        &self,
        kind: &str,
        evse: &EvseId,
        serial: &str,
        token: &str,
    ) -> Result<(), GateError> {
        let secret = StoredSecret {
            owner: serial.to_owned(),
            bytes: self.key.seal(kind, evse.as_str(), token.as_bytes())?,
            expires: None,
        };
        self.store.put_secret(kind, evse.as_str(), &secret).await?;
        Ok(())
    }

    async fn kept_goe_token(&self, kind: &str, evse: &EvseId) -> Result<Option<String>, GateError> {
        let Some(secret) = self.store.secret(kind, evse.as_str()).await? else {
            return Ok(None);
        };
        let token = self.key.unseal(kind, evse.as_str(), &secret.bytes)?;
        Ok(Some(String::from_utf8_lossy(&token).into_owned()))
    }

    /// Whoever knows the token of a charger may use its EVSE.
    pub(crate) fn goe_known(&self, serial: Option<&str>, token: &str) -> Option<(EvseId, Principal)> {
        let given = digest(token);
        let held = self.held();
        let (serial, charger) = held.goe.find(serial, &given)?;
        Some((charger.evse.clone(), Principal::goe(serial, charger.evse.clone())))
    }

    /// The EVSE that a caller may use by [`Self::goe_caller`], and what was decided on whether its cloud form
    /// answers. Never waits and makes nothing: a token that is wrong here is to be asked for there.
    #[must_use]
    pub fn goe_at_once(&self, serial: Option<&str>, token: &str) -> Option<(EvseId, Option<bool>)> {
        if token.is_empty() {
            return None;
        }
        let given = digest(token);
        let held = self.held();
        let (serial, charger) = held.goe.find(serial, &given)?;
        let decided = held.goe_doors.get(serial);
        Some((charger.evse.clone(), decided.and_then(|door| door.enabled)))
    }

    /// The charger that a caller means, by its serial number and token or by the token alone. A right token is
    /// answered at once, wrong ones are slowed down by where they come from.
    pub async fn goe_caller(
        &self,
        serial: Option<&str>,
        token: &str,
        source: IpAddr,
    ) -> Option<(EvseId, Principal)> {
        let source = Source::from(source);
        if token.is_empty() {
            return None;
        }
        let found = self.goe_known(serial, token);
        if found.is_none() {
            self.wait_out(source, TOKEN).await;
        }
        found
    }

    /// Every charger with a go-e serial number, ordered by it.
    #[must_use]
    pub fn goe_chargers(&self) -> Vec<GoeAccess> {
        let held = self.held();
        let chargers = held.goe.by_serial.iter();
        chargers
            .map(|(serial, charger)| GoeAccess {
                evse: charger.evse.clone(),
                serial: serial.clone(),
            })
            .collect()
    }

    /// The token of a charger in clear. Callers show it to administrators only.
    ///
    /// # Errors
    /// When the store fails, or the token was sealed with another installation key.
    pub async fn goe_token(&self, evse: &EvseId) -> Result<Option<String>, GateError> {
        self.kept_goe_token(KIND, evse).await
    }
}

fn check_serial(serial: &str) -> Result<(), GateError> {
    let fits = (1..=32).contains(&serial.len()) && serial.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let expected = "1 to 32 letters and digits";
    if fits {
        Ok(())
    } else {
        Err(GateError::Invalid {
            what: "go-e serial number",
            given: serial.to_owned(),
            expected,
        })
    }
}

/// The charger's own cloud makes them; any printable text without spaces is taken, so that clients keep theirs.
fn check_token(serial: &str, token: &str) -> Result<(), GateError> {
    let fits =
        (1..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    let expected = "1 to 128 printable characters without spaces";
    let given = format!("the token of {serial}");
    if fits {
        Ok(())
    } else {
        Err(GateError::Invalid {
            what: "go-e token",
            given,
            expected,
        })
    }
}
