//! `fd.cip.name`, `fd.sip.name`, `fd.lip.name`, `fd.rip.name`: the names of a connection's addresses.

use std::net::IpAddr;

use rules::{FdField, Field, Value};

use super::EventFields;

impl<'e> EventFields<'e> {
    /// Goes through the names of the address that the field is about, the newest first, until one satisfies `pred`.
    pub(super) fn any_host_name(&self, field: Field, pred: impl FnMut(&str) -> bool) -> bool {
        let address = match field {
            Field::FdCipName => FdField::FdCip,
            Field::FdSipName => FdField::FdSip,
            Field::FdLipName => FdField::FdLip,
            Field::FdRipName => FdField::FdRip,
            _ => return false,
        };
        match self.fd(address) {
            Some(Value::Ip(ip)) => self.any_name_of(ip, pred),
            _ => false,
        }
    }

    fn any_name_of(&self, ip: IpAddr, mut pred: impl FnMut(&str) -> bool) -> bool {
        let found = self.at.lineage.names_of(self.at.shard, ip, self.event.key, |name| pred(name));
        found.unwrap_or_else(|wait| {
            self.wait.set(Some(wait));
            false
        })
    }

    /// The newest name of the address that the field is about.
    pub(super) fn host_name(&self, field: FdField) -> Option<&'e [u8]> {
        let field = match field {
            FdField::FdCipName => Field::FdCipName,
            FdField::FdSipName => Field::FdSipName,
            FdField::FdLipName => Field::FdLipName,
            FdField::FdRipName => Field::FdRipName,
            _ => return None,
        };
        let mut newest: Option<&'e [u8]> = None;
        self.any_host_name(field, |name| {
            newest = Some(self.at.bump.alloc_slice_copy(name.as_bytes()));
            true
        });
        newest
    }
}
