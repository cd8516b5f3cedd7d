//! Work on all cores, with results that do not depend on how many there are.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `work` on every item on `threads` threads; returns the results in the order of the items.
pub fn in_parallel<T: Copy + Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    in_parallel_with(items, threads, work, |_| {})
}

/// [`in_parallel`] that calls `on_progress` with the number of items that are done: on the calling thread, each time that the thread has done one.
pub fn in_parallel_with<T: Copy + Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(T) -> R + Sync,
    mut on_progress: impl FnMut(usize),
) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let one = || {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let result = work(*items.get(index)?);
        Some(((index, result), done.fetch_add(1, Ordering::Relaxed) + 1))
    };
    let worker = || std::iter::from_fn(|| one().map(|(result, _)| result)).collect::<Vec<_>>();
    let mut all: Vec<(usize, R)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(items.len()).max(1)).map(|_| scope.spawn(worker)).collect();
        let mut all = Vec::new();
        while let Some((result, done)) = one() {
            all.push(result);
            on_progress(done);
        }
        for other in others {
            match other.join() {
                Ok(results) => all.extend(results),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_unstable_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        assert_eq!(in_parallel(&items, 3, |i| i * i), items.iter().map(|i| i * i).collect::<Vec<_>>());
        assert_eq!(in_parallel(&[], 2, |i: u64| i), Vec::<u64>::new());
    }

    #[test]
    fn progress_is_told_as_items_are_done_and_never_goes_beyond_them() {
        let items: Vec<u64> = (0..50).collect();
        for threads in [1, 4] {
            let mut told = Vec::new();
            in_parallel_with(&items, threads, |i| i, |done| told.push(done));
            assert!(told.is_sorted() && told.iter().all(|done| (1..=50).contains(done)), "{told:?}");
            assert!(threads > 1 || told.len() == 50);
        }
    }
}
