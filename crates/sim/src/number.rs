//! Between the floats of formulas and the integers of everything else.

#[allow(
    clippy::cast_precision_loss,
    reason = "watts, milliseconds and energies here stay far below 2^53"
)]
pub(crate) fn as_f64(value: i64) -> f64 {
    value as f64
}

/// To the nearest whole number; not-a-number is zero.
#[allow(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and formulas here give small numbers"
)]
pub(crate) fn rounded(value: f64) -> i64 {
    libm::round(value) as i64
}

/// How far a first-order lag with time constant `tau_ms` goes in `dt_ms`: 0 to 1.
pub(crate) fn lag_share(dt_ms: i64, tau_ms: i64) -> f64 {
    1.0 - libm::exp(-as_f64(dt_ms) / as_f64(tau_ms.max(1)))
}
