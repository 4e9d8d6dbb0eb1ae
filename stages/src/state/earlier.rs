//! What a process or one of its versions came after.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

/// What was there before, while anybody may ask for it: shards that are behind, of which there are few. It is put here before who holds it is seen and
/// taken out after nobody sees it any more, mostly, which costs nothing; each write and each drop of an atomic `Arc` would go through what all threads
/// have borrowed.
#[derive(Debug)]
pub(super) struct Earlier<T>(Mutex<Option<Arc<T>>>);

impl<T> Default for Earlier<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Earlier<T> {
    pub(super) fn of(earlier: Option<Arc<T>>) -> Self {
        Self(Mutex::new(earlier))
    }

    pub(super) fn get(&self) -> Option<Arc<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another in its place, for all who ask from now on.
    pub(super) fn replace(&self, earlier: Option<Arc<T>>) -> Option<Arc<T>> {
        mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), earlier)
    }

    /// Takes it from who alone holds it.
    pub(super) fn take(&mut self) -> Option<Arc<T>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }
}
