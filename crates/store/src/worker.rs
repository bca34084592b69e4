//! Threads that own a database connection and work off jobs.
//!
//! Records are written by group commit: all jobs that wait share one transaction and one sync. Answers go out
//! after the commit. A job that refuses has written nothing and takes nobody with it; when one fails, all are
//! rolled back and each is tried alone. So a job may run twice, and changes nothing but the database.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::StoreError;
use crate::keeper::Keeper;
use crate::sql::{Failure, Sql};

/// Jobs that may wait for one thread; further callers wait for a place.
const WAITING: usize = 1_024;
/// Jobs in one transaction.
const TOGETHER: usize = 512;

/// Something to be done every so often.
pub type Tick = Box<dyn FnMut(&dyn Sql) + Send>;

/// How a thread treats its jobs.
pub enum Manner {
    /// Shared transactions, synced before the answers; somebody may be told of them.
    Together(Option<Keeper>),
    /// Each job as it is; it opens a transaction if it wants one.
    Alone,
    /// Like `Alone`, and something to be done every so often and once at the end.
    Alongside { every: Duration, tick: Tick },
}

/// A thread with a connection. Dropping it works off what waits and joins the thread.
pub struct Worker {
    jobs: Option<Sender<Box<dyn Job>>>,
    places: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub fn spawn(name: &str, connection: Box<dyn Sql + Send>, manner: Manner) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || match manner {
                Manner::Together(keeper) => write_together(&*connection, &receiver, keeper.as_ref()),
                Manner::Alone => receiver.iter().for_each(|job| run_plain(&*connection, job)),
                Manner::Alongside { every, tick } => run_alongside(&*connection, &receiver, every, tick),
            })?;
        Ok(Self {
            jobs: Some(sender),
            places: Arc::new(Semaphore::new(WAITING)),
            thread: Some(thread),
        })
    }

    /// Has `work` done on the thread and waits for its result, durable if the thread commits.
    pub async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnMut(&dyn Sql) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let stopped = || StoreError::Other {
            operation,
            cause: "the store is closed".to_owned(),
        };
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| stopped())?;
        let (reply, answer) = oneshot::channel();
        let task = Task {
            operation,
            work,
            value: None,
            reply,
            _place: place,
        };
        self.jobs
            .as_ref()
            .ok_or_else(stopped)?
            .send(Box::new(task))
            .map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Fails when the thread panicked, which has been reported by the panic itself.
            let _ = thread.join();
        }
    }
}

trait Job: Send {
    fn run(&mut self, connection: &dyn Sql) -> Result<(), Failure>;
    fn answer(self: Box<Self>, outcome: Result<(), Failure>);
}

struct Task<T, F> {
    operation: &'static str,
    work: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    _place: OwnedSemaphorePermit,
}

impl<T: Send, F: FnMut(&dyn Sql) -> Result<T, Failure> + Send> Job for Task<T, F> {
    fn run(&mut self, connection: &dyn Sql) -> Result<(), Failure> {
        self.value = Some((self.work)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), Failure>) {
        let answer = match (outcome, self.value) {
            (Ok(()), Some(value)) => Ok(value),
            (Ok(()), None) => Err(Failure::Damaged("the job was not run".to_owned()).during(self.operation)),
            (Err(failure), _) => Err(failure.during(self.operation)),
        };
        // Fails when the caller has gone; the work is done all the same.
        let _ = self.reply.send(answer);
    }
}

fn run_plain(connection: &dyn Sql, mut job: Box<dyn Job>) {
    let outcome = job.run(connection);
    job.answer(outcome);
}

fn write_together(connection: &dyn Sql, receiver: &Receiver<Box<dyn Job>>, keeper: Option<&Keeper>) {
    while let Ok(first) = receiver.recv() {
        let mut jobs = vec![first];
        jobs.extend(receiver.try_iter().take(TOGETHER - 1));
        let outcomes = match commit_together(connection, &mut jobs) {
            Ok(outcomes) => outcomes,
            // Whether it was committed is not known, so nothing is tried a second time.
            Err(Failure::Away(cause)) => jobs.iter().map(|_| Err(Failure::Away(cause.clone()))).collect(),
            Err(_) => jobs
                .iter_mut()
                .map(|job| commit_alone(connection, job.as_mut()))
                .collect(),
        };
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            job.answer(outcome);
        }
        if let Some(keeper) = keeper {
            keeper.note();
        }
    }
}

/// The outcome of each job, or an error when the transaction as a whole did not hold.
fn commit_together(
    connection: &dyn Sql,
    jobs: &mut [Box<dyn Job>],
) -> Result<Vec<Result<(), Failure>>, Failure> {
    connection.transaction(|| {
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            let outcome = match job.run(connection) {
                Err(Failure::Refused(error)) => Err(Failure::Refused(error)),
                outcome => Ok(outcome?),
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    })
}

fn commit_alone(connection: &dyn Sql, job: &mut dyn Job) -> Result<(), Failure> {
    connection.transaction(|| job.run(connection))
}

#[allow(
    clippy::disallowed_methods,
    reason = "the flush is paced by real time, whatever clock readings carry"
)]
fn run_alongside(connection: &dyn Sql, receiver: &Receiver<Box<dyn Job>>, every: Duration, mut tick: Tick) {
    let mut due = Instant::now() + every;
    loop {
        match receiver.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(job) => run_plain(connection, job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if Instant::now() >= due {
            tick(connection);
            due = Instant::now() + every;
        }
    }
    tick(connection);
}
