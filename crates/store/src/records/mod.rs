//! Configuration and records in tables, one file per group of nouns.

mod log;
mod nouns;
mod outbox;
mod oversight;
mod prices;
mod secrets;
mod sessions;
mod sites;
mod uploads;

use model::id::SiteId;
use serde::Serialize;

use crate::StoreError;
use crate::sql::{Failure, Param, Sql, damaged, params};

pub use oversight::Intake;

/// Raises the newest epoch of a site to the one given, or refuses it.
fn fence(sql: &dyn Sql, operation: &'static str, site: &SiteId, epoch: u64) -> Result<(), Failure> {
    let newest = newest_epoch(sql, site)?;
    if epoch < newest {
        return Err(StoreError::Fenced {
            operation,
            site: site.clone(),
            given: epoch,
            newest,
        }
        .into());
    }
    if epoch > newest {
        set_epoch(sql, site, epoch)
    } else {
        Ok(())
    }
}

fn newest_epoch(sql: &dyn Sql, site: &SiteId) -> Result<u64, Failure> {
    let select = "SELECT newest FROM epoch WHERE site = ?1";
    let newest = sql.first(select, params![site.as_str()], |row| row.int(0))?;
    u64::try_from(newest.unwrap_or(0)).map_err(damaged)
}

fn set_epoch(sql: &dyn Sql, site: &SiteId, epoch: u64) -> Result<(), Failure> {
    sql.write(
        "INSERT INTO epoch (site, newest) VALUES (?1, ?2)
         ON CONFLICT (site) DO UPDATE SET newest = excluded.newest",
        params![site.as_str(), i64::try_from(epoch).map_err(damaged)?],
    )
}

fn to_json<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(damaged)
}

/// A value of the model that is one word in JSON, without its quotes.
fn to_word<T: Serialize>(value: &T) -> Result<String, Failure> {
    Ok(to_json(value)?.trim_matches('"').to_owned())
}

/// The conditions of a query, and their parameters.
#[derive(Default)]
struct Only<'a> {
    conditions: Vec<String>,
    parameters: Vec<Param<'a>>,
}

impl<'a> Only<'a> {
    /// Adds a condition, in which `?` stands for a value, if there is a value.
    fn add(&mut self, condition: &str, value: Option<impl Into<Param<'a>>>) {
        if let Some(value) = value {
            let place = self.place(value);
            self.conditions.push(condition.replace('?', &place));
        }
    }

    /// Adds a parameter and says what stands for it.
    fn place(&mut self, value: impl Into<Param<'a>>) -> String {
        self.parameters.push(value.into());
        format!("?{}", self.parameters.len())
    }

    fn text(&self) -> String {
        if self.conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.conditions.join(" AND "))
        }
    }
}
