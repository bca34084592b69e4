//! Columns of times, each stored once however many blocks have it.
//!
//! A device answers with all its values at once, so its series have the same times: kept apart they would cost
//! more than the values. A column is found by its first second and its content. Nothing counts who uses it: a
//! block has the same first second, so columns go when no block can be that old any more.

use std::collections::BTreeMap;

use super::column;
use crate::sql::{Failure, Sql, params};

/// Lower bits of an id, which come from the content.
const BITS: u32 = 27;
/// Columns of the same second that have the same lower bits, at most.
const PROBES: i64 = 64;
/// Columns removed at a time.
const BITE: u32 = 64;

/// The columns that a transaction has already found or stored, by first second, content and proof: the series of a
/// device come one after the other.
#[derive(Default)]
pub struct Clocks(BTreeMap<(i64, i64), i64>);

impl Clocks {
    /// The id of a column, which is stored if there is none like it. All 91 bits that are compared being equal by
    /// chance is not expected in the life of any installation.
    pub fn keep(&mut self, sql: &dyn Sql, times: &[i64]) -> Result<i64, Failure> {
        let (low, proof) = digest(times);
        let start = id(times.first().copied().unwrap_or(0)) | low;
        if let Some(id) = self.0.get(&(start, proof)) {
            return Ok(*id);
        }
        for id in start..start + PROBES {
            let found = sql.first("SELECT proof FROM clock WHERE id = ?1", params![id], |row| {
                row.int(0)
            })?;
            if found.is_some_and(|held| held != proof) {
                continue;
            }
            if found.is_none() {
                let packed = column::pack_times(times)?;
                sql.write(
                    "INSERT INTO clock (id, proof, times) VALUES (?1, ?2, ?3)",
                    params![id, proof, &packed],
                )?;
            }
            self.0.insert((start, proof), id);
            return Ok(id);
        }
        Err(Failure::Damaged("too many columns of times are alike".to_owned()))
    }
}

/// Removes some columns that begin before a time, at which no block begins any more. Answers whether there were.
pub fn remove(sql: &dyn Sql, before_ms: i64) -> Result<bool, Failure> {
    let removed = sql.execute(
        "DELETE FROM clock WHERE id < ?1 AND id IN (SELECT id FROM clock ORDER BY id LIMIT ?2)",
        params![id(before_ms), BITE],
    )?;
    Ok(removed > 0)
}

/// The least id of a second.
const fn id(at_ms: i64) -> i64 {
    at_ms.div_euclid(1_000) << BITS
}

/// Bits for the id, and more to compare.
fn digest(times: &[i64]) -> (i64, i64) {
    let (mut one, mut two) = (0x9e37_79b9_7f4a_7c15_u64, times.len() as u64);
    for at in times {
        let at = at.cast_unsigned();
        one = (one ^ at).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29);
        two = (two.rotate_left(23) ^ at).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    }
    let low = (one ^ one >> 32) & ((1 << BITS) - 1);
    (low.cast_signed(), (two ^ two >> 31).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_differ_have_other_digests() {
        let column: Vec<i64> = (0..1_000).map(|n| 1_700_000_000_000 + n * 1_000).collect();
        let known = digest(&column);
        assert_eq!(known, digest(&column.clone()));
        for place in [0, 1, 500, 999] {
            for change in [-1, 1, 1 << 40] {
                let mut other = column.clone();
                other[place] += change;
                let found = digest(&other);
                assert!(found.0 != known.0 && found.1 != known.1, "{place} {change}");
            }
        }
        assert_ne!(digest(&column[..999]), known);
        assert_ne!(digest(&[]), digest(&[0]));
    }
}
