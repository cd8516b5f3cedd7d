//! Opens an input once: a file, a pipe or the standard input, as bytes that are not yet decompressed.
//!
//! Owns what can go wrong below the compression: a file that is replaced or shrinks, a pipe without a writer. Invariant: nothing is
//! read twice and nothing is looked at in passing, because a pipe gives its bytes once; a wait ends when the stop flag is set.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::source::{Identity, Input, Source};

/// Why an input ended early, apart from errors of the system and of decompression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The stop flag was set while the input was waited for.
    #[error("interrupted")]
    Stopped,
    /// `copytruncate` of logrotate, most often.
    #[error(
        "the file shrank from {before} to {after} bytes while it was read (copytruncate?), so what followed byte {position} is lost; \
         read the rotated copy with it"
    )]
    Shrunk { before: u64, after: u64, position: u64 },
    /// Another file has taken the place since the files were listed.
    #[error("the file was replaced after the files were listed (log rotation?); give the logs again")]
    Replaced,
}

impl InputError {
    /// The cause that an error of a stream carries, if it is one of these.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<InputError> for io::Error {
    fn from(error: InputError) -> Self {
        Self::other(error)
    }
}

/// Opens an input. `stop` ends any waiting for bytes.
///
/// # Errors
/// The file cannot be opened, or is no longer the one that was listed.
pub fn open(source: &Source, stop: &Arc<AtomicBool>) -> io::Result<Box<dyn Read + Send>> {
    let Input::File(path) = &source.input else {
        return Pipe::start(|| Ok(Box::new(io::stdin())), stop);
    };
    // Opening a FIFO waits for a writer, so that only a regular file is opened here.
    if !std::fs::metadata(path)?.is_file() {
        let path = path.clone();
        return Pipe::start(move || Ok(Box::new(File::open(path)?)), stop);
    }
    Ok(Box::new(RegularFile::open(path, source.identity.as_ref())?))
}

/// A file that is watched while it is read. A file that grows is read to its end.
struct RegularFile {
    file: File,
    position: u64,
    /// The largest size seen; 0 for a file without one, as in `/proc`.
    size: u64,
}

impl RegularFile {
    fn open(path: &Path, listed: Option<&Identity>) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if listed.is_some_and(|listed| *listed != Identity::of(path, &metadata)) {
            return Err(InputError::Replaced.into());
        }
        Ok(Self { file, position: 0, size: metadata.len() })
    }

    /// Compares the size with what has been seen of the file.
    fn check(&mut self) -> io::Result<()> {
        if self.size == 0 {
            return Ok(());
        }
        let after = self.file.metadata()?.len();
        if after < self.position || after < self.size {
            return Err(InputError::Shrunk { before: self.size, after, position: self.position }.into());
        }
        self.size = after;
        Ok(())
    }
}

impl Read for RegularFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        let read = self.file.read(buffer)?;
        self.position += read as u64;
        if read == 0 {
            self.check()?;
        }
        Ok(read)
    }
}

/// A stream whose bytes may be long in coming. A thread of its own waits for them; that thread is left behind when the reading is
/// stopped, and ends with the program.
struct Pipe {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    used: usize,
    stop: Arc<AtomicBool>,
}

impl Pipe {
    fn start(
        open: impl FnOnce() -> io::Result<Box<dyn Read>> + Send + 'static,
        stop: &Arc<AtomicBool>,
    ) -> io::Result<Box<dyn Read + Send>> {
        let (sender, chunks) = sync_channel(CHUNKS);
        let copy = move || {
            let mut stream = match open() {
                Ok(stream) => stream,
                Err(error) => return drop(sender.send(Err(error))),
            };
            loop {
                let mut chunk = vec![0; CHUNK_BYTES];
                let outcome = match stream.read(&mut chunk) {
                    Ok(0) => return,
                    Ok(read) => {
                        chunk.truncate(read);
                        Ok(chunk)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = outcome.is_err();
                if sender.send(outcome).is_err() || failed {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("pipe".to_owned()).spawn(copy)?;
        Ok(Box::new(Self { chunks, chunk: Vec::new(), used: 0, stop: Arc::clone(stop) }))
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.used == self.chunk.len() {
            match self.chunks.recv_timeout(POLL_INTERVAL) {
                Ok(chunk) => (self.chunk, self.used) = (chunk?, 0),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::Relaxed) => return Err(InputError::Stopped.into()),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let bytes = &self.chunk[self.used..];
        let taken = bytes.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&bytes[..taken]);
        self.used += taken;
        Ok(taken)
    }
}

const CHUNK_BYTES: usize = 128 * 1024;
/// Chunks that wait between the two threads.
const CHUNKS: usize = 4;
const POLL_INTERVAL: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn source(path: &Path) -> Source {
        super::super::source::expand(&[path.display().to_string()]).unwrap().sources.remove(0)
    }

    fn stop() -> Arc<AtomicBool> {
        Arc::new(AtomicBool::new(false))
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_read_is_an_error_after_the_bytes_read() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[b'x'; 3000]).unwrap();
        let mut stream = open(&source(file.path()), &stop()).unwrap();
        let mut piece = [0; 1000];
        stream.read_exact(&mut piece).unwrap();
        file.as_file().set_len(0).unwrap();
        // A writer that goes on at once leaves the file larger than what was read of it.
        io::Seek::rewind(&mut file).unwrap();
        file.write_all(&[b'y'; 2000]).unwrap();
        let error = stream.read(&mut piece).unwrap_err();
        assert_eq!(InputError::of(&error), Some(&InputError::Shrunk { before: 3000, after: 2000, position: 1000 }));
    }

    #[test]
    fn a_file_that_grows_is_read_to_its_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"one\n").unwrap();
        let mut stream = open(&source(file.path()), &stop()).unwrap();
        file.write_all(b"two\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_replaced_since_it_was_listed_is_not_read_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a.log"), folder.path().join("b.log"));
        std::fs::write(&path, "old\n").unwrap();
        let listed = source(&path);
        std::fs::write(&other, "new\n").unwrap();
        std::fs::rename(&other, &path).unwrap();
        let error = open(&listed, &stop()).map(drop).unwrap_err();
        assert_eq!(InputError::of(&error), Some(&InputError::Replaced));
    }

    #[test]
    fn a_pipe_is_read_whole_and_its_wait_ends_with_the_stop_flag() {
        struct Silent;
        impl Read for Silent {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                std::thread::sleep(Duration::from_secs(3600));
                Ok(0)
            }
        }
        let bytes: Vec<u8> = (0..1_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let all = bytes.clone();
        let mut whole = Pipe::start(move || Ok(Box::new(io::Cursor::new(all))), &stop()).unwrap();
        let mut found = Vec::new();
        whole.read_to_end(&mut found).unwrap();
        assert!(found == bytes);
        let flag = stop();
        let mut silent = Pipe::start(|| Ok(Box::new(io::Cursor::new(b"ab").chain(Silent))), &flag).unwrap();
        flag.store(true, Ordering::Relaxed);
        let mut two = [0; 2];
        silent.read_exact(&mut two).unwrap();
        assert_eq!(InputError::of(&silent.read(&mut two).unwrap_err()), Some(&InputError::Stopped));
    }
}
