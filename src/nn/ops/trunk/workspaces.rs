//! The workspaces of a network: those that wait for a pass, and those of passes whose weight gradients are gathered later.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::super::real::Real;
use super::workspace::Workspace;

/// Workspaces that passes take and give back.
#[derive(Debug, Default)]
pub(in crate::nn) struct Workspaces<T> {
    free: Mutex<Vec<Workspace<T>>>,
    kept: RwLock<Vec<Workspace<T>>>,
}

/// What is behind a lock; a pass that panicked leaves a workspace that the next overwrites.
pub(super) fn locked<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Real> Workspaces<T> {
    /// A workspace, used before if there is one.
    pub(super) fn take(&self) -> Workspace<T> {
        locked(&self.free).pop().unwrap_or_default()
    }

    /// Gives a workspace back.
    pub(super) fn give(&self, workspace: Workspace<T>) {
        locked(&self.free).push(workspace);
    }

    /// Keeps the workspace of a pass that has been pulled back.
    pub(super) fn keep(&self, workspace: Workspace<T>) {
        self.kept_mut().push(workspace);
    }

    /// The workspaces of the passes that were kept, in order.
    pub(super) fn kept(&self) -> RwLockReadGuard<'_, Vec<Workspace<T>>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept_mut(&self) -> RwLockWriteGuard<'_, Vec<Workspace<T>>> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the workspaces of all passes that were kept back: the first is the next that is taken.
    pub(super) fn release(&self) {
        let (mut kept, mut free) = (self.kept_mut(), locked(&self.free));
        free.extend(kept.drain(..).rev());
    }

    /// How often a buffer has grown, in all workspaces that are here.
    #[cfg(test)]
    pub(super) fn grown(&self) -> usize {
        let count = |passes: &[Workspace<T>]| passes.iter().map(|workspace| workspace.grown).sum::<usize>();
        count(&locked(&self.free)) + count(&self.kept())
    }
}
