//! Independent jobs on a few workers, results in the order of the jobs.
//!
//! Each worker runs its jobs on one thread, inner parallelism included, so that a job's seconds are its own: a shared
//! pool would let a waiting job run another inside its clock. No result depends on the number of workers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::failure::{Failure, FailureKind, Result};

/// Runs `job(i)` for i in 0..count on as many workers as the current pool has threads.
///
/// # Errors
/// The failure of the first job, in order, that failed; jobs not yet begun are then left out.
pub fn run<T: Send>(count: usize, job: &(dyn Fn(usize) -> Result<T> + Sync)) -> Result<Vec<T>> {
    let workers = rayon::current_num_threads().clamp(1, count.max(1));
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let results: Vec<Mutex<Option<Result<T>>>> = (0..count).map(|_| Mutex::new(None)).collect();
    let work = || -> Result<()> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .map_err(|error| Failure::new(FailureKind::Io, format!("cannot start a thread: {error}")))?;
        loop {
            let index = next.fetch_add(1, Ordering::SeqCst);
            if index >= count || failed.load(Ordering::SeqCst) < index {
                return Ok(());
            }
            let result = pool.install(|| job(index));
            if result.is_err() {
                failed.fetch_min(index, Ordering::SeqCst);
            }
            if let Ok(mut place) = results[index].lock() {
                *place = Some(result);
            }
        }
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles.into_iter().try_for_each(|handle| match handle.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    let mut out = Vec::with_capacity(count);
    for place in results {
        match place.into_inner() {
            Ok(Some(result)) => out.push(result?),
            _ => return Err(Failure::new(FailureKind::Bug, "a job ended without a result")),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let squares = run(50, &|i| Ok(i * i)).unwrap();
        assert_eq!(squares, (0..50).map(|i| i * i).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_failure_in_order_is_the_one_reported() {
        let failing =
            |i: usize| if i % 7 == 3 { Err(Failure::new(FailureKind::Data, format!("job {i}"))) } else { Ok(i) };
        assert_eq!(run(30, &failing).unwrap_err().message, "job 3");
    }
}
