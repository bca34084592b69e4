//! Which way dependencies point, and where dialects may be named. The table of the former stands in
//! `ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

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
        "oversight",
        &["model", "expr", "store"],
        &["dialects", "hyper", "links", "bus", "gate"],
    ),
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
        &[
            "model",
            "expr",
            "dialects",
            "links",
            "bus",
            "store",
            "gate",
            "oversight",
        ],
        &["control", "engine", "south"],
    ),
    ("sim", &["model", "dialects", "links"], &["store", "bus"]),
    (
        "ohmstead",
        &[
            "expr",
            "model",
            "links",
            "control",
            "dialects",
            "bus",
            "store",
            "gate",
            "engine",
            "south",
            "north",
            "oversight",
            "sim",
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

/// Names of dialects. Under its name a dialect has one file or folder in each room that speaks it.
const DIALECTS: [&str; 6] = ["goe", "cfos", "sunspec", "shinemonitor", "eybond", "supervision"];

/// Where dialects are registered, a line or an arm for each.
const REGISTRIES: [&str; 13] = [
    "dialects/src/clouds.rs",
    "dialects/src/lib.rs",
    "model/src/device.rs",
    "model/src/gateway.rs",
    "model/src/settings/mod.rs",
    "north/src/door.rs",
    "north/src/native/settings/mod.rs",
    "ohmstead/src/commands/demo/mod.rs",
    "ohmstead/src/config/gateway.rs",
    "ohmstead/src/config/link.rs",
    "ohmstead/src/config/mod.rs",
    "sim/src/device.rs",
    "south/src/driver.rs",
];

/// Lines elsewhere that name a dialect. A new dialect would have to add to them, so their number may only
/// shrink, and no file may be added.
const NAMED: &[(&str, usize)] = &[
    ("dialects/src/modbus/catalogue.rs", 2),
    ("dialects/src/modbus/mod.rs", 1),
    ("gate/src/address.rs", 3),
    ("model/src/document.rs", 2),
    ("model/src/intent.rs", 1),
    ("north/src/native/wire/mod.rs", 3),
    ("north/src/native/wire/settings.rs", 6),
    ("north/src/native/wire/user.rs", 1),
    ("ohmstead/src/args.rs", 1),
    ("ohmstead/src/commands/demo/yard.rs", 2),
    ("ohmstead/src/commands/tls.rs", 1),
    ("ohmstead/src/config/section.rs", 1),
    ("sim/src/body.rs", 1),
    ("sim/src/demo.rs", 18),
    ("sim/src/fault.rs", 4),
    ("sim/src/settings.rs", 11),
    ("south/src/discover.rs", 1),
    ("south/src/fake.rs", 1),
    ("south/src/modbus.rs", 4),
    ("store/src/lib.rs", 1),
];

#[test]
fn a_dialect_is_named_only_where_it_is_registered() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for entry in fs::read_dir(&crates).unwrap() {
        sources(&entry.unwrap().path().join("src"), &mut files);
    }
    let found: BTreeMap<String, usize> = files
        .iter()
        .map(|file| (file.strip_prefix(&crates).unwrap().to_str().unwrap(), file))
        .filter(|(name, _)| !is_registered(name))
        .map(|(name, file)| {
            (
                name.to_owned(),
                lines_that_name(&fs::read_to_string(file).unwrap()),
            )
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    let listed: BTreeMap<String, usize> = NAMED.iter().map(|(file, n)| ((*file).to_owned(), *n)).collect();
    let mut wrong = Vec::new();
    for name in found.keys().chain(listed.keys()).collect::<BTreeSet<_>>() {
        let count = |of: &BTreeMap<String, usize>| of.get(name).copied().unwrap_or_default();
        match (count(&found), count(&listed)) {
            (found, listed) if found > listed => wrong.push(format!(
                "{name} names a dialect in {found} lines, not {listed}: give the dialect a file of its own there"
            )),
            (found, listed) if found < listed => wrong.push(format!(
                "{name} names a dialect in {found} lines only: shrink its row to that"
            )),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn words_of_dialects_are_found_in_names_of_ours() {
    for (line, is_named) in [
        ("use crate::goe::Sheets;", true),
        ("Wanted::Goe(GoeLink::http(url))", true),
        ("let goe_token = 1;", true),
        ("const GOE_TOKEN: &str = \"t\";", true),
        ("/// The `go-eCharger`.", true),
        ("it goes on and foregoes nothing", false),
        ("let category = ego_energy;", false),
        ("pub mod goe;", false),
        ("mod goe { use x; }", true),
    ] {
        assert_eq!(lines_that_name(line), usize::from(is_named), "{line}");
    }
    for (name, expected) in [
        ("north/src/goe/caller.rs", true),
        ("north/src/native/goe.rs", true),
        ("dialects/src/lib.rs", true),
        ("engine/src/tests.rs", true),
        ("gate/src/goe_door.rs", false),
        ("north/src/lib.rs", false),
    ] {
        assert_eq!(is_registered(name), expected, "{name}");
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// Files of a dialect, registries, and tests.
fn is_registered(name: &str) -> bool {
    let is_its = |part: &str| {
        let stem = part.trim_end_matches(".rs");
        DIALECTS.contains(&stem) || stem == "tests" || stem == "contract"
    };
    REGISTRIES.contains(&name) || name.split('/').any(is_its)
}

/// Not counting those that only say where a dialect's own file is.
fn lines_that_name(text: &str) -> usize {
    let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let is_declaration = |line: &str| {
        let line = line.trim();
        line.ends_with(';') && (line.starts_with("mod ") || line.starts_with("pub mod "))
    };
    production
        .lines()
        .filter(|line| !is_declaration(line))
        .filter(|line| {
            line.to_lowercase().contains("go-e") || words(line).any(|word| DIALECTS.contains(&&*word))
        })
        .count()
}

/// The words that names are made of: `goe` and `link` of `GoeLink`.
fn words(line: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in line.chars() {
        let begins = letter.is_uppercase() && before.is_lowercase();
        if begins || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().unwrap().extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.into_iter()
}
