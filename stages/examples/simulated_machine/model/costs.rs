//! What work costs, in ns of one CPU. Every number can be given anew (`--set NAME=NS`).
//!
//! Ground: `simulated_machine measure` (release build, one core of the machine named in docs/journal/2026-11-22-topology.md) for what this engine
//! does, the journals for what the kernel side does, and assumptions, marked so, for what a scheduler does on a server of two sockets.

/// Costs in ns.
#[derive(Clone, Debug)]
pub(crate) struct Costs(Vec<(&'static str, f64, &'static str)>);

/// Names of costs, in the order of [`Costs::default`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cost {
    KernelWrite,
    Cold,
    CapturePoll,
    CaptureRing,
    CaptureOutlet,
    CaptureFrame,
    CaptureFrameRing,
    CaptureBatch,
    ShardPoll,
    ShardLane,
    ShardPeer,
    MergeFrame,
    MergeLevel,
    ParseAgain,
    Open,
    Fork,
    Exec,
    Exit,
    Wake,
    Sleep,
    Switch,
    IdleLatency,
    Pause,
    Yield,
}

impl Default for Costs {
    fn default() -> Self {
        Self(vec![
            ("kernel_write", 556.0, "a captured open, paid by its caller: journal kernel-side"),
            (
                "cold",
                2.0,
                "factor of all that is measured: caches are not the engine's alone (a storm took 730 to 1,200 ns an event)",
            ),
            ("capture_poll", 25.0, "measured: a poll that finds nothing"),
            ("capture_ring", 13.0, "measured: each ring of the thread, each poll"),
            ("capture_outlet", 2.5, "measured: each lane of the thread, each poll"),
            ("capture_frame", 46.0, "measured: a frame of 432 bytes into a batch"),
            ("capture_frame_ring", 2.0, "measured: each ring of the thread, each frame"),
            ("capture_batch", 250.0, "measured: each lane that is pushed to"),
            ("shard_poll", 75.0, "measured: a window beside its frames"),
            ("shard_lane", 5.0, "as an outlet: each lane, each poll"),
            ("shard_peer", 5.3, "measured: looking whether a peer sleeps, each window"),
            ("merge_frame", 4.3, "measured: a frame through a merge of one lane"),
            ("merge_level", 1.5, "measured: each doubling of lanes"),
            (
                "parse_again",
                53.0,
                "half of an event's parsing in a storm: each frame left in a window that waited",
            ),
            ("open", 345.0, "measured: parse, state and 41 rules"),
            ("fork", 481.0, "measured"),
            ("exec", 915.0, "measured"),
            ("exit", 200.0, "assumed: between nothing known of the process (53) and an open"),
            ("wake", 1500.0, "assumed: futex or eventfd, paid by the waker"),
            ("sleep", 1500.0, "assumed: into a sleep and out of it"),
            ("switch", 1200.0, "assumed: another task on the same CPU"),
            ("idle_latency", 5000.0, "assumed: an idle CPU until it runs the woken thread"),
            ("pause", 15.0, "assumed: one spin of a back-off"),
            ("yield", 400.0, "assumed: a yield to nobody"),
        ])
    }
}

impl Costs {
    pub(crate) fn get(&self, cost: Cost) -> f64 {
        self.0[cost as usize].1
    }

    /// Gives a cost another value, as `NAME=NS`.
    pub(crate) fn set(&mut self, text: &str) -> Result<(), String> {
        let (name, ns) = text.split_once('=').ok_or_else(|| format!("{text}: not NAME=NS"))?;
        let ns = ns.parse().map_err(|e| format!("{text}: {e}"))?;
        let entry = self.0.iter_mut().find(|(known, ..)| *known == name);
        entry.ok_or_else(|| format!("{name}: no such cost; `costs` lists them"))?.1 = ns;
        Ok(())
    }

    /// One line for each.
    pub(crate) fn table(&self) -> String {
        let line = |(name, ns, why): &(_, _, _)| format!("{name:<20}{ns:>8} ns  {why}\n");
        self.0.iter().map(line).collect::<Vec<String>>().concat()
    }
}
