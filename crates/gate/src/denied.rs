//! Why the gate stays shut, and what went wrong inside it.

use store::StoreError;

/// Why a proof was not accepted, and what the caller should do. Says nothing about which part was wrong.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// Ask for another credential (HTTP 401). Repeated failures are answered late.
    #[error("the name, password, token or ticket is wrong or no longer valid")]
    Wrong,
    /// Sign in again (HTTP 401).
    #[error("the session is over; sign in again")]
    Ended,
    /// Ask whoever runs the site (HTTP 403). Said only to whoever has proved to be it.
    #[error("this account is disabled; ask whoever runs the site")]
    Disabled,
    /// Too many failures of one source wait for their answer already: try later (HTTP 429).
    #[error("too many failed attempts; try again in {retry_after_s} s")]
    TooMany { retry_after_s: u32 },
    /// Choose another password or name (HTTP 422).
    #[error("{what} does not do: {expected}")]
    Unfit {
        what: &'static str,
        expected: &'static str,
    },
    /// There is no such thing (HTTP 404).
    #[error("there is no {what} `{id}`")]
    Unknown { what: &'static str, id: String },
    /// Choose another (HTTP 409).
    #[error("{what} is taken already; choose another")]
    Taken { what: &'static str },
    /// Make somebody else an administrator first (HTTP 409).
    #[error("this is the last administrator who can sign in; make another one first")]
    LastAdmin,
    /// There is an administrator already: sign in (HTTP 409).
    #[error("this installation is set up already; sign in instead")]
    SetUpAlready,
    /// Nobody was asked: try again later (HTTP 503).
    #[error("the gate cannot answer now")]
    Unavailable(#[source] GateError),
}

/// What went wrong inside the gate, for the log.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("cannot {operation} the installation key {path}: {cause}")]
    Key {
        operation: &'static str,
        path: String,
        cause: String,
    },
    #[error(
        "cannot open secret `{name}` of kind `{kind}`: it was sealed with another installation key; restore the key file or set the secret again"
    )]
    Sealed { kind: String, name: String },
    #[error("cannot get random numbers from the operating system: {0}")]
    Random(getrandom::Error),
    #[error("cannot hash a password: {0}")]
    Hash(String),
    #[error("cannot write a record of the gate: {0}")]
    Encode(String),
    #[error("`{given}` is no {what}: expected {expected}")]
    Invalid {
        what: &'static str,
        given: String,
        expected: &'static str,
    },
}

impl Denied {
    pub(crate) fn unknown(what: &'static str, id: &str) -> Self {
        let id = id.chars().take(80).collect();
        Self::Unknown { what, id }
    }
}

impl From<GateError> for Denied {
    fn from(error: GateError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.into())
    }
}
