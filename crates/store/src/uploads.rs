//! What we owe the platforms that we report our own sites to.

use async_trait::async_trait;
use model::id::PlatformId;
use model::oversight::{Code, Entity, EntityKind, Lane, Upload};
use model::time::Timestamp;

use crate::{Done, StoreError};

#[async_trait]
pub trait Uploads: Send + Sync {
    /// Puts what is to be told behind all that waits, and notes what it was made from: all or nothing. Of more
    /// samples than `most` the oldest go, and are counted; nothing else ever goes by itself.
    async fn queue_uploads(
        &self,
        platform: &PlatformId,
        uploads: &[Upload],
        note: Option<&str>,
        most: u32,
    ) -> Done;
    /// What was noted last.
    async fn upload_note(&self, platform: &PlatformId) -> Result<Option<String>, StoreError>;
    /// What waits in a lane, in the order in which it was put there, with its numbers.
    async fn waiting_uploads(
        &self,
        platform: &PlatformId,
        lane: Lane,
        limit: u32,
    ) -> Result<Vec<(i64, Upload)>, StoreError>;
    /// Takes out what is done, by its numbers. Of what the platform refused, records stay with what it said and
    /// wait for somebody; the rest goes and is counted.
    async fn settle_uploads(&self, platform: &PlatformId, done: &[i64], refused: &[(i64, String)]) -> Done;
    /// What stays refused, the newest first, with numbers and what the platform said.
    async fn refused_uploads(
        &self,
        platform: &PlatformId,
        limit: u32,
    ) -> Result<Vec<(i64, Upload, String)>, StoreError>;
    /// Lets what was refused wait again, and says how many they are.
    async fn retry_uploads(&self, platform: &PlatformId) -> Result<u64, StoreError>;
    async fn backlog(&self, platform: &PlatformId) -> Result<Backlog, StoreError>;

    /// As the platform was told them last.
    async fn told_entities(&self, platform: &PlatformId) -> Result<Vec<Entity>, StoreError>;
    async fn put_told(&self, platform: &PlatformId, entity: &Entity) -> Done;
    async fn forget_told(&self, platform: &PlatformId, kind: EntityKind, id: &Code) -> Done;

    /// Deletes all of a platform.
    async fn forget_platform(&self, platform: &PlatformId) -> Done;
}

/// What waits for a platform, and what never got there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub samples: u64,
    pub records: u64,
    /// Samples that mend others.
    pub repairs: u64,
    /// Of what moment the oldest of them tells.
    pub oldest: Option<Timestamp>,
    /// Records that the platform refused and that wait for somebody.
    pub stuck: u64,
    /// Samples that went because too many waited.
    pub dropped: u64,
    /// Samples that the platform refused.
    pub refused: u64,
}
