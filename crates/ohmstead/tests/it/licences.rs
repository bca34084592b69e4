//! Licences, sources and bans of everything that is built in or builds with.

use serde_json::Value;

use super::metadata::Metadata;

const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "CC-BY-4.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Python-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages under another licence, each with the reason why that is fine.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("axe-core", "MPL-2.0; used unmodified, in browser tests only"),
    (
        "webpki-root-certs",
        "CDLA-Permissive-2.0, a permissive licence for data; not built on Linux",
    ),
    (
        "lightningcss",
        "MPL-2.0; used unmodified, when the page is built only",
    ),
];

/// Native TLS and a second runtime would be a second way of doing one thing.
const BANNED: &[&str] = &[
    "openssl",
    "openssl-sys",
    "native-tls",
    "async-std",
    "smol",
    "chrono",
];

/// An SPDX expression holds if one side of each OR is permissive.
fn is_permissive(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    expression.split(" AND ").all(|all| {
        all.split(" OR ").any(|one| {
            let name = one.trim().split(" WITH ").next().unwrap_or("");
            PERMISSIVE.contains(&name)
        })
    })
}

#[test]
fn spdx_expressions_are_understood() {
    for (expression, expected) in [
        ("MIT OR Apache-2.0", true),
        ("MIT/Apache-2.0", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("GPL-3.0-only", false),
        ("MIT AND GPL-3.0-only", false),
    ] {
        assert_eq!(is_permissive(expression), expected, "{expression}");
    }
}

#[test]
fn rust_dependencies_are_permissive_and_come_from_the_registry() {
    let metadata = Metadata::read();
    for (id, package) in &metadata.packages {
        if metadata.members.contains(id) {
            continue;
        }
        let name = format!("{} {}", package.name, package.version);
        let licence = package.licence.as_deref().unwrap_or("none");
        let excepted = EXCEPTIONS.iter().any(|(known, _)| *known == package.name);
        assert!(is_permissive(licence) || excepted, "{name}: licence {licence}");
        let source = package.source.as_deref().unwrap_or("a path");
        assert!(source.starts_with("registry+"), "{name} comes from {source}");
        assert!(!BANNED.contains(&package.name.as_str()), "{name} is banned");
    }
}

#[test]
fn large_rust_dependencies_are_there_once() {
    let metadata = Metadata::read();
    for large in [
        "tokio",
        "hyper",
        "axum",
        "serde",
        "serde_json",
        "rusqlite",
        "reqwest",
        "jiff",
        "toml",
        "http",
    ] {
        let versions: Vec<&str> = metadata
            .packages
            .values()
            .filter(|p| p.name == large)
            .map(|p| p.version.as_str())
            .collect();
        assert_eq!(versions.len(), 1, "{large} is there as {versions:?}");
    }
}

#[test]
fn npm_dependencies_are_permissive() {
    let metadata = Metadata::read();
    let lock =
        std::fs::read_to_string(metadata.root.join("web/package-lock.json")).expect("web has a lock file");
    let lock: Value = serde_json::from_str(&lock).expect("the lock file is JSON");
    let packages = lock["packages"]
        .as_object()
        .expect("the lock file lists packages");
    assert!(packages.len() > 1);
    for (path, package) in packages.iter().filter(|(path, _)| !path.is_empty()) {
        let name = path.rsplit("node_modules/").next().unwrap_or(path);
        let licence = package["license"].as_str().unwrap_or("none");
        let excepted = EXCEPTIONS
            .iter()
            .any(|(known, _)| name == *known || name.starts_with(&format!("{known}-")));
        assert!(is_permissive(licence) || excepted, "{name}: licence {licence}");
        // The registry's own addresses are left out of the lock file; anything else is a foreign source.
        assert!(
            package.get("resolved").is_none(),
            "{name} is pinned to {}",
            package["resolved"]
        );
    }
}
