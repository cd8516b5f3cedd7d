//! A stream that tells of an error in writing only after all that has arrived is read.
//!
//! A server that closes a connection may have said before which requests it took (GOAWAY). By the time that this can be read, a write may fail
//! already, because the server's kernel rejects what comes late; h2 would then end all requests, and read no more.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Wraps a stream. After an error in writing, whatever is written is dropped, and reading ends with that error where it would end.
#[derive(Debug)]
pub(super) struct ReadFirst<S> {
    stream: S,
    error: Option<ErrorKind>,
}

impl<S> ReadFirst<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, error: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadFirst<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        match self.error {
            Some(error) if read.is_ok() && buffer.filled().len() == before => Poll::Ready(Err(error.into())),
            _ => Poll::Ready(read),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadFirst<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.error.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        match ready!(Pin::new(&mut self.stream).poll_write(context, bytes)) {
            Ok(count) => Poll::Ready(Ok(count)),
            Err(error) => {
                self.error = Some(error.kind());
                // So that the rest is read, whoever was told of it before.
                context.waker().wake_by_ref();
                Poll::Ready(Ok(bytes.len()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.error.is_some() { Poll::Ready(Ok(())) } else { Pin::new(&mut self.stream).poll_flush(context) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.error.is_some() { Poll::Ready(Ok(())) } else { Pin::new(&mut self.stream).poll_shutdown(context) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_arrived_is_read_before_the_error_is_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        far.write_all(b"last words").await.unwrap();
        drop(far);
        let mut near = ReadFirst::new(near);
        // The first write meets a closed socket, which answers with a reset; some later one fails.
        for _ in 0..10 {
            near.write_all(b"late").await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(near.error.is_some());
        let mut read = Vec::new();
        let end = near.read_to_end(&mut read).await.unwrap_err();
        assert_eq!((&read[..], Some(end.kind())), (&b"last words"[..], near.error));
    }
}
