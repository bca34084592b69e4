//! Takes request lines that clients write as people type them: `GET /api/set?fna="my charger" HTTP/1.1`.
//!
//! A strict HTTP parser answers such a line with an empty 400 before anybody sees it. [`Lenient`] stands between
//! a connection and the parser and percent-encodes what may not stand in a target (blanks, quotes, angle
//! brackets, bytes beyond ASCII), and nothing else: headers and bodies pass as they came.
//!
//! It follows the requests of a connection as far as `Content-Length` leads. After a body of unknown length, an
//! upgrade or a line that is too long it only hands on.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest request line that is looked at. The parser behind refuses shorter ones.
const LONGEST_LINE: usize = 66_000;
/// As much of a header line as tells what follows the headers.
const HEADER_START: usize = 64;

/// What comes next on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    RequestLine,
    Headers,
    Body {
        left: u64,
    },
    /// Whatever comes is not looked at any more.
    Unseen,
}

/// Follows the bytes of one connection.
#[derive(Debug)]
struct Mender {
    next: Next,
    /// The beginning of a request line whose end has not come yet.
    held: Vec<u8>,
    /// The beginning of the current header line.
    header: Vec<u8>,
    body: u64,
    unseen_after_head: bool,
}

impl Mender {
    const fn new() -> Self {
        Self {
            next: Next::RequestLine,
            held: Vec::new(),
            header: Vec::new(),
            body: 0,
            unseen_after_head: false,
        }
    }

    /// `None`: the bytes may pass as they are. Else what passes in their place, which may be nothing yet.
    fn feed(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut changed: Option<Vec<u8>> = None;
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let used = match self.next {
                Next::RequestLine => {
                    let Some(end) = rest.iter().position(|b| *b == b'\n') else {
                        let passed = changed.get_or_insert_with(|| bytes[..at].to_vec());
                        self.held.extend_from_slice(rest);
                        if self.held.len() > LONGEST_LINE {
                            self.next = Next::Unseen;
                            passed.append(&mut self.held);
                        }
                        return changed;
                    };
                    let line = &rest[..=end];
                    let was_held = !self.held.is_empty();
                    let whole = if was_held {
                        self.held.extend_from_slice(line);
                        Cow::Owned(std::mem::take(&mut self.held))
                    } else {
                        Cow::Borrowed(line)
                    };
                    let mended = mended(&whole);
                    if was_held || mended.is_some() {
                        let passed = changed.get_or_insert_with(|| bytes[..at].to_vec());
                        passed.extend_from_slice(mended.as_deref().unwrap_or(&whole));
                    } else if let Some(passed) = &mut changed {
                        passed.extend_from_slice(line);
                    }
                    self.begin_headers(&whole);
                    at += end + 1;
                    continue;
                }
                Next::Headers => self.headers(rest),
                Next::Body { left } => {
                    let used = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - used as u64;
                    self.next = if left == 0 {
                        Next::RequestLine
                    } else {
                        Next::Body { left }
                    };
                    used
                }
                Next::Unseen => rest.len(),
            };
            if let Some(passed) = &mut changed {
                passed.extend_from_slice(&rest[..used]);
            }
            at += used;
        }
        changed
    }

    /// What is still held when the connection ends.
    fn end(&mut self) -> Vec<u8> {
        self.next = Next::Unseen;
        std::mem::take(&mut self.held)
    }

    fn begin_headers(&mut self, line: &[u8]) {
        self.body = 0;
        self.unseen_after_head = false;
        self.next = match line {
            // Empty lines before a request are none.
            b"\r\n" | b"\n" => Next::RequestLine,
            line if line.starts_with(b"PRI * HTTP/2") => Next::Unseen,
            _ => Next::Headers,
        };
    }

    /// Reads one header line or the beginning of it; answers how many bytes that were.
    fn headers(&mut self, rest: &[u8]) -> usize {
        let end = rest.iter().position(|b| *b == b'\n');
        let used = end.map_or(rest.len(), |end| end + 1);
        let room = HEADER_START.saturating_sub(self.header.len());
        self.header.extend(rest[..used].iter().take(room));
        if end.is_none() {
            return used;
        }
        if self.header == b"\r\n" || self.header == b"\n" {
            self.next = match self.body {
                _ if self.unseen_after_head => Next::Unseen,
                0 => Next::RequestLine,
                left => Next::Body { left },
            };
        } else {
            self.note_header();
        }
        self.header.clear();
        used
    }

    /// What a header says about the bytes behind the head. Most say nothing, and many come each second.
    fn note_header(&mut self) {
        let Some(colon) = self.header.iter().position(|b| *b == b':') else {
            return;
        };
        let (name, value) = self.header.split_at(colon);
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(&value[1..]).ok();
            match length.and_then(|length| length.trim().parse().ok()) {
                Some(length) => self.body = length,
                None => self.unseen_after_head = true,
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") || name.eq_ignore_ascii_case(b"upgrade") {
            self.unseen_after_head = true;
        }
    }
}

/// The line with its target encoded, or `None` where nothing has to be done.
fn mended(line: &[u8]) -> Option<Vec<u8>> {
    const VERSION: &[u8] = b" HTTP/1.";
    let start = line.iter().position(|b| *b == b' ')? + 1;
    let end = line
        .windows(VERSION.len())
        .rposition(|window| window == VERSION)?;
    let target = line.get(start..end)?;
    if !target.iter().any(|byte| is_foreign(*byte)) {
        return None;
    }
    let mut whole = Vec::with_capacity(line.len() + 64);
    whole.extend_from_slice(&line[..start]);
    for byte in target {
        if is_foreign(*byte) {
            whole.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            whole.push(*byte);
        }
    }
    whole.extend_from_slice(&line[end..]);
    Some(whole)
}

/// What the parser would refuse in a target.
const fn is_foreign(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | b'"' | b'<' | b'>' | b'`' | 0x7F..)
}

/// A connection whose request lines are mended on the way in.
#[derive(Debug)]
pub struct Lenient<S> {
    stream: S,
    mender: Mender,
    /// Mended bytes that were not read yet, and how many of them were.
    ready: (Vec<u8>, usize),
}

impl<S> Lenient<S> {
    pub const fn new(stream: S) -> Self {
        Self {
            stream,
            mender: Mender::new(),
            ready: (Vec::new(), 0),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lenient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let (ready, read) = &mut this.ready;
            if let Some(rest) = ready.get(*read..).filter(|rest| !rest.is_empty()) {
                let now = rest.len().min(buf.remaining());
                buf.put_slice(&rest[..now]);
                *read += now;
                return Poll::Ready(Ok(()));
            }
            if buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(context, buf))?;
            let came = &buf.filled()[before..];
            let changed = if came.is_empty() {
                let held = this.mender.end();
                if held.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                Some(held)
            } else {
                this.mender.feed(came)
            };
            match changed {
                None => return Poll::Ready(Ok(())),
                Some(changed) => {
                    buf.set_filled(before);
                    this.ready = (changed, 0);
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lenient<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// What the parser reads when the bytes come in the given pieces.
    async fn read(pieces: &[&[u8]]) -> Vec<u8> {
        let mut builder = tokio_test_stream(pieces);
        let mut out = Vec::new();
        builder.read_to_end(&mut out).await.unwrap();
        out
    }

    /// A stream that hands out one piece at a time.
    fn tokio_test_stream(pieces: &[&[u8]]) -> Lenient<Pieces> {
        Lenient::new(Pieces(pieces.iter().rev().map(|piece| piece.to_vec()).collect()))
    }

    struct Pieces(Vec<Vec<u8>>);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if let Some(mut piece) = self.0.pop() {
                let rest = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(&piece);
                if !rest.is_empty() {
                    self.0.push(rest);
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    const CASES: [(&[u8], &[u8]); 9] = [
        (
            b"GET /api/set?token=t&=3&fna=\"my go-eCharger\" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /api/set?token=t&=3&fna=%22my%20go-eCharger%22 HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        (
            b"GET /s?ids={\"pGrid\":-500} HTTP/1.1\r\n\r\nGET /t?a=\"b\" HTTP/1.1\r\n\r\n",
            b"GET /s?ids={%22pGrid%22:-500} HTTP/1.1\r\n\r\nGET /t?a=%22b%22 HTTP/1.1\r\n\r\n",
        ),
        // A body is no request, however much it looks like one.
        (
            b"POST /x HTTP/1.1\r\nContent-Length: 21\r\n\r\nGET /\"\" HTTP/1.1\r\nabcGET /\" HTTP/1.1\r\n\r\n",
            b"POST /x HTTP/1.1\r\nContent-Length: 21\r\n\r\nGET /\"\" HTTP/1.1\r\nabcGET /%22 HTTP/1.1\r\n\r\n",
        ),
        (
            b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nGET /\" HTTP/1.1\r\n\r\n0\r\n\r\n",
            b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nGET /\" HTTP/1.1\r\n\r\n0\r\n\r\n",
        ),
        (
            b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x05GET /\" HTTP/1.1\r\n",
            b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x05GET /\" HTTP/1.1\r\n",
        ),
        (b"\r\nGET /?a=\xff\xc3\xbc HTTP/1.0\r\n\r\n", b"\r\nGET /?a=%FF%C3%BC HTTP/1.0\r\n\r\n"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\""),
        (b"nonsense", b"nonsense"),
        (b"GET /a b", b"GET /a b"),
    ];

    #[tokio::test]
    async fn targets_are_encoded_and_nothing_else() {
        for (sent, expected) in CASES {
            let whole = read(&[sent]).await;
            assert_eq!(String::from_utf8_lossy(&whole), String::from_utf8_lossy(expected));
            for cut in 1..sent.len() {
                let (left, right) = sent.split_at(cut);
                assert_eq!(read(&[left, right]).await, expected, "cut at {cut}");
            }
            let bytes: Vec<&[u8]> = sent.chunks(1).collect();
            assert_eq!(read(&bytes).await, expected);
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_handed_on() {
        let long = [
            b"GET /?".as_slice(),
            &b"\"".repeat(LONGEST_LINE),
            b" HTTP/1.1\r\n\r\n",
        ]
        .concat();
        let pieces: Vec<&[u8]> = long.chunks(4_096).collect();
        assert_eq!(read(&pieces).await, long);
    }
}
