//! Numbers that differ from name to name, and for one name are the same on every run, machine and toolchain.
//!
//! For spreading what would otherwise happen at once, and for seeds. Never for secrets.

/// What a hash begins with.
pub const START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, going on from an earlier hash or [`START`].
#[must_use]
pub fn hash(from: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(from, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_published_function() {
        for (text, expected) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(hash(START, text.as_bytes()), expected, "{text}");
        }
        assert_eq!(hash(hash(START, b"foo"), b"bar"), hash(START, b"foobar"));
    }
}
