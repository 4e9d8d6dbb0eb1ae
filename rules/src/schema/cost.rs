//! What it costs to have a field's value, by which what is asked first is chosen.

use event::{EventType, ParamType};

use super::{Arg, Field, FieldRef};

impl FieldRef {
    /// Rough cost of having the value, in the unit of [`crate::predicate::Predicate::cost`]: 0 where it lies ready.
    pub(crate) fn cost(&self) -> u32 {
        match self.field {
            // Put into words for each event.
            Field::EvtArg
            | Field::EvtArgs
            | Field::EvtInfo
            | Field::ThreadCapPermitted
            | Field::ThreadCapInheritable
            | Field::ThreadCapEffective => 32,
            // Hundreds of bytes are put together.
            Field::ProcEnv if self.arg == Arg::None => 64,
            Field::ProcAenv if self.arg == Arg::None => 256,
            // A level of ancestry has to be looked up.
            _ if matches!(self.arg, Arg::Index(_)) => 4,
            _ => 0,
        }
    }

    /// The same for events of a type: the name of a connection is made of its addresses.
    pub(crate) fn cost_for(&self, ty: EventType) -> u32 {
        let has_addresses = || {
            let params = ty.info().map_or(&[][..], |info| info.params);
            params.iter().any(|p| matches!(p.ty, ParamType::SockAddr | ParamType::SockTuple))
        };
        match self.field {
            Field::FdName if has_addresses() => 32,
            _ => self.cost(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_connection_is_dear() {
        let name = FieldRef::from(Field::FdName);
        assert_eq!(name.cost_for(EventType::OPENAT_2_X), 0);
        assert_eq!(name.cost_for(EventType::CONNECT_X), 32);
    }
}
