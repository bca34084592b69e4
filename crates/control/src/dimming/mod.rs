//! What devices keep while the grid operator dims them (section 14a EnWG, Germany).
//!
//! With an energy manager and `n` devices: 4.2 kW for the first, and for each further one 4.2 kW times a
//! factor of simultaneity that falls with `n`.

pub mod factors;

use model::units::Watts;

/// What each device keeps when it is dimmed alone.
pub const EACH: Watts = Watts(4_200);

/// What `n` devices may take from the grid together while they are dimmed.
#[must_use]
pub fn floor(n: usize) -> Watts {
    let Some(others) = n.checked_sub(1) else {
        return Watts::ZERO;
    };
    let factor = factors::simultaneity(n).0;
    let others = i64::try_from(others).unwrap_or(i64::MAX / EACH.0 / 1_000);
    Watts(EACH.0 + others.saturating_mul(EACH.0 * factor) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_further_device_adds_less() {
        let floors = [0, 1, 2, 3, 9, 10].map(|n| floor(n).0);
        assert_eq!(floors, [0, 4_200, 7_560, 10_500, 19_320, 21_210]);
        for n in 1..40 {
            assert!(floor(n + 1) > floor(n), "{n}");
        }
    }
}
