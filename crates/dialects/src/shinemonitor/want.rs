//! What an action needs beside what is known without waiting: fetched for it, then handed back in this order.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::alarm::Alarm;
use model::id::{DeviceId, EvseId, SiteId};
use model::intent::Wanted;
use model::reading::Quantity;
use model::site::Position;
use model::time::{Millis, Timestamp};
use model::units::WattHours;

use super::error::Refusal;
use super::scene::{Account, Sheet};

/// Whose values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Device(DeviceId),
    /// An EVSE of a charging station that has several.
    Evse(EvseId),
    /// The load of the house.
    House,
}

/// One series of the history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    pub site: SiteId,
    pub subject: Subject,
    pub quantity: Quantity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    Day,
    Month,
    Year,
}

/// Of an action there are a few: where plants are summed up one for each time zone, where they are listed at most
/// four for each of the 50 on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// What the counters rose together in each period of the local days `from..to`.
    Energy {
        of: Vec<Series>,
        zone: TimeZone,
        from: Date,
        to: Date,
        per: Per,
    },
    /// What the counters show.
    Newest(Vec<Series>),
    /// What they rose in each local year, from that of their first reading to that of `to`.
    Years {
        of: Vec<Series>,
        zone: TimeZone,
        to: Date,
    },
    /// The last value of each step of `from..to` in which there is one.
    Curve {
        of: Vec<Series>,
        from: Timestamp,
        to: Timestamp,
        step: Millis,
    },
    /// Alarms of these sites, the latest first.
    Alarms { sites: Vec<SiteId> },
    /// The answer is `Got::Done`.
    Do(Deed),
}

/// Something that changes something. Rights of the account have been looked at; who carries it out looks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A wish for the desk.
    Wanted {
        site: SiteId,
        wanted: Wanted,
    },
    /// The sheet as it is to be from now on.
    EditPlant {
        pid: i64,
        name: Option<String>,
        position: Option<Position>,
        sheet: Box<Sheet>,
    },
    /// A session beside the one that asks.
    Renew,
    /// `sent` is decoded by whoever has the present password, with [`super::rc4::decode`].
    ChangePassword {
        sent: String,
    },
    /// `sent` is encoded with the secret of the session.
    AddBrowser {
        name: String,
        sent: String,
        mobile: String,
        email: String,
        description: String,
        is_enabled: bool,
        plants: Vec<i64>,
    },
    AddLogger {
        pid: i64,
        pn: String,
        code: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// One for each period; `None` where none of the series has a reading.
    Energy(Vec<Option<WattHours>>),
    Newest(Vec<Option<i64>>),
    Years(Vec<(i16, WattHours)>),
    /// For each series its steps in order, by their start.
    Curve(Vec<Vec<(Timestamp, i64)>>),
    Alarms(Vec<Alarm>),
    Done(Result<Done, Refusal>),
}

/// What came of a deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// There is no more to say.
    Plain,
    /// What the device answered, if it says more than yes.
    Answered(Option<Vec<u8>>),
    Session(Box<Session>),
}

/// A session that has been opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    pub token: String,
    pub secret: String,
    /// How long both live.
    pub lasts: Millis,
    pub account: Account,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("uid", &self.account.uid)
            .field("lasts", &self.lasts)
            .finish_non_exhaustive()
    }
}

/// What was fetched, taken out one after the other.
#[derive(Debug)]
pub struct Fetched(std::vec::IntoIter<Got>);

impl Fetched {
    #[must_use]
    pub fn new(got: Vec<Got>) -> Self {
        Self(got.into_iter())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    fn take<T>(&mut self, pick: impl FnOnce(Got) -> Option<T>) -> Result<T, Refusal> {
        let found = self.0.next().and_then(pick);
        found.ok_or_else(|| super::error::Code::Internal.into())
    }

    pub fn energy(&mut self) -> Result<Vec<Option<WattHours>>, Refusal> {
        self.take(|got| {
            if let Got::Energy(rows) = got {
                Some(rows)
            } else {
                None
            }
        })
    }

    pub fn newest(&mut self) -> Result<Vec<Option<i64>>, Refusal> {
        self.take(|got| {
            if let Got::Newest(values) = got {
                Some(values)
            } else {
                None
            }
        })
    }

    pub fn years(&mut self) -> Result<Vec<(i16, WattHours)>, Refusal> {
        self.take(|got| {
            if let Got::Years(years) = got {
                Some(years)
            } else {
                None
            }
        })
    }

    pub fn curve(&mut self) -> Result<Vec<Vec<(Timestamp, i64)>>, Refusal> {
        self.take(|got| {
            if let Got::Curve(rows) = got {
                Some(rows)
            } else {
                None
            }
        })
    }

    pub fn alarms(&mut self) -> Result<Vec<Alarm>, Refusal> {
        self.take(|got| {
            if let Got::Alarms(alarms) = got {
                Some(alarms)
            } else {
                None
            }
        })
    }

    pub fn done(&mut self) -> Result<Done, Refusal> {
        self.take(|got| {
            if let Got::Done(done) = got {
                Some(done)
            } else {
                None
            }
        })?
    }
}
