//! Signals on the running kernel, sent and delivered, always to children of the test.

mod live;

use std::{
    io::Read,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use event::{EventType, Frame};
use live::{
    Live,
    raw::{Waiting, call},
};

const NO_PID: u64 = 0x7fff_fff0;
const NO_SIGNAL: u64 = 200;

#[test]
fn kill() {
    const TY: EventType = EventType::KILL_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let child = Waiting::start();
    for signal in [0, libc::SIGUSR1 as u64] {
        let made = live.made(TY, libc::SYS_kill, &[child.pid(), signal]);
        assert_eq!((made.res, made.i64(1), made.number(2)), (0, child.pid() as i64, signal));
    }
    let gone = live.failing(TY, libc::SYS_kill, &[NO_PID, 9], libc::ESRCH);
    assert_eq!((gone.i64(1), gone.number(2)), (NO_PID as i64, 9));
    // A process group: the id is signed.
    let group = -(NO_PID as i64);
    let group_gone = live.failing(TY, libc::SYS_kill, &[group as u64, 15], libc::ESRCH);
    assert_eq!(group_gone.i64(1), group);
    live.failing(TY, libc::SYS_kill, &[child.pid(), NO_SIGNAL], libc::EINVAL);
    drop(child);
    live.finish();
}

#[test]
fn tkill() {
    const TY: EventType = EventType::TKILL_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let child = Waiting::start();
    let made = live.made(TY, libc::SYS_tkill, &[child.pid(), 0]);
    assert_eq!((made.res, made.i64(1), made.number(2)), (0, child.pid() as i64, 0));
    let gone = live.failing(TY, libc::SYS_tkill, &[NO_PID, 10], libc::ESRCH);
    assert_eq!((gone.i64(1), gone.number(2)), (NO_PID as i64, 10));
    let zero = live.failing(TY, libc::SYS_tkill, &[0, 10], libc::EINVAL);
    assert_eq!(zero.i64(1), 0);
    drop(child);
    live.finish();
}

#[test]
fn tgkill() {
    const TY: EventType = EventType::TGKILL_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let child = Waiting::start();
    let made = live.made(TY, libc::SYS_tgkill, &[child.pid(), child.pid(), 0]);
    assert_eq!((made.res, made.number(3)), (0, 0));
    assert_eq!((made.i64(1), made.i64(2)), (child.pid() as i64, child.pid() as i64));
    let other = live.failing(TY, libc::SYS_tgkill, &[child.pid(), NO_PID, 10], libc::ESRCH);
    assert_eq!((other.i64(1), other.i64(2)), (child.pid() as i64, NO_PID as i64));
    assert_eq!(other.number(3), 10);
    live.failing(TY, libc::SYS_tgkill, &[child.pid(), 0, 10], libc::EINVAL);
    drop(child);
    live.finish();
}

/// Sender, receiver and number of the first delivery to a thread of a signal.
fn delivered(live: &mut Live, receiver: u64, signal: i32) -> (i64, i64, u8) {
    let bytes = live.wait("signaldeliver", |f| {
        f.event_type() == EventType::SIGNALDELIVER_E
            && u64::from(f.header().tid) == receiver
            && f.param(2) == Some(&[signal as u8][..])
    });
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(u64::from(frame.header().tgid), receiver);
    (frame.param_i64(0).unwrap(), frame.param_i64(1).unwrap(), frame.param(2).unwrap()[0])
}

/// A shell that handles some signals and says when it does.
struct Handling(Child);

impl Handling {
    fn start(signals: &str) -> Self {
        let script = format!("trap : {signals}; echo; while :; do sleep 0.2; done");
        let mut shell =
            Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = [0];
        shell.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
        Self(shell)
    }

    fn pid(&self) -> u64 {
        u64::from(self.0.id())
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn signaldeliver() {
    let Some(mut live) = Live::start(&[EventType::SIGNALDELIVER_E]) else { return };
    let own = i64::from(std::process::id());
    let shell = Handling::start("TERM USR1 40");
    for signal in [libc::SIGTERM, libc::SIGUSR1, 40] {
        assert_eq!(call(libc::SYS_kill, &[shell.pid(), signal as u64]), 0);
        let expected = (own, shell.pid() as i64, signal as u8);
        assert_eq!(delivered(&mut live, shell.pid(), signal), expected);
    }
    drop(shell);
    live.finish();
}

#[test]
fn a_signal_that_ends_a_process_by_default_arrives_as_sigkill() {
    let Some(mut live) = Live::start(&[EventType::SIGNALDELIVER_E]) else { return };
    let child = Waiting::start();
    assert_eq!(call(libc::SYS_kill, &[child.pid(), libc::SIGTERM as u64]), 0);
    let expected = (0, child.pid() as i64, 9);
    assert_eq!(delivered(&mut live, child.pid(), libc::SIGKILL), expected);
    drop(child);
    live.finish();
}

#[test]
fn a_signal_of_the_kernel_has_no_sender() {
    let Some(mut live) = Live::start(&[EventType::SIGNALDELIVER_E]) else { return };
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap exit ALRM; while :; do sleep 0.1; done"]);
    // SAFETY: one system call between fork and exec.
    unsafe {
        shell.pre_exec(|| {
            let in_a_moment = libc::itimerval {
                it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 },
                it_value: libc::timeval { tv_sec: 0, tv_usec: 500_000 },
            };
            libc::setitimer(libc::ITIMER_REAL, &raw const in_a_moment, std::ptr::null_mut());
            Ok(())
        });
    }
    let mut shell = shell.spawn().unwrap();
    shell.wait().unwrap();
    let pid = i64::from(shell.id());
    assert_eq!(delivered(&mut live, u64::from(shell.id()), libc::SIGALRM), (0, pid, 14));
    live.finish();
}

#[test]
fn a_dead_child_is_the_sender_of_its_signal() {
    let Some(mut live) = Live::start(&[EventType::SIGNALDELIVER_E]) else { return };
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap : CHLD; sleep 0.05 & echo $!; wait"]).stdout(Stdio::piped());
    let shell = shell.spawn().unwrap();
    let pid = shell.id();
    let output = shell.wait_with_output().unwrap();
    let grandchild: i64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    let expected = (grandchild, i64::from(pid), 17);
    assert_eq!(delivered(&mut live, u64::from(pid), libc::SIGCHLD), expected);
    live.finish();
}
