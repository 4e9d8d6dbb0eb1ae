//! The one writer of a shard's processes: forks, execs and exits become versions.

use std::collections::VecDeque;
use std::iter;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bumpalo::Bump;
use bus::Key;
use containers::Container;
use event::{FrameHeader, flags};

use super::Image;
use super::change::{changed_ids, new_cwd};
use super::earlier::Earlier;
use super::image::{Dir, Program};
use super::lineage::{Lineage, Wait};
use super::live_containers::ContainerEntry;
use super::node::{Ids, Link, Parent, ProcNode, Start, State, Until, Version};
use super::pool::{PROCESS_BYTES, Pool};
use super::room::{Allowance, Charge};
use crate::meters::ShardMeters;
use crate::parse::{Body, Call, Change, Event, Exec, Exit, Fork, answer_of};
use crate::path::normalised;

/// What Falco gives as the name of a process that nobody told of.
const UNTOLD: &[u8] = b"<NA>";
/// Reclaimed at most so much per window, so that no window takes long.
const MAX_RECLAIMED: usize = 4096;
/// Containers kept at hand, so that entering one of them allocates nothing.
const MAX_CONTAINERS: usize = 16;

/// A shard's writing half of the lineage.
pub(crate) struct StateWriter {
    shard: usize,
    lineage: Arc<Lineage>,
    /// Processes that died, by key of their death.
    graves: VecDeque<(Key, Arc<ProcNode>)>,
    /// Versions whose predecessor nobody asks for once their key is done, by key; with what that one takes until then.
    superseding: VecDeque<(Arc<Version>, Charge)>,
    /// Those met last, oldest first.
    containers: VecDeque<Arc<ContainerEntry>>,
    pool: Pool,
    allowance: Allowance,
    /// Whether somebody reads names of addresses.
    pub(crate) hears_answers: bool,
}

/// What a new process takes over.
struct Origin {
    parent: Parent,
    version: Option<Arc<Version>>,
}

impl StateWriter {
    pub(crate) fn new(shard: usize, lineage: Arc<Lineage>) -> Self {
        Self {
            shard,
            graves: VecDeque::new(),
            superseding: VecDeque::new(),
            containers: VecDeque::with_capacity(MAX_CONTAINERS),
            pool: Pool::new(shard, lineage.n_shards(), lineage.rooms.of(shard)),
            allowance: Allowance::default(),
            lineage,
            hears_answers: false,
        }
    }

    /// Applies what the event says of processes. Where it has to wait for another shard nothing was changed, and the call is made again.
    pub(crate) fn apply<'a>(
        &mut self,
        event: &Event<'a>,
        bump: &'a Bump,
        meters: &ShardMeters,
    ) -> Result<(), Wait> {
        if event.says_loss() {
            self.doubt(event);
            return Ok(());
        }
        if event.is_of_nobody() {
            self.stand_in(event, meters);
        }
        if self.hears_answers {
            self.hear(event);
        }
        match event.body {
            Body::Fork(fork) if fork.is_child() => self.fork(event, fork, meters),
            Body::Exec(exec) if exec.res == 0 => self.exec(event, exec, bump, meters),
            Body::Exit(exit) => self.exit(event, &exit, meters),
            Body::Call(call) => {
                if let Some(change) = call.shape.change
                    && call.succeeded()
                {
                    self.change(event, call, change, bump, meters);
                }
                Ok(())
            }
            Body::Fork(_) | Body::Exec(_) | Body::Open(_) | Body::Socket(_) | Body::Other => Ok(()),
        }
    }

    /// Notes what an answer of a name server says.
    fn hear(&self, event: &Event<'_>) {
        let names = answer_of(&event.frame);
        if !names.is_empty() {
            let lineage = &self.lineage;
            let (applied, done) = (lineage.min_applied(), lineage.min_done());
            lineage.address_names().answered(event.key, &names, applied, done);
        }
    }

    fn fork(
        &mut self,
        event: &Event<'_>,
        fork: &Fork<'_>,
        meters: &ShardMeters,
    ) -> Result<(), Wait> {
        let header = event.header();
        let key = event.key;
        if fork.is_thread {
            return Ok(());
        }
        if event.is_from_file() && self.is_told_of(header, key) {
            // By its creator's return, which came before its own.
            return Ok(());
        }
        let origin = self.origin(fork, key)?;
        if origin.version.is_none() && fork.creator.is_some() && self.known(header, key).is_some() {
            // Its creator ended before the look at what is there, which the child lived to see: that look knows more.
            return Ok(());
        }
        if origin.version.is_none() {
            meters.orphans.add(1);
        }
        let inherited = origin.version.as_deref();
        let is_complete =
            inherited.is_some_and(|v| v.is_complete) && !event.frame.has(flags::STATE_LOST);
        if !is_complete || matches!(origin.parent, Parent::Unknown(_)) {
            self.ask(event);
        }
        let version = Version {
            key,
            serial: 0,
            prev: Earlier::default(),
            until: Until::default(),
            parent: origin.parent,
            image: self.forked_image(header, inherited, fork, meters),
            cwd: self.cwd(header, inherited, fork.cwd, meters),
            container: self.container(inherited, fork.cgroups),
            ids: forked_ids(inherited, fork, header, event.is_from_file()),
            started_at: if event.is_from_file() { header.ts } else { header.start_ns },
            is_stand_in: false,
            is_complete,
            told_at: header.ts,
            state: State::Alive,
        };
        let is_host = version.container.id.is_host();
        self.enter(header, version, meters);
        self.tell_host(event, is_host);
        Ok(())
    }

    /// Tells the kernel side whether a process is on the host, by the version that was just made of the event.
    fn tell_host(&self, event: &Event<'_>, is_host: bool) {
        let Some(marks) = self.lineage.host_marks() else { return };
        let tgid = event.header().tgid;
        match event.frame.trailer().mark() {
            Some(stamp) => marks.tell(stamp, tgid, is_host),
            None if event.frame.has(flags::SEED) => marks.tell_found(tgid, is_host),
            None => {}
        }
    }

    /// The parent of a forked child, and the process it is a copy of.
    fn origin(&self, fork: &Fork<'_>, key: Key) -> Result<Origin, Wait> {
        let unknown = |id| Origin { parent: Parent::Unknown(id), version: None };
        if let Some(c) = fork.creator {
            let start = Start::exact(c.creator_start_ns);
            let creator = self.lineage.living(self.shard, c.creator_tgid, start, key)?;
            if c.parent_tgid == 0 {
                return Ok(Origin { parent: Parent::None, version: creator.map(|(_, v)| v) });
            }
            if c.parent_tgid == c.creator_tgid {
                return Ok(creator.map_or_else(
                    || unknown(c.parent_tgid),
                    |(node, v)| Origin { parent: Parent::Node(node), version: Some(v) },
                ));
            }
            let start = Start::exact(c.parent_start_ns);
            let parent = self.lineage.living(self.shard, c.parent_tgid, start, key)?;
            return Ok(Origin {
                parent: parent
                    .map_or(Parent::Unknown(c.parent_tgid), |(node, _)| Parent::Node(node)),
                version: creator.map(|(_, v)| v),
            });
        }
        // Nobody says who forked but the schema's parameter, which names a thread: right where that is its process's first.
        let Some(ptid) = fork.ptid else {
            return Ok(Origin { parent: Parent::None, version: None });
        };
        let parent = self.lineage.living(self.shard, ptid, Start::default(), key)?;
        Ok(parent.map_or_else(
            || unknown(ptid),
            |(node, v)| Origin { parent: Parent::Node(node), version: Some(v) },
        ))
    }

    fn exec<'a>(
        &mut self,
        event: &Event<'a>,
        exec: &Exec<'a>,
        bump: &'a Bump,
        meters: &ShardMeters,
    ) -> Result<(), Wait> {
        let header = event.header();
        let key = event.key;
        if header.tid != header.tgid && event.is_state_only() {
            // A seed of a further thread: its process has a seed of its own.
            return Ok(());
        }
        let node = self.known(header, key);
        let before = node.as_ref().and_then(|n| n.as_of(key));
        let is_look = event.frame.has(flags::SEED) && !event.is_from_file();
        if is_look && before.as_ref().is_some_and(|v| v.told_at > header.ts) {
            // It has changed since the look began: another one has to tell.
            self.lineage.repairs().ask_again(header.tgid, header.start_ns);
            return Ok(());
        }
        let parent = match before.as_ref().map(|v| v.parent.clone()) {
            Some(parent @ (Parent::Node(_) | Parent::None)) if !is_look => parent,
            Some(parent @ Parent::Node(_)) => {
                match self.named_parent(event, exec, node.as_deref())? {
                    Parent::Unknown(_) => parent,
                    found => found,
                }
            }
            Some(_) | None => self.named_parent(event, exec, node.as_deref())?,
        };
        if !is_look && matches!(parent, Parent::Unknown(_)) {
            self.ask(event);
        }
        let ids = exec_ids(before.as_deref(), exec, header, event.is_from_file());
        // Who was forked and has not executed anything since has what its parent has.
        let like = match &parent {
            Parent::Node(parent) if is_look && before.is_none() => parent.as_of(key),
            _ => None,
        };
        let there = like.as_ref().filter(|like| **like.cwd == *exec.cwd);
        let cwd = match &before {
            // As Falco has it: what is kept of the history of a file is the directory, whatever the exec tells.
            _ if !event.is_from_file() || event.frame.has(flags::SEED) => {
                self.cwd(header, before.as_ref().or(there).map(|v| &**v), exec.cwd, meters)
            }
            Some(v) => Arc::clone(&v.cwd),
            None => Arc::clone(self.pool.nowhere()),
        };
        let mut program = loaded_program(exec);
        if program.exepath.is_empty() && !exec.filename.is_empty() {
            program.exepath = normalised(bump, Some(&cwd), exec.filename).unwrap_or_default();
        }
        let version = Version {
            key,
            serial: 0,
            prev: Earlier::default(),
            until: Until::default(),
            parent,
            image: match like {
                Some(like) if like.image.program() == program => Arc::clone(&like.image),
                _ => self.image(header, &program, meters),
            },
            cwd,
            container: self.container(before.as_deref(), exec.cgroups),
            ids,
            started_at: match &before {
                Some(v) => v.started_at,
                None if event.is_from_file() => 0,
                None => header.start_ns,
            },
            is_stand_in: false,
            is_complete: if event.frame.has(flags::SEED) {
                !event.frame.has(flags::FAULTED)
            } else {
                // Live an exec tells all; in a file all but the directory.
                !event.is_from_file() || before.as_ref().is_some_and(|v| v.is_complete)
            },
            told_at: header.ts,
            state: State::Alive,
        };
        let is_host = version.container.id.is_host();
        if let Some(node) = node {
            self.supersede(&node, version);
        } else {
            if !event.is_state_only() {
                meters.orphans.add(1);
            }
            self.enter(header, version, meters);
        }
        self.tell_host(event, is_host);
        Ok(())
    }

    /// The parent that an exec or a seed names. It must not descend from the process, so that ancestors form no circle.
    fn named_parent(
        &self,
        event: &Event<'_>,
        exec: &Exec<'_>,
        node: Option<&ProcNode>,
    ) -> Result<Parent, Wait> {
        let key = event.key;
        // Seeds out of `/proc` name coarse starts.
        let coarse = event.frame.has(flags::SEED);
        let (id, start) = match (exec.proc, exec.ptid) {
            (Some(p), _) if p.parent_tgid == 0 => return Ok(Parent::None),
            (Some(p), _) => (p.parent_tgid, Start { ns: p.parent_start_ns, coarse }),
            (None, Some(ptid)) => (ptid, Start::default()),
            (None, None) => return Ok(Parent::None),
        };
        let Some((parent, _)) = self.lineage.living(self.shard, id, start, key)? else {
            return Ok(Parent::Unknown(id));
        };
        let Some(node) = node else { return Ok(Parent::Node(parent)) };
        let elder = self.elder(Some(parent), event, node)?;
        Ok(elder.map_or(Parent::Unknown(id), Parent::Node))
    }

    /// A change of the process was lost: from here on it is not wholly known.
    fn doubt(&mut self, event: &Event<'_>) {
        let Some(node) = self.known(event.header(), event.key) else { return };
        let Some(before) = node.as_of(event.key).filter(|v| v.is_complete) else { return };
        let mut version = before.successor(event.key);
        version.is_complete = false;
        self.supersede(&node, version);
    }

    /// Asks for a look at the event's process.
    fn ask(&self, event: &Event<'_>) {
        if !event.is_from_file() {
            let header = event.header();
            self.lineage.repairs().ask(header.tgid, header.start_ns);
        }
    }

    /// A call that changed something of its own process. A process that is not known stays so.
    fn change<'a>(
        &mut self,
        event: &Event<'a>,
        call: &Call<'a>,
        change: Change,
        bump: &'a Bump,
        meters: &ShardMeters,
    ) {
        let Some(node) = self.known(event.header(), event.key) else { return };
        let Some(before) = node.as_of(event.key) else { return };
        let mut version = before.successor(event.key);
        // A frame that is late tells of an earlier moment than what came before it.
        version.told_at = before.told_at.max(event.header().ts);
        if matches!(change, Change::Chdir | Change::Fchdir) {
            let Some(cwd) = new_cwd(&before, call, change, bump) else { return };
            version.cwd = self.cwd(event.header(), Some(&before), cwd, meters);
        } else {
            version.ids = changed_ids(&before.ids, event, call, change);
            if version.ids == before.ids {
                return;
            }
        }
        self.supersede(&node, version);
    }

    /// Enters a process that nobody told of, so that its events have one, as in Falco.
    fn stand_in(&mut self, event: &Event<'_>, meters: &ShardMeters) {
        let header = event.header();
        if self.known(header, event.key).is_some() {
            return;
        }
        let image = Program { comm: UNTOLD, exe: UNTOLD, ..Program::default() };
        let version = Version {
            key: event.key,
            serial: 0,
            prev: Earlier::default(),
            until: Until::default(),
            parent: Parent::Unknown(0),
            image: Pool::short_image(&image),
            cwd: Arc::clone(self.pool.nowhere()),
            container: Arc::clone(self.pool.host()),
            ids: Ids::UNTOLD,
            started_at: 0,
            is_stand_in: true,
            is_complete: false,
            told_at: header.ts,
            state: State::Alive,
        };
        self.enter(header, version, meters);
    }

    fn exit(&mut self, event: &Event<'_>, exit: &Exit, meters: &ShardMeters) -> Result<(), Wait> {
        let header = event.header();
        let key = event.key;
        if !exit.is_group_dead && !event.is_of_nobody() {
            return Ok(());
        }
        let Some(node) = self.known(header, key) else { return Ok(()) };
        let Some(last) = node.as_of(key).filter(|v| v.is_alive()) else { return Ok(()) };
        let reaper = match (exit.reaper, exit.reaper_tid) {
            (Some(r), _) => Some((r.reaper_tgid, Start::exact(r.reaper_start_ns))),
            (None, tid) => tid.map(|tid| (tid, Start::default())),
        };
        let reaper = match reaper {
            Some((tgid, start)) if tgid != 0 => {
                self.lineage.living(self.shard, tgid, start, key)?
            }
            _ => None,
        };
        // A reaper is an ancestor: this is what keeps tombstones from forming a circle.
        let mut reaper = self.elder(reaper.map(|(r, _)| r), event, &node)?;
        // Who is told to have ended by a look tells of no reaper.
        let has_no_heir = exit.reaper.is_some_and(|r| r.reaper_tgid == 0);
        let is_certain = reaper.is_some() || has_no_heir || event.is_from_file();
        if reaper.is_none() && header.tgid != 1 {
            let init = self.lineage.living(self.shard, 1, Start::default(), key)?;
            reaper = self.elder(init.map(|(r, _)| r), event, &node)?;
            if reaper.is_none() {
                meters.reaper_unknown.add(1);
            }
        }
        let mut version = last.successor(key);
        version.is_complete &= is_certain;
        version.told_at = header.ts;
        version.state = State::Dead(reaper);
        self.supersede(&node, version);
        self.graves.push_back((key, node));
        Ok(())
    }

    /// A process, where it may be an ancestor of the other: live whoever does not descend from it, since one that was lost is known later than its
    /// children; in a file whoever was known before.
    fn elder(
        &self,
        elder: Option<Arc<ProcNode>>,
        event: &Event<'_>,
        node: &ProcNode,
    ) -> Result<Option<Arc<ProcNode>>, Wait> {
        let Some(elder) = elder else { return Ok(None) };
        let may_be = elder.born < node.born || !event.is_from_file();
        let is_one = may_be && !self.lineage.leads_to(self.shard, &elder, node, event.key)?;
        Ok(is_one.then_some(elder))
    }

    /// The incarnation that a frame is about, where it lives or is not yet known to have died.
    fn known(&self, header: &FrameHeader, key: Key) -> Option<Arc<ProcNode>> {
        if header.flags & flags::REFUSED != 0 {
            return None;
        }
        self.lineage
            .incarnation(header.tgid, Start::of(header), key)
            .filter(|n| n.as_of(key).is_some_and(|v| v.is_alive()))
    }

    /// Whether a process is known, and not only because its thread made an event.
    fn is_told_of(&self, header: &FrameHeader, key: Key) -> bool {
        let node = self.known(header, key);
        node.and_then(|n| n.as_of(key)).is_some_and(|v| !v.is_stand_in)
    }

    /// Puts a new version on top of a process.
    fn supersede(&mut self, node: &ProcNode, version: Version) {
        let charge = self.pool.history(&node.head.load(), &version);
        let version = node.push(version, |v| self.pool.version(v));
        self.superseding.push_back((version, charge));
    }

    /// Whether versions are kept that only a shard which is behind may ask for.
    pub(crate) fn keeps_past(&self) -> bool {
        !self.superseding.is_empty()
    }

    /// Enters a process: a new incarnation, unless the frame is about one that is already known (a seed that was also seen to fork).
    fn enter(&mut self, header: &FrameHeader, version: Version, meters: &ShardMeters) {
        let key = version.key;
        if let Some(node) = self.known(header, key)
            && Start::of(header).ns != 0
        {
            return self.supersede(&node, version);
        }
        let lineage = Arc::clone(&self.lineage);
        let older = lineage.slots.get(header.tgid).and_then(ArcSwapOption::load_full);
        if let Some(older) = &older {
            self.end_unseen(older, key);
        }
        let is_admitted = self.has_room_for_process(header);
        let Some(slot) = lineage.slots.make(header.tgid).filter(|_| is_admitted) else {
            meters.refused.add(1);
            let version = self.pool.version(version);
            return self.pool.release(Link::Version(version));
        };
        lineage.admit();
        let node = self.pool.node(header.tgid, Start::of(header), version);
        drop(node.older.replace(older));
        slot.store(Some(node));
    }

    fn has_room_for_process(&mut self, header: &FrameHeader) -> bool {
        if header.flags & flags::FROM_FILE != 0 {
            return header.flags & flags::REFUSED == 0;
        }
        !self.lineage.is_full() && self.allowance.has(PROCESS_BYTES, &self.lineage.rooms)
    }

    /// Whether there is room for a text of so many bytes. Of a savefile who reads it has decided, in its order.
    fn has_room_for(&mut self, n_bytes: usize, header: &FrameHeader) -> bool {
        if header.flags & flags::FROM_FILE != 0 {
            return header.flags & flags::SHORTENED == 0;
        }
        self.allowance.has(n_bytes, &self.lineage.rooms)
    }

    /// What a process executes, in short where there is no room for all of it.
    fn image(
        &mut self,
        header: &FrameHeader,
        program: &Program<'_>,
        meters: &ShardMeters,
    ) -> Arc<Image> {
        if self.has_room_for(program.image_bytes(), header) {
            return self.pool.image(program);
        }
        meters.shortened.add(1);
        Pool::short_image(program)
    }

    /// The id was given to another process, so the one before has ended, though no exit was seen.
    fn end_unseen(&mut self, node: &Arc<ProcNode>, key: Key) {
        let Some(last) = node.as_of(key).filter(|v| v.is_alive()) else { return };
        let mut version = last.successor(key);
        version.state = State::Dead(None);
        self.supersede(node, version);
        self.graves.push_back((key, Arc::clone(node)));
    }

    fn container(&mut self, before: Option<&Version>, cgroups: &[u8]) -> Arc<ContainerEntry> {
        let container = self.container_of(before, cgroups);
        if container.is_unknown() {
            self.lineage.live_containers().ask_again(&container);
        }
        container
    }

    fn container_of(&mut self, before: Option<&Version>, cgroups: &[u8]) -> Arc<ContainerEntry> {
        let before = before.map(|v| &v.container);
        if let Some(container) = before
            && (cgroups.is_empty() || container.id.is_of_cgroups(cgroups))
        {
            return Arc::clone(container);
        }
        // Processes are put into the same few containers again and again.
        let mut known = iter::once(self.pool.host()).chain(&self.containers);
        if let Some(container) = known.find(|c| c.id.is_of_cgroups(cgroups)) {
            return Arc::clone(container);
        }
        let container = self.lineage.live_containers().enter(Container::of_cgroups(cgroups));
        if self.containers.len() == MAX_CONTAINERS {
            self.containers.pop_front();
        }
        self.containers.push_back(Arc::clone(&container));
        container
    }

    /// The bytes, shared with the version before where they are the same or not given; nowhere where there is no room for them.
    fn cwd(
        &mut self,
        header: &FrameHeader,
        before: Option<&Version>,
        now: &[u8],
        meters: &ShardMeters,
    ) -> Arc<Dir> {
        let root = self.pool.root();
        match before {
            Some(v) if now.is_empty() || *now == **v.cwd => Arc::clone(&v.cwd),
            _ if now.is_empty() || *now == ***root => Arc::clone(root),
            _ if self.has_room_for(Dir::OWN_BYTES + now.len(), header) => self.pool.cwd(now),
            _ => {
                meters.shortened.add(1);
                Arc::clone(self.pool.nowhere())
            }
        }
    }

    fn forked_image(
        &mut self,
        header: &FrameHeader,
        inherited: Option<&Version>,
        fork: &Fork<'_>,
        meters: &ShardMeters,
    ) -> Arc<Image> {
        let before = inherited.map(|v| &v.image);
        let old = before.map(|image| image.program()).unwrap_or_default();
        let given = |now, then| if <[u8]>::is_empty(now) { then } else { now };
        // They differ where the creator was renamed, or wrote over its arguments, since its exec.
        let comm = given(fork.comm, old.comm);
        let exe = given(fork.exe, old.exe);
        let args = given(fork.args, old.args);
        match before {
            Some(image) if (comm, exe, args) == (old.comm, old.exe, old.args) => Arc::clone(image),
            _ => self.image(header, &Program { comm, exe, args, ..old }, meters),
        }
    }

    /// Gives back what no reader can ask for any more, to be used again. Bounded per call.
    pub(crate) fn reclaim(&mut self) {
        let done = self.lineage.min_done();
        for _ in 0..MAX_RECLAIMED {
            let Some((version, _charge)) = self.superseding.pop_front_if(|(v, _)| v.key <= done)
            else {
                break;
            };
            if let Some(prev) = version.prev.replace(None) {
                self.pool.release(Link::Version(prev));
            }
            // Most often its node still holds it.
            self.pool.release(Link::Version(version));
        }
        for _ in 0..MAX_RECLAIMED {
            let Some((_, node)) = self.graves.pop_front_if(|(key, _)| *key <= done) else { break };
            self.unlink(&node);
            self.pool.bury(node);
            self.lineage.discharge();
        }
    }

    fn unlink(&self, node: &Arc<ProcNode>) {
        let Some(slot) = self.lineage.slots.get(node.tgid) else { return };
        let older = node.older.get();
        let mut next = slot.load_full();
        if next.as_ref().is_some_and(|n| Arc::ptr_eq(n, node)) {
            slot.store(older);
            return;
        }
        while let Some(newer) = next {
            let below = newer.older.get();
            if below.as_ref().is_some_and(|n| Arc::ptr_eq(n, node)) {
                drop(newer.older.replace(older));
                return;
            }
            next = below;
        }
    }
}

fn loaded_program<'a>(exec: &Exec<'a>) -> Program<'a> {
    Program {
        comm: exec.comm,
        exe: exec.exe,
        exepath: exec.exepath,
        args: exec.args,
        env: exec.env,
        ino: exec.exe_ino,
        ctime: exec.exe_ino_ctime,
        mtime: exec.exe_ino_mtime,
        flags: exec.flags,
    }
}

fn header_ids(header: &FrameHeader, from_file: bool) -> (Option<u32>, Option<u32>) {
    if from_file { (None, None) } else { (Some(header.uid), Some(header.gid)) }
}

fn old_ids(before: Option<&Version>, from_file: bool) -> Ids {
    let untold = || if from_file { Ids::UNTOLD } else { Ids::default() };
    before.map_or_else(untold, |v| v.ids)
}

fn forked_ids(
    before: Option<&Version>,
    fork: &Fork<'_>,
    header: &FrameHeader,
    from_file: bool,
) -> Ids {
    let old = old_ids(before, from_file);
    let (uid, gid) = header_ids(header, from_file);
    Ids {
        uid: uid.or(fork.uid).unwrap_or(old.uid),
        gid: gid.or(fork.gid).unwrap_or(old.gid),
        sid: fork.proc.map_or(old.sid, |p| p.sid),
        pgid: fork.proc.map_or(old.pgid, |p| p.pgid),
        vpid: fork.proc.map(|p| p.vpid).or(fork.vpid).unwrap_or(header.tgid),
        ..old
    }
}

fn exec_ids(
    before: Option<&Version>,
    exec: &Exec<'_>,
    header: &FrameHeader,
    from_file: bool,
) -> Ids {
    let old = old_ids(before, from_file);
    let (uid, gid) = header_ids(header, from_file);
    let old_vpid = if old.vpid == 0 { header.tgid } else { old.vpid };
    Ids {
        uid: uid.or(exec.uid).unwrap_or(old.uid),
        gid: gid.or(exec.gid).unwrap_or(old.gid),
        loginuid: exec.loginuid.unwrap_or(old.loginuid),
        tty: exec.tty.unwrap_or(old.tty),
        sid: exec.proc.map_or(old.sid, |p| p.sid),
        pgid: exec.proc.map(|p| p.pgid).or(exec.pgid).unwrap_or(old.pgid),
        vpid: exec.proc.map_or(old_vpid, |p| p.vpid),
        vpgid: exec.vpgid.unwrap_or(old.vpgid),
        cap_inheritable: exec.cap_inheritable,
        cap_permitted: exec.cap_permitted,
        cap_effective: exec.cap_effective,
    }
}
