//! What a request asks for.

use crate::query::{decode, pairs};

/// One request to `/cnf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    GetDevInfo,
    /// None, or one that is not answered.
    Unknown,
}

/// Reads a query without its `?`.
///
/// Names and commands are read in any case. One client encodes the whole query, so where no `cmd` is found
/// it is decoded once and read again. A stray quotation mark behind a value, as in the vendor's own
/// examples, is dropped.
#[must_use]
pub fn command(query: &str) -> Command {
    let name = command_name(query).or_else(|| command_name(&decode(query)));
    match name.as_deref() {
        Some("get_dev_info") => Command::GetDevInfo,
        Some(_) | None => Command::Unknown,
    }
}

fn command_name(query: &str) -> Option<String> {
    let (_, value) = pairs(query)
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("cmd"))?;
    Some(value.trim().trim_end_matches('"').to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_found_however_it_is_written() {
        for (query, expected) in [
            ("cmd=get_dev_info", Command::GetDevInfo),
            ("CMD=Get_Dev_Info", Command::GetDevInfo),
            ("cmd%3Dget_dev_info", Command::GetDevInfo),
            ("x=1&cmd=get_dev_info&_=1699999999", Command::GetDevInfo),
            ("x%3D1%26cmd%3Dget_dev_info", Command::GetDevInfo),
            ("cmd=get_dev_info\"", Command::GetDevInfo),
            ("cmd=reboot", Command::Unknown),
            ("cmd=", Command::Unknown),
            ("get_dev_info", Command::Unknown),
            ("", Command::Unknown),
            ("%", Command::Unknown),
        ] {
            assert_eq!(command(query), expected, "{query}");
        }
    }
}
