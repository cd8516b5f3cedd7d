//! The trace in memory: chunks that are merged by time when read.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::chunk::{CHUNK_ROWS, Chunk};
use super::names::Names;
use super::request::Request;

/// Every request, readable in arrival order as often as needed, in about 40 bytes each.
#[derive(Debug, Default)]
pub struct Trace {
    /// What the numbers in the requests mean.
    pub names: Names,
    chunks: Vec<Chunk>,
    open: Vec<Request>,
    flags_seen: u16,
}

impl Trace {
    /// No requests.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a request, in any order.
    pub fn push(&mut self, request: Request) {
        if self.open.capacity() == 0 {
            self.open.reserve_exact(CHUNK_ROWS);
        }
        self.flags_seen |= request.flags;
        self.open.push(request);
        if self.open.len() == CHUNK_ROWS {
            self.seal();
        }
    }

    /// Packs what was pushed last. Call once when all is there; pushing more afterwards is allowed.
    pub fn seal(&mut self) {
        self.chunks.extend(Chunk::seal(&mut self.open));
        self.open.clear();
    }

    /// Number of requests.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Chunk::len).sum::<usize>() + self.open.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held by the requests, names left out.
    pub fn heap_bytes(&self) -> usize {
        self.chunks.iter().map(Chunk::heap_bytes).sum::<usize>() + self.open.capacity() * size_of::<Request>()
    }

    /// Whether any request has one of these [flags](super::flag).
    pub fn any_has(&self, flags: u16) -> bool {
        self.flags_seen & flags != 0
    }

    /// The names, and the requests in arrival order; memory is given back while they are read.
    pub fn into_parts(self) -> (Names, Requests<'static>) {
        debug_assert!(self.open.is_empty(), "the trace was not sealed");
        (self.names, Requests::new(self.chunks.into_iter().map(Cow::Owned).collect()))
    }

    /// Every `parts`-th chunk from `part` on, for threads that share the work; each request is in exactly one part.
    pub fn part(&self, part: usize, parts: usize) -> impl Iterator<Item = Request> + '_ {
        debug_assert!(self.open.is_empty(), "the trace was not sealed");
        Blocks::new(self.chunks.iter().skip(part).step_by(parts.max(1)).map(Cow::Borrowed)).flatten()
    }

    /// All requests in arrival order; equal arrivals in the order they were pushed. Everything must be [sealed](Self::seal).
    pub fn requests(&self) -> Requests<'_> {
        debug_assert!(self.open.is_empty(), "the trace was not sealed");
        Requests::new(self.chunks.iter().map(Cow::Borrowed).collect())
    }
}

/// Iterator over a trace in arrival order: a merge of chunks, each decoded a block at a time.
#[derive(Debug)]
pub struct Requests<'a> {
    chunks: Vec<Option<Cow<'a, Chunk>>>,
    /// Chunks whose first row has not come yet, and begun ones: (arrival of the next row, chunk).
    waiting: BinaryHeap<Reverse<(i64, usize)>>,
    begun: HashMap<usize, Cursor>,
    /// The chunk whose rows come next, and how long it may go on: until this arrival of that other chunk.
    current: Option<(usize, Cursor)>,
    limit: (i64, usize),
    left: usize,
}

/// A chunk's decoded rows that have not come yet.
#[derive(Debug)]
struct Cursor {
    block: std::vec::IntoIter<Request>,
    /// First row behind the block.
    next_row: usize,
}

impl<'a> Requests<'a> {
    fn new(chunks: Vec<Cow<'a, Chunk>>) -> Self {
        let waiting = chunks.iter().enumerate().map(|(number, chunk)| Reverse((chunk.arrival_us(0), number))).collect();
        let left = chunks.iter().map(|chunk| chunk.len()).sum();
        let chunks = chunks.into_iter().map(Some).collect();
        Self { chunks, waiting, begun: HashMap::new(), current: None, limit: (i64::MIN, 0), left }
    }

    /// Makes the chunk with the earliest row the current one.
    fn switch(&mut self) -> Option<()> {
        let Reverse((_, number)) = self.waiting.pop()?;
        let cursor = self.begun.remove(&number).unwrap_or_else(|| Cursor { block: Vec::new().into_iter(), next_row: 0 });
        self.limit = self.waiting.peek().map_or((i64::MAX, usize::MAX), |Reverse(first)| *first);
        self.current = Some((number, cursor));
        Some(())
    }

    /// The next row of the current chunk, decoding its next block if need be; frees the chunk at its end.
    fn advance(&mut self) -> Option<Request> {
        let (number, cursor) = self.current.as_mut()?;
        if cursor.block.as_slice().is_empty() {
            let chunk = self.chunks[*number].as_ref()?;
            let rows = cursor.next_row..chunk.len().min(cursor.next_row + BLOCK_ROWS);
            if rows.is_empty() {
                self.chunks[*number] = None;
                self.current = None;
                return None;
            }
            cursor.next_row = rows.end;
            let mut block = Vec::new();
            chunk.decode(rows, &mut block);
            cursor.block = block.into_iter();
        }
        let arrival = cursor.block.as_slice().first()?.arrival_us;
        if (arrival, *number) > self.limit {
            let (number, cursor) = self.current.take()?;
            self.waiting.push(Reverse((arrival, number)));
            self.begun.insert(number, cursor);
            return None;
        }
        cursor.block.next()
    }
}

impl Iterator for Requests<'_> {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        loop {
            if let Some(request) = self.advance() {
                self.left -= 1;
                return Some(request);
            }
            self.switch()?;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Requests<'_> {}

/// Decoded blocks of chunks, one chunk after the other.
struct Blocks<'a, I> {
    chunks: I,
    current: Option<(Cow<'a, Chunk>, usize)>,
}

impl<'a, I: Iterator<Item = Cow<'a, Chunk>>> Blocks<'a, I> {
    fn new(chunks: I) -> Self {
        Self { chunks, current: None }
    }
}

impl<'a, I: Iterator<Item = Cow<'a, Chunk>>> Iterator for Blocks<'a, I> {
    type Item = Vec<Request>;

    fn next(&mut self) -> Option<Vec<Request>> {
        loop {
            if let Some((chunk, row)) = &mut self.current
                && *row < chunk.len()
            {
                let rows = *row..chunk.len().min(*row + BLOCK_ROWS);
                *row = rows.end;
                let mut block = Vec::new();
                chunk.decode(rows, &mut block);
                return Some(block);
            }
            self.current = Some((self.chunks.next()?, 0));
        }
    }
}

/// Rows decoded at once: they fit the second-level cache.
const BLOCK_ROWS: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request_at;

    #[test]
    fn requests_come_out_by_time_whatever_the_chunks() {
        let mut trace = Trace::new();
        for i in 0..200_000i64 {
            trace.push(request_at((i * 7919) % 200_003));
        }
        trace.seal();
        assert_eq!(trace.len(), 200_000);
        assert_eq!(trace.requests().len(), 200_000);
        let arrivals: Vec<i64> = trace.requests().map(|r| r.arrival_us).collect();
        assert_eq!(arrivals.len(), 200_000);
        assert!(arrivals.is_sorted());
        assert_eq!(trace.into_parts().1.map(|r| r.arrival_us).collect::<Vec<_>>(), arrivals);
    }
}
