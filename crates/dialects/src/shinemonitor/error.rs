//! Refusals in this dialect's words. The names are part of the interface.

use model::intent::Rejection;

use super::rc4::Undecodable;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        /// What a refusal says, beside its detail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name = $number,)*
        }

        impl Code {
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            #[must_use]
            pub const fn number(self) -> u16 {
                self as u16
            }
        }
    };
}

codes! {
    Failed = 1 "ERR_FAIL",
    TimedOut = 2 "ERR_TIMEOUT",
    Internal = 3 "ERR_SYSTEM_EXCEPTION",
    Signature = 4 "ERR_SIGN",
    Salt = 5 "ERR_SALT",
    /// Always with the name of the parameter.
    Format = 6 "ERR_FORMAT",
    /// At login only: clients log in again when they read it.
    Missing = 7 "ERR_MISSING_PARAMETER",
    Forbidden = 8 "ERR_FORBIDDEN",
    Unsupported = 9 "ERR_UNSUPPORTED",
    /// Token missing, unknown or expired.
    NotAuthenticated = 10 "ERR_NO_AUTH",
    NoPermission = 11 "ERR_NO_PERMISSION",
    NoRecord = 12 "ERR_NO_RECORD",
    TooMany = 13 "ERR_OVER_LIMITED",
    CompanyKey = 15 "ERR_NOT_FOUND_COMPANY_KEY",
    /// Also an unknown user at login.
    WrongPassword = 16 "ERR_PASSWORD_VERIF_FAIL",
    PasswordForm = 17 "ERR_PASSWORD_FORMAT_ERROR",
    NameTaken = 24 "ERR_USR_NAME_DUPLICATE",
    /// Only after a right password.
    Frozen = 25 "ERR_USR_DISABLED",
    NoCollector = 257 "ERR_NOT_FOUND_COLLECTOR",
    NoDevice = 258 "ERR_NOT_FOUND_DEVICE",
    BadPn = 259 "ERR_INVALID_PN",
    NoPlant = 260 "ERR_NOT_FOUND_PLANT",
    NoUser = 261 "ERR_NOT_FOUND_USR",
    DeviceOffline = 262 "ERR_DEVICE_OFFLINE",
    CollectorOffline = 263 "ERR_COLLECTOR_OFFLINE",
    NoWarning = 264 "ERR_NOT_FOUND_DEVICE_WARNING",
    CollectorExists = 522 "ERR_COLLECTOR_EXISTED",
}

/// Why a request is not answered with data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    detail: Option<String>,
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code, detail: None }
    }
}

impl Refusal {
    /// A parameter is missing or makes no sense.
    #[must_use]
    pub fn format(name: &str) -> Self {
        Self {
            code: Code::Format,
            detail: Some(format!("can not found {name}")),
        }
    }

    /// The name is the caller's: it is cut, and control characters are dropped.
    #[must_use]
    pub fn unknown_action(name: &str) -> Self {
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        Self {
            code: Code::Forbidden,
            detail: Some(format!("can not found action: {name}")),
        }
    }

    /// The `desc` of the answer.
    #[must_use]
    pub fn text(&self) -> String {
        let name = self.code.name();
        match &self.detail {
            Some(detail) => format!("{name}({detail})"),
            None => name.to_owned(),
        }
    }
}

impl From<&Rejection> for Refusal {
    fn from(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::Unknown { .. } => Code::NoDevice.into(),
            Rejection::NotAllowed { .. } => Code::NoPermission.into(),
            Rejection::OutOfRange { .. } => Self::format("val"),
            Rejection::NotSupported { .. } => Code::Unsupported.into(),
            Rejection::Offline { .. } => Code::DeviceOffline.into(),
            Rejection::Device { .. } => Code::Failed.into(),
            Rejection::Busy { .. } => Code::TimedOut.into(),
            Rejection::NotStored { .. } => Code::Internal.into(),
        }
    }
}

impl From<Undecodable> for Refusal {
    fn from(why: Undecodable) -> Self {
        match why {
            Undecodable::Form => Code::PasswordForm.into(),
            Undecodable::Key => Code::WrongPassword.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_worded_as_the_original_words_them() {
        let check = |refusal: Refusal, number: u16, text: &str| {
            assert_eq!((refusal.code.number(), refusal.text().as_str()), (number, text));
        };
        check(Code::NotAuthenticated.into(), 10, "ERR_NO_AUTH");
        check(Refusal::format("devcode"), 6, "ERR_FORMAT(can not found devcode)");
        check(
            Refusal::unknown_action(""),
            8,
            "ERR_FORBIDDEN(can not found action: )",
        );
        let long = format!("a\r\n\u{7f}{}", "b".repeat(100));
        let text = Refusal::unknown_action(&long).text();
        assert_eq!(
            text,
            format!("ERR_FORBIDDEN(can not found action: a{})", "b".repeat(63))
        );
    }

    #[test]
    fn inner_detail_of_the_desk_stays_inside() {
        let why = || "disk of host db7 is full".to_owned();
        for (rejection, expected) in [
            (
                Rejection::Unknown {
                    what: why(),
                    id: why(),
                },
                "ERR_NOT_FOUND_DEVICE",
            ),
            (Rejection::NotAllowed { why: why() }, "ERR_NO_PERMISSION"),
            (
                Rejection::OutOfRange {
                    what: why(),
                    given: why(),
                    expected: why(),
                },
                "ERR_FORMAT(can not found val)",
            ),
            (Rejection::NotSupported { what: why() }, "ERR_UNSUPPORTED"),
            (
                Rejection::Offline {
                    what: why(),
                    last_seen: why(),
                },
                "ERR_DEVICE_OFFLINE",
            ),
            (Rejection::Device { said: why() }, "ERR_FAIL"),
            (Rejection::Busy { why: why() }, "ERR_TIMEOUT"),
            (Rejection::NotStored { why: why() }, "ERR_SYSTEM_EXCEPTION"),
        ] {
            assert_eq!(Refusal::from(&rejection).text(), expected);
        }
    }
}
