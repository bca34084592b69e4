//! What goes wrong between an operator and its platform, on purpose.

use std::str::FromStr;

use crate::draw::Dice;

/// How often what goes wrong, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mischief {
    /// Calls by a clock that is ten minutes off.
    pub skewed: i64,
    /// Calls that are signed with another key.
    pub forged: i64,
    /// Calls that arrive twice.
    pub doubled: i64,
    /// Calls that never arrive.
    pub lost: i64,
    /// Calls whose answer never arrives.
    pub unanswered: i64,
    /// Samples that are held back for some minutes and then come behind newer ones.
    pub late: i64,
    /// Samples after which one follows of a port that nobody has registered.
    pub unknown: i64,
    /// Calls of the platform that get no answer.
    pub deaf: i64,
}

/// Why a text names no mischief.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no fault: expected none, some, many or a list such as forged=5,lost=20 of {}", Mischief::NAMES.join(", "))]
pub struct MischiefError {
    pub text: String,
}

impl Mischief {
    pub const NAMES: [&str; 8] = [
        "skewed",
        "forged",
        "doubled",
        "lost",
        "unanswered",
        "late",
        "unknown",
        "deaf",
    ];

    /// The same of everything.
    #[must_use]
    pub const fn all(permille: i64) -> Self {
        Self {
            skewed: permille,
            forged: permille,
            doubled: permille,
            lost: permille,
            unanswered: permille,
            late: permille,
            unknown: permille,
            deaf: permille,
        }
    }

    fn of(&mut self, name: &str) -> Option<&mut i64> {
        Some(match name {
            "skewed" => &mut self.skewed,
            "forged" => &mut self.forged,
            "doubled" => &mut self.doubled,
            "lost" => &mut self.lost,
            "unanswered" => &mut self.unanswered,
            "late" => &mut self.late,
            "unknown" => &mut self.unknown,
            "deaf" => &mut self.deaf,
            _ => return None,
        })
    }

    /// What becomes of a call.
    pub(super) fn of_call(&self, dice: &mut Dice) -> Fate {
        for (permille, fate) in [
            (self.skewed, Fate::Skewed),
            (self.forged, Fate::Forged),
            (self.doubled, Fate::Doubled),
            (self.lost, Fate::Lost),
            (self.unanswered, Fate::Unanswered),
        ] {
            if dice.happens(permille) {
                return fate;
            }
        }
        Fate::Plain
    }
}

/// What becomes of a call to the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Plain,
    Skewed,
    Forged,
    Doubled,
    Lost,
    Unanswered,
}

impl FromStr for Mischief {
    type Err = MischiefError;

    fn from_str(text: &str) -> Result<Self, MischiefError> {
        match text {
            "none" => return Ok(Self::all(0)),
            "some" => return Ok(Self::all(5)),
            "many" => return Ok(Self::all(50)),
            _ => {}
        }
        let wrong = || MischiefError {
            text: text.to_owned(),
        };
        let mut mischief = Self::all(0);
        for part in text.split(',') {
            let (name, permille) = part.split_once('=').ok_or_else(wrong)?;
            let permille: i64 = permille
                .parse()
                .ok()
                .filter(|often| (0..=900).contains(often))
                .ok_or_else(wrong)?;
            *mischief.of(name).ok_or_else(wrong)? = permille;
        }
        Ok(mischief)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_by_word_or_one_by_one() {
        for (text, expected) in [
            ("none", Some(Mischief::default())),
            ("some", Some(Mischief::all(5))),
            (
                "forged=5,lost=20",
                Some(Mischief {
                    forged: 5,
                    lost: 20,
                    ..Mischief::default()
                }),
            ),
            ("", None),
            ("forged", None),
            ("forged=901", None),
            ("broken=1", None),
        ] {
            assert_eq!(text.parse::<Mischief>().ok(), expected, "{text}");
        }
        for name in Mischief::NAMES {
            assert!(format!("{name}=1").parse::<Mischief>().is_ok(), "{name}");
        }
    }
}
