//! What people can set at a device, as its definition says: switches and limits of an inverter that mean nothing to
//! the model. What the model knows is a wish or a setpoint, never one of these.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::decimal;
use crate::intent::Rejection;

/// What can be set at a device, as its link has found it last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controls {
    pub list: Arc<[Control]>,
    /// Questions in its own language are passed on to it.
    pub takes_questions: bool,
}

impl Controls {
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Control> {
        self.list.iter().find(|control| control.id == id)
    }
}

/// Something of a device that can be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    pub id: String,
    /// In English; who shows it may have it in other languages.
    pub title: String,
    pub unit: String,
    pub range: Range,
    /// As it was read last, in the form that [`Control::check`] gives.
    pub value: Option<String>,
}

/// What a control can be set to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Range {
    Choices {
        choices: Vec<Choice>,
    },
    /// `least`, `most` and `step` are in units of the last of `decimals` decimals.
    Number {
        least: i64,
        most: i64,
        step: i64,
        decimals: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub key: String,
    /// In English.
    pub label: String,
}

/// What a device is asked for in words of its definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Order {
    /// Set one of its [`Controls`].
    Set { control: String, value: String },
    /// Answer a question in its own language. What is no question is refused by its link.
    Question { text: String },
}

/// Numbers are looked at this much finer than they can be set.
const FINER: u32 = 6;

impl Control {
    /// A value that fits, in the one form in which it is written: the key of a choice, which may be given by its
    /// label, or a number without needless zeros.
    ///
    /// # Errors
    /// With what can be set.
    pub fn check(&self, value: &str) -> Result<String, Rejection> {
        self.range.read(value).ok_or_else(|| Rejection::OutOfRange {
            what: self.title.clone(),
            given: value.chars().take(64).collect(),
            expected: self.range.expected(&self.unit),
        })
    }
}

impl Range {
    /// `None`: it does not fit.
    #[must_use]
    pub fn read(&self, value: &str) -> Option<String> {
        match self {
            Self::Choices { choices } => {
                let by_key = choices.iter().find(|choice| choice.key == value);
                let by_label = || {
                    let mut choices = choices.iter();
                    choices.find(|choice| choice.label.eq_ignore_ascii_case(value))
                };
                by_key.or_else(by_label).map(|choice| choice.key.clone())
            }
            Self::Number {
                least,
                most,
                step,
                decimals,
            } => {
                let fine = decimal::read_decimal(value, decimals + FINER)?;
                let number = fine / 10_i64.pow(FINER);
                let is_exact = fine % 10_i64.pow(FINER) == 0;
                let fits = (*least..=*most).contains(&number) && (number - least) % (*step).max(1) == 0;
                (is_exact && fits).then(|| decimal::plain(number, *decimals))
            }
        }
    }

    fn expected(&self, unit: &str) -> String {
        match self {
            Self::Choices { choices } => {
                let keys: Vec<&str> = choices.iter().map(|choice| choice.key.as_str()).collect();
                format!("one of {}", keys.join(", "))
            }
            Self::Number {
                least,
                most,
                step,
                decimals,
            } => {
                let text = |number: i64| decimal::plain(number, *decimals);
                let (least, most, step) = (text(*least), text(*most), text(*step));
                format!("{least} to {most} {unit} in steps of {step}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(range: Range) -> Control {
        Control {
            id: "x".to_owned(),
            title: "Charging current".to_owned(),
            unit: "A".to_owned(),
            range,
            value: None,
        }
    }

    #[track_caller]
    fn check(control: &Control, value: &str, expected: Option<&str>) {
        assert_eq!(control.check(value).ok().as_deref(), expected, "{value}");
    }

    #[test]
    fn a_number_lies_between_its_ends_and_on_a_step() {
        let current = control(Range::Number {
            least: 50,
            most: 1_200,
            step: 5,
            decimals: 1,
        });
        for (value, expected) in [
            ("5", Some("5")),
            ("5.0", Some("5")),
            (" 07.50 ", Some("7.5")),
            ("120", Some("120")),
            ("4.9", None),
            ("120.5", None),
            ("7.6", None),
            ("7.5001", None),
            ("-7.5", None),
            ("9999999999999999999", None),
            ("", None),
            ("7,5", None),
            ("0x10", None),
        ] {
            check(&current, value, expected);
        }
        assert_eq!(
            current.check("3").unwrap_err().to_string(),
            "Charging current is 3, expected 5 to 120 A in steps of 0.5"
        );
    }

    #[test]
    fn a_choice_is_named_by_key_or_label_and_the_key_counts_first() {
        let choice = |key: &str, label: &str| Choice {
            key: key.to_owned(),
            label: label.to_owned(),
        };
        let priority = control(Range::Choices {
            choices: vec![
                choice("0", "Utility first"),
                choice("1", "Solar first"),
                choice("2", "1"),
            ],
        });
        for (value, expected) in [
            ("0", Some("0")),
            ("solar FIRST", Some("1")),
            ("1", Some("1")),
            ("3", None),
            ("", None),
        ] {
            check(&priority, value, expected);
        }
        assert_eq!(
            priority.check("9").unwrap_err().to_string(),
            "Charging current is 9, expected one of 0, 1, 2"
        );
    }
}
