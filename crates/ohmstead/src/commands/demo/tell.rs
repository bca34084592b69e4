//! Where to look: printed, and the same in a file.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use crate::commands::print;

/// In the directory of the demo.
pub const FILE: &str = "demo.json";

/// What one part of the demo says about itself.
pub struct Told {
    /// Its name and place in [`FILE`].
    pub json: Option<(&'static str, Value)>,
    /// What is printed, with a word in front.
    pub rows: Vec<(&'static str, String)>,
}

pub fn tell<const N: usize>(
    data: &Path,
    base: &str,
    ports: [SocketAddr; 2],
    told: [Told; N],
) -> anyhow::Result<()> {
    let mut document = json!({
        "base_url": base,
        "ports": ports.map(|address| address.port()),
        "private_paths": ["/api/v1/sites", "/metrics"],
    });
    let mut rows = Vec::new();
    for part in told {
        if let Some((name, json)) = part.json {
            document[name] = json;
        }
        rows.extend(part.rows);
    }
    let file = data.join(FILE);
    write_private(&file, &serde_json::to_string_pretty(&document)?)?;
    rows.push(("metrics", format!("{base}/metrics")));
    rows.push(("all of it", file.display().to_string()));

    print("\nOhmstead demo: a simulated home over real protocols on loopback. Ctrl-C ends it.\n");
    for (what, value) in rows {
        print(&format!("  {what:<14} {value}"));
    }
    print("");
    Ok(())
}

/// Writes a file that only its owner may read, all or nothing.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let draft = path.with_extension("json.new");
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&draft, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}
