//! Lines of a stream that cannot be looked at twice: standard input, a named pipe. A thread of its own reads them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use super::follow::split;

/// A stream that is read on another thread.
#[derive(Debug)]
pub(crate) struct Stream {
    blocks: Receiver<Vec<u8>>,
    /// Whole lines that came before the format was known.
    early: Vec<u8>,
    rest: Vec<u8>,
    is_skipping: bool,
    pub(crate) has_ended: bool,
}

impl Stream {
    pub(crate) fn standard_input() -> io::Result<Self> {
        Self::start(|| Ok(Box::new(io::stdin())))
    }

    pub(crate) fn pipe(path: &Path) -> io::Result<Self> {
        let path = path.to_owned();
        // Opening a named pipe waits for its writer.
        Self::start(move || Ok(Box::new(File::open(path)?)))
    }

    fn start(open: impl FnOnce() -> io::Result<Box<dyn Read>> + Send + 'static) -> io::Result<Self> {
        let (sender, blocks) = sync_channel(BLOCKS_MAX);
        std::thread::Builder::new().name("stream".to_owned()).spawn(move || {
            if let Ok(mut stream) = open() {
                read_all(&mut *stream, &sender);
            }
        })?;
        Ok(Self { blocks, early: Vec::new(), rest: Vec::new(), is_skipping: false, has_ended: false })
    }

    /// What came first, without taking it: the format is detected by it. Empty while there is no whole line.
    pub(crate) fn sample(&mut self) -> &[u8] {
        while self.early.len() < SAMPLE_BYTES
            && let Some(block) = self.next()
        {
            self.early.extend_from_slice(&block);
        }
        let to = self.early.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        &self.early[..to]
    }

    /// Gives each whole line to `on_line`.
    pub(crate) fn poll(&mut self, on_line: &mut dyn FnMut(&[u8])) {
        let early = std::mem::take(&mut self.early);
        split(&mut self.rest, &mut self.is_skipping, &early, on_line);
        // As many as could be waiting: a fast writer must not keep the figures away.
        for _ in 0..BLOCKS_MAX {
            let Some(block) = self.next() else { break };
            split(&mut self.rest, &mut self.is_skipping, &block, on_line);
        }
        if self.has_ended && !self.rest.is_empty() {
            split(&mut self.rest, &mut self.is_skipping, b"\n", on_line);
        }
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        match self.blocks.try_recv() {
            Ok(block) => Some(block),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.has_ended = true;
                None
            }
        }
    }
}

fn read_all(stream: &mut dyn Read, blocks: &SyncSender<Vec<u8>>) {
    let mut buffer = vec![0; BLOCK_BYTES];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => {
                if blocks.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

const BLOCK_BYTES: usize = 64 << 10;
const BLOCKS_MAX: usize = 64;
const SAMPLE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn lines_of_a_stream_are_all_read_after_the_sample() {
        let mut stream = Stream::start(|| Ok(Box::new(&b"one\ntwo\nthree"[..]))).unwrap();
        let began = Instant::now();
        while stream.sample().is_empty() && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(stream.sample(), b"one\ntwo\n");
        let mut lines = Vec::new();
        loop {
            stream.poll(&mut |line| lines.push(String::from_utf8_lossy(line).into_owned()));
            if stream.has_ended || began.elapsed() > Duration::from_secs(10) {
                break;
            }
        }
        assert_eq!(lines, ["one", "two", "three"]);
    }
}
