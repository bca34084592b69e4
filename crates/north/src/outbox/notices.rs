//! Tells users of alarms.
//!
//! The store is the only source: an alarm that stands there is told to whoever wants to hear of it, and what
//! has been told is noted there, too. A crash in between does no harm: parcels have ids made of what they
//! say and to whom, so none is put twice, and what is not noted is looked at again.
//!
//! - A raised alarm is told at once, unless somebody has acknowledged it already.
//! - Its end is told when the trouble has been over for a minute: what comes back sooner is the same alarm.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use gate::Gate;
use model::alarm::{Alarm, AlarmCode, Severity};
use model::id::{ParcelId, UserId};
use model::outbox::{Content, Parcel, ParcelState};
use model::settings::Settings;
use model::site::Site;
use model::time::{Clock, Millis, Timestamp};
use model::user::{Notify, User};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// What was told, in the store: one document per site.
const KIND: &str = "told_alarms";
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How long trouble must be over before that is told; the engine opens the same alarm again until then.
const CALM: Millis = Millis(60_000);
/// What was cleared longer ago is done with.
const BACK: Millis = Millis(3_600_000);

/// How much of each alarm has been told, by its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    alarms: BTreeMap<String, Stage>,
    /// Everything cleared before this has been dealt with.
    before: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Raised,
    /// Seen before anybody was told, so its end is not told either.
    Quiet,
    Cleared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Raised,
    Cleared,
}

/// The task that looks for alarms to tell.
pub struct Notifier {
    pub store: Arc<dyn Store>,
    pub gate: Arc<Gate>,
    pub clock: Arc<dyn Clock>,
    pub settings: Arc<Settings>,
}

impl Notifier {
    pub async fn run(self, stop: CancellationToken) {
        let mut is_failing = false;
        loop {
            let looked = self.look().await;
            if let Err(error) = &looked
                && !is_failing
            {
                tracing::error!(%error, "cannot read alarms or note what was told; nobody is notified");
            }
            is_failing = looked.is_err();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Puts what is to be told into the outbox.
    ///
    /// # Errors
    /// When the store fails; the next look goes on.
    pub async fn look(&self) -> Result<(), StoreError> {
        let users = self.gate.users();
        for site in &self.settings.sites {
            self.look_at(site, &users).await?;
        }
        Ok(())
    }

    async fn look_at(&self, site: &Site, users: &[User]) -> Result<(), StoreError> {
        let now = self.clock.now().wall;
        let stored = self.store.noun(KIND, site.id.as_str()).await?;
        let told = stored.and_then(|body| serde_json::from_str(&body).ok());
        // The first time ever there is a history that nobody waits for.
        let told = told.unwrap_or_else(|| Told {
            before: now,
            ..Told::default()
        });
        let alarms = self.store.alarms_since(&site.id, told.before).await?;
        let (parcels, after) = tell(site, &alarms, &told, users, now);
        for parcel in parcels {
            if self.store.parcel(&parcel.id).await?.is_none() {
                self.store.put_parcel(&parcel).await?;
            }
        }
        if after.alarms != told.alarms || after.before - told.before >= BACK {
            let body = serde_json::to_string(&after).unwrap_or_default();
            self.store.put_noun(KIND, site.id.as_str(), &body).await?;
        }
        Ok(())
    }
}

/// What is to be told now, and what has been told then.
fn tell(site: &Site, alarms: &[Alarm], told: &Told, users: &[User], now: Timestamp) -> (Vec<Parcel>, Told) {
    let mut parcels = Vec::new();
    let mut after = Told {
        alarms: BTreeMap::new(),
        before: told.before.max(now - BACK),
    };
    for alarm in alarms {
        let key = key(alarm);
        let mut stage = told.alarms.get(&key).copied();
        if stage.is_none() {
            stage = Some(if alarm.acknowledged.is_some() {
                Stage::Quiet
            } else {
                parcels.extend(parcels_of(site, alarm, Event::Raised, users, now));
                Stage::Raised
            });
        }
        if stage == Some(Stage::Raised) && alarm.cleared.is_some_and(|at| now - at >= CALM) {
            parcels.extend(parcels_of(site, alarm, Event::Cleared, users, now));
            stage = Some(Stage::Cleared);
        }
        // What was cleared before the mark is not looked at again.
        let stays = alarm.cleared.is_none_or(|at| at >= after.before);
        after
            .alarms
            .extend(stage.filter(|_| stays).map(|stage| (key, stage)));
    }
    (parcels, after)
}

fn parcels_of(site: &Site, alarm: &Alarm, event: Event, users: &[User], now: Timestamp) -> Vec<Parcel> {
    let wants = |user: &&User| {
        user.enabled
            && user.role_on(&site.id).is_some()
            && user.notify.alarms_from.is_some_and(|from| alarm.severity >= from)
    };
    let mut parcels = Vec::new();
    for user in users.iter().filter(wants) {
        let what = format!("{} {event:?}", key(alarm));
        let message = Message {
            subject: subject(site, alarm, event),
            text: text(site, alarm, event),
            body: body(site, alarm, event),
        };
        parcels.extend(to_user(&user.id, &user.notify, &what, message, now));
    }
    parcels
}

/// The same thing said in two ways.
struct Message {
    subject: String,
    text: String,
    body: serde_json::Value,
}

/// A parcel for each way a user wants to hear by. `what` makes the id: the same thing is put once.
fn to_user(user: &UserId, notify: &Notify, what: &str, message: Message, now: Timestamp) -> Vec<Parcel> {
    let parcel = |way: &str, target: &str, content: &dyn Fn(&ParcelId) -> Content| {
        let digest = Sha256::digest(format!("{what} {user} {way}"));
        let id = ParcelId::new(&format!("notice-{}", hex(&digest[..20]))).ok()?;
        Some(Parcel {
            content: content(&id),
            id,
            target: format!("{way} {target}"),
            author: Some(user.clone()),
            created: now,
            attempts: 0,
            state: ParcelState::Waiting { next_attempt: now },
            last_error: None,
        })
    };
    let webhook = notify.webhook.as_ref().and_then(|url| {
        parcel("webhook", url, &|id| {
            let mut body = message.body.clone();
            body["id"] = json!(id.as_str());
            Content::Webhook {
                url: url.clone(),
                body: body.to_string(),
            }
        })
    });
    let email = notify.email.as_ref().and_then(|to| {
        parcel("email", to, &|_| Content::Email {
            to: to.clone(),
            subject: message.subject.clone(),
            body: message.text.clone(),
        })
    });
    webhook.into_iter().chain(email).collect()
}

/// What a user gets to see whether the settings are right.
pub(crate) fn test_parcels(user: &User, now: Timestamp) -> Vec<Parcel> {
    let text = format!(
        "This is a test for {}. Alarms will arrive here the same way.\n",
        user.name
    );
    let message = Message {
        subject: "Ohmstead: a test".to_owned(),
        body: json!({"kind": "test", "id": "", "text": text.trim_end(), "at_ms": now.0}),
        text,
    };
    to_user(&user.id, &user.notify, &format!("test {}", now.0), message, now)
}

fn key(alarm: &Alarm) -> String {
    let device = alarm.device.as_ref().map_or("", |device| device.as_str());
    format!("{} {device} {} {}", alarm.site, alarm.code.name(), alarm.raised.0)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

const fn title(code: AlarmCode) -> &'static str {
    match code {
        AlarmCode::DeviceOffline => "does not answer",
        AlarmCode::MeterSilent => "is silent",
        AlarmCode::NotFollowing => "does not follow",
        AlarmCode::LimitExceeded => "measures more than its circuit may carry",
        AlarmCode::StoreFailing => "cannot write to its disk",
        AlarmCode::SocStale => "does not hear how full a car is",
        AlarmCode::RecordsSetAside => "has records that its store refuses",
        AlarmCode::ForeignWriter => "was commanded by somebody else",
        AlarmCode::PricesStale => "has no current energy prices",
        AlarmCode::LoggerClaimedTwice => "is claimed by a second data logger",
        AlarmCode::LoggerUnknown => "is dialled by an unknown data logger",
        AlarmCode::RiskSeen => "is in danger, says a platform that is told of it",
        AlarmCode::DeviceWarning => "has warnings of its own",
    }
}

/// What somebody can do about it.
const fn advice(code: AlarmCode) -> &'static str {
    match code {
        AlarmCode::DeviceOffline => {
            "Check that the device has power and is in the network, and that its address has not changed."
        }
        AlarmCode::MeterSilent => {
            "Check the cable and the power of the meter. Until it is back, cars below it get their fall-back current."
        }
        AlarmCode::NotFollowing => {
            "Look at the car and at the charging station; unplugging and plugging in again often helps. What it draws is kept free for it."
        }
        AlarmCode::LimitExceeded => {
            "Cars have been told to go down. If it stays, switch off something large: what is not a car cannot be steered."
        }
        AlarmCode::SocStale => {
            "Look at the vehicle in the page: it says what its source answers. A charge limit goes by the estimate until then."
        }
        AlarmCode::StoreFailing => {
            "Free some space on the disk, or replace it. Charging goes on; readings may get lost."
        }
        AlarmCode::RecordsSetAside => {
            "Keep the file that is named: sessions in it are not in any bill yet. It is offered to the store again at the next start; if the alarm comes back then, each line of the file says why."
        }
        AlarmCode::ForeignWriter => {
            "Look for another app or energy manager that commands the same charger. A new wish for the charging point takes back what was changed."
        }
        AlarmCode::PricesStale => {
            "Check the price provider in the configuration and the connection to it. Until prices are back, the contract's own fallback price counts."
        }
        AlarmCode::LoggerClaimedTwice => {
            "Two data loggers say the same number, and the second one waits. If it is the same logger that has dialled again, it gets its place by itself within minutes; if not, find out who it is."
        }
        AlarmCode::LoggerUnknown => {
            "If it is yours, name it as a [[gateway]] in the configuration. Until then it is neither asked nor told anything."
        }
        AlarmCode::RiskSeen => {
            "Look at the charging station, and switch it off if the reason is heat, smoke or leakage. The platform repeats what lasts; an hour without a word ends the alarm."
        }
        AlarmCode::DeviceWarning => {
            "Look at the device, or at it in the app of its maker: the alarm is over when it is there, or handled there."
        }
    }
}

fn device_name<'a>(site: &'a Site, alarm: &'a Alarm) -> Option<&'a str> {
    let id = alarm.device.as_ref()?;
    Some(site.device(id).map_or(id.as_str(), |device| device.name.as_str()))
}

fn local(site: &Site, at: Timestamp) -> String {
    let at = at.to_jiff();
    match at.in_tz(&site.time_zone) {
        Ok(local) => local.strftime("%Y-%m-%d %H:%M %Z").to_string(),
        Err(_) => at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    }
}

fn subject(site: &Site, alarm: &Alarm, event: Event) -> String {
    let who = device_name(site, alarm).unwrap_or("Ohmstead");
    match event {
        Event::Raised => format!("{}: {who} {}", site.name, title(alarm.code)),
        Event::Cleared => format!("{}: over: {who} {}", site.name, title(alarm.code)),
    }
}

fn text(site: &Site, alarm: &Alarm, event: Event) -> String {
    let mut text = format!("Site: {}\n", site.name);
    if let Some(device) = device_name(site, alarm) {
        let _ = writeln!(text, "Device: {device}");
    }
    let _ = writeln!(text, "Since: {}", local(site, alarm.raised));
    if let (Event::Cleared, Some(at)) = (event, alarm.cleared) {
        let _ = writeln!(text, "Over since: {}", local(site, at));
    }
    let _ = writeln!(text, "\n{}", alarm.text);
    if event == Event::Raised {
        let _ = writeln!(text, "\nWhat to do: {}", advice(alarm.code));
    }
    text
}

fn body(site: &Site, alarm: &Alarm, event: Event) -> serde_json::Value {
    json!({
        "kind": "alarm",
        "id": "",
        "event": match event { Event::Raised => "raised", Event::Cleared => "cleared" },
        "site": {"id": site.id.as_str(), "name": site.name},
        "device": alarm.device.as_ref().map(|id| json!({"id": id.as_str(), "name": device_name(site, alarm)})),
        "code": alarm.code.name(),
        "severity": match alarm.severity { Severity::Warning => "warning", Severity::Error => "error" },
        "text": alarm.text,
        "advice": advice(alarm.code),
        "raised_ms": alarm.raised.0,
        "cleared_ms": if event == Event::Cleared { alarm.cleared.map(|at| at.0) } else { None },
    })
}
