//! A database of ours, open: what every backend is once its connections stand.

use std::sync::Arc;

use crate::StoreError;
use crate::history::Recorder;
use crate::keeper::{Keep, Keeper};
use crate::records::Intake;
use crate::sql::Sql;
use crate::worker::{Manner, Worker};

/// The store over one kind of database; `G` is what has to be held while it is open. Dropping it writes what is
/// in memory and closes the connections.
pub struct Database<G> {
    pub(crate) writer: Arc<Worker>,
    pub(crate) reader: Arc<Worker>,
    pub(crate) history: Recorder,
    pub(crate) intake: Arc<Intake>,
    /// Let go last, when the threads above have ended.
    _guard: G,
}

/// A connection on its way to the thread that will own it.
pub type Connection = Box<dyn Sql + Send>;

impl<G> Database<G> {
    /// Without a connection that only reads, the one that writes reads as well. What is to be done after records
    /// were written is done on a thread of its own.
    pub(crate) fn start(
        writer: Connection,
        reader: Option<Connection>,
        history: Recorder,
        keep: Option<Keep>,
        guard: G,
    ) -> Result<Arc<Self>, StoreError> {
        let cannot = |error: std::io::Error| StoreError::Other {
            operation: "start the store",
            cause: error.to_string(),
        };
        let keeper = keep.map(|keep| Keeper::spawn("records-keep", keep));
        let manner = Manner::Together(keeper.transpose().map_err(cannot)?);
        let writer = Worker::spawn("records-write", writer, manner).map_err(cannot)?;
        let writer = Arc::new(writer);
        let reader = match reader {
            Some(reader) => Worker::spawn("records-read", reader, Manner::Alone).map(Arc::new),
            None => Ok(Arc::clone(&writer)),
        };
        Ok(Arc::new(Self {
            writer,
            reader: reader.map_err(cannot)?,
            history,
            intake: Arc::default(),
            _guard: guard,
        }))
    }
}
