//! Bytes to write: small pieces are gathered, large ones passed on as they are.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

/// Pieces up to this length, in bytes, are copied together; longer ones are shared.
const SMALL: usize = 4 * 1024;

/// The buffer is full at this many bytes, enough for one large write.
const FULL: usize = 256 * 1024;

/// Slices in one vectored write.
const SLICES: usize = 16;

/// Bytes to write, in order.
#[derive(Debug, Default)]
pub struct WriteBuffer {
    pieces: VecDeque<Bytes>,
    /// Small pieces that come after all of `pieces`.
    tail: BytesMut,
    length: usize,
}

impl WriteBuffer {
    /// Appends a piece.
    pub fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        if piece.len() <= SMALL {
            self.tail.extend_from_slice(&piece);
        } else {
            self.end_tail();
            self.pieces.push_back(piece);
        }
    }

    /// Whether enough is waiting to be written.
    pub fn is_full(&self) -> bool {
        self.length >= FULL
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes some of it, all that one write takes. Cancel safe.
    ///
    /// # Errors
    /// The writer failed, or took nothing.
    pub fn poll_write_to<W>(
        &mut self,
        mut writer: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + ?Sized,
    {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let written = match self.chunks_vectored(&mut slices) {
            // A short line, mostly. The system is quicker without a list of one.
            0 | 1 => writer.as_mut().poll_write(cx, self.chunk()),
            count => writer.as_mut().poll_write_vectored(cx, &slices[..count]),
        };
        match ready!(written)? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            count => {
                self.advance(count);
                Poll::Ready(Ok(()))
            }
        }
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(self.tail.split().freeze());
        }
    }
}

impl Buf for WriteBuffer {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&self.tail, |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let chunks = self.pieces.iter().map(|piece| &piece[..]);
        let chunks = chunks.chain((!self.tail.is_empty()).then_some(&self.tail[..]));
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        self.length -= count;
        while let Some(front) = self.pieces.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.pieces.pop_front();
        }
        self.tail.advance(count);
    }
}
