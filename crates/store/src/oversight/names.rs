//! Distinct texts in their order as bytes: each as so many bytes of the one before and what differs.

use super::parts::{EARLY, take_bytes};
use crate::history::varint::{put, take};

/// Bytes that a text may take from the one before, so that damage cannot blow up.
const SHARED: usize = 255;

pub fn put_names<'a>(bytes: &mut Vec<u8>, names: impl ExactSizeIterator<Item = &'a str>) {
    put(bytes, names.len() as u64);
    let mut before = "";
    for name in names {
        let same = before.bytes().zip(name.bytes()).take(SHARED);
        let shared = same.take_while(|(a, b)| a == b).count();
        put(bytes, shared as u64);
        put(bytes, (name.len() - shared) as u64);
        bytes.extend_from_slice(&name.as_bytes()[shared..]);
        before = name;
    }
}

/// At most so many.
pub fn take_names(rest: &mut &[u8], most: usize) -> Result<Vec<String>, &'static str> {
    let next = |rest: &mut &[u8]| take(rest).ok_or(EARLY);
    let count = usize::try_from(next(rest)?).unwrap_or(usize::MAX);
    // Each has at least its two lengths.
    if count > most || count > rest.len() / 2 {
        return Err("it says more texts than it can have");
    }
    let mut names: Vec<String> = Vec::with_capacity(count);
    for _ in 0..count {
        let shared = usize::try_from(next(rest)?).unwrap_or(usize::MAX);
        let before = names.last().map_or(&[][..], |before| before.as_bytes());
        let shared = before.get(..shared).filter(|shared| shared.len() <= SHARED);
        let mut name = shared
            .ok_or("a text begins with more than the one before has")?
            .to_vec();
        let differs = next(rest)?;
        name.extend_from_slice(take_bytes(rest, differs)?);
        names.push(String::from_utf8(name).map_err(|_| "a text is none")?);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_share_what_they_begin_with() {
        let long = "x".repeat(400);
        for (names, most) in [
            (vec![], 1),
            (vec![""], 3),
            (vec!["P0001", "P0002", "P0010", "Q"], 19),
            // What differs may begin within a character.
            (vec!["aä", "aö", "aöü"], 15),
            (vec![long.as_str(), &format!("{long}y")], 700),
        ] {
            let mut bytes = Vec::new();
            put_names(&mut bytes, names.iter().copied());
            assert!(bytes.len() <= most, "{names:?}: {} bytes", bytes.len());
            assert_eq!(take_names(&mut bytes.as_slice(), names.len()).unwrap(), names);
            if !names.is_empty() {
                assert!(take_names(&mut bytes.as_slice(), names.len() - 1).is_err());
                assert!(take_names(&mut &bytes[..bytes.len() - 1], 9).is_err() || bytes.ends_with(&[0]));
            }
        }
        for bytes in [
            &[1, 1, 0][..],
            &[200, 1, 0, 0],
            &[1, 0, 1, 0xff],
            &[2, 0, 1, b'a', 2, 0],
        ] {
            assert!(take_names(&mut &*bytes, 9).is_err(), "{bytes:?}");
        }
    }
}
