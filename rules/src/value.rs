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

/// Read access to the fields of one event.
///
/// Implementations must give the same answer to the same question for as long as one evaluation lasts: results are
/// shared between rules.
pub trait Fields {
    /// The value for comparison and output, `None` where the event has none.
    fn get(&self, field: &FieldRef) -> Option<Value<'_>>;

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
}
