//! The WebSocket of a charger (`/ws`), which its app uses: frames and the password.
//!
//! | file | what it knows |
//! |---|---|
//! | `frame` | what either side says, from and to the bytes of a WebSocket message |
//! | `hash` | how a password becomes a key, an answer and a signature |
//! | `msgpack` | the binary form of a frame |
//!
//! Pure: who dials and who listens is elsewhere. Source: reference 6.

pub mod frame;
pub mod hash;
mod msgpack;

pub use frame::{Auth, AuthRequired, FrameError, FromCharger, Hello, Response, SetValue, ToCharger};
pub use hash::{HashKind, PasswordKey};
