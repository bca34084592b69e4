//! What can be set at a device.

use model::control::{Control, Range};
use model::decimal::plain;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What can be set at a device, by name.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ControlList {
    pub items: Vec<ControlView>,
}

/// Something that can be set: one of `choices`, or a number from `min` to `max`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ControlView {
    pub id: String,
    /// In English.
    pub title: String,
    /// Empty without one.
    pub unit: String,
    /// As the device showed it last: the key of a choice, or a number.
    #[schema(required = true)]
    pub value: Option<String>,
    /// Empty for a number.
    pub choices: Vec<ControlChoice>,
    /// Of a number only.
    #[schema(required = true)]
    pub number: Option<ControlNumber>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ControlChoice {
    pub key: String,
    /// In English.
    pub label: String,
}

/// Decimal numbers as text, as they are set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ControlNumber {
    pub min: String,
    pub max: String,
    pub step: String,
}

/// What a control is to be set to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlRequest {
    /// The key of a choice, or a number as text.
    pub value: String,
}

impl From<&Control> for ControlView {
    fn from(control: &Control) -> Self {
        let (choices, number) = match &control.range {
            Range::Choices { choices } => {
                let choices = choices.iter().map(|choice| ControlChoice {
                    key: choice.key.clone(),
                    label: choice.label.clone(),
                });
                (choices.collect(), None)
            }
            Range::Number {
                least,
                most,
                step,
                decimals,
            } => {
                let number = ControlNumber {
                    min: plain(*least, *decimals),
                    max: plain(*most, *decimals),
                    step: plain(*step, *decimals),
                };
                (Vec::new(), Some(number))
            }
        };
        Self {
            id: control.id.clone(),
            title: control.title.clone(),
            unit: control.unit.clone(),
            value: control.value.clone(),
            choices,
            number,
        }
    }
}
