//! What an account has: plants, loggers, devices.

use model::time::Now;
use serde_json::Value;

use super::caller::{AccountSettings, Answer, Caller};
use super::record::{int, list, text};
use crate::query;
use crate::shinemonitor::params::DeviceName;

/// As long as a page may be.
const PAGE: usize = 50;
/// Accounts of dealers have no end; this is one of an owner.
const MOST_PAGES: usize = 20;
const MOST_FAILURES: u32 = 3;

/// A plant of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPlant {
    pub number: i64,
    pub name: String,
}

/// A data logger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLogger {
    pub pn: String,
    pub alias: String,
    pub plant: Option<i64>,
    pub is_online: bool,
    /// How often it tells the cloud.
    pub period_s: Option<i64>,
}

/// A device behind a logger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDevice {
    pub name: DeviceName,
    pub alias: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Plants {
        page: usize,
    },
    Loggers {
        page: usize,
    },
    Devices {
        logger: usize,
    },
    /// Accounts of storage apps show their devices here, each app its own.
    Storage {
        page: usize,
    },
    Done,
}

/// Asks what an account has: send what [`Finder::request`] gives, feed the answer, until there is nothing more. Whoever
/// owns the socket leaves a second between two calls.
pub struct Finder {
    caller: Caller,
    step: Step,
    apps_tried: usize,
    failures: u32,
    pub plants: Vec<FoundPlant>,
    pub loggers: Vec<FoundLogger>,
    pub devices: Vec<FoundDevice>,
}

impl Finder {
    #[must_use]
    pub fn new(account: AccountSettings) -> Self {
        Self {
            caller: Caller::new(account),
            step: Step::Plants { page: 0 },
            apps_tried: 1,
            failures: 0,
            plants: Vec::new(),
            loggers: Vec::new(),
            devices: Vec::new(),
        }
    }

    /// What is asked next; `None` at the end.
    ///
    /// # Errors
    /// When the address is none.
    pub fn request(&mut self, now: Now) -> Result<Option<http::Request<Vec<u8>>>, String> {
        let call = match self.step {
            Step::Plants { page } => format!("queryPlants&page={page}&pagesize={PAGE}"),
            Step::Loggers { page } => format!("queryCollectors&page={page}&pagesize={PAGE}"),
            Step::Devices { logger } => match self.loggers.get(logger) {
                Some(logger) => format!("queryCollectorDevices&pn={}", query::encode(&logger.pn)),
                None => return Ok(None),
            },
            Step::Storage { page } => format!("webQueryDeviceEs&page={page}&pagesize={PAGE}"),
            Step::Done => return Ok(None),
        };
        self.caller.request(&call, now).map(Some)
    }

    /// # Errors
    /// When nothing more can be found out, in words of what to check.
    pub fn take(&mut self, reply: &http::Response<Vec<u8>>) -> Result<(), String> {
        match self.caller.answer(reply) {
            Answer::Again => Ok(()),
            Answer::Stopped(problem) => Err(problem),
            Answer::Failed { came, hint } => self.unanswered(&format!("{came}; {hint}")),
            Answer::Dat(dat) => {
                self.failures = 0;
                self.advance(&dat);
                Ok(())
            }
            // What is refused is not there for this account.
            Answer::Empty | Answer::Refused { .. } => {
                self.failures = 0;
                self.advance(&Value::Null);
                Ok(())
            }
        }
    }

    /// There was no answer.
    ///
    /// # Errors
    /// When that happened too often.
    pub fn unanswered(&mut self, problem: &str) -> Result<(), String> {
        self.caller.unanswered();
        self.failures += 1;
        if self.failures < MOST_FAILURES {
            return Ok(());
        }
        Err(format!("cannot read {}: {problem}", self.caller.url()))
    }

    fn advance(&mut self, dat: &Value) {
        self.step = match self.step {
            Step::Plants { page } => {
                let found = list(&dat["plant"]);
                self.plants.extend(found.iter().filter_map(plant));
                match next(page, found, dat) {
                    Some(page) => Step::Plants { page },
                    None => Step::Loggers { page: 0 },
                }
            }
            Step::Loggers { page } => {
                let found = list(&dat["collector"]);
                for logger in found.iter().filter_map(logger) {
                    if !self.loggers.iter().any(|known| known.pn == logger.pn) {
                        self.loggers.push(logger);
                    }
                }
                match next(page, found, dat) {
                    Some(page) => Step::Loggers { page },
                    None => self.devices_of(0),
                }
            }
            Step::Devices { logger } => {
                if let Some(pn) = self.loggers.get(logger).map(|logger| logger.pn.clone()) {
                    for found in list(&dat["dev"]) {
                        self.enter(device(found, Some(&pn), "alias"));
                    }
                }
                self.devices_of(logger + 1)
            }
            Step::Storage { page } => {
                let found = list(&dat["device"]);
                for found in found {
                    self.enter(device(found, None, "devalias"));
                }
                match next(page, found, dat) {
                    Some(page) => Step::Storage { page },
                    None if self.devices.is_empty() && self.apps_tried < self.caller.apps() => {
                        self.apps_tried += 1;
                        self.caller.next_app();
                        Step::Storage { page: 0 }
                    }
                    None => Step::Done,
                }
            }
            Step::Done => Step::Done,
        };
    }

    fn devices_of(&self, logger: usize) -> Step {
        if logger < self.loggers.len() {
            Step::Devices { logger }
        } else {
            Step::Storage { page: 0 }
        }
    }

    fn enter(&mut self, found: Option<FoundDevice>) {
        let Some(found) = found else { return };
        if !self.devices.iter().any(|known| known.name == found.name) {
            self.devices.push(found);
        }
    }
}

/// The page behind this one, if there is more.
fn next(page: usize, found: &[Value], dat: &Value) -> Option<usize> {
    let total = int(&dat["total"]).and_then(|total| usize::try_from(total).ok());
    let seen = (page + 1) * PAGE;
    (!found.is_empty() && page + 1 < MOST_PAGES && total.is_some_and(|total| total > seen))
        .then_some(page + 1)
}

fn plant(found: &Value) -> Option<FoundPlant> {
    Some(FoundPlant {
        number: int(&found["pid"])?,
        name: text(&found["name"]),
    })
}

fn logger(found: &Value) -> Option<FoundLogger> {
    let pn = text(&found["pn"]);
    (!pn.is_empty()).then(|| FoundLogger {
        pn,
        alias: text(&found["alias"]),
        plant: int(&found["pid"]),
        is_online: int(&found["status"]) == Some(0),
        period_s: int(&found["datFetch"]),
    })
}

/// Behind a logger that is known, or names itself.
fn device(found: &Value, pn: Option<&str>, alias: &str) -> Option<FoundDevice> {
    let own = text(&found["pn"]);
    let name = DeviceName {
        pn: pn.map_or(own, str::to_owned),
        devcode: int(&found["devcode"])?,
        devaddr: int(&found["devaddr"])?,
        sn: text(&found["sn"]),
    };
    // As it will be read back from a config file.
    let is_name = DeviceName::read(&name.to_string()).as_ref() == Some(&name);
    is_name.then(|| FoundDevice {
        name,
        alias: text(&found[alias]),
    })
}
