//! Platforms that supervise operators.

pub(crate) mod uploads;
