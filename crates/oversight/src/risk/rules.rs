//! Rules and the values that they are made of.

use expr::{Program, Type, Value, Values};
use model::oversight::{Decimal, PortState, RiskLevel, Sample};
use model::time::Millis;

/// Rules that warn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    pub(super) rules: Vec<Rule>,
    /// Faults by which a port says that it is off the network.
    pub(super) offline: Vec<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub name: String,
    pub level: RiskLevel,
    /// Faults at which it holds; empty: at any and none.
    pub errors: Vec<i64>,
    pub when: Option<Program>,
    /// So long it holds until it fires.
    pub hold: Millis,
    pub reason: Vec<Piece>,
    /// It needs the time since the last sample.
    pub is_timed: bool,
}

/// Of a reason.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    Value(Name),
}

/// A port as rules see it.
pub(crate) struct View<'a> {
    pub sample: &'a Sample,
    pub rated_power: Option<Decimal>,
    pub rated_current: Option<Decimal>,
    /// How long it has been charging.
    pub charging: Millis,
    /// How long ago the sample came.
    pub age: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    State(PortState),
    Error,
    Door,
    Voltage,
    Current,
    Power,
    Energy,
    Temperature,
    Soc,
    Smoke,
    Charging,
    Age,
    RatedPower,
    RatedCurrent,
}

impl Name {
    /// All of them as rules write them.
    pub const ALL: [(&'static str, Self); 19] = [
        ("idle", Self::State(PortState::Idle)),
        ("occupied", Self::State(PortState::Occupied)),
        ("charging", Self::State(PortState::Charging)),
        ("reserved", Self::State(PortState::Reserved)),
        ("complete", Self::State(PortState::Complete)),
        ("fault", Self::State(PortState::Fault)),
        ("error", Self::Error),
        ("door", Self::Door),
        ("voltage", Self::Voltage),
        ("current", Self::Current),
        ("power", Self::Power),
        ("energy", Self::Energy),
        ("temperature", Self::Temperature),
        ("soc", Self::Soc),
        ("smoke", Self::Smoke),
        ("charging_s", Self::Charging),
        ("age_s", Self::Age),
        ("rated_power", Self::RatedPower),
        ("rated_current", Self::RatedCurrent),
    ];

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(held, _)| *held == name)
            .map(|(_, name)| *name)
    }

    pub const fn kind(self) -> Type {
        match self {
            Self::State(_) => Type::Bool,
            Self::Error
            | Self::Door
            | Self::Voltage
            | Self::Current
            | Self::Power
            | Self::Energy
            | Self::Temperature
            | Self::Soc
            | Self::Smoke
            | Self::Charging
            | Self::Age
            | Self::RatedPower
            | Self::RatedCurrent => Type::Number,
        }
    }
}

impl View<'_> {
    /// `None`: it was not told, or is no number.
    fn number(&self, name: Name) -> Option<Decimal> {
        let sample = self.sample;
        match name {
            Name::State(_) => None,
            Name::Error => Some(Decimal::whole(sample.error.unwrap_or(0))),
            Name::Door => sample.door.map(Decimal::whole),
            Name::Voltage => sample.voltage,
            Name::Current => sample.current,
            Name::Power => sample.power,
            Name::Energy => sample.energy,
            Name::Temperature => sample.temperature,
            Name::Soc => sample.soc,
            Name::Smoke => sample.smoke.map(Decimal::whole),
            Name::Charging => Some(Decimal::whole(self.charging.as_seconds())),
            Name::Age => Some(Decimal::whole(self.age.as_seconds())),
            Name::RatedPower => self.rated_power,
            Name::RatedCurrent => self.rated_current,
        }
    }
}

impl Values for View<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        let name = Name::find(name)?;
        if let Name::State(state) = name {
            return Some(Value::Bool(self.sample.state == state));
        }
        let millionths = self.number(name)?.0;
        #[allow(clippy::cast_precision_loss, reason = "formulas compute in f64")]
        let number = millionths as f64 / 1_000_000.0;
        Some(Value::Number(number))
    }
}

impl Rule {
    /// Whether it holds at a port; what it needs and was not told makes it not.
    pub fn holds(&self, view: &View<'_>) -> bool {
        let is_at_fault = self.errors.is_empty()
            || view
                .sample
                .error
                .is_some_and(|error| self.errors.contains(&error));
        is_at_fault
            && match &self.when {
                Some(when) => when.eval(view) == Ok(Value::Bool(true)),
                None => true,
            }
    }

    /// What a warning says.
    pub fn reason(&self, view: &View<'_>) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value(Name::State(state)) => (view.sample.state == *state).to_string(),
            Piece::Value(name) => view
                .number(*name)
                .map_or_else(|| "?".to_owned(), |number| number.to_string()),
        };
        self.reason.iter().map(piece).collect()
    }
}

impl Rules {
    /// Those that come with the program.
    ///
    /// # Panics
    /// Never: a test reads them.
    #[must_use]
    pub fn built_in() -> Self {
        const TEXT: &str = include_str!("../../../../definitions/oversight/risks.toml");
        Self::parse(TEXT).expect("embedded rules are checked by a test")
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (u16, &Rule)> {
        (0..).zip(&self.rules)
    }

    /// Whether a port says by this that it is off the network.
    pub(crate) fn says_offline(&self, sample: &Sample) -> bool {
        sample.error.is_some_and(|error| self.offline.contains(&error))
    }

    pub(crate) fn find(&self, name: &str) -> Option<u16> {
        self.all()
            .find(|(_, rule)| rule.name == name)
            .map(|(index, _)| index)
    }

    pub(crate) fn name(&self, index: u16) -> Option<&str> {
        self.rules.get(usize::from(index)).map(|rule| rule.name.as_str())
    }
}
