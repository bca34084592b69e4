//! What the store refuses for good is set aside in a file: nothing that is billed gets lost.
//!
//! One JSON object a line: when and why it was set aside, and the record under its kind (`session`, `ledger`,
//! `alarm`, `audit`). At the next start all of it is offered to the store again; what it takes leaves the file.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::alarm::Alarm;
use model::id::SiteId;
use model::session::{LedgerEntry, Session};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::{AuditEntry, Store, StoreError};

use crate::backlog::Aside;
use crate::record::Record;

/// The file of one site.
#[derive(Clone, Debug)]
pub struct AsideFile {
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    set_aside: Timestamp,
    why: String,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Session(Box<Session>),
    Ledger(Box<LedgerEntry>),
    Alarm(Box<Alarm>),
    Audit {
        at: Timestamp,
        principal: String,
        door: String,
        action: String,
        outcome: String,
    },
}

impl AsideFile {
    /// In a directory of which this process is the only user.
    pub fn of(directory: &Path, site: &SiteId) -> Self {
        Self {
            path: directory.join(format!("set-aside-{site}.jsonl")),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether anything is set aside.
    pub fn holds_something(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|file| file.len() > 0)
    }

    /// Adds records; they are on disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be written; a part of the records may be in it.
    pub fn append(&self, asides: &[Aside], now: Timestamp) -> io::Result<()> {
        let mut text = String::new();
        for aside in asides {
            for what in kinds(&aside.record) {
                let why = aside.why.clone();
                let line = Line {
                    set_aside: now,
                    why,
                    what,
                };
                text.push_str(&serde_json::to_string(&line).map_err(io::Error::other)?);
                text.push('\n');
            }
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        if !ends_well(&mut file)? {
            text.insert(0, '\n');
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        self.sync_directory()
    }

    /// Offers everything to the store again; says how many records are still set aside.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub async fn offer(&self, store: &dyn Store, site: &SiteId, epoch: u64) -> io::Result<usize> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let mut kept = Vec::new();
        for line in &lines {
            let taken = match serde_json::from_str::<Line>(line) {
                Ok(line) => put(store, site, epoch, line.what)
                    .await
                    .map_err(|error| error.to_string()),
                Err(error) => Err(format!("it cannot be read: {error}")),
            };
            if let Err(why) = taken {
                tracing::warn!(site.id = %site, "a record stays set aside in {}: {why}", self.path.display());
                kept.push(*line);
            }
        }
        if kept.len() < lines.len() {
            tracing::info!(site.id = %site, count = lines.len() - kept.len(), "records that were set aside are stored now");
            self.rewrite(&kept)?;
        }
        Ok(kept.len())
    }

    fn rewrite(&self, lines: &[&str]) -> io::Result<()> {
        if lines.is_empty() {
            fs::remove_file(&self.path)?;
            return self.sync_directory();
        }
        let beside = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all((lines.join("\n") + "\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> io::Result<()> {
        match self.path.parent() {
            Some(directory) => fs::File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// Whether the last line is whole: a crash may have torn it.
fn ends_well(file: &mut fs::File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn kinds(record: &Record) -> Vec<What> {
    match record {
        Record::Books(books) => {
            let sessions = books.sessions.iter();
            let ledger = books.ledger.iter();
            sessions
                .map(|session| What::Session(Box::new(session.clone())))
                .chain(ledger.map(|entry| What::Ledger(Box::new(entry.clone()))))
                .collect()
        }
        Record::Alarm(alarm) => vec![What::Alarm(Box::new(alarm.clone()))],
        Record::Audit(entry) => vec![What::Audit {
            at: entry.at,
            principal: entry.principal.clone(),
            door: entry.door.clone(),
            action: entry.action.clone(),
            outcome: entry.outcome.clone(),
        }],
        Record::Samples(_)
        | Record::Past(_)
        | Record::Setpoints(_)
        | Record::Memory(_)
        | Record::Wish { .. }
        | Record::Keys(_)
        | Record::Device { .. }
        | Record::Document { .. }
        | Record::Charge { .. } => Vec::new(),
    }
}

async fn put(store: &dyn Store, site: &SiteId, epoch: u64, what: What) -> Result<(), StoreError> {
    match what {
        What::Session(session) => store.put_books(epoch, site, &[*session], &[]).await,
        What::Ledger(entry) => store.put_books(epoch, site, &[], &[*entry]).await,
        What::Alarm(alarm) => store.put_alarm(&alarm).await,
        What::Audit {
            at,
            principal,
            door,
            action,
            outcome,
        } => {
            let entry = AuditEntry {
                at,
                principal,
                door,
                action,
                outcome,
            };
            store.record(&entry).await
        }
    }
}
