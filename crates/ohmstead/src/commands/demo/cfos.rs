//! The Charging Manager that cFos clients see.

use super::tell::Told;

pub fn tell(base: &str) -> Told {
    Told {
        json: None,
        rows: vec![("cFos", format!("{base}/cnf?cmd=get_dev_info"))],
    }
}
