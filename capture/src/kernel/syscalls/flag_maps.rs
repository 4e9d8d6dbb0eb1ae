//! How the kernel's flags and enumerations become those of the schema.

use event::recipe::{FLAG_PAIRS, FlagMap};

/// One translation.
pub(super) struct Map {
    /// The whole value is looked up.
    pub(super) is_enum: bool,
    /// The schema's value where nothing fits.
    pub(super) other: u32,
    /// (kernel, schema).
    pub(super) pairs: &'static [(u32, u32)],
}

impl Map {
    pub(super) fn packed(&self) -> FlagMap {
        let mut packed = [0; 2 + 2 * FLAG_PAIRS];
        (packed[0], packed[1]) = (u32::from(self.is_enum), self.other);
        for (to, &(kernel, schema)) in packed[2..].chunks_exact_mut(2).zip(self.pairs) {
            to.copy_from_slice(&[kernel, schema]);
        }
        packed
    }
}

/// Open flags.
#[expect(dead_code, reason = "for the families of plain calls")]
pub(super) const OPEN: u8 = 0;

/// Every map; the constants above are places in it.
pub(super) const MAPS: &[Map] = &[
    // PPM_O_*: what the calls that make descriptors take besides an open: O_CLOEXEC and O_NONBLOCK are the same bits for all of them.
    Map { is_enum: false, other: 0, pairs: &[(0o2_000_000, 0x1000), (0o4000, 0x40)] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_map_fits() {
        assert!(MAPS.len() <= event::recipe::N_FLAG_MAPS);
        for map in MAPS {
            assert!(map.pairs.len() < FLAG_PAIRS, "a zero pair ends the map");
        }
    }
}
