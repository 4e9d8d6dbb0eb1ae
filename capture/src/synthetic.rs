//! A ring that is fed from memory: for tests, benches and stress without a kernel.
//!
//! It keeps what a kernel ring promises: records come out in the order in which their room was reserved, one that is reserved and not submitted
//! holds up those behind it, and room is given back by [`Ring::release`]. A mutex stands in for the barriers. No allocation once every record's
//! buffer has been used.

use std::{
    collections::VecDeque,
    os::fd::RawFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    ring::{Peek, Ring},
    waker::EventFd,
};

#[derive(Debug, Default)]
struct State {
    /// Reserved records in order, `None` until submitted.
    records: VecDeque<Option<Vec<u8>>>,
    /// Number of the record at the front.
    front: u64,
    /// Buffers whose room was released.
    spare: Vec<Vec<u8>>,
    /// Records that were taken and not released.
    n_taken: usize,
    is_reader_sleeping: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    capacity: usize,
    eventfd: EventFd,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ring has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("synthetic ring of {capacity} records is full")]
pub struct RingFull {
    /// Records it has room for.
    pub capacity: usize,
}

/// The producer of a [`SyntheticRing`]. A ring may have several, as interrupts are to a kernel ring.
#[derive(Clone, Debug)]
pub struct SyntheticTx(Arc<Shared>);

/// Room for one record. Dropped without a submit it stays busy for ever.
#[derive(Debug)]
pub struct Reservation {
    shared: Arc<Shared>,
    number: u64,
}

impl SyntheticTx {
    /// Takes room for a record.
    ///
    /// # Errors
    /// [`RingFull`].
    pub fn reserve(&self) -> Result<Reservation, RingFull> {
        let mut state = self.0.state();
        if state.records.len() + state.n_taken >= self.0.capacity {
            return Err(RingFull { capacity: self.0.capacity });
        }
        state.records.push_back(None);
        let number = state.front + state.records.len() as u64 - 1;
        Ok(Reservation { shared: Arc::clone(&self.0), number })
    }

    /// Reserves and submits.
    ///
    /// # Errors
    /// [`RingFull`].
    pub fn push(&self, record: &[u8]) -> Result<(), RingFull> {
        self.reserve()?.submit(record);
        Ok(())
    }
}

impl Reservation {
    /// Makes the record visible, and wakes the reader if it sleeps.
    pub fn submit(self, record: &[u8]) {
        let mut state = self.shared.state();
        let mut buf = state.spare.pop().unwrap_or_default();
        buf.clear();
        buf.extend_from_slice(record);
        let at = (self.number - state.front) as usize;
        state.records[at] = Some(buf);
        if std::mem::take(&mut state.is_reader_sleeping) {
            self.shared.eventfd.raise();
        }
    }
}

/// The reading end.
#[derive(Debug)]
pub struct SyntheticRing {
    shared: Arc<Shared>,
    cpu: u16,
    /// The record that was peeked.
    head: Option<Vec<u8>>,
    /// Records stepped past and not released.
    passed: Vec<Vec<u8>>,
    n_passed: u64,
}

/// A ring of `capacity` records that CPU `cpu` writes.
///
/// # Errors
/// Where no eventfd can be made.
pub fn synthetic_ring(cpu: u16, capacity: usize) -> std::io::Result<(SyntheticTx, SyntheticRing)> {
    let state = State {
        records: VecDeque::with_capacity(capacity),
        spare: Vec::with_capacity(capacity),
        ..State::default()
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), capacity, eventfd: EventFd::new()? });
    let ring = SyntheticRing {
        shared: Arc::clone(&shared),
        cpu,
        head: None,
        passed: Vec::with_capacity(capacity),
        n_passed: 0,
    };
    Ok((SyntheticTx(shared), ring))
}

impl Ring for SyntheticRing {
    fn cpu(&self) -> u16 {
        self.cpu
    }

    fn peek(&mut self) -> Peek<'_> {
        if self.head.is_none() {
            let mut state = self.shared.state();
            match state.records.front() {
                None => return Peek::Empty,
                Some(None) => return Peek::Busy,
                Some(Some(_)) => {
                    self.head = state.records.pop_front().flatten();
                    state.front += 1;
                    state.n_taken += 1;
                }
            }
        }
        match &self.head {
            Some(frame) => Peek::Record { frame, end: self.n_passed + 1 },
            None => Peek::Empty,
        }
    }

    fn advance(&mut self) {
        if let Some(buf) = self.head.take() {
            self.passed.push(buf);
            self.n_passed += 1;
        }
    }

    fn release(&mut self) {
        let mut state = self.shared.state();
        state.n_taken -= self.passed.len();
        state.spare.append(&mut self.passed);
    }

    fn is_drained(&self) -> bool {
        self.head.is_none() && self.shared.state().records.is_empty()
    }

    fn set_sleeping(&self, sleeping: bool) {
        self.shared.state().is_reader_sleeping = sleeping;
        if !sleeping {
            self.shared.eventfd.lower();
        }
    }

    fn fd(&self) -> Option<RawFd> {
        Some(self.shared.eventfd.fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_record_holds_up_those_behind_it() {
        let (tx, mut ring) = synthetic_ring(3, 2).unwrap();
        assert_eq!(ring.peek(), Peek::Empty);
        assert!(ring.is_drained());
        let first = tx.reserve().unwrap();
        tx.push(b"b").unwrap();
        assert_eq!(tx.push(b"c"), Err(RingFull { capacity: 2 }));
        assert_eq!(ring.peek(), Peek::Busy);
        assert!(!ring.is_drained());
        first.submit(b"a");
        assert_eq!(ring.peek(), Peek::Record { frame: b"a", end: 1 });
        assert_eq!(ring.peek(), Peek::Record { frame: b"a", end: 1 });
        ring.advance();
        assert_eq!(ring.peek(), Peek::Record { frame: b"b", end: 2 });
        assert!(tx.push(b"c").is_err(), "room comes back with the release");
        ring.release();
        tx.push(b"c").unwrap();
        assert!(!ring.is_drained());
    }
}
