//! Signals as they reach their receiver.

use event::{EventType, KernelField as F, control};

use crate::{Ctx, mem::get, process::wanted, record::Record, task::Task};

const SIGCHLD: u32 = 17;
/// `si_code` of kill, sigqueue, message queues and tgkill (include/uapi/asm-generic/siginfo.h).
const SENDERS: [i32; 4] = [0, -1, -3, -6];

/// `signal_deliver(sig, info, action)`: right before the receiver acts on it, in the receiver. What `get_signal` and `complete_signal`
/// (kernel/signal.c) do before shows: ignored signals are thrown away when they are sent, and one that ends the process by default without
/// a core dump arrives as SIGKILL that nobody sent. The events of `kill` and its like tell of those.
///
/// The sender is told wherever the kernel knows one: signals that a process sent, whichever number they have, and those of dead
/// children. libscap looks at a few numbers only, and takes what lies there for SIGKILL and real-time signals of the kernel, too.
#[inline(always)]
pub fn deliver(ctx: Ctx) -> Option<()> {
    let (cpu, _) = wanted(EventType::SIGNALDELIVER_E, control::SIGNAL)?;
    let sig = ctx.number(0) as u32;
    // Null where another thread ends the process.
    let info = ctx.number(1);
    let mut sender = 0;
    if info != 0 {
        let code = get::<i32>(info, F::SigInfoCode);
        if SENDERS.contains(&code) || (sig == SIGCHLD && code > 0) {
            sender = get::<i32>(info, F::SigInfoPid);
        }
    }
    let task = Task::current();
    let who = task.who();
    let mut rec = Record::begin(cpu, EventType::SIGNALDELIVER_E, 3)?;
    rec.i64(0, i64::from(sender));
    // The receiving thread.
    rec.u64(1, u64::from(who.tid));
    rec.u8(2, sig as u8);
    rec.submit::<true>(&who);
    None
}
