//! Bounds on the connections of a port that somebody else serves: how many there are, and how long one may be
//! silent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// What a Linux system allows a process when nobody says anything else.
const USUAL_FILES: usize = 1_024;
const FEWEST: usize = 64;
const MOST: usize = 8_192;

/// Places for connections, shared by all ports of a process. When all are taken, further connections wait in
/// the queue of the operating system.
#[derive(Clone, Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    idle: Duration,
}

impl Places {
    /// A connection that is silent for `idle` in both directions ends.
    #[must_use]
    pub fn new(count: usize, idle: Duration) -> Self {
        let free = Arc::new(Semaphore::new(count));
        Self { free, idle }
    }

    /// Three quarters of the files this process may open: the rest is for devices and the store, whoever
    /// connects.
    #[must_use]
    pub fn of_this_process(idle: Duration) -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let files = open_files(&limits).unwrap_or(USUAL_FILES);
        Self::new((files / 4 * 3).clamp(FEWEST, MOST), idle)
    }

    /// Waits for a free place.
    pub async fn take(&self) -> Place {
        // Nobody closes the semaphore.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        Place {
            _permit: permit,
            idle: self.idle,
        }
    }
}

/// The number that `/proc/self/limits` gives as the soft one.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

/// A place that nobody else has.
#[derive(Debug)]
pub struct Place {
    _permit: Option<OwnedSemaphorePermit>,
    idle: Duration,
}

impl Place {
    /// The place belongs to the connection from now on.
    #[must_use]
    pub fn hold<S>(self, stream: S) -> Placed<S> {
        let ends = Box::pin(tokio::time::sleep(self.idle));
        Placed {
            stream,
            ends,
            place: self,
        }
    }
}

/// A connection at its place.
#[derive(Debug)]
pub struct Placed<S> {
    stream: S,
    ends: Pin<Box<Sleep>>,
    place: Place,
}

impl<S> Placed<S> {
    /// What came of passing bytes on: some prolong the connection, none at the end of its time are a failure.
    fn judge<T>(&mut self, passed: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if passed.is_ready() {
            self.ends.as_mut().reset(Instant::now() + self.place.idle);
            return passed;
        }
        self.ends
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Placed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let passed = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.judge(passed, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Placed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let passed = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(passed, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let passed = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.judge(passed, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    async fn connection() -> (Placed<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(16);
        (Places::new(1, IDLE).take().await.hold(ours), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_ends_in_time() {
        let (mut ours, _theirs) = connection().await;
        let begun = Instant::now();
        let error = ours.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= IDLE, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_passes_in_either_direction_prolongs_it() {
        let (mut ours, mut theirs) = connection().await;
        for _ in 0..5 {
            tokio::time::sleep(IDLE * 3 / 4).await;
            ours.write_u8(1).await.unwrap();
            assert_eq!(theirs.read_u8().await.unwrap(), 1);
            tokio::time::sleep(IDLE * 3 / 4).await;
            theirs.write_u8(2).await.unwrap();
            assert_eq!(ours.read_u8().await.unwrap(), 2);
        }
        // A reader that waits meanwhile is not woken too early.
        let (mut read, mut write) = tokio::io::split(ours);
        let reading = tokio::spawn(async move { read.read_u8().await });
        for _ in 0..3 {
            tokio::time::sleep(IDLE * 3 / 4).await;
            write.write_u8(3).await.unwrap();
        }
        assert!(!reading.is_finished());
        let ended = reading.await.unwrap().unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
    }

    /// A peer that reads nothing takes the place no longer than one that says nothing.
    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_cut_off() {
        let (mut ours, _theirs) = connection().await;
        let error = ours.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_free_again_when_its_connection_is_gone() {
        let places = Places::new(2, IDLE);
        let (stream, _other_end) = duplex(16);
        let first = places.take().await.hold(stream);
        let _second = places.take().await;
        assert!(tokio::time::timeout(IDLE, places.take()).await.is_err());
        drop(first);
        places.take().await;
    }

    #[test]
    fn open_files_are_read_as_the_system_writes_them() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max core file size        0                    unlimited            bytes     \n\
                    Max open files            1024                 524288               files     \n";
        for (text, expected) in [
            (text.to_owned(), Some(1_024)),
            (text.replace("1024  ", "unlimited"), Some(usize::MAX)),
            (String::new(), None),
            ("Max open files".to_owned(), None),
        ] {
            assert_eq!(open_files(&text), expected, "{text}");
        }
    }
}
