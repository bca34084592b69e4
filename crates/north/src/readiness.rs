//! Whether everything that was started is there yet.
//!
//! The binary says what it waits for and how far past history is made; `/readyz` and the page show it.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

pub struct Readiness {
    waiting_for: Mutex<Vec<String>>,
    progress: watch::Sender<u16>,
}

impl Default for Readiness {
    /// Ready: waiting for nothing, all history made.
    fn default() -> Self {
        Self {
            waiting_for: Mutex::default(),
            progress: watch::Sender::new(1_000),
        }
    }
}

impl Readiness {
    /// What is not there yet, in words for people; empty when everything is.
    pub fn set_waiting_for(&self, what: Vec<String>) {
        *self.waiting_for.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// How far past history is made, in thousandths; 1000 is done.
    pub fn set_backfill_progress(&self, permille: u16) {
        self.progress.send_if_modified(|progress| {
            let permille = permille.min(1_000);
            std::mem::replace(progress, permille) != permille
        });
    }

    #[must_use]
    pub fn waiting_for(&self) -> Vec<String> {
        self.waiting_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    #[must_use]
    pub fn backfill_progress(&self) -> u16 {
        *self.progress.borrow()
    }

    pub(crate) fn watch_progress(&self) -> watch::Receiver<u16> {
        self.progress.subscribe()
    }
}
