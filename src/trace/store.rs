//! The trace in memory: chunks that are merged by time when read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

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

    /// The names, and the requests in arrival order; memory is given back while they are read.
    pub fn into_parts(self) -> (Names, IntoRequests) {
        debug_assert!(self.open.is_empty(), "the trace was not sealed");
        let begun = Requests::new(&self.chunks).begun;
        (self.names, IntoRequests { chunks: self.chunks.into_iter().map(Some).collect(), begun })
    }

    /// Every `parts`-th chunk from `part` on, for threads that share the work; each request is in exactly one part.
    pub fn part(&self, part: usize, parts: usize) -> impl Iterator<Item = Request> + '_ {
        debug_assert!(self.open.is_empty(), "the trace was not sealed");
        self.chunks.iter().skip(part).step_by(parts.max(1)).flat_map(Chunk::requests)
    }

    /// All requests in arrival order; equal arrivals in the order they were pushed. Everything must be [sealed](Self::seal).
    pub fn requests(&self) -> Requests<'_> {
        debug_assert!(self.open.is_empty(), "the trace was not sealed");
        Requests::new(&self.chunks)
    }
}

/// Iterator over a trace in arrival order.
#[derive(Debug)]
pub struct Requests<'a> {
    chunks: &'a [Chunk],
    /// Chunks that have begun and are not at their end: (arrival of the next row, chunk, row).
    begun: BinaryHeap<Reverse<(i64, usize, usize)>>,
    left: usize,
}

impl<'a> Requests<'a> {
    fn new(chunks: &'a [Chunk]) -> Self {
        let begun = chunks.iter().enumerate().map(|(number, chunk)| Reverse((chunk.arrival_us(0), number, 0))).collect();
        Self { chunks, begun, left: chunks.iter().map(Chunk::len).sum() }
    }
}

impl Iterator for Requests<'_> {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        let mut top = self.begun.peek_mut()?;
        let Reverse((_, number, row)) = *top;
        let chunk = &self.chunks[number];
        if row + 1 < chunk.len() {
            *top = Reverse((chunk.arrival_us(row + 1), number, row + 1));
        } else {
            std::collections::binary_heap::PeekMut::pop(top);
        }
        self.left -= 1;
        Some(chunk.request(row))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Requests<'_> {}

/// As [`Requests`], but each chunk is freed at its end.
#[derive(Debug)]
pub struct IntoRequests {
    chunks: Vec<Option<Chunk>>,
    begun: BinaryHeap<Reverse<(i64, usize, usize)>>,
}

impl Iterator for IntoRequests {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        let mut top = self.begun.peek_mut()?;
        let Reverse((_, number, row)) = *top;
        let chunk = self.chunks[number].as_ref()?;
        let request = chunk.request(row);
        if row + 1 < chunk.len() {
            *top = Reverse((chunk.arrival_us(row + 1), number, row + 1));
        } else {
            std::collections::binary_heap::PeekMut::pop(top);
            self.chunks[number] = None;
        }
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::request::tests::request_at;

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
