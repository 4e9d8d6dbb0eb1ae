//! What a rule sees of an event: values, and the trait that hands them out.

use std::net::IpAddr;

use crate::schema::FieldRef;

/// A field's value, borrowed from the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text or raw bytes.
    Bytes(&'a [u8]),
    /// Signed number.
    I64(i64),
    /// Unsigned number; times are nanoseconds, since the epoch where absolute.
    U64(u64),
    /// Truth value.
    Bool(bool),
    /// Address; also what `fd.*net` fields give.
    Ip(IpAddr),
}

/// A process as it is for some time: its own state and that of its ancestors, and whom its events run as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProcessId {
    /// A number that no other process and no other state ever has, of this or an ancestor. They count up.
    pub state: u64,
    /// User of the event.
    pub uid: u32,
    /// Group of the event.
    pub gid: u32,
}

/// Read access to the fields of one event.
///
/// Implementations must give the same answer to the same question for as long as one evaluation lasts: results are
/// shared between rules.
pub trait Fields {
    /// The value for comparison and output, `None` where the event has none.
    fn get(&self, field: &FieldRef) -> Option<Value<'_>>;

    /// Appends the field's text where it is made for this one occasion, so that it need not be kept to be given; else does nothing and says
    /// so, and [`Fields::get`] has it.
    fn write(&self, _field: &FieldRef, _out: &mut Vec<u8>) -> bool {
        false
    }

    /// A number that the field's text is made of, and of nothing else but the event's type: the bits of flags. `None` where there is none.
    fn bits(&self, _field: &FieldRef) -> Option<u64> {
        None
    }

    /// Whether any of the field's values satisfies `pred`. Called for fields that have several ([`crate::Arity`]);
    /// implementations must override it for those.
    fn any<P: FnMut(Value<'_>) -> bool>(&self, field: &FieldRef, pred: P) -> bool {
        self.get(field).is_some_and(pred)
    }

    /// Calls `each` with the elements of a list in their order; whether the event has the list at all, which may be empty. Called for
    /// fields whose values are lists ([`crate::FieldInfo`]); implementations must override it for those.
    fn elements<P: FnMut(Value<'_>)>(&self, field: &FieldRef, each: P) -> bool {
        self.get(field).map(each).is_some()
    }

    /// What tells two events apart whose processes differ in any way: for events for which it is the same, the fields of the process, its
    /// ancestors, user and container give the same, so that what follows from these alone is found once. `None` where that is not known.
    fn process(&self) -> Option<ProcessId> {
        None
    }
}
