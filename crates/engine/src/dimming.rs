//! Orders of the grid operator: when they are in force, and the proof that they were followed.
//!
//! The proof is kept in the audit log: the order when it comes, every minute what it came to and what was
//! measured, and its end.

use control::{Dimmed, snapshot};
use model::grid::DimmingOrder;
use model::time::{Millis, Monotonic, Now, Timestamp};
use store::AuditEntry;

use crate::core::Core;
use crate::record::Record;

/// How often the log says what was measured.
const EVERY: Millis = Millis(60_000);

/// The order and what was last written down of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dimming {
    order: Option<DimmingOrder>,
    logged: Option<(Monotonic, DimmingOrder)>,
}

impl Dimming {
    pub(crate) fn in_force(&self, now: Timestamp) -> Option<snapshot::Dimming> {
        let order = self.order.filter(|order| order.is_in_force(now))?;
        Some(snapshot::Dimming {
            limit: order.limit,
            since: order.from,
            until: order.until,
        })
    }
}

impl Core {
    /// Takes an order of the grid operator; `None` takes it back. The next cycle runs at once.
    pub fn set_dimming(&mut self, order: Option<DimmingOrder>, now: Now) {
        self.dimming.order = order;
        self.due = now.monotonic;
    }

    /// Writes down what an order came to, when it comes, changes and ends, and every minute between.
    pub(crate) fn audit_dimming(&mut self, now: Now) {
        let logged = self.dimming.logged;
        let entry = match (&self.decision.dimmed, self.dimming.order) {
            (Some(dimmed), Some(order)) => {
                let is_due = logged.is_none_or(|(at, before)| before != order || now.monotonic - at >= EVERY);
                if !is_due {
                    return;
                }
                self.dimming.logged = Some((now.monotonic, order));
                came_to(dimmed)
            }
            (_, _) => {
                if logged.is_none() {
                    return;
                }
                self.dimming.logged = None;
                ("dimming ends".to_owned(), "nothing is dimmed any more".to_owned())
            }
        };
        let (action, outcome) = entry;
        self.records.push_back(Record::Audit(AuditEntry {
            at: now.wall,
            principal: "grid operator".to_owned(),
            door: "dimming".to_owned(),
            action,
            outcome,
        }));
    }
}

fn came_to(dimmed: &Dimmed) -> (String, String) {
    let signal = dimmed.signal;
    let ordered = signal.limit.map_or_else(
        || "what devices keep in any case".to_owned(),
        |limit| limit.to_string(),
    );
    let until = signal
        .until
        .map(|until| format!(" until {until}"))
        .unwrap_or_default();
    let verified = if control::dimming::factors::VERIFIED || signal.limit.is_some() {
        ""
    } else {
        " (factors not verified)"
    };
    (
        format!("dimmed to {ordered} since {}{until}", signal.since),
        format!(
            "{} devices, {} from the grid allowed{verified}, {} generated here, {} measured",
            dimmed.devices, dimmed.allowed, dimmed.own, dimmed.measured
        ),
    )
}
