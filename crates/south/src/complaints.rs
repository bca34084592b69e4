//! Which nonsense of a device has been logged already.

use std::collections::BTreeMap;

use dialects::ReplyError;

/// Different requests whose answers are remembered. A device has a dozen at most.
const REMEMBERED: usize = 32;

/// Remembers what has been complained about. What came is not compared: an error page with the time of day
/// in it is still the same error page.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    expected: BTreeMap<String, String>,
}

impl Complaints {
    /// Whether this is the first time, or different from the last time for the same request.
    pub fn is_new(&mut self, error: &ReplyError) -> bool {
        if self.expected.get(&error.asked) == Some(&error.expected) {
            return false;
        }
        if self.expected.len() >= REMEMBERED {
            self.expected.clear();
        }
        self.expected.insert(error.asked.clone(), error.expected.clone());
        true
    }

    /// The device was off or is back: what it says from now on is news again.
    pub fn forget(&mut self) {
        self.expected.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(asked: &str, came: &str, expected: &str) -> ReplyError {
        ReplyError {
            asked: asked.to_owned(),
            came: came.to_owned(),
            expected: expected.to_owned(),
        }
    }

    #[test]
    fn the_same_nonsense_is_told_once() {
        let mut complaints = Complaints::default();
        for (case, is_new) in [
            (error("status", "<html>12:00", "JSON"), true),
            (error("status", "<html>12:01", "JSON"), false),
            (error("set", "<html>12:01", "JSON"), true),
            (error("status", "{}", "key `car`"), true),
            (error("set", "<html>12:02", "JSON"), false),
        ] {
            assert_eq!(complaints.is_new(&case), is_new, "{case}");
        }
        complaints.forget();
        assert!(complaints.is_new(&error("set", "<html>12:03", "JSON")));
    }

    #[test]
    fn a_device_with_ever_new_requests_takes_no_memory() {
        let mut complaints = Complaints::default();
        for n in 0..1_000 {
            complaints.is_new(&error(&n.to_string(), "", ""));
        }
        assert!(complaints.expected.len() <= REMEMBERED);
    }
}
