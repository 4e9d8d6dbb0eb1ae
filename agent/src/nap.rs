//! What the single thread does when it is idle.

use std::time::Duration;

/// Sleeps that double while nothing happens.
pub(crate) struct Nap(Duration);

impl Default for Nap {
    fn default() -> Self {
        Self(Self::SHORTEST)
    }
}

impl Nap {
    const SHORTEST: Duration = Duration::from_micros(50);
    const LONGEST: Duration = Duration::from_millis(4);

    /// Something happened.
    pub(crate) fn reset(&mut self) {
        self.0 = Self::SHORTEST;
    }

    /// Nothing did.
    pub(crate) fn sleep(&mut self) {
        std::thread::sleep(self.0);
        self.0 = (self.0 * 2).min(Self::LONGEST);
    }
}
