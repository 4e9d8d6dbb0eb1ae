//! Programs onto their hooks, and off them.

use aya::maps::{HashMap, MapData};
use event::note;

use super::{
    bpf,
    load::{DISPATCHER, ENTER, PROCESS_HOOKS, Probe, Refusal, borrow},
    loaded::Program,
    report::ProbeError,
};

/// What `sys_enter` noted, by thread.
type Notes<'a> = HashMap<&'a mut MapData, u32, [u8; note::LEN]>;

impl Probe {
    fn noted(&mut self) -> Result<Notes<'_>, ProbeError> {
        borrow(&mut self.object, "NOTES")
    }

    /// Calls under way whose descriptor was noted at their start.
    ///
    /// # Errors
    /// [`ProbeError::Map`] where the kernel refuses to say.
    pub fn n_noted(&mut self) -> Result<usize, ProbeError> {
        Ok(self.noted()?.keys().filter_map(Result::ok).count())
    }

    /// Notes of calls whose exit was missed while nothing was attached.
    fn clear_notes(&mut self) -> Result<(), ProbeError> {
        let mut map = self.noted()?;
        let old: Vec<u32> = map.keys().filter_map(Result::ok).collect();
        for tid in old {
            // A thread that ended in between has removed its own.
            let _: Result<(), _> = map.remove(&tid);
        }
        Ok(())
    }

    /// Attaches: process hooks first, so that no captured call comes from a process whose fork was missed; the start of calls last, so that
    /// no note is left by a call whose exit nobody saw.
    ///
    /// # Errors
    /// [`ProbeError::HookRefused`]; what was attached before it is detached.
    pub fn attach(&mut self) -> Result<(), ProbeError> {
        self.clear_host_marks()?;
        let event_hooks = self.wanted_event_hooks();
        let enter = self.wants_enter().then_some(ENTER);
        let hooks = PROCESS_HOOKS.into_iter().chain(event_hooks).chain([DISPATCHER]).chain(enter);
        for hook in hooks {
            if let Err(e) = self.attach_hook(hook) {
                self.detach();
                return Err(e);
            }
        }
        // What was noted before is of no use now.
        self.write_control()?;
        self.attach_socket_hooks();
        self.seed_sockets();
        self.scope_descendants()
    }

    pub(super) fn attach_hook(&mut self, hook: &'static str) -> Result<(), ProbeError> {
        if hook == ENTER {
            self.clear_notes()?;
        }
        let program = self.object.program(hook).and_then(Program::fd).ok_or(Refusal::Absent);
        let attached = program.and_then(|fd| Ok(bpf::attach_tracepoint(fd)?));
        let link = attached.map_err(|e| self.refused_hook(hook, &e))?;
        self.links.push((hook, link));
        Ok(())
    }

    pub(super) fn detach_hook(&mut self, hook: &str) {
        self.links.retain(|(linked, _)| *linked != hook);
    }

    /// Detaches everything; the rings keep what was written.
    pub fn detach(&mut self) {
        if let Some(hooks) = &mut self.hooks {
            hooks.detach();
        }
        while self.links.pop().is_some() {}
    }
}
