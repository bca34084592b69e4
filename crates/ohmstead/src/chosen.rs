//! Settings that were chosen in the page: put under those of the file at the start, and followed while running.

use std::sync::Arc;

use anyhow::Context;
use bus::{Bus, Received, Topic};
use gate::Gate;
use links::mail::Mailer;
use links::outbound_guard::Guard;
use model::message::Message;
use model::noun::Noun;
use model::settings::{Chosen, Settings};
use store::{Store, StoreError, Typed};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::assemble::mailer;

/// Puts what was chosen where the file says nothing.
///
/// # Errors
/// When the store cannot be read.
pub async fn settle(store: &dyn Store, settings: &mut Settings) -> anyhow::Result<()> {
    let chosen = stored(store).await.context("cannot read the settings")?;
    chosen.over(settings);
    Ok(())
}

/// What was chosen, if anything.
pub async fn stored(store: &dyn Store) -> Result<Chosen, StoreError> {
    Ok(store.get::<Chosen>(Chosen::ID).await?.unwrap_or_default())
}

/// What takes effect without a restart beside what reads the store itself.
pub struct Follower {
    pub store: Arc<dyn Store>,
    pub gate: Arc<Gate>,
    pub bus: Arc<dyn Bus>,
    pub settings: Arc<Settings>,
    pub guard: Arc<Guard>,
    pub mailer: watch::Sender<Option<Mailer>>,
}

impl Follower {
    /// Follows until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut nouns = self.bus.subscribe(Topic::Nouns).await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                received = nouns.next() => match received {
                    Some(Received::Message(Message::NounsChanged { kind })) if kind == Chosen::KIND => {}
                    // What was missed may have been it.
                    Some(Received::Missed(_)) => {}
                    Some(Received::Message(_)) => continue,
                    None => return,
                }
            }
            if let Err(error) = self.follow().await {
                tracing::error!(
                    error = format!("{error:#}"),
                    "changed settings do not take effect before the next start"
                );
            }
        }
    }

    async fn follow(&self) -> anyhow::Result<()> {
        let mut settings = (*self.settings).clone();
        if !settings.given.mail {
            // It may have been taken away.
            settings.mail = None;
        }
        settle(self.store.as_ref(), &mut settings).await?;
        let allowed = Guard::new(&settings.outbound.allow).context("cannot read [outbound]")?;
        self.guard.become_like(&allowed);
        let mailer = mailer(&settings, &self.gate).await?;
        self.mailer.send_replace(mailer);
        Ok(())
    }
}
