//! The primitives underneath: atomics, rings and parking; under `cfg(loom)` loom's atomics, with a ring and a parker built on them.

#[cfg(not(loom))]
pub(crate) use real::{AtomicBool, AtomicU64, Consumer, Ordering, Parker, Producer, fence, ring};

#[cfg(loom)]
pub(crate) use model::{AtomicBool, AtomicU64, Consumer, Ordering, Parker, Producer, fence, ring};

#[cfg(not(loom))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
    use std::time::Duration;

    pub(crate) fn ring<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
        let (tx, rx) = rtrb::RingBuffer::new(capacity);
        (Producer(tx), Consumer(rx))
    }

    #[derive(Debug)]
    pub(crate) struct Producer<T>(rtrb::Producer<T>);

    impl<T> Producer<T> {
        pub(crate) fn push(&mut self, value: T) -> Result<(), T> {
            self.0.push(value).map_err(|rtrb::PushError::Full(value)| value)
        }
        pub(crate) fn free(&self) -> usize {
            self.0.slots()
        }
        pub(crate) fn capacity(&self) -> usize {
            self.0.buffer().capacity()
        }
        pub(crate) fn is_abandoned(&self) -> bool {
            self.0.is_abandoned()
        }
    }

    #[derive(Debug)]
    pub(crate) struct Consumer<T>(rtrb::Consumer<T>);

    impl<T> Consumer<T> {
        pub(crate) fn pop(&mut self) -> Option<T> {
            self.0.pop().ok()
        }
        pub(crate) fn len(&self) -> usize {
            self.0.slots()
        }
        pub(crate) fn is_abandoned(&self) -> bool {
            self.0.is_abandoned()
        }
    }

    /// A token-based parker: a wake before the sleep makes the sleep return at once.
    #[derive(Debug, Default)]
    pub(crate) struct Parker(crossbeam_utils::sync::Parker);

    impl Parker {
        pub(crate) fn park(&self, timeout: Duration) {
            self.0.park_timeout(timeout);
        }
        pub(crate) fn unpark_fn(&self) -> impl Fn() + Send + Sync + 'static {
            let unparker = self.0.unparker().clone();
            move || unparker.unpark()
        }
    }
}

/// Rings and parking for loom. The ring has rtrb's protocol: one index per side, Release on the side that moves it, Acquire on the side that
/// reads it. What is in the slots stays out of loom's sight, so that nothing but the indices orders the two threads. The parker never times
/// out, so a lost wake is a deadlock that loom reports.
#[cfg(loom)]
mod model {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
    use std::sync::Mutex;
    use std::time::Duration;

    #[derive(Debug)]
    struct Shared<T> {
        slots: Vec<Mutex<Option<T>>>,
        head: AtomicU64,
        tail: AtomicU64,
        abandoned: AtomicBool,
    }

    pub(crate) fn ring<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
        let shared = loom::sync::Arc::new(Shared {
            slots: (0..capacity).map(|_| Mutex::new(None)).collect(),
            head: AtomicU64::new(0),
            tail: AtomicU64::new(0),
            abandoned: AtomicBool::new(false),
        });
        (Producer { shared: shared.clone(), tail: 0 }, Consumer { shared, head: 0 })
    }

    #[derive(Debug)]
    pub(crate) struct Producer<T> {
        shared: loom::sync::Arc<Shared<T>>,
        tail: u64,
    }

    impl<T> Producer<T> {
        pub(crate) fn push(&mut self, value: T) -> Result<(), T> {
            if self.free() == 0 {
                return Err(value);
            }
            let slot = (self.tail % self.shared.slots.len() as u64) as usize;
            *self.shared.slots[slot].lock().expect("no panic holds a slot") = Some(value);
            self.tail += 1;
            // Release: pairs with the Acquire in `Consumer::len`.
            self.shared.tail.store(self.tail, Ordering::Release);
            Ok(())
        }
        pub(crate) fn free(&self) -> usize {
            // Acquire: pairs with the Release in `Consumer::pop`.
            let used = self.tail - self.shared.head.load(Ordering::Acquire);
            self.shared.slots.len() - used as usize
        }
        pub(crate) fn capacity(&self) -> usize {
            self.shared.slots.len()
        }
        pub(crate) fn is_abandoned(&self) -> bool {
            self.shared.abandoned.load(Ordering::Acquire)
        }
    }

    impl<T> Drop for Producer<T> {
        fn drop(&mut self) {
            self.shared.abandoned.store(true, Ordering::Release);
        }
    }

    #[derive(Debug)]
    pub(crate) struct Consumer<T> {
        shared: loom::sync::Arc<Shared<T>>,
        head: u64,
    }

    impl<T> Consumer<T> {
        pub(crate) fn pop(&mut self) -> Option<T> {
            if self.len() == 0 {
                return None;
            }
            let slot = (self.head % self.shared.slots.len() as u64) as usize;
            let value = self.shared.slots[slot].lock().expect("no panic holds a slot").take();
            self.head += 1;
            // Release: pairs with the Acquire in `Producer::free`.
            self.shared.head.store(self.head, Ordering::Release);
            value
        }
        pub(crate) fn len(&self) -> usize {
            // Acquire: pairs with the Release in `Producer::push`.
            (self.shared.tail.load(Ordering::Acquire) - self.head) as usize
        }
        pub(crate) fn is_abandoned(&self) -> bool {
            self.shared.abandoned.load(Ordering::Acquire)
        }
    }

    impl<T> Drop for Consumer<T> {
        fn drop(&mut self) {
            self.shared.abandoned.store(true, Ordering::Release);
        }
    }

    #[derive(Debug)]
    pub(crate) struct Parker(loom::sync::Arc<(loom::sync::Mutex<bool>, loom::sync::Condvar)>);

    impl Default for Parker {
        fn default() -> Self {
            Self(loom::sync::Arc::new((loom::sync::Mutex::new(false), loom::sync::Condvar::new())))
        }
    }

    impl Parker {
        pub(crate) fn park(&self, _timeout: Duration) {
            let (token, woken) = &*self.0;
            let mut token = token.lock().expect("no panic holds the token");
            while !*token {
                token = woken.wait(token).expect("no panic holds the token");
            }
            *token = false;
        }
        pub(crate) fn unpark_fn(&self) -> impl Fn() + Send + Sync + 'static {
            let shared = self.0.clone();
            move || {
                let (token, woken) = &*shared;
                *token.lock().expect("no panic holds the token") = true;
                woken.notify_one();
            }
        }
    }
}
