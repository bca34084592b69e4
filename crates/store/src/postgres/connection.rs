//! A PostgreSQL connection as records and history see it.
//!
//! It waits for the server on its own thread. Writes of a transaction are sent without waiting for each answer
//! (the server works them off in order); the next question or the commit waits for all of them. Rows that follow
//! each other into the same columns are sent as one statement. So a group commit of hundreds of records costs a
//! few round trips and a few statements.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Statement};

use super::link::{Link, Opening, Role};
use super::schema;
use super::value::{references, row, values};
use crate::StoreError;
use crate::sql::{Failure, Param, Row, Sql, Value};

/// What a server has not answered in that time it will not answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Rows in one statement; what is left is sent in smaller ones, so that few statements have to be prepared.
const TOGETHER: [usize; 3] = [64, 8, 1];
const OPEN: &str = "open the database";

pub struct Connection {
    link: Link,
    role: Role,
    session: RefCell<Session>,
    runtime: Runtime,
}

/// What ends with the connection to the server.
#[derive(Default)]
struct Session {
    client: Option<Arc<Client>>,
    statements: BTreeMap<String, Statement>,
    /// Answers that nobody has waited for yet, in order.
    pending: Vec<Answer>,
    /// Rows that were not sent yet.
    rows: Rows,
    is_in_transaction: bool,
}

/// Rows for one INSERT that has nothing but a tuple of values.
#[derive(Default)]
struct Rows {
    insert: String,
    values: Vec<Vec<Value>>,
}

type Answer = Pin<Box<dyn Future<Output = Result<u64, tokio_postgres::Error>> + Send>>;

impl Connection {
    /// Opens a database to write its records, migrates it, and says which opening this is.
    pub fn take(link: &Link) -> Result<(Self, Opening), StoreError> {
        let mut connection = Self::open(link, Role::WriteRecords(None))?;
        let opening = connection.migrate().map_err(|failure| failure.during(OPEN))?;
        connection.role = Role::WriteRecords(opening);
        Ok((connection, opening))
    }

    pub fn open(link: &Link, role: Role) -> Result<Self, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let connection = Self {
            link: link.clone(),
            role,
            session: RefCell::default(),
            runtime: runtime.map_err(|error| StoreError::Other {
                operation: OPEN,
                cause: error.to_string(),
            })?,
        };
        let connected = connection.client().map(drop);
        connected.map_err(|failure| failure.during(OPEN))?;
        Ok(connection)
    }

    fn migrate(&self) -> Result<Opening, Failure> {
        schema::migrate(self, &self.link.name()).map(Some)
    }

    /// Runs statements without parameters, of a transaction or not.
    pub fn run(&self, statements: &str) -> Result<(), Failure> {
        self.send_rows()?;
        let client = self.client()?;
        self.wait(client.batch_execute(statements))
    }

    /// The client of the session; a new one if it does not stand any more, but never within a transaction.
    fn client(&self) -> Result<Arc<Client>, Failure> {
        let mut session = self.session.borrow_mut();
        match &session.client {
            Some(client) if !client.is_closed() => return Ok(Arc::clone(client)),
            Some(_) if session.is_in_transaction => {
                *session = Session::default();
                return Err(Failure::Away(format!("{} was lost", self.link.name())));
            }
            Some(_) | None => {}
        }
        let client = Arc::new(self.runtime.block_on(self.link.connect(self.role))?);
        *session = Session {
            client: Some(Arc::clone(&client)),
            ..Session::default()
        };
        Ok(client)
    }

    fn statement(&self, client: &Client, sql: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.session.borrow().statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.wait(client.prepare(&sql.replace('?', "$")))?;
        let mut session = self.session.borrow_mut();
        session.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Waits for an answer, and for all before it.
    fn wait<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Failure> {
        let pending = std::mem::take(&mut self.session.borrow_mut().pending);
        let before = async {
            for answer in pending {
                answer.await?;
            }
            Ok(())
        };
        let both = async { tokio::try_join!(biased; before, answer) };
        let in_time = async { tokio::time::timeout(ANSWER_TIMEOUT, both).await };
        let outcome = match self.runtime.block_on(in_time) {
            Ok(Ok(((), answer))) => Ok(answer),
            Ok(Err(error)) => Err(Failure::from(error)),
            Err(_) => Err(Failure::Away(format!("{} does not answer", self.link.name()))),
        };
        if matches!(outcome, Err(Failure::Away(_))) {
            // Nothing of the session can be trusted any more; the server rolls its transaction back.
            self.session.take();
        }
        outcome
    }

    /// Sends a statement of a transaction, and leaves its answer to whoever waits next.
    fn send(&self, sql: &str, parameters: Vec<Value>) -> Result<(), Failure> {
        let client = self.client()?;
        let statement = self.statement(&client, sql)?;
        let mut answer: Answer = Box::pin(async move { client.execute_raw(&statement, parameters).await });
        // The first poll sends it.
        match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => drop(outcome?),
            Poll::Pending => self.session.borrow_mut().pending.push(answer),
        }
        Ok(())
    }

    /// Sends the rows that were kept back.
    fn send_rows(&self) -> Result<(), Failure> {
        let Rows { insert, mut values } = std::mem::take(&mut self.session.borrow_mut().rows);
        for together in TOGETHER {
            while values.len() >= together {
                let sql = for_rows(&insert, together);
                self.send(&sql, values.drain(..together).flatten().collect())?;
            }
        }
        Ok(())
    }

    fn begin_once(&self) -> Result<(), Failure> {
        let client = self.client()?;
        self.wait(client.batch_execute("BEGIN"))?;
        self.session.borrow_mut().is_in_transaction = true;
        Ok(())
    }

    fn end(&self, how: &str) -> Result<(), Failure> {
        self.send_rows()?;
        let client = self.client()?;
        let outcome = self.wait(client.batch_execute(how));
        // Whatever the server answered, the transaction is over.
        self.session.borrow_mut().is_in_transaction = false;
        outcome
    }

    fn ask(&self, sql: &str, parameters: &[Param<'_>]) -> Result<Vec<tokio_postgres::Row>, Failure> {
        self.send_rows()?;
        let client = self.client()?;
        let statement = self.statement(&client, sql)?;
        let parameters = values(parameters);
        self.wait(client.query(&statement, &references(&parameters)))
    }
}

impl Drop for Connection {
    /// Lets the next process in at once.
    fn drop(&mut self) {
        let client = self.session.borrow_mut().client.take();
        if let Some(client) = client.filter(|_| self.role.writes()) {
            // Fails when the server is away, where the lock is gone as well.
            let _ = self.wait(client.batch_execute("SELECT pg_advisory_unlock_all()"));
        }
    }
}

impl Sql for Connection {
    fn begin(&self) -> Result<(), Failure> {
        match self.begin_once() {
            // The server may have been restarted since the last call; then a new session does.
            Err(Failure::Away(_)) => self.begin_once(),
            outcome => outcome,
        }
    }

    fn commit(&self) -> Result<(), Failure> {
        self.end("COMMIT")
    }

    fn rollback(&self) -> Result<(), Failure> {
        let mut session = self.session.borrow_mut();
        session.pending.clear();
        session.rows = Rows::default();
        drop(session);
        self.end("ROLLBACK")
    }

    fn is_in_transaction(&self) -> bool {
        self.session.borrow().is_in_transaction
    }

    fn execute(&self, sql: &str, parameters: &[Param<'_>]) -> Result<u64, Failure> {
        self.send_rows()?;
        let client = self.client()?;
        let statement = self.statement(&client, sql)?;
        let parameters = values(parameters);
        self.wait(client.execute(&statement, &references(&parameters)))
    }

    fn bytes(&self) -> Result<i64, Failure> {
        let sql: &dyn Sql = self;
        let select = match self.role {
            Role::WriteRecords(_) | Role::ReadRecords => schema::RECORDS_BYTES,
            Role::WriteHistory(_) | Role::ReadHistory => schema::HISTORY_BYTES,
        };
        Ok(sql.first(select, &[], |row| row.int(0))?.unwrap_or(0))
    }

    fn write(&self, sql: &str, parameters: &[Param<'_>]) -> Result<(), Failure> {
        if !self.is_in_transaction() {
            return self.execute(sql, parameters).map(drop);
        }
        let is_next = self.session.borrow().rows.insert == sql;
        if !is_next {
            self.send_rows()?;
        }
        if !is_next && !is_insert(sql, parameters.len()) {
            return self.send(sql, values(parameters));
        }
        let mut session = self.session.borrow_mut();
        if !is_next {
            sql.clone_into(&mut session.rows.insert);
        }
        session.rows.values.push(values(parameters));
        let is_full = session.rows.values.len() >= TOGETHER[0];
        drop(session);
        if is_full { self.send_rows() } else { Ok(()) }
    }

    fn each(
        &self,
        sql: &str,
        parameters: &[Param<'_>],
        take: &mut dyn FnMut(&Row) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let is_alone = !self.is_in_transaction();
        let rows = match self.ask(sql, parameters) {
            Err(Failure::Away(_)) if is_alone => self.ask(sql, parameters),
            outcome => outcome,
        };
        for found in rows? {
            take(&row(&found)?)?;
        }
        Ok(())
    }
}

/// `(?1, ?2, …)` of one row, from a place on.
fn tuple(from: usize, columns: usize) -> String {
    let places: Vec<String> = (from..from + columns).map(|place| format!("?{place}")).collect();
    format!("({})", places.join(", "))
}

/// Whether a statement puts one row of as many parameters and does nothing else.
fn is_insert(sql: &str, parameters: usize) -> bool {
    let row = sql.trim_start().strip_prefix("INSERT INTO ");
    let row = row.and_then(|rest| rest.split_once(" VALUES "));
    parameters > 0 && row.is_some_and(|(_, row)| row == tuple(1, parameters))
}

/// The same statement for several rows.
fn for_rows(insert: &str, rows: usize) -> String {
    let Some((head, row)) = insert.split_once(" VALUES ") else {
        return insert.to_owned();
    };
    let columns = row.matches('?').count();
    let tuples: Vec<String> = (0..rows).map(|n| tuple(n * columns + 1, columns)).collect();
    format!("{head} VALUES {}", tuples.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_rows_are_put_together() {
        for (sql, parameters, expected) in [
            ("INSERT INTO a (b, c) VALUES (?1, ?2)", 2, true),
            ("INSERT INTO a (b, c)\n VALUES (?1, ?2)", 2, true),
            ("INSERT INTO a (b, c) VALUES (?2, ?1)", 2, false),
            ("INSERT INTO a (b, c) VALUES (?1, 7)", 1, false),
            (
                "INSERT INTO a (b) VALUES (?1) ON CONFLICT (b) DO NOTHING",
                1,
                false,
            ),
            ("INSERT INTO a (b) VALUES (?1), (?2)", 2, false),
            ("DELETE FROM a WHERE b = ?1", 1, false),
        ] {
            assert_eq!(is_insert(sql, parameters), expected, "{sql}");
        }
        assert_eq!(
            for_rows("INSERT INTO a (b, c) VALUES (?1, ?2)", 3),
            "INSERT INTO a (b, c) VALUES (?1, ?2), (?3, ?4), (?5, ?6)"
        );
    }
}
