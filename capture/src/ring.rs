//! What a capture thread needs of a ring: the kernel's rings and the synthetic one of tests both give it.

use std::{os::fd::RawFd, time::Duration};

/// What lies at the head of a ring.
#[derive(Debug, PartialEq, Eq)]
pub enum Peek<'a> {
    /// A finished record. The same record is given again until [`Ring::advance`].
    Record {
        /// The record's bytes.
        frame: &'a [u8],
        /// Position behind the record, the value that [`Ring::release`] would publish after an advance.
        end: u64,
    },
    /// A record that its producer has reserved and not yet submitted.
    Busy,
    /// Nothing.
    Empty,
}

/// A ring of records in the order in which their room was reserved, read by one thread.
pub trait Ring {
    /// CPU that writes it.
    fn cpu(&self) -> u16;

    /// Looks at the head.
    fn peek(&mut self) -> Peek<'_>;

    /// Steps past the record that [`Ring::peek`] gave last. Its room is not given back before [`Ring::release`].
    fn advance(&mut self);

    /// Publishes the consumer position, which gives the room of all records that were stepped past back to the producer.
    fn release(&mut self);

    /// Whether the producer position equals the consumer's: nothing is reserved or written. Passes a full fence before it looks.
    fn is_drained(&self) -> bool;

    /// Tells the producer whether the next record has to wake the reader through [`Ring::fd`].
    fn set_sleeping(&self, sleeping: bool);

    /// Descriptor that polls as readable when the ring has data and was set sleeping.
    fn fd(&self) -> Option<RawFd>;

    /// How long its reader may look away without being woken, before so much has come that room runs short.
    fn may_wait(&self) -> Duration {
        Duration::MAX
    }
}
