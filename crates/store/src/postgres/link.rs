//! The way to a server: its address, what a session needs, and what errors mean.

use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};

use super::tls::Tls;
use crate::StoreError;
use crate::sql::Failure;

/// A server answers a connection in that time, or it is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that takes nothing for so long is gone.
const SILENT_AT_MOST: Duration = Duration::from_secs(15);
/// "ohmstead" and a number; one lock per writing connection.
pub const LOCK_RECORDS: i64 = 0x6f68_6d73_7465_6164;
const LOCK_HISTORY: i64 = LOCK_RECORDS + 1;
/// The server takes a moment to see that the process before has ended.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
const OLDEST_SERVER: i32 = 150_000;

/// What a connection is for. Writers know which opening of the database they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    WriteRecords(Opening),
    ReadRecords,
    WriteHistory(Opening),
    ReadHistory,
}

impl Role {
    pub const fn writes(self) -> bool {
        matches!(self, Self::WriteRecords(_) | Self::WriteHistory(_))
    }
}

/// The number of an opening of the database; `None` while it is being opened.
pub type Opening = Option<i64>;

/// Where the server is.
#[derive(Clone)]
pub struct Link {
    config: Config,
    tls: Tls,
}

impl Link {
    /// # Errors
    /// When the text is no address. It is not repeated, as it may hold a password.
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        let odd = |cause: &str| StoreError::Other {
            operation: "read the address of the database",
            cause: cause.to_owned(),
        };
        let expected = "expected postgres://user:password@host:port/name?sslmode=verify-full";
        let (url, tls) = Tls::split(url).map_err(|cause| odd(&cause))?;
        let mut config: Config = url.parse().map_err(|_| odd(expected))?;
        let Some(host) = config.get_hosts().first() else {
            return Err(odd(expected));
        };
        // Whatever is said: nobody can listen on a socket of this machine, and it has no name to check.
        let mode = match host {
            Host::Tcp(_) => tls.mode,
            Host::Unix(_) => SslMode::Disable,
        };
        config
            .ssl_mode(mode)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(SILENT_AT_MOST)
            .keepalives_idle(SILENT_AT_MOST)
            .application_name("ohmstead");
        Ok(Self { config, tls })
    }

    /// Which database it is, without any secret.
    pub fn name(&self) -> String {
        let name = self.config.get_dbname().or(self.config.get_user()).unwrap_or("?");
        let host = self.config.get_hosts().first().map(|host| match host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let port = self.config.get_ports().first().copied().unwrap_or(5_432);
        format!("database {name} on {}:{port}", host.unwrap_or_default())
    }

    /// A session for a role. The runtime has to go on running while it is used.
    pub async fn connect(&self, role: Role) -> Result<Client, Failure> {
        let connector = self.tls.connector();
        let connector = connector.map_err(|cause| self.untrusted(role, &cause))?;
        let (client, connection) = self.config.connect(connector).await.map_err(|error| {
            if let Some(cause) = self.tls.explain(&error) {
                return self.untrusted(role, &cause);
            }
            // Whatever keeps a connection from standing may pass.
            match Failure::from(error) {
                Failure::Sql(cause) => Failure::Away(format!("{}: {cause}", self.name())),
                Failure::Away(cause) => Failure::Away(format!("{}: {cause}", self.name())),
                other @ (Failure::Full | Failure::Refused(_) | Failure::Damaged(_)) => other,
            }
        })?;
        tokio::spawn(async move {
            // Whoever uses the client hears of it.
            let _ = connection.await;
        });
        self.check_version(&client).await?;
        client.batch_execute(settings(role)).await?;
        let (lock, opening) = match role {
            Role::WriteRecords(opening) => (LOCK_RECORDS, opening),
            Role::WriteHistory(opening) => (LOCK_HISTORY, opening),
            Role::ReadRecords | Role::ReadHistory => return Ok(client),
        };
        let mut tries = 0;
        while !client
            .query_one("SELECT pg_try_advisory_lock($1)", &[&lock])
            .await?
            .try_get(0)?
        {
            tries += 1;
            if tries > LOCK_TRIES {
                return Err(self.taken(opening));
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        if opening.is_some() {
            let row = client.query_one("SELECT number FROM opened", &[]).await?;
            if Some(row.try_get::<_, i64>(0)?) != opening {
                return Err(self.taken(opening));
            }
        }
        Ok(client)
    }

    /// Somebody has to do something, unless it worked before: then it may pass.
    fn untrusted(&self, role: Role, cause: &str) -> Failure {
        let cause = format!("{}: {cause}", self.name());
        match role {
            Role::WriteRecords(None) | Role::WriteHistory(None) => Failure::Refused(StoreError::Other {
                operation: "open the database",
                cause,
            }),
            Role::WriteRecords(Some(_))
            | Role::WriteHistory(Some(_))
            | Role::ReadRecords
            | Role::ReadHistory => Failure::Away(cause),
        }
    }

    fn taken(&self, opening: Opening) -> Failure {
        match opening {
            None => Failure::Refused(StoreError::InUse {
                place: self.name(),
                choose: "`store` of the config file",
            }),
            Some(_) => Failure::Away(format!(
                "{} is in use by another process, which took it over; restart this one",
                self.name()
            )),
        }
    }

    async fn check_version(&self, client: &Client) -> Result<(), Failure> {
        let select = "SELECT current_setting('server_version_num')::int";
        let found: i32 = client.query_one(select, &[]).await?.try_get(0)?;
        if found < OLDEST_SERVER {
            return Err(Failure::Sql(format!(
                "{} is PostgreSQL {}, 15 or newer is needed",
                self.name(),
                found / 10_000
            )));
        }
        Ok(())
    }
}

const fn settings(role: Role) -> &'static str {
    match role {
        Role::WriteRecords(_) | Role::WriteHistory(_) => {
            "SET client_min_messages = warning; SET synchronous_commit = on"
        }
        Role::ReadRecords | Role::ReadHistory => {
            "SET client_min_messages = warning; SET default_transaction_read_only = on;
             SET default_transaction_isolation = 'repeatable read'"
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            return Self::Away(format!("{error}{}", source.unwrap_or_default()));
        };
        let is_leaving = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
        ];
        let code = said.code();
        if *code == SqlState::DISK_FULL {
            Self::Full
        } else if is_leaving.contains(code) || code.code().starts_with("08") {
            Self::Away(said.message().to_owned())
        } else {
            Self::Sql(format!("{} ({})", said.message(), code.code()))
        }
    }
}
