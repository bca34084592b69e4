//! Both backends under one name: a directory or an address, given to other processes as text.

use std::path::Path;
use std::sync::Arc;

use store::{Postgres, Sqlite, Store};
use tempfile::TempDir;

use crate::cluster::Cluster;

/// A place for a store of one kind, gone afterwards.
pub enum Backend {
    Files(TempDir),
    Server(Cluster),
}

impl Backend {
    pub fn files() -> Self {
        Self::Files(tempfile::tempdir().unwrap())
    }

    pub fn server() -> Self {
        Self::Server(Cluster::start())
    }

    pub fn address(&self) -> String {
        match self {
            Self::Files(directory) => directory.path().display().to_string(),
            Self::Server(cluster) => cluster.url(),
        }
    }

    pub fn open(&self) -> Arc<dyn Store> {
        open(&self.address())
    }
}

pub fn open(address: &str) -> Arc<dyn Store> {
    if address.starts_with("postgres://") {
        Postgres::open(address).unwrap()
    } else {
        Sqlite::open(Path::new(address)).unwrap()
    }
}
