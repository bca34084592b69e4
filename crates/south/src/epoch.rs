//! Which engine a link obeys.

use std::sync::atomic::{AtomicU64, Ordering};

/// The newest epoch that a device has had orders from. Outlives restarts of its link, so that an engine which
/// was replaced cannot come back through one.
#[derive(Debug, Default)]
pub(crate) struct Epoch(AtomicU64);

impl Epoch {
    /// Whether orders of `epoch` are to be carried out; from then on older ones are not.
    pub fn admits(&self, epoch: u64) -> bool {
        self.0.fetch_max(epoch, Ordering::Relaxed) <= epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_of_an_older_epoch_are_refused() {
        let epoch = Epoch::default();
        for (ordered, admitted) in [
            (1, true),
            (1, true),
            (3, true),
            (2, false),
            (1, false),
            (3, true),
            (4, true),
        ] {
            assert_eq!(epoch.admits(ordered), admitted, "{ordered}");
        }
    }
}
