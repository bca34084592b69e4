//! The definitions that come with the program.
//!
//! A file in `definitions/eybond` becomes one of them by its line here; a test compares the two.

/// Name of the definition, which is that of its file, and its text.
pub(super) const FILES: [(&str, &str); 3] = [
    ("pi18", include_str!("../../../../definitions/eybond/pi18.toml")),
    ("pi30", include_str!("../../../../definitions/eybond/pi30.toml")),
    ("smg", include_str!("../../../../definitions/eybond/smg.toml")),
];
