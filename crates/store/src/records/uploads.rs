//! What is owed to platforms: queues in rows, and what was told last.

use async_trait::async_trait;
use model::id::PlatformId;
use model::oversight::{Code, Entity, EntityKind, Lane, Upload};

use super::to_json;
use crate::database::Database;
use crate::sql::{Failure, Sql, damaged, params};
use crate::uploads::Backlog;
use crate::{Done, StoreError, Uploads};

fn count(number: i64) -> Result<u64, Failure> {
    u64::try_from(number).map_err(damaged)
}

/// Makes sure that there is a row to count in.
fn state_row(sql: &dyn Sql, platform: &str) -> Result<(), Failure> {
    sql.write(
        "INSERT INTO upload_state (platform, dropped, refused) VALUES (?1, 0, 0)
         ON CONFLICT (platform) DO NOTHING",
        params![platform],
    )
}

/// The oldest samples go when more wait than may.
fn bound(sql: &dyn Sql, platform: &str, most: u32) -> Result<(), Failure> {
    let lane = Lane::Sample.name();
    let select = "SELECT count(*) FROM upload WHERE platform = ?1 AND lane = ?2 AND problem IS NULL";
    let waiting = sql.first(select, params![platform, lane], |row| row.int(0))?;
    let over = waiting.unwrap_or(0) - i64::from(most);
    if over <= 0 {
        return Ok(());
    }
    let gone = sql.execute(
        "DELETE FROM upload WHERE number IN (SELECT number FROM upload
         WHERE platform = ?1 AND lane = ?2 AND problem IS NULL ORDER BY number LIMIT ?3)",
        params![platform, lane, over],
    )?;
    sql.write(
        "UPDATE upload_state SET dropped = dropped + ?2 WHERE platform = ?1",
        params![platform, i64::try_from(gone).map_err(damaged)?],
    )
}

#[async_trait]
impl<G: Send + Sync> Uploads for Database<G> {
    async fn queue_uploads(
        &self,
        platform: &PlatformId,
        uploads: &[Upload],
        note: Option<&str>,
        most: u32,
    ) -> Done {
        let (platform, uploads) = (platform.clone(), uploads.to_vec());
        let note = note.map(str::to_owned);
        let queue = move |sql: &dyn Sql| {
            let platform = platform.as_str();
            state_row(sql, platform)?;
            for upload in &uploads {
                sql.write(
                    "INSERT INTO upload (platform, lane, at, body) VALUES (?1, ?2, ?3, ?4)",
                    params![platform, upload.lane().name(), upload.at(), &to_json(upload)?],
                )?;
            }
            if let Some(note) = &note {
                sql.write(
                    "UPDATE upload_state SET note = ?2 WHERE platform = ?1",
                    params![platform, note],
                )?;
            }
            if uploads.iter().any(|upload| upload.lane() == Lane::Sample) {
                bound(sql, platform, most)?;
            }
            Ok(())
        };
        self.writer
            .call("queue what a platform is to be told", queue)
            .await
    }

    async fn upload_note(&self, platform: &PlatformId) -> Result<Option<String>, StoreError> {
        let platform = platform.clone();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT note FROM upload_state WHERE platform = ?1";
            let note = sql.first(select, params![platform.as_str()], |row| {
                Ok(row.opt_text(0)?.map(str::to_owned))
            })?;
            Ok(note.flatten())
        };
        self.reader.call("read what was noted of a platform", read).await
    }

    async fn waiting_uploads(
        &self,
        platform: &PlatformId,
        lane: Lane,
        limit: u32,
    ) -> Result<Vec<(i64, Upload)>, StoreError> {
        let platform = platform.clone();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT number, body FROM upload
                WHERE platform = ?1 AND lane = ?2 AND problem IS NULL ORDER BY number LIMIT ?3";
            sql.all(select, params![platform.as_str(), lane.name(), limit], |row| {
                Ok((row.int(0)?, row.json(1)?))
            })
        };
        self.reader.call("read what waits for a platform", read).await
    }

    async fn settle_uploads(&self, platform: &PlatformId, done: &[i64], refused: &[(i64, String)]) -> Done {
        let platform = platform.clone();
        let (done, refused) = (done.to_vec(), refused.to_vec());
        let settle = move |sql: &dyn Sql| {
            let platform = platform.as_str();
            let delete = "DELETE FROM upload WHERE platform = ?1 AND number = ?2";
            for number in &done {
                sql.write(delete, params![platform, *number])?;
            }
            let mut gone = 0_i64;
            for (number, problem) in &refused {
                let kept = sql.execute(
                    "UPDATE upload SET problem = ?3 WHERE platform = ?1 AND number = ?2 AND lane = ?4",
                    params![platform, *number, problem, Lane::Record.name()],
                )?;
                if kept == 0 {
                    sql.write(delete, params![platform, *number])?;
                    gone += 1;
                }
            }
            if gone > 0 {
                state_row(sql, platform)?;
                sql.write(
                    "UPDATE upload_state SET refused = refused + ?2 WHERE platform = ?1",
                    params![platform, gone],
                )?;
            }
            Ok(())
        };
        self.writer.call("store what a platform took", settle).await
    }

    async fn refused_uploads(
        &self,
        platform: &PlatformId,
        limit: u32,
    ) -> Result<Vec<(i64, Upload, String)>, StoreError> {
        let platform = platform.clone();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT number, body, problem FROM upload
                WHERE platform = ?1 AND problem IS NOT NULL ORDER BY number DESC LIMIT ?2";
            sql.all(select, params![platform.as_str(), limit], |row| {
                Ok((row.int(0)?, row.json(1)?, row.text(2)?.to_owned()))
            })
        };
        self.reader.call("read what a platform refused", read).await
    }

    async fn retry_uploads(&self, platform: &PlatformId) -> Result<u64, StoreError> {
        let platform = platform.clone();
        let retry = move |sql: &dyn Sql| {
            let update = "UPDATE upload SET problem = NULL WHERE platform = ?1 AND problem IS NOT NULL";
            sql.execute(update, params![platform.as_str()])
        };
        self.writer.call("let refused records wait again", retry).await
    }

    async fn backlog(&self, platform: &PlatformId) -> Result<Backlog, StoreError> {
        let platform = platform.clone();
        let read = move |sql: &dyn Sql| {
            let platform = platform.as_str();
            let mut backlog = Backlog::default();
            for lane in Lane::ALL {
                let select = "SELECT count(*), min(at) FROM upload
                    WHERE platform = ?1 AND lane = ?2 AND problem IS NULL";
                let row = sql.first(select, params![platform, lane.name()], |row| {
                    Ok((count(row.int(0)?)?, row.opt_time(1)?))
                })?;
                let (waiting, oldest) = row.unwrap_or_default();
                match lane {
                    Lane::Sample => backlog.samples = waiting,
                    Lane::Record => backlog.records = waiting,
                    Lane::Again => backlog.repairs = waiting,
                }
                backlog.oldest = backlog.oldest.into_iter().chain(oldest).min();
            }
            let stuck = "SELECT count(*) FROM upload WHERE platform = ?1 AND problem IS NOT NULL";
            let stuck = sql.first(stuck, params![platform], |row| count(row.int(0)?))?;
            backlog.stuck = stuck.unwrap_or(0);
            let state = "SELECT dropped, refused FROM upload_state WHERE platform = ?1";
            let state = sql.first(state, params![platform], |row| {
                Ok((count(row.int(0)?)?, count(row.int(1)?)?))
            })?;
            (backlog.dropped, backlog.refused) = state.unwrap_or_default();
            Ok(backlog)
        };
        self.reader.call("count what waits for a platform", read).await
    }

    async fn told_entities(&self, platform: &PlatformId) -> Result<Vec<Entity>, StoreError> {
        let platform = platform.clone();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT body FROM upload_told WHERE platform = ?1 ORDER BY kind, id";
            sql.all(select, params![platform.as_str()], |row| row.json(0))
        };
        self.reader.call("read what a platform was told", read).await
    }

    async fn put_told(&self, platform: &PlatformId, entity: &Entity) -> Done {
        let (platform, entity) = (platform.clone(), entity.clone());
        let put = move |sql: &dyn Sql| {
            sql.write(
                "INSERT INTO upload_told (platform, kind, id, body) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (platform, kind, id) DO UPDATE SET body = excluded.body",
                params![
                    platform.as_str(),
                    entity.kind.name(),
                    entity.id.as_str(),
                    &to_json(&entity)?
                ],
            )
        };
        self.writer.call("store what a platform was told", put).await
    }

    async fn forget_told(&self, platform: &PlatformId, kind: EntityKind, id: &Code) -> Done {
        let (platform, id) = (platform.clone(), id.clone());
        let delete = move |sql: &dyn Sql| {
            sql.write(
                "DELETE FROM upload_told WHERE platform = ?1 AND kind = ?2 AND id = ?3",
                params![platform.as_str(), kind.name(), id.as_str()],
            )
        };
        self.writer.call("forget what a platform was told", delete).await
    }

    async fn forget_platform(&self, platform: &PlatformId) -> Done {
        let platform = platform.clone();
        let delete = move |sql: &dyn Sql| {
            for delete in [
                "DELETE FROM upload WHERE platform = ?1",
                "DELETE FROM upload_state WHERE platform = ?1",
                "DELETE FROM upload_told WHERE platform = ?1",
            ] {
                sql.write(delete, params![platform.as_str()])?;
            }
            Ok(())
        };
        self.writer.call("forget a platform", delete).await
    }
}
