//! Follows one file as it grows, through rotation by rename and by truncation.
//!
//! A file that was renamed is read on for a second and until it does not grow; then the new file under its name is read from its beginning. A file that is smaller
//! than what was read, or whose first bytes are others, was emptied and is read from its beginning.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wsim_logs::source::Identity;

use super::position::Position;

/// One followed file.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    file: Option<Open>,
    /// The end of the last block, which is no whole line yet.
    rest: Vec<u8>,
    /// A line so long that it is left out up to its end.
    is_skipping: bool,
    /// Since when there is another file under its name. Servers write to the old one until they are told.
    renamed: Option<Instant>,
    /// How long the old file is still read.
    grace: Duration,
}

#[derive(Debug)]
struct Open {
    file: File,
    identity: Identity,
    /// The first bytes, which are the same as long as nobody empties the file.
    head: Vec<u8>,
    /// Bytes read.
    offset: u64,
}

impl Follower {
    /// Begins at the position where an earlier run stopped, if that file still exists under this name or another one in its folder; else near the end.
    pub(crate) fn open(path: &Path, position: Option<&Position>, back_bytes: u64) -> io::Result<Self> {
        let mut follower = Self { path: path.to_owned(), file: None, rest: Vec::new(), is_skipping: false, renamed: None, grace: GRACE };
        let mut open = Open::new(path)?;
        match position.and_then(|position| continued(path, &open, position)) {
            Some(Continued::Same(offset)) => open.offset = offset,
            Some(Continued::Renamed(earlier)) => {
                follower.renamed = Some(Instant::now());
                follower.grace = Duration::ZERO;
                open = earlier;
            }
            // An unknown file after a known one is its successor.
            None if position.is_some() => {}
            None => {
                let size = open.file.metadata()?.len();
                open.offset = size.saturating_sub(back_bytes);
                // The first line may be a part of one.
                follower.is_skipping = open.offset > 0;
            }
        }
        open.file.seek(SeekFrom::Start(open.offset))?;
        follower.file = Some(open);
        Ok(follower)
    }

    /// Reads what is new, up to some megabytes, and gives each whole line to `on_line`. Returns whether there may be more at once.
    pub(crate) fn poll(&mut self, on_line: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let Some(open) = &mut self.file else {
            // The file was away; a new one is read from its beginning.
            match Open::new(&self.path) {
                Ok(open) => self.file = Some(open),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            }
            return Ok(true);
        };
        if open.was_emptied()? {
            open.offset = 0;
            open.head.clear();
            open.file.seek(SeekFrom::Start(0))?;
            (self.rest, self.is_skipping) = (Vec::new(), false);
        }
        open.read_head()?;
        let mut block = Vec::new();
        let read = (&mut open.file).take(BLOCK_BYTES).read_to_end(&mut block)?;
        open.offset += read as u64;
        if read > 0 {
            split(&mut self.rest, &mut self.is_skipping, &block, on_line);
            return Ok(read as u64 == BLOCK_BYTES);
        }
        let Some(renamed) = self.renamed else {
            let there = std::fs::metadata(&self.path).ok().map(|metadata| Identity::of(&self.path, &metadata));
            self.renamed = there.is_some_and(|identity| identity != open.identity).then(Instant::now);
            return Ok(false);
        };
        if renamed.elapsed() < self.grace {
            return Ok(false);
        }
        // The old file is at its end and nobody writes to it any more. Its last line may have no end.
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() && !self.is_skipping {
            on_line(&rest);
        }
        (self.file, self.is_skipping, self.renamed, self.grace) = (None, false, None, GRACE);
        Ok(true)
    }

    /// Where to go on: before the line that is not whole yet.
    pub(crate) fn position(&self) -> Option<Position> {
        let open = self.file.as_ref()?;
        Position::new(&self.path, &open.file.metadata().ok()?, open.offset - self.rest.len() as u64, &open.head)
    }

    /// Lines of the file as it is, to detect the format by: the last ones before the position and what follows.
    pub(crate) fn sample(&self) -> io::Result<Vec<u8>> {
        let Some(open) = &self.file else { return Ok(Vec::new()) };
        let mut file = File::open(&self.path)?;
        let start = open.offset.saturating_sub(SAMPLE_BYTES).min(file.metadata()?.len().saturating_sub(SAMPLE_BYTES));
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(SAMPLE_BYTES * 2).read_to_end(&mut bytes)?;
        let from = if start > 0 { bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1) } else { 0 };
        // Not the beginning of a line either.
        let to = bytes.iter().rposition(|byte| *byte == b'\n').map_or(from, |at| at + 1).max(from);
        Ok(bytes[from..to].to_vec())
    }
}

/// Gives the whole lines of `rest` and `block` to `on_line` and keeps what is left in `rest`.
pub(crate) fn split(rest: &mut Vec<u8>, is_skipping: &mut bool, block: &[u8], on_line: &mut dyn FnMut(&[u8])) {
    let mut left = block;
    while let Some(at) = left.iter().position(|byte| *byte == b'\n') {
        let (line, after) = (&left[..at], &left[at + 1..]);
        left = after;
        if std::mem::take(is_skipping) {
            rest.clear();
            continue;
        }
        let without_return = |line: &'_ [u8]| line.len() - usize::from(line.ends_with(b"\r"));
        if rest.is_empty() {
            on_line(&line[..without_return(line)]);
        } else {
            rest.extend_from_slice(line);
            on_line(&rest[..without_return(rest)]);
            rest.clear();
        }
    }
    rest.extend_from_slice(left);
    if rest.len() > LINE_BYTES_MAX {
        rest.clear();
        *is_skipping = true;
    }
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let mut open = Self { identity: Identity::of(path, &metadata), file, head: Vec::new(), offset: 0 };
        open.read_head()?;
        Ok(open)
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Reads the first bytes, as many as there are. The position stays.
    fn read_head(&mut self) -> io::Result<()> {
        if self.head.len() < HEAD_BYTES {
            self.head = self.first_bytes(HEAD_BYTES)?;
        }
        Ok(())
    }

    fn first_bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(length as u64).read_to_end(&mut bytes)?;
        self.file.seek(SeekFrom::Start(self.offset))?;
        Ok(bytes)
    }

    fn was_emptied(&mut self) -> io::Result<bool> {
        let known = self.head.len();
        Ok(self.metadata()?.len() < self.offset || self.first_bytes(known)? != self.head)
    }
}

enum Continued {
    /// The same file, from this offset.
    Same(u64),
    /// The file has another name now.
    Renamed(Open),
}

/// Where an earlier run stopped, if that file is still there.
fn continued(path: &Path, now: &Open, position: &Position) -> Option<Continued> {
    let is_it = |open: &Open| {
        let metadata = open.metadata().ok()?;
        (position.is_of(&metadata, &open.head) && metadata.len() >= position.offset).then_some(())
    };
    if is_it(now).is_some() {
        return Some(Continued::Same(position.offset));
    }
    let siblings = std::fs::read_dir(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))).ok()?;
    for sibling in siblings.filter_map(Result::ok).take(SIBLINGS_MAX) {
        if position.has_inode(&sibling.metadata().ok()?)
            && let Ok(mut open) = Open::new(&sibling.path())
            && is_it(&open).is_some()
        {
            open.offset = position.offset;
            return Some(Continued::Renamed(open));
        }
    }
    None
}

/// Read at once: some ten thousand lines.
const BLOCK_BYTES: u64 = 4 << 20;
/// As when logs are read whole.
const LINE_BYTES_MAX: usize = 4 << 20;
const HEAD_BYTES: usize = 256;
/// On either side of the position.
const SAMPLE_BYTES: u64 = 128 << 10;
const SIBLINGS_MAX: usize = 1000;
/// From the renaming of a file to the signal by which a server opens the new one.
const GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs::OpenOptions;
    use std::io::Write;

    fn append(path: &Path, text: &str) {
        OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn new_lines(follower: &mut Follower) -> Vec<String> {
        let mut lines = Vec::new();
        // More looks than a rotation takes.
        for _ in 0..6 {
            follower.poll(&mut |line| lines.push(String::from_utf8_lossy(line).into_owned())).unwrap();
        }
        lines
    }

    fn opened(path: &Path) -> Follower {
        Follower { grace: Duration::ZERO, ..Follower::open(path, None, 1 << 20).unwrap() }
    }

    #[test]
    fn lines_come_whole_as_the_file_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        append(&path, "one\ntw");
        let mut follower = opened(&path);
        assert_eq!(new_lines(&mut follower), ["one"]);
        append(&path, "o\r\nthree\n\n");
        assert_eq!(new_lines(&mut follower), ["two", "three", ""]);
        assert_eq!(new_lines(&mut follower), [""; 0]);
    }

    #[test]
    fn a_renamed_file_is_read_to_its_end_and_then_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        append(&path, "one\n");
        let mut follower = opened(&path);
        assert_eq!(new_lines(&mut follower), ["one"]);
        std::fs::rename(&path, folder.path().join("a.log.1")).unwrap();
        // The server has not opened the new file yet.
        append(&folder.path().join("a.log.1"), "two\n");
        assert_eq!(new_lines(&mut follower), ["two"]);
        append(&path, "three\n");
        append(&folder.path().join("a.log.1"), "late\n");
        assert_eq!(new_lines(&mut follower), ["late", "three"]);
    }

    #[test]
    fn what_is_written_to_the_old_file_soon_after_a_rotation_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        append(&path, "one\n");
        let mut follower = Follower::open(&path, None, 1 << 20).unwrap();
        std::fs::rename(&path, folder.path().join("a.log.1")).unwrap();
        append(&path, "three\n");
        assert_eq!(new_lines(&mut follower), ["one"]);
        append(&folder.path().join("a.log.1"), "two\n");
        assert_eq!(new_lines(&mut follower), ["two"]);
        std::thread::sleep(GRACE);
        assert_eq!(new_lines(&mut follower), ["three"]);
    }

    #[test]
    fn an_emptied_file_is_read_from_its_beginning_even_if_it_grew_beyond() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        append(&path, "one\ntwo\n");
        let mut follower = opened(&path);
        assert_eq!(new_lines(&mut follower), ["one", "two"]);
        std::fs::write(&path, "three\n").unwrap();
        assert_eq!(new_lines(&mut follower), ["three"]);
        std::fs::write(&path, "four\nfive\nsix\nseven\n").unwrap();
        assert_eq!(new_lines(&mut follower), ["four", "five", "six", "seven"]);
    }

    #[test]
    fn a_restart_goes_on_where_it_stopped_also_in_a_renamed_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        append(&path, "one\ntw");
        let mut follower = opened(&path);
        new_lines(&mut follower);
        let position = follower.position().unwrap();
        append(&path, "o\n");
        let again = |position: &Position| new_lines(&mut Follower::open(&path, Some(position), 1 << 20).unwrap());
        assert_eq!(again(&position), ["two"]);
        std::fs::rename(&path, folder.path().join("a.log.1")).unwrap();
        append(&path, "three\n");
        assert_eq!(again(&position), ["two", "three"]);
        std::fs::remove_file(folder.path().join("a.log.1")).unwrap();
        assert_eq!(again(&position), ["three"], "a new file is read from its beginning");
    }

    #[test]
    fn a_first_start_begins_near_the_end_with_a_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        append(&path, "one\ntwo\nthree\n");
        assert_eq!(new_lines(&mut Follower::open(&path, None, 8).unwrap()), ["three"]);
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_come(text in "[a\n\r]{0,60}", cuts in prop::collection::vec(0usize..60, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= text.len()).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let (mut rest, mut is_skipping, mut lines) = (Vec::new(), false, Vec::new());
            for pair in cuts.windows(2) {
                split(&mut rest, &mut is_skipping, &text.as_bytes()[pair[0]..pair[1]], &mut |line| lines.push(line.to_vec()));
            }
            let mut whole: Vec<&str> = text.split('\n').collect();
            whole.pop();
            let expected: Vec<Vec<u8>> = whole.iter().map(|line| line.strip_suffix('\r').unwrap_or(line).as_bytes().to_vec()).collect();
            prop_assert_eq!(lines, expected);
        }
    }
}
