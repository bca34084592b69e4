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
        if !settings.given.says("mail") {
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

#[cfg(test)]
mod tests {
    use bus::in_process::InProcess;
    use gate::InstallationKey;
    use model::settings::{MailSettings, MailTls, OutboundSettings};
    use store::Sqlite;

    use super::*;
    use crate::clock::RealClock;
    use crate::config;

    const FILE: &str = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n";
    const HOST: &str = "http://192.168.1.9/";

    async fn follower(file: &str) -> (Follower, watch::Receiver<Option<Mailer>>) {
        let store = Sqlite::in_memory().unwrap();
        let key = InstallationKey::from_bytes([3; 32]);
        let gate = Gate::open(store.clone(), key, Arc::new(RealClock::start()))
            .await
            .unwrap();
        gate.set_mail_password(Some("s3cret")).await.unwrap();
        let config = config::parse(&format!("{file}{FILE}")).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let (mailer, mailers) = watch::channel(None);
        let follower = Follower {
            store,
            gate,
            bus: InProcess::new(),
            guard: Arc::new(Guard::new(&config.settings.outbound.allow).unwrap()),
            settings: Arc::new(config.settings),
            mailer,
        };
        (follower, mailers)
    }

    fn chosen() -> Chosen {
        Chosen {
            mail: Some(MailSettings {
                host: "mail.example.org".to_owned(),
                port: 587,
                tls: MailTls::StartTls,
                user: Some("hub".to_owned()),
                password_file: None,
                from: "hub@example.org".to_owned(),
            }),
            outbound: Some(OutboundSettings {
                allow: vec!["192.168.1.0/24".to_owned()],
            }),
            ..Chosen::default()
        }
    }

    #[tokio::test]
    async fn relay_and_guard_follow_what_is_chosen_unless_the_file_says_it() {
        for (file, expected) in [("", true), ("[outbound]\nallow = []\n", false)] {
            let (follower, mailers) = follower(file).await;
            assert!(follower.guard.check(HOST).is_err(), "{file}");
            follower.store.put(&chosen()).await.unwrap();
            follower.follow().await.unwrap();
            assert_eq!(follower.guard.check(HOST).is_ok(), expected, "{file}");
            assert!(mailers.borrow().is_some(), "{file}");
            // And back again.
            follower.store.put(&Chosen::default()).await.unwrap();
            follower.follow().await.unwrap();
            assert!(follower.guard.check(HOST).is_err(), "{file}");
            assert!(mailers.borrow().is_none(), "{file}");
        }
    }
}
