//! Refusals in this dialect's words.

use super::definition::Definition;

/// Why a call, or an entry of a list, is refused. The number is the `status` of the answer and mostly its HTTP
/// status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct Refusal {
    pub status: u16,
    /// Names the first field that is wrong.
    pub message: String,
    /// Everything else that is wrong.
    pub more: Vec<String>,
    /// Seconds after which it may be tried again.
    pub retry_after_s: Option<u32>,
}

impl Refusal {
    #[must_use]
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            more: Vec::new(),
            retry_after_s: None,
        }
    }

    /// A field that is missing or wrong.
    #[must_use]
    pub fn field(name: &str, what: &str) -> Self {
        Self::new(400, format!("{}: {what}", clean(name)))
    }

    /// Who asks is not believed.
    #[must_use]
    pub fn permission(definition: &Definition, why: &str) -> Self {
        Self::new(401, format!("{}: {why}", definition.words.permission.name))
    }

    /// Another operator's name, or one that may do nothing at present.
    #[must_use]
    pub fn forbidden(why: &str) -> Self {
        Self::new(403, why)
    }

    #[must_use]
    pub fn too_many(most: u32) -> Self {
        Self::new(413, format!("a list holds at most {most}"))
    }

    /// Asked too often.
    #[must_use]
    pub fn slow_down(after_s: u32) -> Self {
        Self {
            retry_after_s: Some(after_s),
            ..Self::new(429, format!("too many calls: try again in {after_s} s"))
        }
    }

    /// Ours to mend.
    #[must_use]
    pub fn ours(why: &str) -> Self {
        Self::new(500, why)
    }
}

/// A stranger's text as a message may show it: short, and without control characters.
#[must_use]
pub(super) fn clean(text: &str) -> String {
    const LONGEST: usize = 64;
    let mut chars = text.chars().filter(|c| !c.is_control());
    let mut shown: String = chars.by_ref().take(LONGEST).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}
