//! Operators as the gate knows them: accounts of the dialect, by the operator's own code.

use dialects::supervision::DIALECT;
use dialects::supervision::error::Refusal;
use gate::{Account, By, Denied, Thing};
use model::oversight::{AddressChange, Callback, Operator, OperatorCode};
use model::secret::Secret;
use model::time::{Millis, Timestamp};
use oversight::Refused;

use super::{Platform, PlatformError, failed};

impl Platform {
    fn number(&self, code: &OperatorCode) -> Option<u32> {
        let account = self.gate().account_named(&DIALECT, code.as_str());
        account.map(|account| account.number)
    }

    pub(super) fn thing(&self, code: &OperatorCode) -> Result<Thing, Denied> {
        let number = self.number(code).ok_or_else(|| Denied::Unknown {
            what: "operator",
            id: code.to_string(),
        })?;
        Ok(Thing::Account(number))
    }

    /// As the audit log names an operator.
    pub(super) fn principal_name(&self, code: &OperatorCode) -> String {
        match self.number(code) {
            Some(number) => format!("{}:{number}", DIALECT.name),
            None => format!("{}:{code}", DIALECT.name),
        }
    }

    /// Adds an operator and gives it a key, a made one unless it is given.
    ///
    /// # Errors
    /// When its code is taken, or the store fails.
    pub async fn admit(
        &self,
        by: &By<'_>,
        operator: Operator,
        key: Option<&Secret>,
    ) -> Result<Secret, PlatformError> {
        let code = operator.id.clone();
        if self.authority().operator(&code).is_some() {
            return Err(Denied::Taken { what: "the id" }.into());
        }
        // One that was left over without its operator opens nothing, and gets another key.
        let key = match self.number(&code) {
            Some(number) => {
                self.gate()
                    .rotate_credential(by, &DIALECT, number, key, Millis::ZERO)
                    .await?
            }
            None => {
                let made = self.gate().made_secret()?;
                let key = key.unwrap_or(&made);
                let account = Account::new(code.as_str());
                self.gate().create_account(by, &DIALECT, account, key).await?;
                key.clone()
            }
        };
        self.authority().put_operator(operator).await?;
        Ok(key)
    }

    /// Gives an operator another key; the one before holds for the overlap too.
    ///
    /// # Errors
    /// When there is no such operator, or the store fails.
    pub async fn rotate(
        &self,
        by: &By<'_>,
        code: &OperatorCode,
        overlap: Millis,
    ) -> Result<Secret, PlatformError> {
        let Thing::Account(number) = self.thing(code)? else {
            return Err(Denied::Ended.into());
        };
        let made = self
            .gate()
            .rotate_credential(by, &DIALECT, number, None, overlap)
            .await?;
        Ok(made)
    }

    /// Until when the key before the last one holds.
    #[must_use]
    pub fn earlier_key_until(&self, code: &OperatorCode) -> Option<Timestamp> {
        let thing = self.thing(code).ok()?;
        self.gate().earlier_until(&DIALECT, &thing)
    }

    /// When an operator asked for a token last.
    #[must_use]
    pub fn last_login(&self, code: &OperatorCode) -> Option<gate::Login> {
        self.gate().account_named(&DIALECT, code.as_str())?.last_login
    }

    /// Takes an operator away, its key first: nobody calls for it any more while its books are closed.
    ///
    /// # Errors
    /// When there is no such operator, or the store fails.
    pub async fn dismiss(&self, by: &By<'_>, code: &OperatorCode) -> Result<(), PlatformError> {
        if let Some(number) = self.number(code) {
            self.gate().delete_account(by, &DIALECT, number).await?;
        }
        self.authority().remove_operator(code).await?;
        Ok(())
    }

    /// The token by which an operator knows our calls, if it has had an address.
    ///
    /// # Errors
    /// When there is no such operator, or the key of the installation is another.
    pub fn callback_token(&self, code: &OperatorCode) -> Result<Option<Secret>, PlatformError> {
        Ok(self.gate().outward_token(&DIALECT, &self.thing(code)?)?)
    }

    /// Makes another one.
    ///
    /// # Errors
    /// When there is no such operator, or the store fails.
    pub async fn renew_callback_token(
        &self,
        by: &By<'_>,
        code: &OperatorCode,
    ) -> Result<Secret, PlatformError> {
        let thing = self.thing(code)?;
        Ok(self.gate().renew_outward_token(by, &DIALECT, &thing).await?)
    }

    /// Sets or takes away an address, makes the token that goes with the first one, and notes who did it. Says whether
    /// it was another address.
    pub(super) async fn set_address(
        &self,
        principal: &str,
        door: &str,
        operator: &Operator,
        change: AddressChange,
    ) -> Result<bool, Refusal> {
        let moved = self.change_address(principal, door, operator, change).await;
        moved.map_err(|error| failed("cannot change an address", &error))
    }

    /// The same for who reads our own errors.
    ///
    /// # Errors
    /// When there is no such operator, or the store fails.
    pub async fn change_address(
        &self,
        principal: &str,
        door: &str,
        operator: &Operator,
        change: AddressChange,
    ) -> Result<bool, PlatformError> {
        let what = said(change.callback);
        let action = match change.new {
            Some(_) => format!("set the address of {} {what}", operator.id),
            None => format!("take away the address of {} {what}", operator.id),
        };
        if change.new.is_some() {
            let thing = self.thing(&operator.id)?;
            self.gate().settle_outward_token(&DIALECT, &thing).await?;
        }
        let moved = self.authority().set_address(&operator.id, change).await?;
        if moved {
            self.gate().audit(principal, door, &action, "done").await?;
        }
        Ok(moved)
    }
}

/// What an address is for, in words.
const fn said(callback: Callback) -> &'static str {
    match callback {
        Callback::ReportFailed => "for failed reports",
        Callback::PastSample => "for past samples",
        Callback::Risk => "for warnings",
    }
}

impl From<Refused> for PlatformError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}
