//! Copies of a data directory: taken while it is in use, checked before they are used.
//!
//! A backup is one gzipped tar file: `manifest.json`, then the databases, then, if asked for, the installation
//! key. Each database is copied inside one read transaction beside its writer, so it is consistent in itself;
//! the history may be some seconds older than the records. A backup is there whole or not at all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use model::time::Timestamp;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::sqlite::{HISTORY, RECORDS, Schema};

const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const KEY: &str = "key";
/// A manifest is small; anything longer is none.
const MANIFEST_MOST: u64 = 64 * 1024;
const SCHEMAS: [&Schema; 2] = [&RECORDS, &HISTORY];

/// Why there is no backup, or nothing was restored. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "there is no records.db in {0}; check --data, and back up records that are kept in PostgreSQL with pg_dump"
    )]
    NothingThere(String),
    #[error("{0} is there already; choose another name")]
    Exists(String),
    #[error("{0} is not empty; choose another directory with --data, or move away what is in it")]
    NotEmpty(String),
    #[error(
        "{file} was made by version {program}, and {what} is newer than this program knows; update the program"
    )]
    TooNew {
        file: String,
        program: String,
        what: String,
    },
    #[error("{file} is no whole backup: {what}; take another one")]
    Damaged { file: String, what: String },
    #[error("cannot {operation} {path}: {cause}")]
    Failed {
        operation: &'static str,
        path: String,
        cause: String,
    },
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The version that made it.
    pub program: String,
    pub made_ms: i64,
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
    /// Of databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<i64>,
}

impl Manifest {
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.parts.iter().any(|part| part.name == KEY)
    }
}

fn failed<'a>(
    operation: &'static str,
    path: &'a Path,
) -> impl Fn(&dyn std::fmt::Display) -> BackupError + 'a {
    move |cause| BackupError::Failed {
        operation,
        path: path.display().to_string(),
        cause: cause.to_string(),
    }
}

/// Removes a draft unless it became what it was meant to be.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let removed = if self.0.is_dir() {
            std::fs::remove_dir_all(&self.0)
        } else {
            std::fs::remove_file(&self.0)
        };
        // What is gone already has been put in its place.
        if let Err(error) = removed
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, "cannot remove {}", self.0.display());
        }
    }
}

/// Backs up a data directory into a new file (mode 0600), also while another process works in it. Needs as
/// much room beside that file as the databases have.
///
/// # Errors
/// When there is nothing to back up, the file is there already, or it cannot be written.
pub fn back_up(
    data: &Path,
    to: &Path,
    with_key: bool,
    program: &str,
    now: Timestamp,
) -> Result<Manifest, BackupError> {
    if !data.join(RECORDS.file).is_file() {
        return Err(BackupError::NothingThere(data.display().to_string()));
    }
    if to.exists() {
        return Err(BackupError::Exists(to.display().to_string()));
    }
    let beside = |ending: &str| {
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        to.with_file_name(name)
    };
    let copies = Draft(beside(".parts"));
    DirBuilder::new()
        .mode(0o700)
        .create(&copies.0)
        .map_err(|error| failed("make", &copies.0)(&error))?;
    let mut parts = Vec::new();
    for schema in SCHEMAS {
        let from = data.join(schema.file);
        if from.is_file() {
            let copy = copies.0.join(schema.file);
            let version = copy_database(&from, &copy)?;
            parts.push(part(&copy, schema.file, Some(version))?);
        }
    }
    if with_key {
        let (from, copy) = (data.join(KEY), copies.0.join(KEY));
        std::fs::copy(&from, &copy).map_err(|error| failed("copy", &from)(&error))?;
        parts.push(part(&copy, KEY, None)?);
    }
    let manifest = Manifest {
        format: FORMAT,
        program: program.to_owned(),
        made_ms: now.0,
        parts,
    };
    let draft = Draft(beside(".new"));
    pack(&manifest, &copies.0, &draft.0, now).map_err(|error| failed("write", &draft.0)(&error))?;
    std::fs::rename(&draft.0, to).map_err(|error| failed("write", to)(&error))?;
    Ok(manifest)
}

/// Copies a database as it is at one moment, and says of which schema it is.
fn copy_database(from: &Path, to: &Path) -> Result<i64, BackupError> {
    let copy = || -> rusqlite::Result<i64> {
        let connection = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_secs(30))?;
        connection.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
        // Asked of the copy: the original may have moved on.
        Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY)?.pragma_query_value(
            None,
            "user_version",
            |row| row.get(0),
        )
    };
    copy().map_err(|error| failed("copy", from)(&error))
}

fn part(path: &Path, name: &str, schema: Option<i64>) -> Result<Part, BackupError> {
    let read = || -> std::io::Result<(u64, String)> {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        let mut bytes = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok((bytes, hex(&hash.finalize())));
            }
            hash.update(&buffer[..count]);
            bytes += count as u64;
        }
    };
    let (bytes, sha256) = read().map_err(|error| failed("read", path)(&error))?;
    Ok(Part {
        name: name.to_owned(),
        bytes,
        sha256,
        schema,
    })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn pack(manifest: &Manifest, copies: &Path, to: &Path, now: Timestamp) -> std::io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(to)?;
    let mut tar = tar::Builder::new(GzEncoder::new(BufWriter::new(file), Compression::fast()));
    let mut add = |name: &str, bytes: u64, content: &mut dyn Read| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(now.as_seconds()).unwrap_or(0));
        tar.append_data(&mut header, name, content)
    };
    let text = serde_json::to_vec_pretty(manifest)?;
    add(MANIFEST, text.len() as u64, &mut text.as_slice())?;
    for part in &manifest.parts {
        add(&part.name, part.bytes, &mut File::open(copies.join(&part.name))?)?;
    }
    let mut written = tar.into_inner()?.finish()?;
    written.flush()?;
    written.get_ref().sync_all()
}

/// Unpacks a backup into a directory that is empty or not there, and checks every part of it.
///
/// # Errors
/// When the file is damaged, newer than this program, or has parts that it does not know or lacks those that
/// it needs; when the directory is not empty. The directory is then as it was.
pub fn restore(file: &Path, data: &Path) -> Result<Manifest, BackupError> {
    let was_there = data.exists();
    if was_there {
        let mut entries = std::fs::read_dir(data).map_err(|error| failed("read", data)(&error))?;
        if entries.next().is_some() {
            return Err(BackupError::NotEmpty(data.display().to_string()));
        }
    } else {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data)
            .map_err(|error| failed("make", data)(&error))?;
    }
    let restored = unpack(file, data);
    if restored.is_err() {
        for name in [RECORDS.file, HISTORY.file, KEY] {
            // Most of them have never been there.
            let _ = std::fs::remove_file(data.join(name));
        }
        if !was_there {
            let _ = std::fs::remove_dir(data);
        }
    }
    restored
}

fn unpack(file: &Path, data: &Path) -> Result<Manifest, BackupError> {
    let shown = file.display().to_string();
    let damaged = |what: &dyn std::fmt::Display| BackupError::Damaged {
        file: shown.clone(),
        what: what.to_string(),
    };
    let opened = File::open(file).map_err(|error| failed("open", file)(&error))?;
    let mut tar = tar::Archive::new(GzDecoder::new(opened));
    let mut entries = tar.entries().map_err(|error| damaged(&error))?;
    let mut first = match entries.next() {
        Some(entry) => entry.map_err(|error| damaged(&error))?,
        None => return Err(damaged(&"it is empty")),
    };
    if first.path_bytes().as_ref() != MANIFEST.as_bytes() {
        return Err(damaged(&"it does not begin with manifest.json"));
    }
    let mut text = Vec::new();
    Read::take(&mut first, MANIFEST_MOST)
        .read_to_end(&mut text)
        .map_err(|error| damaged(&error))?;
    let manifest = read_manifest(&text, &shown)?;
    for part in &manifest.parts {
        let mut entry = match entries.next() {
            Some(entry) => entry.map_err(|error| damaged(&error))?,
            None => return Err(damaged(&format!("{} is missing", part.name))),
        };
        if entry.path_bytes().as_ref() != part.name.as_bytes() {
            return Err(damaged(&format!("{} is not where it should be", part.name)));
        }
        let path = data.join(&part.name);
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed("write", &path)(&error))?;
        copy_part(&mut entry, &mut out, part).map_err(|error| damaged(&format!("{}: {error}", part.name)))?;
        out.sync_all().map_err(|error| failed("write", &path)(&error))?;
        if self::part(&path, &part.name, part.schema)? != *part {
            return Err(damaged(&format!("{} is not what the manifest says", part.name)));
        }
        if part.schema.is_some() {
            let problems = quick_check(&path).map_err(|error| damaged(&error))?;
            if let Some(problem) = problems.first() {
                return Err(damaged(&format!("{}: {problem}", part.name)));
            }
        }
    }
    if entries.next().is_some() {
        return Err(damaged(&"it goes on behind its last part"));
    }
    Ok(manifest)
}

/// No more than the part may have, whatever the archive says.
fn copy_part(entry: &mut impl Read, out: &mut File, part: &Part) -> std::io::Result<()> {
    let copied = std::io::copy(&mut entry.take(part.bytes), out)?;
    if copied < part.bytes {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn read_manifest(text: &[u8], file: &str) -> Result<Manifest, BackupError> {
    #[derive(Deserialize)]
    struct Outline {
        format: u32,
        program: String,
    }
    let damaged = |what: String| BackupError::Damaged {
        file: file.to_owned(),
        what,
    };
    let unreadable = |error: serde_json::Error| damaged(format!("its manifest: {error}"));
    let outline: Outline = serde_json::from_slice(text).map_err(unreadable)?;
    let too_new = |what: String| BackupError::TooNew {
        file: file.to_owned(),
        program: outline.program.clone(),
        what,
    };
    if outline.format > FORMAT {
        return Err(too_new(format!("its format {}", outline.format)));
    }
    let manifest: Manifest = serde_json::from_slice(text).map_err(unreadable)?;
    for (index, part) in manifest.parts.iter().enumerate() {
        let schema = SCHEMAS.into_iter().find(|schema| schema.file == part.name);
        match (schema, part.schema) {
            (Some(schema), Some(found)) if found > schema.known() => {
                return Err(too_new(format!(
                    "{} (schema {found}, this program knows {})",
                    part.name,
                    schema.known()
                )));
            }
            (Some(_), Some(_)) => {}
            (None, None) if part.name == KEY => {}
            (Some(_), None) | (None, _) => {
                let name: String = part.name.chars().take(80).collect();
                return Err(damaged(format!("nobody knows what its part `{name}` is")));
            }
        }
        if manifest.parts[..index]
            .iter()
            .any(|other| other.name == part.name)
        {
            return Err(damaged(format!("{} is in it twice", part.name)));
        }
    }
    match SCHEMAS
        .into_iter()
        .find(|schema| !manifest.parts.iter().any(|part| part.name == schema.file))
    {
        Some(missing) => Err(damaged(format!("{} is missing", missing.file))),
        None => Ok(manifest),
    }
}

fn quick_check(path: &Path) -> rusqlite::Result<Vec<String>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    let mut statement = connection.prepare("PRAGMA quick_check(5)")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut problems = rows.collect::<rusqlite::Result<Vec<String>>>()?;
    problems.retain(|problem| problem != "ok");
    Ok(problems)
}

/// What [`inspect`] finds of one database file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    pub file: &'static str,
    /// `None`: the file is not there.
    pub schema: Option<i64>,
    /// The newest schema this program knows.
    pub known: i64,
    /// What `quick_check` says, or why the file could not be read.
    pub problems: Vec<String>,
}

/// Looks at the databases of a directory without changing them, also while another process works in it.
#[must_use]
pub fn inspect(data: &Path) -> Vec<Inspected> {
    let look =
        |schema: &'static Schema| {
            let path = data.join(schema.file);
            let mut found = Inspected {
                file: schema.file,
                schema: None,
                known: schema.known(),
                problems: Vec::new(),
            };
            if path.is_file() {
                let version =
                    || -> rusqlite::Result<i64> {
                        Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?
                            .pragma_query_value(None, "user_version", |row| row.get(0))
                    };
                match version().and_then(|version| Ok((version, quick_check(&path)?))) {
                    Ok((version, problems)) => {
                        found.schema = Some(version);
                        found.problems = problems;
                    }
                    Err(error) => found.problems.push(error.to_string()),
                }
            }
            found
        };
    SCHEMAS.into_iter().map(look).collect()
}

/// Documents of a kind, read beside the process that owns the directory.
///
/// # Errors
/// When the database cannot be read.
pub fn read_nouns<N: model::noun::Noun>(data: &Path) -> Result<Vec<N>, BackupError> {
    let path = data.join(RECORDS.file);
    let read = || -> rusqlite::Result<Vec<String>> {
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut statement = connection.prepare("SELECT body FROM noun WHERE kind = ?1 ORDER BY id")?;
        let rows = statement.query_map([N::KIND], |row| row.get(0))?;
        rows.collect()
    };
    let bodies = read().map_err(|error| failed("read", &path)(&error))?;
    let parsed = bodies.iter().map(|body| serde_json::from_str(body));
    parsed
        .collect::<Result<_, _>>()
        .map_err(|error| failed("read", &path)(&error))
}

/// The times of the oldest and the newest finished reading, read beside the process that owns the directory.
///
/// # Errors
/// When the database cannot be read.
pub fn history_span(data: &Path) -> Result<Option<(Timestamp, Timestamp)>, BackupError> {
    let path = data.join(HISTORY.file);
    let read = || -> rusqlite::Result<(Option<i64>, Option<i64>)> {
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let select = "SELECT min(first_ms), max(last_ms) FROM block";
        connection.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?)))
    };
    let (oldest, newest) = read().map_err(|error| failed("read", &path)(&error))?;
    Ok(oldest
        .zip(newest)
        .map(|(oldest, newest)| (Timestamp(oldest), Timestamp(newest))))
}

/// When a nightly backup was made, by its name.
#[must_use]
pub fn nightly_time(file: &Path) -> Option<Timestamp> {
    let name = file.file_name()?.to_str()?;
    let digits = name.strip_prefix("ohmstead-")?.strip_suffix("Z.tar.gz")?;
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", digits).ok()?;
    let at = jiff::tz::TimeZone::UTC.to_timestamp(time).ok()?;
    Some(Timestamp(at.as_millisecond()))
}

/// The name of a nightly backup, so that names sort by time.
#[must_use]
pub fn nightly_name(now: Timestamp) -> String {
    format!("ohmstead-{}.tar.gz", now.to_jiff().strftime("%Y%m%dT%H%M%SZ"))
}

/// Nightly backups of a directory, the oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn nightly(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| name.starts_with("ohmstead-") && name.ends_with("Z.tar.gz")) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Makes a nightly backup and deletes the oldest ones beyond `keep`.
///
/// # Errors
/// As [`back_up`]; older ones stay then.
pub fn back_up_nightly(
    data: &Path,
    directory: &Path,
    keep: u16,
    program: &str,
    now: Timestamp,
) -> Result<PathBuf, BackupError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| failed("make", directory)(&error))?;
    let to = directory.join(nightly_name(now));
    back_up(data, &to, false, program, now)?;
    let kept = nightly(directory).map_err(|error| failed("read", directory)(&error))?;
    let excess = kept.len().saturating_sub(usize::from(keep.max(1)));
    for old in &kept[..excess] {
        std::fs::remove_file(old).map_err(|error| failed("delete", old)(&error))?;
    }
    Ok(to)
}
