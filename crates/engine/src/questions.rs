//! What can be asked of a site: answered from its last cycle, and nothing is changed.

use control::what_would_help;
use model::id::EvseId;
use model::intent::Rejection;
use model::question::{Finding, Help, Question};
use model::time::Now;

use crate::core::Core;

impl Core {
    /// # Errors
    /// When there is no such EVSE, or nothing was decided yet.
    pub fn find(&self, question: &Question, now: Now) -> Result<Finding, Rejection> {
        match question {
            Question::WhatHelps { evse } => self.what_helps(evse, now).map(Finding::WhatHelps),
        }
    }

    fn what_helps(&self, evse: &EvseId, now: Now) -> Result<Vec<Help>, Rejection> {
        let index = self.site.evses().position(|(_, known)| known.id == *evse);
        let index = index.ok_or_else(|| Rejection::Unknown {
            what: "evse".to_owned(),
            id: evse.to_string(),
        })?;
        let snapshot = self.snapshot.as_ref().ok_or_else(|| Rejection::Busy {
            why: "nothing was decided yet; try again in a second".to_owned(),
        })?;
        Ok(what_would_help(snapshot, &self.memory, now, index))
    }
}
