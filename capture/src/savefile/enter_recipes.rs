//! The start of a call out of its return, for programs that want both.
//!
//! Since starts are no longer recorded, a return says all that its start said, in parameters of the same names.

use event::{Direction, EF_OLD_VERSION, EF_UNUSED, EventType, N_EVENT_TYPES};

/// Any system call, whose number both ends say.
const GENERIC: EventType = EventType::GENERIC_X;
/// Category bit of calls.
const SYSCALL: u16 = 0x200;

/// Where the parameters of each start are in its return.
#[derive(Debug)]
pub(super) struct EnterRecipes(Vec<Option<Box<[u8]>>>);

fn recipe(exit: EventType) -> Option<Box<[u8]>> {
    let (info, enter) = (exit.info()?, EventType(exit.0.checked_sub(1)?).info()?);
    let is_pair = info.direction == Direction::Exit
        && enter.direction == Direction::Enter
        && enter.name == info.name
        && info.category & SYSCALL != 0;
    if !is_pair || exit == GENERIC || enter.params.is_empty() {
        return None;
    }
    // The starts themselves are all marked as old.
    if info.flags & (EF_OLD_VERSION | EF_UNUSED) != 0 || enter.flags & EF_UNUSED != 0 {
        return None;
    }
    let place = |name: &str| exit.param_index(name).map(|n| n as u8);
    enter
        .params
        .iter()
        // Of the two that `dup` names, its start knew one.
        .map(|p| place(p.name).or_else(|| if p.name == "fd" { place("oldfd") } else { None }))
        .collect()
}

impl EnterRecipes {
    pub(super) fn new() -> Self {
        Self((0..N_EVENT_TYPES as u16).map(|n| recipe(EventType(n))).collect())
    }

    /// Type of the start, and the places of its parameters in the return.
    pub(super) fn of(&self, exit: EventType) -> Option<(EventType, &[u8])> {
        let places = self.0.get(usize::from(exit.0))?.as_deref()?;
        Some((EventType(exit.0 - 1), places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_that_carry_state_can_be_made() {
        let recipes = EnterRecipes::new();
        let of = |ty| recipes.of(ty).map(|(enter, places)| (enter.0, places.to_vec()));
        assert_eq!(of(EventType::CONNECT_X), Some((22, vec![2, 3])));
        assert_eq!(of(EventType::CLOSE_X), Some((4, vec![1])));
        assert_eq!(of(EventType::DUP_1_X), Some((366, vec![1])));
        assert_eq!(of(EventType::EXECVE_19_X), Some((292, vec![30])));
        // Neither are starts without parameters, nor those whose parameters the return does not say.
        assert_eq!(of(EventType::CLONE_20_X), None);
        assert_eq!(of(EventType::EXECVEAT_X), None);
        assert_eq!(of(EventType::GENERIC_X), None);
        assert_eq!(of(EventType::PROCEXIT_1_E), None);
    }

    #[test]
    fn every_call_that_uses_a_descriptor_has_one() {
        let recipes = EnterRecipes::new();
        for number in 0..N_EVENT_TYPES as u16 {
            let ty = EventType(number);
            let info = ty.info().unwrap();
            let is_current = info.flags & (EF_OLD_VERSION | EF_UNUSED) == 0;
            if info.direction == Direction::Exit
                && is_current
                && info.flags & event::EF_USES_FD != 0
            {
                let enter = EventType(number - 1).info().unwrap();
                assert_eq!(recipes.of(ty).is_some(), !enter.params.is_empty(), "{}", info.name);
            }
        }
    }
}
