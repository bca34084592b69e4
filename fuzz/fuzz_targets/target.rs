//! Requests as people type them: what passes is the same however the bytes come, and holds no more than it should.
#![no_main]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use libfuzzer_sys::fuzz_target;
use links::lenient_target::Lenient;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// Hands out `size` bytes at a time.
struct Pieces<'a> {
    rest: &'a [u8],
    size: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let now = self.size.min(self.rest.len()).min(buf.remaining());
        let (piece, rest) = self.rest.split_at(now);
        buf.put_slice(piece);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

fn passed(rest: &[u8], size: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let read = Lenient::new(Pieces { rest, size })
        .read_to_end(&mut all)
        .now_or_never();
    assert!(matches!(read, Some(Ok(_))));
    all
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&size, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = passed(bytes, usize::MAX);
    assert_eq!(passed(bytes, usize::from(size).max(1)), whole);
    assert!(whole.len() >= bytes.len() && whole.len() <= 3 * bytes.len());
    // What has been mended needs no more of it.
    assert_eq!(passed(&whole, usize::MAX), whole);
});
