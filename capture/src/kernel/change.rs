//! Changing what a running probe captures: programs are loaded when they are first asked for, then the tables are written anew and hooks follow.
//!
//! A value that is written while programs read it may be seen half old, half new. That is harmless in the two cases there are: the number of a
//! call is one word, and of two recipes of one event type the parameters agree but for the bytes of a buffer, which are there or empty; what
//! may be missing is the section behind them.

use event::EventType;

use super::{
    load::{ENTER, EVENT_HOOKS, Loading, Probe},
    options::{SocketLooks, Wanted},
    report::ProbeError,
    syscalls::{self, Noted},
};

impl Probe {
    /// What is captured now.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        self.options.wanted()
    }

    /// Whether programs have to be loaded before [`Probe::change`] has all that it needs.
    #[must_use]
    pub fn lacks_programs(&self, wanted: &Wanted) -> bool {
        let mut slots = syscalls::slots(wanted).into_iter();
        slots.any(|(slot, _)| self.slots.iter().all(|(known, _)| *known != slot))
            || self.lacks_enter(wanted)
            || EVENT_HOOKS.iter().any(|(hook, ty)| {
                wanted.interest.contains(*ty)
                    && self.event_hooks.iter().all(|(known, _)| known != hook)
            })
    }

    /// Loads one of the programs that are wanted and were not tried yet; `false` once there is none. One at a time, so that the probe can be
    /// asked other things in between. What the kernel refuses is in the report.
    pub fn load_one(&mut self, wanted: &Wanted) -> bool {
        self.load_next(wanted)
    }

    /// Captures what is wanted from now on; the programs must have been loaded. A program that is under way may still see the old tables: who
    /// needs to know that none does waits for a grace period of the kernel.
    ///
    /// # Errors
    /// [`ProbeError::Map`], [`ProbeError::HookRefused`]: the kernel refuses the change. It may be half done; [`Probe::change`] to what was
    /// wanted before undoes it.
    pub fn change(&mut self, wanted: &Wanted) -> Result<(), ProbeError> {
        let Wanted { interest, generic_calls, fork_sides, asked } = wanted;
        let knows_past = syscalls::wants_history(&self.options.interest, &self.options.asked);
        self.options.interest = *interest;
        self.options.generic_calls = *generic_calls;
        self.options.fork_sides = *fork_sides;
        self.options.asked = asked.clone();
        self.write(syscalls::tables(wanted, self.looks()))?;
        if self.links.is_empty() {
            return Ok(());
        }
        let mut hooks = self.wanted_event_hooks();
        hooks.extend(self.wants_enter().then_some(ENTER));
        for hook in EVENT_HOOKS.map(|(hook, _)| hook).into_iter().chain([ENTER]) {
            let is_attached = self.links.iter().any(|(linked, _)| *linked == hook);
            match (hooks.contains(&hook), is_attached) {
                (true, false) => self.attach_hook(hook)?,
                (false, true) => self.detach_hook(hook),
                (true, true) | (false, false) => {}
            }
        }
        self.attach_socket_hooks();
        if !knows_past && syscalls::wants_history(interest, asked) {
            self.seed_sockets();
        }
        Ok(())
    }

    /// What of it the programs as they were loaded cannot give, in words.
    #[must_use]
    pub fn out_of_reach(&self, wanted: &Wanted) -> Vec<String> {
        let Wanted { interest, asked, .. } = wanted;
        let mut out = Vec::new();
        let calls = self.to_note(wanted).at_start;
        if !self.room.notes && !calls.is_empty() {
            let calls: Vec<&str> = calls.iter().map(EventType::name).collect();
            out.push(format!("what descriptors were when calls started, of {}", calls.join(", ")));
        }
        if !self.room.history && syscalls::wants_history(interest, asked) {
            out.push(
                "which end of a socket a process is, and the last peer of a socket".to_owned(),
            );
        }
        out
    }

    /// Event hooks that are wanted and loaded.
    pub(super) fn wanted_event_hooks(&self) -> Vec<&'static str> {
        let interest = &self.options.interest;
        let is_loaded = |hook: &str| {
            self.event_hooks.iter().any(|(known, refused)| *known == hook && refused.is_none())
        };
        let wanted = EVENT_HOOKS.into_iter().filter(|(_, ty)| interest.contains(*ty));
        wanted.map(|(hook, _)| hook).filter(|hook| is_loaded(hook)).collect()
    }

    /// Whether calls are to be looked at when they start, and can be.
    pub(super) fn wants_enter(&self) -> bool {
        self.enter == Loading::Loaded && self.notes_at_start(&self.options.wanted())
    }

    /// Whether the program that looks at calls when they start is wanted, has room for its notes, and was not tried.
    pub(super) fn lacks_enter(&self, wanted: &Wanted) -> bool {
        self.enter == Loading::Unasked && self.room.notes && self.notes_at_start(wanted)
    }

    /// Where it is looked at what calls with an address use.
    pub(super) fn looks(&self) -> SocketLooks {
        if self.hooks.is_some() { SocketLooks::AtHooks } else { SocketLooks::AtStart }
    }

    /// Of which calls a note is made before they end.
    pub(super) fn to_note(&self, wanted: &Wanted) -> Noted {
        syscalls::noted(wanted, self.looks())
    }

    /// Whether any call is to be looked at when it starts.
    pub(super) fn notes_at_start(&self, wanted: &Wanted) -> bool {
        !self.to_note(wanted).at_start.is_empty()
    }

    /// Attaches the hooks of sockets that calls come to of which a note is wanted, and no others.
    pub(super) fn attach_socket_hooks(&mut self) {
        let calls = self.to_note(&self.options.wanted()).by_hooks;
        if let Some(hooks) = &mut self.hooks
            && let Err(reason) = hooks.attach(&calls)
        {
            self.warn(format!("which socket a call with an address used is looked up when it ends, by its descriptor: {reason}"));
        }
    }
}
