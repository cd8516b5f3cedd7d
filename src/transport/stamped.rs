//! A stream that records the instant of the first write after it was armed: the moment a request is sent.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The instant, shared between the stream and the connection: [`Self::arm`] before a request, [`Self::written`] after it.
#[derive(Debug, Clone, Default)]
pub(super) struct Stamp(Arc<Mutex<Mark>>);

#[derive(Debug, Clone, Copy, Default)]
enum Mark {
    #[default]
    Idle,
    Armed,
    Written(Instant),
}

impl Stamp {
    /// Records the next write.
    pub(super) fn arm(&self) {
        self.set(Mark::Armed);
    }

    /// When the first write since [`Self::arm`] was begun.
    pub(super) fn written(&self) -> Option<Instant> {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Mark::Written(instant) => Some(instant),
            Mark::Idle | Mark::Armed => None,
        }
    }

    fn set(&self, mark: Mark) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = mark;
    }

    fn on_write(&self) {
        let mut mark = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*mark, Mark::Armed) {
            *mark = Mark::Written(Instant::now());
        }
    }
}

#[derive(Debug)]
pub(super) struct Stamped<S> {
    inner: S,
    stamp: Stamp,
}

impl<S> Stamped<S> {
    pub(super) fn new(inner: S, stamp: Stamp) -> Self {
        Self { inner, stamp }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stamped<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stamped<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stamp.on_write();
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.stamp.on_write();
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
