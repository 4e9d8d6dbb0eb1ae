//! Fields that tell names of addresses.

use super::Field;

impl Field {
    /// Whether the field tells host names of an address, which answers of name servers give.
    #[must_use]
    pub fn is_host_name(self) -> bool {
        matches!(self, Self::FdCipName | Self::FdSipName | Self::FdLipName | Self::FdRipName)
    }
}
