//! One shard: merge, parse, state, fields, detect.
//!
//! `lanes ─ Merge (up to the smallest watermark) ─▶ window of frames ─ Event::parse ─▶ events ─ Lineage (fork, exec, exit) ─▶ rules over
//! fields as of each event's key ─▶ Alert lane`
//!
//! A shard owns the processes whose tgid the [`Route`] gives it, and alone writes their part of the [`Lineage`]. It reads the rest as of the key
//! of the event at hand, once their owner has applied everything before that key. So any number of shards gives the same alerts.
//!
//! ```
//! use std::sync::Arc;
//! use bus::{BatchLimits, Key, WaitLimits, Waiter, Watermark, alert_lane, lane};
//! use event::{EventType, FrameHeader, FrameWriter};
//! use rules::{Options, RuleMatching, Ruleset, Source};
//! use stages::{BufferFormat, DeferralLimits, Lineage, LineageLimits, Progress, Shard, ShardConfig, ShardMeters, Users};
//!
//! let text = "- rule: Hidden\n  desc: d\n  condition: evt.type = openat and fd.name = /etc/shadow\n  output: \"%user.name opened %fd.name\"\n  priority: INFO\n";
//! let rules = Ruleset::load(vec![Source { name: "doc.yaml".into(), text: text.into() }], Options::default()).unwrap();
//! let (mut tx, rx) = lane(4, BatchLimits { max_frames: 16, max_bytes: 1 << 16 });
//! let (alerts, mut raised) = alert_lane(16);
//! let watermark = Arc::new(Watermark::new());
//! let mut shard = Shard::new(ShardConfig {
//!     index: 0,
//!     lanes: vec![rx],
//!     watermarks: vec![Arc::clone(&watermark)],
//!     sources: vec![],
//!     lineage: Arc::new(Lineage::new(1, |_tgid, _n_shards| 0, LineageLimits::default())),
//!     peers: vec![],
//!     waiter: Waiter::new(WaitLimits::default()),
//!     ruleset: Arc::new(rules),
//!     matching: RuleMatching::First,
//!     alerts,
//!     output: None,
//!     meters: ShardMeters::default(),
//!     hostname: "node".into(),
//!     users: Arc::new(Users::from_files(b"ann:x:7:7::/home/ann:/bin/sh\n", b"")),
//!     clock_offset_ns: 0,
//!     utc_offset_s: 0,
//!     evt_num_shift: 0,
//!     buffers: BufferFormat::default(),
//!     late_after: None,
//!     deferral: DeferralLimits::default(),
//! });
//!
//! let mut buf = [0; 512];
//! let header = FrameHeader { event_type: EventType::OPENAT_2_X.0, tid: 9, tgid: 9, uid: 7, ..Default::default() };
//! let mut w = FrameWriter::new(&mut buf, header);
//! w.i64(-13).i64(-100).str(b"/etc/./shadow").u32(1).u32(0).u32(0).u64(0);
//! let mut batch = tx.take().unwrap();
//! batch.push(Key(1), w.finish().unwrap()).unwrap();
//! tx.push(batch).unwrap();
//! watermark.publish(Key::MAX);
//!
//! assert_eq!(shard.poll_once(), Progress::Worked);
//! assert_eq!(shard.poll_once(), Progress::Ended);
//! let alert = raised.pop().unwrap();
//! assert_eq!(alert.output, "ann opened /etc/shadow");
//! assert!(alert.marks.lineage_unknown, "nobody told of process 9");
//! ```

#![forbid(unsafe_code)]

mod defer;
mod detect;
mod engine;
mod fields;
mod merge;
mod meters;
mod parse;
mod path;
mod profile;
mod shard;
mod state;
mod swap;
mod trace;
mod users;
mod watch;

pub use defer::DeferralLimits;
pub use fields::{
    BufferFormat, PortFormat, capability_named, category_name, errno_named, signal_named,
};
pub use merge::Merge;
pub use meters::ShardMeters;
pub use parse::{
    Body, Call, Change, Event, Exec, Exit, FdKind, Fork, FsPaths, Open, Role, Shape, Socket,
    answering,
};
pub use profile::RuleProfile;
pub use shard::{MAX_WINDOW, Progress, Shard, ShardConfig};
pub use state::{
    AddressNames, ContainerEntry, Containers, Dir, Ids, Image, Lineage, LineageLimits,
    LiveContainers, Parent, ProcNode, Repairs, Route, Start, State, Version, Wait, exe_flags,
};
pub use swap::{RuleSwap, SwapError};
pub use trace::{
    LivingProcess, Numbering, ShownEvent, Step, TimeFormat, TracedEvent, Tracer, TracerConfig,
    UtcOffset,
};
pub use users::{LeftOutNotes, User, Users, left_out_notes, note};
pub use watch::{
    LookError, Looked, MAX_LOOKED_AT, MAX_ONLOOKERS, SeenCall, SeenContainer, SeenProcess, Watches,
};
