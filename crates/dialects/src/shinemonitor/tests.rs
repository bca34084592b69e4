//! The signatures and actions of the printed pages, and what foreign clients make of them.

mod actions;
mod cloud;
mod cloud_faults;
mod fixtures;
mod golden;
mod reading;
mod signatures;

use super::sign;

pub const SECRET: &str = "ffa1655ee3726840822063a02ac5017795809b18";
pub const TOKEN: &str = "88d22d819e31897eea2d9d5b9f7792cf4065ac5372aad3672f5e4e147cd25b5f";
pub const SALT: &str = "1491967717697";

/// A signed query of the session above, as a client sends it whose signature is over these very bytes.
pub fn signed(tail: &str) -> String {
    sent_as(tail, tail)
}

/// The same, where the client signs one spelling and sends another.
pub fn sent_as(signed: &str, sent: &str) -> String {
    let parts = [SALT, SECRET, TOKEN, signed].map(str::as_bytes);
    let sign = sign::hex_text(&sign::digest(&parts));
    format!("sign={sign}&salt={SALT}&token={TOKEN}{sent}")
}
