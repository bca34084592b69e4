//! The doors, tried without sockets: a router over an in-process bus, a store in memory and a real gate.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod at_once;
mod backup;
mod cfos;
mod energy;
mod events;
mod goe;
mod goe_keys;
mod history;
mod month;
mod native;
mod outbox;
mod outbox_kill;
mod reporting;
mod rest;
mod rules;
mod session;
mod sessions;
mod settings;
mod shinemonitor;
mod solar;
mod supervision;
mod supervision_pages;
mod tariffs;
mod users;
mod vehicles;
mod world;
