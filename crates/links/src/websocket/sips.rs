//! A connection that is read in small parts, and whose first head of HTTP is read to its end and no further.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How a head of HTTP ends.
const END: [u8; 4] = *b"\r\n\r\n";

/// Gives at most so many bytes at once, however much room there is for them. What comes together with a head is
/// given after it: who reads the head need not keep a buffer for what follows.
pub(super) struct Sips<S> {
    stream: S,
    most: usize,
    head: Head,
}

enum Head {
    /// So many bytes of [`END`] came last.
    Coming(usize),
    /// What came with it and was not given yet.
    Past(Bytes),
}

impl<S> Sips<S> {
    pub const fn new(stream: S, most: usize) -> Self {
        Self {
            stream,
            most,
            head: Head::Coming(0),
        }
    }
}

impl Head {
    /// How many of these bytes still belong to the head, all of which come before anything else.
    fn take(&mut self, came: &[u8]) -> usize {
        let Self::Coming(seen) = self else {
            return came.len();
        };
        for (at, byte) in came.iter().enumerate() {
            *seen = match END.get(*seen) {
                Some(expected) if expected == byte => *seen + 1,
                _ => usize::from(*byte == END[0]),
            };
            if *seen == END.len() {
                let (head, rest) = came.split_at(at + 1);
                *self = Self::Past(Bytes::copy_from_slice(rest));
                return head.len();
            }
        }
        came.len()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sips<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = buf.remaining().min(this.most);
        if let Head::Past(kept) = &mut this.head
            && !kept.is_empty()
        {
            let part = room.min(kept.len());
            buf.put_slice(&kept[..part]);
            kept.advance(part);
            if kept.is_empty() {
                *kept = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
        let given = this.head.take(part.filled());
        buf.advance(given);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sips<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_head_is_given_to_its_end_and_nothing_is_lost() {
        for sent in [
            "HTTP/1.1 101\r\nA: b\r\n\r\nhello, all of it",
            "\r\r\n\r\n\r\n",
            "no head",
            "\r\n\r\n",
        ] {
            let end = sent.find("\r\n\r\n").map(|at| at + END.len());
            for most in [1, 3, 64] {
                let mut sips = Sips::new(sent.as_bytes(), most);
                let (mut all, mut ends) = (Vec::new(), Vec::new());
                loop {
                    let mut part = [0; 64];
                    let came = sips.read(&mut part).await.unwrap();
                    if came == 0 {
                        break;
                    }
                    assert!(came <= most);
                    all.extend_from_slice(&part[..came]);
                    ends.push(all.len());
                }
                assert_eq!(all, sent.as_bytes(), "{most}");
                assert!(
                    end.is_none_or(|end| ends.contains(&end)),
                    "{sent:?} by {most}: {ends:?}"
                );
            }
        }
    }
}
