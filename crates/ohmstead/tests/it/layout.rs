//! Which way dependencies point. The same table stands in `ARCHITECTURE.md`.

use std::collections::BTreeSet;

use super::metadata::Metadata;

/// Each crate, what of ours it may use, and what it must never see, by way of others included.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("expr", &[], &["serde", "tokio"]),
    ("model", &[], &["tokio", "axum", "rusqlite"]),
    ("links", &[], &["model", "dialects"]),
    (
        "control",
        &["model", "expr"],
        &["tokio", "dialects", "store", "rusqlite"],
    ),
    ("dialects", &["model", "expr"], &["tokio", "hyper", "rusqlite"]),
    ("bus", &["model"], &["dialects", "store", "rusqlite"]),
    ("store", &["model"], &["bus", "dialects"]),
    ("gate", &["model", "store"], &["dialects", "hyper", "links"]),
    (
        "engine",
        &["model", "expr", "control", "bus", "store", "gate"],
        &["dialects", "hyper", "links"],
    ),
    (
        "south",
        &["model", "dialects", "links", "bus", "gate"],
        &["control", "engine"],
    ),
    (
        "north",
        &["model", "expr", "dialects", "links", "bus", "store", "gate"],
        &["control", "engine", "south"],
    ),
    ("sim", &["model", "dialects", "links"], &["store", "bus"]),
    (
        "ohmstead",
        &[
            "expr", "model", "links", "control", "dialects", "bus", "store", "gate", "engine", "south",
            "north", "sim",
        ],
        &[],
    ),
];

#[test]
fn every_crate_uses_only_what_the_table_allows() {
    let metadata = Metadata::read();
    let mut names: BTreeSet<&str> = TABLE.iter().map(|(name, ..)| *name).collect();
    for id in &metadata.members {
        let name = metadata.name(id);
        let Some((_, allowed, never)) = TABLE.iter().find(|(crate_name, ..)| *crate_name == name) else {
            panic!("crate {name} has no row in the table");
        };
        names.remove(name);
        for used in metadata.ours(id) {
            assert!(
                allowed.contains(&used),
                "{name} uses {used}, which the table does not allow"
            );
        }
        let closure = metadata.closure(id);
        for banned in *never {
            assert!(!closure.contains(banned), "{name} must never see {banned}");
        }
    }
    assert!(names.is_empty(), "rows without a crate: {names:?}");
}

#[test]
fn the_architecture_page_shows_the_same_table() {
    let page = include_str!("../../../../ARCHITECTURE.md");
    for (name, allowed, _) in TABLE.iter().filter(|(name, ..)| *name != "ohmstead") {
        let row = if allowed.is_empty() {
            format!("| `{name}` | - |")
        } else {
            format!("| `{name}` | {} |", allowed.join(", "))
        };
        assert!(page.contains(&row), "ARCHITECTURE.md misses the row {row}");
    }
}
