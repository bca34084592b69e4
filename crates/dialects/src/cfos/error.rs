//! Refusals in this dialect's words.
//!
//! The API answers every request with JSON; what is refused gets a plain string and HTTP 200, because
//! clients take any other status for a broken connection. The vendor documents one such text,
//! `bad modbus register size`; these are in its style.

/// The request names no command, or one that is not answered.
pub const UNKNOWN_COMMAND: &str = "unknown command";
/// There is no site of that name.
pub const UNKNOWN_SITE: &str = "unknown site";
/// The site has just been started and nothing is known of it yet.
pub const STARTING: &str = "starting";

/// A text as the body of an answer.
#[must_use]
pub fn body(text: &str) -> Vec<u8> {
    serde_json::Value::from(text).to_string().into_bytes()
}
