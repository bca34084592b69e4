//! What becomes of written keys: intents, but for those that are about the door itself.

use dialects::goe::DIALECT;
use dialects::goe::error::failed_text;
use dialects::goe::keys;
use dialects::goe::map::{Target, plan};
use dialects::goe::query::Write;
use dialects::goe::server::Outcome;
use dialects::goe::value::{Reading, check, not_from_api, read};
use gate::{By, Denied, Principal, Switches, Thing};
use model::intent::{Intent, Rejection};

use super::charger::Charger;
use crate::State;

/// Writes of one request that are taken; each may wait for its answer.
const MAX_WRITES: usize = 64;

/// Who writes.
pub struct Writer<'a> {
    pub principal: &'a Principal,
    /// What the audit log calls the door they came by.
    pub door: &'static str,
    /// Whether they may change what guards the charger: its token, its switch, and keys that were granted.
    pub may_guard: bool,
}

/// Files each write in the order of the request.
pub async fn write_all(
    state: &State,
    charger: &Charger,
    writer: &Writer<'_>,
    writes: &[Write],
    reading: Reading,
) -> Vec<Outcome> {
    let mut target = Target::from(charger.evse());
    if writer.may_guard {
        target.granted.clone_from(&charger.door.decided.granted);
    }
    let mut outcomes = Vec::with_capacity(writes.len());
    for (index, write) in writes.iter().enumerate() {
        outcomes.push(match write.key.as_str() {
            keys::TOKEN => renew_token(state, charger, writer, write).await,
            keys::ENABLED => switch(state, charger, writer, write, reading).await,
            _ => file(state, charger, writer, write, reading, &mut target, index).await,
        });
    }
    outcomes
}

async fn file(
    state: &State,
    charger: &Charger,
    writer: &Writer<'_>,
    write: &Write,
    reading: Reading,
    target: &mut Target,
    index: usize,
) -> Outcome {
    let planned = plan(write, target, reading);
    let refusal = match planned.wanted {
        Err(text) => Some(text),
        Ok(None) => None,
        Ok(Some(_)) if index >= MAX_WRITES => Some(refused(write, &too_many())),
        Ok(Some(wanted)) => {
            let intent = Intent {
                site: charger.site().clone(),
                by: writer.principal.name.clone(),
                door: writer.door.to_owned(),
                wanted,
            };
            match state.bus.ask(intent).await {
                Ok(receipt) => {
                    if let Some(wish) = &receipt.wish {
                        target.note(wish);
                    }
                    None
                }
                Err(rejection) => Some(refused(write, &rejection)),
            }
        }
    };
    Outcome {
        key: write.key.clone(),
        value: planned.value,
        refusal,
    }
}

/// Any write to this key makes a new token. Who has not shown the old one makes none.
async fn renew_token(state: &State, charger: &Charger, writer: &Writer<'_>, write: &Write) -> Outcome {
    let refusal = if writer.may_guard {
        let by = By::new(writer.principal, writer.door);
        let thing = Thing::Evse(charger.evse().id.clone());
        let renewed = state.gate.renew_credential(&by, &DIALECT, &thing).await;
        renewed.err().map(|denied| not_kept(write, &denied))
    } else {
        Some(not_from_api(&write.key, &write.text))
    };
    Outcome {
        key: write.key.clone(),
        value: read(&write.text),
        refusal,
    }
}

/// Switches the cloud form on or off, unless the config file says which.
async fn switch(
    state: &State,
    charger: &Charger,
    writer: &Writer<'_>,
    write: &Write,
    reading: Reading,
) -> Outcome {
    let checked = check(&write.key, &write.text, reading);
    let refusal = match (checked.refusal, checked.value.as_bool()) {
        (Some(refusal), _) => Some(refusal),
        (None, Some(enabled)) if writer.may_guard => switch_to(state, charger, writer, write, enabled).await,
        (None, _) => Some(not_from_api(&write.key, &write.text)),
    };
    Outcome {
        key: write.key.clone(),
        value: checked.value,
        refusal,
    }
}

async fn switch_to(
    state: &State,
    charger: &Charger,
    writer: &Writer<'_>,
    write: &Write,
    enabled: bool,
) -> Option<String> {
    let _changing = state.changing.lock().await;
    let thing = Thing::Evse(charger.evse().id.clone());
    if charger.door.is_fixed {
        let differs = charger.door.configured != enabled;
        return differs.then(|| not_from_api(&write.key, &write.text));
    }
    let switches = Switches {
        enabled: Some(enabled),
        ..state.gate.switches(&DIALECT, &thing)
    };
    let by = By::new(writer.principal, writer.door);
    let put = state.gate.put_switches(&by, &DIALECT, &thing, switches);
    put.await.err().map(|denied| not_kept(write, &denied))
}

fn not_kept(write: &Write, denied: &Denied) -> String {
    tracing::error!(%denied, goe.key = %write.key, "cannot keep what was written");
    let why = denied.to_string();
    failed_text(&write.key, &write.text, &Rejection::NotStored { why })
}

fn refused(write: &Write, rejection: &Rejection) -> String {
    tracing::debug!(goe.key = %write.key, %rejection, "a write was refused");
    failed_text(&write.key, &write.text, rejection)
}

fn too_many() -> Rejection {
    Rejection::Busy {
        why: format!("more than {MAX_WRITES} writes in one request"),
    }
}
