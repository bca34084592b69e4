//! Who did what, by which door, and what came of it.

use std::future::Future;

use model::time::{Millis, Monotonic};
use store::AuditEntry;

use crate::denied::{Denied, GateError};
use crate::gate::Gate;
use crate::principal::Principal;

/// Who changes something, and through which door they came.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    pub principal: &'a Principal,
    /// `native`, `console`, …
    pub door: &'a str,
}

impl<'a> By<'a> {
    #[must_use]
    pub fn new(principal: &'a Principal, door: &'a str) -> Self {
        Self { principal, door }
    }
}

/// The door of what people do in the page.
pub(crate) const NATIVE: &str = "native";
/// Refused sign-ins are noted at most that often, so that a flood of them does not fill the disk.
const REFUSALS_EVERY: Millis = Millis(1_000);

/// Refusals since the last one that was noted.
#[derive(Default)]
pub(crate) struct Refusals {
    noted: Option<Monotonic>,
    since: u64,
}

impl Refusals {
    /// How many further ones this note stands for, `None` when it is too early for another.
    pub(crate) fn due(&mut self, now: Monotonic) -> Option<u64> {
        if self.noted.is_some_and(|noted| now - noted < REFUSALS_EVERY) {
            self.since += 1;
            return None;
        }
        self.noted = Some(now);
        Some(std::mem::take(&mut self.since))
    }
}

impl Gate {
    /// Writes to the audit log; it is on disk when this returns. No secrets in any of the texts.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit(
        &self,
        principal: &str,
        door: &str,
        action: &str,
        outcome: &str,
    ) -> Result<(), GateError> {
        let entry = AuditEntry {
            at: self.clock.now().wall,
            principal: principal.to_owned(),
            door: door.to_owned(),
            action: action.to_owned(),
            outcome: outcome.to_owned(),
        };
        Ok(self.store.record(&entry).await?)
    }

    /// Does a change and notes by whom, and what came of it.
    pub(crate) async fn audited<T>(
        &self,
        by: &By<'_>,
        action: &str,
        change: impl Future<Output = Result<T, Denied>>,
    ) -> Result<T, Denied> {
        let result = change.await;
        let outcome = match &result {
            Ok(_) => "done".to_owned(),
            Err(Denied::Unavailable(_)) => "failed".to_owned(),
            Err(denied) => format!("refused: {denied}"),
        };
        self.note_at(&by.principal.name, by.door, action, &outcome).await;
        result
    }

    /// Notes what the gate itself did. It has happened already, so a full disk does not undo it.
    pub(crate) async fn note(&self, principal: &str, action: &str, outcome: &str) {
        self.note_at(principal, NATIVE, action, outcome).await;
    }

    pub(crate) async fn note_at(&self, principal: &str, door: &str, action: &str, outcome: &str) {
        if let Err(error) = self.audit(principal, door, action, outcome).await {
            tracing::warn!(
                "cannot write to the audit log that {principal} did {action} ({outcome}): {error}"
            );
        }
    }

    /// Notes a refused sign-in, the same way whoever it was meant for.
    pub(crate) async fn note_refusal(&self, principal: &str, door: &str) {
        let due = self.held().refusals.due(self.clock.now().monotonic);
        let outcome = match due {
            Some(0) => "refused".to_owned(),
            Some(more) => format!("refused, as {more} others since the last note"),
            None => return,
        };
        self.note_at(principal, door, "sign in", &outcome).await;
    }
}
