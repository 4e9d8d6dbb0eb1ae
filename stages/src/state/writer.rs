//! The one writer of a shard's processes: forks, execs and exits become versions.

use std::collections::VecDeque;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bus::Key;
use containers::Container;
use event::FrameHeader;

use super::Image;
use super::lineage::{Lineage, Wait};
use super::node::{Ids, Parent, ProcNode, Start, State, Version};
use crate::meters::ShardMeters;
use crate::parse::{Body, Event, Exec, Exit, Fork};

/// Reclaimed at most so much per window, so that no window takes long.
const MAX_RECLAIMED: usize = 4096;

/// A shard's writing half of the lineage.
pub(crate) struct StateWriter {
    shard: usize,
    lineage: Arc<Lineage>,
    /// Processes that died, by key of their death.
    graves: VecDeque<(Key, Arc<ProcNode>)>,
    /// Versions whose predecessor nobody asks for once their key is done, by key.
    superseding: VecDeque<Arc<Version>>,
    no_image: Arc<Image>,
    host: Arc<Container>,
    root: Arc<[u8]>,
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
            lineage,
            graves: VecDeque::new(),
            superseding: VecDeque::new(),
            no_image: Arc::default(),
            host: Arc::new(Container::host()),
            root: Arc::from(&b"/"[..]),
        }
    }

    /// Applies what the event says of processes. Where it has to wait for another shard nothing was changed, and the call is made again.
    pub(crate) fn apply(&mut self, event: &Event<'_>, meters: &ShardMeters) -> Result<(), Wait> {
        match event.body {
            Body::Fork(fork) if fork.is_child() => self.fork(event, fork, meters),
            Body::Exec(exec) if exec.res == 0 => self.exec(event, exec, meters),
            Body::Exit(exit) => self.exit(event, &exit, meters),
            Body::Fork(_) | Body::Exec(_) | Body::Open(_) | Body::Socket(_) | Body::Other => Ok(()),
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
        let origin = self.origin(fork, key)?;
        if origin.version.is_none() {
            meters.orphans.add(1);
        }
        let inherited = origin.version.as_deref();
        let version = Version {
            key,
            prev: ArcSwapOption::empty(),
            parent: origin.parent,
            image: forked_image(inherited, fork),
            cwd: shared(inherited.map(|v| &v.cwd), fork.cwd, &self.root),
            container: self.container(inherited, fork.cgroups),
            ids: forked_ids(inherited, fork, header, event.is_from_file()),
            started_at: if event.is_from_file() { header.ts } else { header.start_ns },
            state: State::Alive,
        };
        self.enter(header, version, meters);
        Ok(())
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

    fn exec(
        &mut self,
        event: &Event<'_>,
        exec: &Exec<'_>,
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
        let parent = match before.as_ref().map(|v| v.parent.clone()) {
            Some(parent @ (Parent::Node(_) | Parent::None)) => parent,
            Some(Parent::Unknown(_)) | None => self.named_parent(exec, key, node.as_deref())?,
        };
        let ids = exec_ids(before.as_deref(), exec, header, event.is_from_file());
        let version = Version {
            key,
            prev: ArcSwapOption::empty(),
            parent,
            image: Arc::new(loaded_image(exec)),
            cwd: shared(before.as_ref().map(|v| &v.cwd), exec.cwd, &self.root),
            container: self.container(before.as_deref(), exec.cgroups),
            ids,
            started_at: match &before {
                Some(v) => v.started_at,
                None if event.is_from_file() => 0,
                None => header.start_ns,
            },
            state: State::Alive,
        };
        if let Some(node) = node {
            self.supersede(&node, version);
        } else {
            if !event.is_state_only() {
                meters.orphans.add(1);
            }
            self.enter(header, version, meters);
        }
        Ok(())
    }

    /// The parent that an exec or a seed names. It must have been known before the process, so that ancestors form no circle.
    fn named_parent(
        &self,
        exec: &Exec<'_>,
        key: Key,
        node: Option<&ProcNode>,
    ) -> Result<Parent, Wait> {
        let older = |parent: &ProcNode| node.is_none_or(|n| parent.born < n.born);
        // A seed names a coarse start, but then its parent is a seed too, and coarse itself.
        let (id, start) = match (exec.proc, exec.ptid) {
            (Some(p), _) if p.parent_tgid == 0 => return Ok(Parent::None),
            (Some(p), _) => (p.parent_tgid, Start::exact(p.parent_start_ns)),
            (None, Some(ptid)) => (ptid, Start::default()),
            (None, None) => return Ok(Parent::None),
        };
        let found = self.lineage.living(self.shard, id, start, key)?;
        Ok(match found {
            Some((parent, _)) if older(&parent) => Parent::Node(parent),
            _ => Parent::Unknown(id),
        })
    }

    fn exit(&mut self, event: &Event<'_>, exit: &Exit, meters: &ShardMeters) -> Result<(), Wait> {
        let header = event.header();
        let key = event.key;
        if !exit.is_group_dead {
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
        // A reaper is an ancestor, so it was known before: this is what keeps tombstones from forming a circle.
        let mut reaper = reaper.map(|(r, _)| r).filter(|r| r.born < node.born);
        if reaper.is_none() && header.tgid != 1 {
            let init = self.lineage.living(self.shard, 1, Start::default(), key)?;
            reaper = init.map(|(r, _)| r).filter(|r| r.born < node.born);
            if reaper.is_none() {
                meters.reaper_unknown.add(1);
            }
        }
        let mut version = last.successor(key);
        version.state = State::Dead(reaper);
        self.supersede(&node, version);
        self.graves.push_back((key, node));
        Ok(())
    }

    /// The incarnation that a frame is about, where it lives or is not yet known to have died.
    fn known(&self, header: &FrameHeader, key: Key) -> Option<Arc<ProcNode>> {
        self.lineage
            .incarnation(header.tgid, Start::of(header), key)
            .filter(|n| n.as_of(key).is_some_and(|v| v.is_alive()))
    }

    /// Puts a new version on top of a process.
    fn supersede(&mut self, node: &ProcNode, version: Version) {
        self.superseding.push_back(node.push(version));
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
        let Some(slot) = lineage.slots.make(header.tgid).filter(|_| lineage.admit()) else {
            meters.evicted.add(1);
            return;
        };
        let node = ProcNode::new(header.tgid, Start::of(header), version);
        let older = slot.load_full();
        if let Some(older) = &older {
            self.end_unseen(older, key);
        }
        node.older.store(older);
        slot.store(Some(node));
    }

    /// The id was given to another process, so the one before has ended, though no exit was seen.
    fn end_unseen(&mut self, node: &Arc<ProcNode>, key: Key) {
        let Some(last) = node.as_of(key).filter(|v| v.is_alive()) else { return };
        let mut version = last.successor(key);
        version.state = State::Dead(None);
        self.supersede(node, version);
        self.graves.push_back((key, Arc::clone(node)));
    }

    fn container(&self, before: Option<&Version>, cgroups: &[u8]) -> Arc<Container> {
        match before {
            Some(v) if cgroups.is_empty() || v.container.is_of_cgroups(cgroups) => {
                Arc::clone(&v.container)
            }
            _ if self.host.is_of_cgroups(cgroups) => Arc::clone(&self.host),
            _ => Arc::new(Container::of_cgroups(cgroups)),
        }
    }

    /// Gives back what no reader can ask for any more. Bounded per call.
    pub(crate) fn reclaim(&mut self) {
        let done = self.lineage.min_done();
        for _ in 0..MAX_RECLAIMED {
            let Some(version) = self.superseding.pop_front_if(|v| v.key <= done) else { break };
            version.prev.store(None);
        }
        for _ in 0..MAX_RECLAIMED {
            let Some((_, node)) = self.graves.pop_front_if(|(key, _)| *key <= done) else { break };
            self.unlink(&node);
            node.bury(&self.no_image, &self.host, &self.root);
            self.lineage.discharge();
        }
    }

    fn unlink(&self, node: &Arc<ProcNode>) {
        let Some(slot) = self.lineage.slots.get(node.tgid) else { return };
        let older = node.older.load_full();
        let mut next = slot.load_full();
        if next.as_ref().is_some_and(|n| Arc::ptr_eq(n, node)) {
            slot.store(older);
            return;
        }
        while let Some(newer) = next {
            let below = newer.older.load_full();
            if below.as_ref().is_some_and(|n| Arc::ptr_eq(n, node)) {
                newer.older.store(older);
                return;
            }
            next = below;
        }
    }
}

/// The bytes, shared with the version before where they are the same or not given.
fn shared(before: Option<&Arc<[u8]>>, now: &[u8], default: &Arc<[u8]>) -> Arc<[u8]> {
    match before {
        Some(before) if now.is_empty() || now == &**before => Arc::clone(before),
        _ if now.is_empty() || now == &**default => Arc::clone(default),
        _ => Arc::from(now),
    }
}

fn forked_image(inherited: Option<&Version>, fork: &Fork<'_>) -> Arc<Image> {
    let Some(before) = inherited.map(|v| &v.image) else {
        let image = Image {
            comm: fork.comm.into(),
            exe: fork.exe.into(),
            args: fork.args.into(),
            ..Image::default()
        };
        return Arc::new(image.with_lines());
    };
    let same = |now: &[u8], then: &[u8]| now.is_empty() || now == then;
    if same(fork.comm, &before.comm) && same(fork.exe, &before.exe) && same(fork.args, &before.args)
    {
        return Arc::clone(before);
    }
    // The creator was renamed, or wrote over its arguments, since its exec.
    let mut image = Image::clone(before);
    for (field, now) in
        [(&mut image.comm, fork.comm), (&mut image.exe, fork.exe), (&mut image.args, fork.args)]
    {
        if !now.is_empty() {
            *field = now.into();
        }
    }
    Arc::new(image.with_lines())
}

fn loaded_image(exec: &Exec<'_>) -> Image {
    Image {
        comm: exec.comm.into(),
        exe: exec.exe.into(),
        exepath: exec.exepath.into(),
        args: exec.args.into(),
        env: exec.env.into(),
        ino: exec.exe_ino,
        ctime: exec.exe_ino_ctime,
        mtime: exec.exe_ino_mtime,
        flags: exec.flags,
        ..Image::default()
    }
    .with_lines()
}

fn header_ids(header: &FrameHeader, from_file: bool) -> (Option<u32>, Option<u32>) {
    if from_file { (None, None) } else { (Some(header.uid), Some(header.gid)) }
}

fn forked_ids(
    before: Option<&Version>,
    fork: &Fork<'_>,
    header: &FrameHeader,
    from_file: bool,
) -> Ids {
    let old = before.map(|v| v.ids).unwrap_or_default();
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
    let old = before.map(|v| v.ids).unwrap_or_default();
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
