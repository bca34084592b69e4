//! Sends what we owe the outside.
//!
//! Every parcel is a row in the store, written before anything leaves, so a restart goes on where it was.
//! Parcels of one target leave one after the other; targets do not wait for each other. What is about ports of an
//! operator has four targets for each kind, and what fails until it is tried hourly steps aside. An attempt is counted
//! before it leaves: should the process end in between, the parcel leaves again under the same id, which a
//! receiver finds in `Idempotency-Key` or `Message-ID`. What cannot be delivered is given up ([`plan`]) and
//! stays where an administrator sees it.

pub mod notices;
pub mod plan;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gate::SigningKey;
use http::{Request, StatusCode};
use links::mail::{Mail, MailError, Mailer};
use links::{Failure, Limits};
use model::outbox::{Content, Parcel};
use model::time::{Clock, Millis, Timestamp};
use store::{Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Platform;
use plan::Failed;

/// Attempts under way at once; more wait for the next look.
const AT_ONCE: usize = 32;
/// So many more when somebody may be in danger.
const AT_ONCE_URGENT: usize = AT_ONCE + 16;
/// So many due ones are looked at that those under way do not hide the others.
const LOOKED_AT: u32 = 256;
/// How often the store is asked what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What was delivered is forgotten after a week.
const KEEP_DELIVERED: Millis = Millis(7 * 24 * 3_600_000);
const FORGET_EVERY: Millis = Millis(3_600_000);

/// What a receiver of webhooks may cost us.
pub const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(5),
    timeout: Duration::from_secs(10),
    max_body: 1_024,
};

/// The ways out.
#[derive(Clone, Debug)]
pub struct Ways {
    /// Behind the outbound guard.
    pub http: links::http::Client,
    /// `None`: no relay is configured.
    pub mailer: watch::Receiver<Option<Mailer>>,
    pub key: SigningKey,
    /// `None`: no operators are watched over.
    pub operators: Option<Arc<Platform>>,
}

/// The task that sends.
pub struct Sender {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ways: Ways,
    under_way: JoinSet<String>,
    busy: BTreeSet<String>,
    forgot: Option<Timestamp>,
}

impl Sender {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ways: Ways) -> Self {
        Self {
            store,
            clock,
            ways,
            under_way: JoinSet::new(),
            busy: BTreeSet::new(),
            forgot: None,
        }
    }

    /// Sends until `stop`. Attempts under way are let go then; they are tried again after the next start.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut is_failing = false;
        loop {
            let looked = self.look().await;
            if let Err(error) = &looked
                && !is_failing
            {
                tracing::error!(%error, "the outbox cannot be read or written; nothing is sent");
            }
            is_failing = looked.is_err();
            tokio::select! {
                () = stop.cancelled() => break,
                () = woken(self.ways.operators.as_deref()) => {}
                Some(ended) = self.under_way.join_next() => self.note_ended(ended.ok()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        self.under_way.shutdown().await;
    }

    /// Begins an attempt for every target that has something due and none under way.
    ///
    /// # Errors
    /// When the store fails; nothing leaves then that was not counted.
    pub async fn look(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now().wall;
        if self.forgot.is_none_or(|at| now - at >= FORGET_EVERY) {
            self.store.forget_delivered(now - KEEP_DELIVERED).await?;
            self.forgot = Some(now);
        }
        while let Some(ended) = self.under_way.try_join_next() {
            self.note_ended(ended.ok());
        }
        let mut due = self.store.due_parcels(now, LOOKED_AT).await?;
        due.sort_by_key(|parcel| !plan::is_urgent(parcel));
        for parcel in due {
            let most = if plan::is_urgent(&parcel) {
                AT_ONCE_URGENT
            } else {
                AT_ONCE
            };
            if self.under_way.len() >= most {
                break;
            }
            if self.busy.contains(&parcel.target) {
                continue;
            }
            let parcel = plan::begun(&parcel, now);
            if !self.store.update_parcel(&parcel).await? {
                continue;
            }
            self.busy.insert(parcel.target.clone());
            let (store, clock, ways) = (self.store.clone(), self.clock.clone(), self.ways.clone());
            self.under_way.spawn(async move {
                let result = ways.send(&parcel, now).await;
                note(&*store, plan::ended(&parcel, result, clock.now().wall)).await;
                parcel.target
            });
        }
        Ok(())
    }

    /// Waits for the attempts under way.
    pub async fn settle(&mut self) {
        while let Some(ended) = self.under_way.join_next().await {
            self.note_ended(ended.ok());
        }
    }

    fn note_ended(&mut self, target: Option<String>) {
        match target {
            Some(target) => {
                self.busy.remove(&target);
            }
            // An attempt that panicked does not say whose it was.
            None if self.under_way.is_empty() => self.busy.clear(),
            None => {}
        }
    }
}

/// As soon as there is something to tell an operator.
async fn woken(operators: Option<&Platform>) {
    match operators {
        Some(platform) => platform.authority().wake().notified().await,
        None => std::future::pending().await,
    }
}

async fn note(store: &dyn Store, parcel: Parcel) {
    if let Some(why) = &parcel.last_error {
        tracing::info!(parcel.id = %parcel.id, attempts = parcel.attempts, "a parcel was not delivered: {why}");
    }
    if let Err(error) = store.update_parcel(&parcel).await {
        tracing::error!(parcel.id = %parcel.id, %error, "cannot note what became of a parcel; it is tried again");
    }
}

impl Ways {
    async fn send(&self, parcel: &Parcel, now: Timestamp) -> Result<(), Failed> {
        match &parcel.content {
            Content::Webhook { url, body } => self.post(parcel, url, body, now).await,
            Content::Email { to, subject, body } => self.mail(parcel, to, subject, body).await,
            Content::Notice { operator, notice } => self.platform()?.tell(operator, notice).await,
            Content::PastSample { operator, port, at } => {
                self.platform()?.ask_for_lost(operator, port, *at).await
            }
        }
    }

    fn platform(&self) -> Result<&Platform, Failed> {
        self.operators.as_deref().ok_or_else(|| Failed {
            why: "no operators are watched over; an administrator enables it in the configuration file"
                .to_owned(),
            for_good: false,
            retry_after: None,
        })
    }

    async fn post(&self, parcel: &Parcel, url: &str, body: &str, now: Timestamp) -> Result<(), Failed> {
        let request = Request::post(url)
            .header("content-type", "application/json")
            .header("user-agent", concat!("Ohmstead/", env!("CARGO_PKG_VERSION")))
            .header("idempotency-key", parcel.id.as_str())
            .header("ohmstead-signature", self.key.sign(now, parcel.id.as_str(), body))
            .body(body.as_bytes().to_vec())
            .map_err(|error| Failed {
                why: format!("this cannot be dialled: {error}"),
                for_good: true,
                retry_after: None,
            })?;
        let delivery = self.http.deliver(request).await.map_err(|failure| Failed {
            for_good: matches!(failure, Failure::Denied(_)),
            why: failure.to_string(),
            retry_after: None,
        })?;
        let status = delivery.status;
        if status.is_success() {
            return Ok(());
        }
        let hint = if status.is_redirection() {
            "; redirects are not followed, give the address it leads to"
        } else {
            ""
        };
        Err(Failed {
            why: format!("answered {}{hint}", status.as_u16()),
            for_good: status == StatusCode::GONE,
            retry_after: delivery
                .retry_after
                .map(|after| Millis(i64::try_from(after.as_millis()).unwrap_or(i64::MAX))),
        })
    }

    async fn mail(&self, parcel: &Parcel, to: &str, subject: &str, body: &str) -> Result<(), Failed> {
        let failed = |why: String, for_good| Failed {
            why,
            for_good,
            retry_after: None,
        };
        let mailer = self.mailer.borrow().clone();
        let Some(mailer) = mailer else {
            let why = "no mail relay is configured; an administrator names one in the settings or in [mail] of the configuration file";
            return Err(failed(why.to_owned(), false));
        };
        let created = u64::try_from(parcel.created.0).unwrap_or(0);
        let mail = Mail {
            id: parcel.id.to_string(),
            to: to.to_owned(),
            subject: subject.to_owned(),
            body: body.to_owned(),
            date: SystemTime::UNIX_EPOCH + Duration::from_millis(created),
        };
        mailer.send(&mail).await.map_err(|error| match error {
            MailError::Refused(why) => failed(why, true),
            MailError::NotNow(why) => failed(why, false),
        })
    }
}
