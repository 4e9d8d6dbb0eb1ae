//! What fields ask of a file's descriptors: what nobody asks for is not put behind the frames.

use capture::savefile::PlaybackDemand;
use rules::{EvtField, Extracted, Field, FieldRef};

/// The demand of what rules, a filter and formats read.
pub(crate) fn playback_demand<'f>(
    fields: impl IntoIterator<Item = &'f FieldRef>,
) -> PlaybackDemand {
    let mut demand = PlaybackDemand { own: false, all: false };
    for field in fields {
        let (own, all) = asks(field.field);
        demand.own |= own;
        demand.all |= all;
    }
    demand
}

/// Whether a field asks for the descriptor that a call returned or used, and for all that its parameters name.
fn asks(field: Field) -> (bool, bool) {
    use EvtField as F;
    match field.extracted() {
        Some(Extracted::Fd(_)) => (true, false),
        // Names start from directories.
        Some(Extracted::FsPath(_) | Extracted::FdList(_)) => (true, true),
        Some(Extracted::Evt(evt)) => match evt {
            F::EvtArg | F::EvtArgs | F::EvtInfo | F::EvtAbspath => (true, true),
            F::EvtCategory
            | F::EvtBuflen
            | F::EvtBuflenIn
            | F::EvtBuflenOut
            | F::EvtBuflenFile
            | F::EvtBuflenFileIn
            | F::EvtBuflenFileOut
            | F::EvtBuflenNet
            | F::EvtBuflenNetIn
            | F::EvtBuflenNetOut
            | F::EvtCountErrorFile
            | F::EvtCountErrorNet
            | F::EvtCountErrorMemory
            | F::EvtCountErrorOther
            | F::EvtIsSyslog => (true, false),
            _ => (false, false),
        },
        Some(Extracted::Proc(_) | Extracted::User(_) | Extracted::Container(_)) | None => {
            (false, false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_is_left_out() {
        let demand = |names: &[&str]| {
            let fields = names.iter().map(|n| FieldRef::plain(Field::by_name(n).expect(n)));
            let fields: Vec<FieldRef> = fields.collect();
            let PlaybackDemand { own, all } = playback_demand(&fields);
            (own, all)
        };
        assert_eq!(demand(&[]), (false, false));
        assert_eq!(demand(&["proc.name", "evt.type", "user.name", "evt.res"]), (false, false));
        assert_eq!(demand(&["proc.name", "fd.name"]), (true, false));
        assert_eq!(demand(&["evt.category"]), (true, false));
        assert_eq!(demand(&["evt.info"]), (true, true));
        assert_eq!(demand(&["fs.path.name"]), (true, true));
        assert_eq!(demand(&["fdlist.names"]), (true, true));
    }
}
