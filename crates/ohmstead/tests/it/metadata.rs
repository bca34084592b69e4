//! `cargo metadata`, read once per test.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

pub struct Metadata {
    pub root: std::path::PathBuf,
    /// Package id to (name, version, licence, source).
    pub packages: BTreeMap<String, Package>,
    /// Package id to the ids it needs in a build, development dependencies left out.
    pub needs: BTreeMap<String, Vec<String>>,
    pub members: Vec<String>,
}

pub struct Package {
    pub name: String,
    pub version: String,
    pub licence: Option<String>,
    pub source: Option<String>,
}

impl Metadata {
    pub fn read() -> Self {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                "--filter-platform",
                "x86_64-unknown-linux-gnu",
            ])
            .args(["--manifest-path", manifest])
            .output()
            .expect("cargo runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let json: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let packages = list(&json["packages"]).into_iter().map(|package| {
            (
                text(&package["id"]).unwrap(),
                Package {
                    name: text(&package["name"]).unwrap(),
                    version: text(&package["version"]).unwrap(),
                    licence: text(&package["license"]),
                    source: text(&package["source"]),
                },
            )
        });
        let needs = list(&json["resolve"]["nodes"]).into_iter().map(|node| {
            let normal = list(&node["deps"])
                .iter()
                .filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev"))
                .filter_map(|dep| text(&dep["pkg"]))
                .collect();
            (text(&node["id"]).unwrap(), normal)
        });
        Self {
            root: json["workspace_root"].as_str().unwrap().into(),
            packages: packages.collect(),
            needs: needs.collect(),
            members: list(&json["workspace_members"]).iter().filter_map(text).collect(),
        }
    }

    pub fn name(&self, id: &str) -> &str {
        &self.packages[id].name
    }

    /// Names of our own crates that a member needs directly.
    pub fn ours(&self, id: &str) -> BTreeSet<&str> {
        self.needs[id]
            .iter()
            .filter(|dep| self.members.contains(dep))
            .map(|dep| self.name(dep))
            .collect()
    }

    /// Names of everything a package needs, itself included.
    pub fn closure(&self, id: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            if seen.insert(id) {
                next.extend(self.needs[id].iter().map(String::as_str));
            }
        }
        seen.into_iter().map(|id| self.name(id)).collect()
    }
}
