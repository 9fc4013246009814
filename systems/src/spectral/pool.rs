//! Scratch that threads borrow and give back, so that nothing is allocated once every thread has run.

use std::sync::{Mutex, PoisonError};

/// Pieces of scratch, as many as threads have used at once.
pub(crate) struct Pool<T> {
    free: Mutex<Vec<T>>,
    make: Box<dyn Fn() -> T + Send + Sync>,
}

impl<T> Pool<T> {
    /// An empty pool; `make` makes a piece when none is free.
    pub fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self { free: Mutex::default(), make: Box::new(make) }
    }

    /// Lends a piece to `work`. What is left in it from earlier use is arbitrary.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut piece = free.unwrap_or_else(|| (self.make)());
        let result = work(&mut piece);
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        result
    }
}
