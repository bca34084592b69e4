//! Ids that others give.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no id of an operator: expected 1 to 64 visible ASCII characters without spaces")]
pub struct CodeError {
    pub text: String,
}

const LONGEST: usize = 64;

macro_rules! code {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// # Errors
            /// When the text is empty, longer than 64 bytes or holds anything but visible ASCII.
            pub fn new(text: &str) -> Result<Self, CodeError> {
                let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
                if fits {
                    return Ok(Self(text.into()));
                }
                Err(CodeError {
                    text: text.chars().take(80).collect(),
                })
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = CodeError;
            fn try_from(text: String) -> Result<Self, CodeError> {
                Self::new(&text)
            }
        }
        impl FromStr for $name {
            type Err = CodeError;
            fn from_str(text: &str) -> Result<Self, CodeError> {
                Self::new(text)
            }
        }
        impl From<$name> for String {
            fn from(code: $name) -> Self {
                code.0.into_string()
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

code! {
    /// Of an operator, as the authority registered it.
    OperatorCode
}
code! {
    /// Of a station, a piece of equipment, a port or a charge: unique within one operator and one kind.
    Code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_ascii_of_at_most_64() {
        let longest = "x".repeat(LONGEST);
        for (text, fits) in [
            ("95", true),
            ("MA005DBW1", true),
            ("a/b?c=\"d\"", true),
            (longest.as_str(), true),
            ("", false),
            ("a b", false),
            ("运营商", false),
            ("tab\t", false),
            (&"x".repeat(LONGEST + 1), false),
        ] {
            assert_eq!(Code::new(text).is_ok(), fits, "{text}");
            assert_eq!(OperatorCode::new(text).is_ok(), fits, "{text}");
        }
    }
}
