//! What follows a write and waits for the disk: it has a thread of its own, as who writes must not stand still.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// What is done after writes.
pub type Keep = Box<dyn FnMut() + Send>;

/// A thread that is told of writes. Dropping it lets it finish.
pub struct Keeper {
    written: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub fn spawn(name: &str, mut keep: Keep) -> std::io::Result<Self> {
        // Several writes are one reason: who finds the place taken need not wait.
        let (written, reasons) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || reasons.iter().for_each(|()| keep()))?;
        Ok(Self {
            written: Some(written),
            thread: Some(thread),
        })
    }

    /// Takes note of a write that is committed.
    pub fn note(&self) {
        if let Some(written) = &self.written {
            // Full, when a round is due anyway; closed, when it panicked, which has been reported by the panic.
            let _ = written.try_send(());
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.written = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
