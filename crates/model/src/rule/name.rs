//! The names that formulas may use, and what they mean.
//!
//! | name | value |
//! |---|---|
//! | `device.<id>.<quantity>` | the latest fresh reading, in the unit of [`Quantity`] |
//! | `device.<id>.input<n>` | whether contact n, from 1, is closed |
//! | `evse.<id>.<value>`, `own.<value>` | an EVSE, or whatever the rules run for: [`EvseName`] |
//! | `site.<value>` | the site: [`SiteName`] |
//! | `time.<value>` | the clock and calendar of the site: [`TimeName`] |
//! | `run.<value>` | the run of the rules: [`RunName`] |
//! | `param.<name>` | a parameter that a rule further up has set |
//! | `var.<name>`, `own.var.<name>`, `evse.<id>.var.<name>` | a variable of the site, or of an EVSE |
//!
//! An id with a `-` in it stands in quotes: `evse."garage-1".power`.

use std::fmt;

use crate::id::{DeviceId, EvseId};
use crate::reading::Quantity;

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Device(DeviceId, Quantity),
    Input(DeviceId, u16),
    Evse(EvseId, EvseName),
    /// The EVSE, battery or circuit that the rules run for.
    Own(EvseName),
    Site(SiteName),
    Time(TimeName),
    Run(RunName),
    Parameter(String),
    Variable(String),
    EvseVariable(EvseId, String),
    OwnVariable(String),
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $text:literal $kind:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$each])* $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Whether it is true or false instead of a number.
            #[must_use]
            pub const fn is_flag(self) -> bool {
                match self { $(Self::$variant => names!(@ $kind),)* }
            }

            fn find(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|name| name.text() == text)
            }
        }
    };
    (@ number) => { false };
    (@ flag) => { true };
}

names! {
    /// What is known of an EVSE, battery or circuit. What does not apply has no value.
    EvseName {
        /// mA by grid phase, and the highest of them.
        CurrentL1 = "current_l1" number,
        CurrentL2 = "current_l2" number,
        CurrentL3 = "current_l3" number,
        Current = "current" number,
        /// W.
        Power = "power" number,
        /// mA, what it was told last.
        Offered = "offered" number,
        /// The least and most it can do: mA, or W of a battery.
        Min = "min" number,
        Max = "max" number,
        /// Pilot state: 0 to 5 for A to F.
        Pilot = "pilot" number,
        Plugged = "plugged" flag,
        /// It draws current.
        Charging = "charging" flag,
        /// The station has not answered, for any time and for more than 12 s.
        Silent = "silent" flag,
        SilentLong = "silent_long" flag,
        /// Phases that carry current now, and those that the car is taken to use.
        PhasesInUse = "phases_in_use" number,
        Phases = "phases" number,
        /// ‰ of the car or battery.
        Soc = "soc" number,
        /// Wh since it was plugged in; of the transaction.
        SessionEnergy = "session_energy" number,
        TransactionEnergy = "transaction_energy" number,
        /// s since it was plugged in; of the transaction; with current.
        SessionTime = "session_time" number,
        TransactionTime = "transaction_time" number,
        ChargingTime = "charging_time" number,
        /// Unix time, s.
        PluggedAt = "plugged_at" number,
        /// Wh counter, and what it was when the car came.
        EnergyIn = "energy_in" number,
        EnergyOut = "energy_out" number,
        EnergyAtPlug = "energy_at_plug" number,
        /// mA per phase of the sun that the solar rules see.
        Surplus = "surplus" number,
        /// It waits for the sun.
        WantsSurplus = "wants_surplus" flag,
        /// Wh of the tightest budget.
        Budget = "budget" number,
        BudgetUsed = "budget_used" number,
        BudgetLeft = "budget_left" number,
        /// What the car says: Unix time, s, and Wh.
        Departure = "departure" number,
        WantedEnergy = "wanted_energy" number,
    }
}

names! {
    /// What is known of the site. Powers in W, not negative.
    SiteName {
        Import = "import" number,
        Export = "export" number,
        /// What the sun gives.
        Solar = "solar" number,
        /// All that is used, cars included.
        Consumed = "consumed" number,
        /// What cars draw.
        Evses = "evses" number,
        /// What would flow out if no car charged.
        Surplus = "surplus" number,
        /// mA per phase that cars may have at the house connection.
        Room = "room" number,
        /// mA per phase that the house connection carries.
        Limit = "limit" number,
        /// W, positive while it charges; ‰; Wh.
        BatteryPower = "battery_power" number,
        BatterySoc = "battery_soc" number,
        BatteryCapacity = "battery_capacity" number,
        /// Cars that draw current; those that are there.
        Charging = "charging" number,
        Plugged = "plugged" number,
        /// Millionths per kWh, and 1 very cheap to 5 very dear.
        Price = "price" number,
        PriceLevel = "price_level" number,
        /// ms since the last cycle.
        Elapsed = "elapsed" number,
    }
}

names! {
    /// The clock of the site.
    TimeName {
        Year = "year" number,
        /// 1 to 12.
        Month = "month" number,
        /// From 1.
        Day = "day" number,
        /// 1 Monday to 7 Sunday.
        Weekday = "weekday" number,
        /// From 1.
        DayOfYear = "day_of_year" number,
        Hour = "hour" number,
        Minute = "minute" number,
        Second = "second" number,
        SecondOfDay = "second_of_day" number,
        MinuteOfDay = "minute_of_day" number,
        Summer = "summer" flag,
        /// Unix time, s.
        Timestamp = "timestamp" number,
    }
}

names! {
    /// The run of the rules.
    RunName {
        /// So far.
        Value = "value" number,
        Minimum = "minimum" number,
        /// A rule is held although its condition is over.
        Undercut = "undercut" flag,
        /// What the solar rules have found.
        Found = "found" number,
    }
}

impl Name {
    /// As `expr` has it: the parts without quotes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let (first, second, third) = (parts.next()?, parts.next()?, parts.next());
        match (first, second, third, parts.next()) {
            ("device", id, Some(what), None) => {
                let id = DeviceId::new(id).ok()?;
                match what.strip_prefix("input") {
                    Some(number) => {
                        let number = number.parse().ok().filter(|number| *number > 0)?;
                        Some(Self::Input(id, number))
                    }
                    None => Quantity::from_name(what).map(|quantity| Self::Device(id, quantity)),
                }
            }
            ("evse", id, Some("var"), Some(name)) => {
                let id = EvseId::new(id).ok()?;
                super::is_word(name).then(|| Self::EvseVariable(id, name.to_owned()))
            }
            ("evse", id, Some(what), None) => {
                let id = EvseId::new(id).ok()?;
                EvseName::find(what).map(|what| Self::Evse(id, what))
            }
            ("own", "var", Some(name), None) if super::is_word(name) => {
                Some(Self::OwnVariable(name.to_owned()))
            }
            ("own", what, None, None) => EvseName::find(what).map(Self::Own),
            ("site", what, None, None) => SiteName::find(what).map(Self::Site),
            ("time", what, None, None) => TimeName::find(what).map(Self::Time),
            ("run", what, None, None) => RunName::find(what).map(Self::Run),
            ("param", name, None, None) if super::is_word(name) => Some(Self::Parameter(name.to_owned())),
            ("var", name, None, None) if super::is_word(name) => Some(Self::Variable(name.to_owned())),
            _ => None,
        }
    }

    /// Of a rule that sets it.
    #[must_use]
    pub fn variable(name: &str, own: bool) -> Self {
        if own {
            Self::OwnVariable(name.to_owned())
        } else {
            Self::Variable(name.to_owned())
        }
    }

    /// Whether it is true or false instead of a number.
    #[must_use]
    pub const fn is_flag(&self) -> bool {
        match self {
            Self::Input(..) => true,
            Self::Evse(_, what) | Self::Own(what) => what.is_flag(),
            Self::Site(what) => what.is_flag(),
            Self::Time(what) => what.is_flag(),
            Self::Run(what) => what.is_flag(),
            Self::Device(..)
            | Self::Parameter(_)
            | Self::Variable(_)
            | Self::EvseVariable(..)
            | Self::OwnVariable(_) => false,
        }
    }
}

/// Without quotes.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(id, quantity) => write!(f, "device.{id}.{}", quantity.name()),
            Self::Input(id, number) => write!(f, "device.{id}.input{number}"),
            Self::Evse(id, what) => write!(f, "evse.{id}.{}", what.text()),
            Self::Own(what) => write!(f, "own.{}", what.text()),
            Self::Site(what) => write!(f, "site.{}", what.text()),
            Self::Time(what) => write!(f, "time.{}", what.text()),
            Self::Run(what) => write!(f, "run.{}", what.text()),
            Self::Parameter(name) => write!(f, "param.{name}"),
            Self::Variable(name) => write!(f, "var.{name}"),
            Self::EvseVariable(id, name) => write!(f, "evse.{id}.var.{name}"),
            Self::OwnVariable(name) => write!(f, "own.var.{name}"),
        }
    }
}
