//! The trace in memory: sorted chunks, merged by arrival when they are read.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::chunk::{CHUNK_ROWS, Chunk, News};
use super::names::Names;
use super::request::Request;

/// Every request, readable in arrival order as often as needed, in about 40 bytes each.
#[derive(Debug, Default)]
pub struct Trace {
    /// The texts of the requests' names.
    pub names: Names,
    chunks: Vec<Chunk>,
    open: Vec<Request>,
    flags_seen: u16,
    has_upstreams: bool,
}

impl Trace {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a request, in any order.
    pub fn push(&mut self, request: Request) {
        if self.open.capacity() == 0 {
            self.open.reserve_exact(CHUNK_ROWS);
        }
        self.flags_seen |= request.flags;
        self.has_upstreams |= request.upstream.is_some();
        self.open.push(request);
        if self.open.len() == CHUNK_ROWS {
            self.seal();
        }
    }

    /// Packs the requests pushed last. Must be called after the last push and before reading; more may be pushed afterwards.
    pub fn seal(&mut self) {
        self.chunks.extend(Chunk::seal(&mut self.open));
        self.open.clear();
    }

    pub fn len(&self) -> usize {
        self.chunks.iter().map(Chunk::len).sum::<usize>() + self.open.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the requests, without the names.
    pub fn heap_bytes(&self) -> usize {
        self.chunks.iter().map(Chunk::heap_bytes).sum::<usize>() + self.open.capacity() * size_of::<Request>()
    }

    /// Whether any request has one of these [flags](super::flag).
    pub fn any_has(&self, flags: u16) -> bool {
        self.flags_seen & flags != 0
    }

    /// Whether a proxy named the upstream of any request.
    pub fn has_upstreams(&self) -> bool {
        self.has_upstreams
    }

    /// The names, and the requests in arrival order; memory is freed while they are read.
    pub fn into_parts(self) -> (Names, Requests<'static>) {
        debug_assert!(self.open.is_empty(), "the trace was not sealed");
        (self.names, Requests::new(self.chunks.into_iter().map(Cow::Owned).collect()))
    }

    /// The requests that `change` returns, with the same names. Memory of the old trace is freed meanwhile.
    #[must_use]
    pub fn filter_map(self, change: impl FnMut(Request) -> Option<Request>) -> Self {
        let (names, requests) = self.into_parts();
        let mut changed = Self { names, ..Self::default() };
        requests.filter_map(change).for_each(|request| changed.push(request));
        changed.seal();
        changed
    }

    /// The same requests, sorted as a whole if they are not, so that reading them need not merge chunks.
    #[must_use]
    pub(super) fn in_order(self) -> Self {
        let sorted = self.chunks.windows(2).all(|pair| pair[0].last_us() <= pair[1].arrival_us(0));
        if sorted { self } else { self.filter_map(Some) }
    }

    /// Sets the news of the requests of these numbers, which ascend, and takes that of all others and their tokens. The trace must be
    /// [in order](Self::in_order).
    pub(super) fn set_news(&mut self, news: Vec<(u32, News)>) {
        let mut news = news.into_iter().map(|(row, news)| (row as usize, news)).peekable();
        let (mut first, mut own) = (0, Vec::new());
        for chunk in &mut self.chunks {
            let end = first + chunk.len();
            own.clear();
            while let Some((row, news)) = news.next_if(|(row, _)| *row < end) {
                own.push((row - first, news));
            }
            chunk.set_news(&own);
            first = end;
        }
    }

    /// The requests of every `parts`-th chunk from `part` on, for threads that share the work. Each request is in exactly one part.
    pub fn part(&self, part: usize, parts: usize) -> impl Iterator<Item = Request> + '_ {
        debug_assert!(self.open.is_empty(), "the trace was not sealed");
        Blocks::new(self.chunks.iter().skip(part).step_by(parts.max(1)).map(Cow::Borrowed)).flatten()
    }

    /// All requests in arrival order; equal arrivals in the order of pushing. The trace must be [sealed](Self::seal).
    pub fn requests(&self) -> Requests<'_> {
        debug_assert!(self.open.is_empty(), "the trace was not sealed");
        Requests::new(self.chunks.iter().map(Cow::Borrowed).collect())
    }
}

/// Iterator over a trace in arrival order: a merge of chunks, each decoded block by block.
#[derive(Debug)]
pub struct Requests<'a> {
    chunks: Vec<Option<Cow<'a, Chunk>>>,
    /// All unfinished chunks but the current one, as (arrival of the next row, chunk).
    waiting: BinaryHeap<Reverse<(i64, usize)>>,
    started: HashMap<usize, Cursor>,
    /// The chunk whose rows come next.
    current: Option<(usize, Cursor)>,
    /// First row of the other chunks, as (arrival, chunk): the current chunk's rows come next until they are later.
    limit: (i64, usize),
    left: usize,
}

/// The next rows of a chunk, decoded.
#[derive(Debug, Default)]
struct Cursor {
    block: Vec<Request>,
    /// Index in the block of the row that comes next.
    at: usize,
    /// First row after the block.
    next_row: usize,
}

impl<'a> Requests<'a> {
    fn new(chunks: Vec<Cow<'a, Chunk>>) -> Self {
        let waiting = chunks.iter().enumerate().map(|(number, chunk)| Reverse((chunk.arrival_us(0), number))).collect();
        let left = chunks.iter().map(|chunk| chunk.len()).sum();
        let chunks = chunks.into_iter().map(Some).collect();
        Self { chunks, waiting, started: HashMap::new(), current: None, limit: (i64::MIN, 0), left }
    }

    /// Makes the chunk with the earliest row the current one.
    fn switch_chunk(&mut self) -> Option<()> {
        let Reverse((_, number)) = self.waiting.pop()?;
        let cursor = self.started.remove(&number).unwrap_or_default();
        self.limit = self.waiting.peek().map_or((i64::MAX, usize::MAX), |Reverse(first)| *first);
        self.current = Some((number, cursor));
        Some(())
    }

    /// The next row of the current chunk; `None` if another chunk's row comes first, or the chunk is finished and freed.
    fn advance(&mut self) -> Option<Request> {
        let (number, cursor) = self.current.as_mut()?;
        if cursor.at == cursor.block.len() {
            let chunk = self.chunks[*number].as_ref()?;
            let rows = cursor.next_row..chunk.len().min(cursor.next_row + BLOCK_ROWS);
            if rows.is_empty() {
                self.chunks[*number] = None;
                self.current = None;
                return None;
            }
            (cursor.at, cursor.next_row) = (0, rows.end);
            chunk.decode(rows, &mut cursor.block);
        }
        let request = *cursor.block.get(cursor.at)?;
        let arrival = request.arrival_us;
        if (arrival, *number) > self.limit {
            let (number, cursor) = self.current.take()?;
            self.waiting.push(Reverse((arrival, number)));
            self.started.insert(number, cursor);
            return None;
        }
        cursor.at += 1;
        Some(request)
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
            self.switch_chunk()?;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Requests<'_> {}

/// Decoded blocks of chunks, one chunk after another.
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

/// Rows decoded at once, which fit the first-level cache while they are put together column by column.
const BLOCK_ROWS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request_at;

    #[test]
    fn requests_are_read_in_arrival_order_whatever_the_chunks() {
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
        let sorted = trace.in_order();
        assert_eq!(sorted.part(0, 1).map(|r| r.arrival_us).collect::<Vec<_>>(), arrivals);
        assert_eq!(sorted.in_order().into_parts().1.map(|r| r.arrival_us).collect::<Vec<_>>(), arrivals);
    }
}
