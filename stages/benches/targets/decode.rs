//! One frame of each family of events, from its bytes to what rules read.

use std::hint::black_box;

use bench_harness::samples::{self, At};
use bench_harness::{Pass, TargetFn};
use bumpalo::Bump;
use bus::Key;
use event::EventType;
use stages::{Body, Event};

const N: u64 = 1000;
/// Frames of a window, after which its arena is used again.
const N_WINDOW: u64 = 250;
const AT: At = At { ts: 1_000_000, cpu: 0, tgid: 4_242, parent: 4_000 };

/// By family; what each is looked into for is its body's.
pub(crate) const DECODE: [TargetFn; 22] = [
    ("parse_open", "stages::Event::parse (openat)", || pass(samples::open(AT), is_open)),
    ("parse_close", "stages::Event::parse (close)", || of(EventType::CLOSE_X)),
    ("parse_read", "stages::Event::parse (read)", || of(EventType::READ_X)),
    ("parse_write", "stages::Event::parse (write)", || of(EventType::WRITE_X)),
    ("parse_connect", "stages::Event::parse (connect)", || pass(samples::connect(AT), is_socket)),
    ("parse_accept", "stages::Event::parse (accept4)", || {
        pass(samples::call(AT, EventType::ACCEPT4_6_X), is_socket)
    }),
    ("parse_send", "stages::Event::parse (sendto)", || of(EventType::SENDTO_X)),
    ("parse_recv", "stages::Event::parse (recvfrom)", || of(EventType::RECVFROM_X)),
    ("parse_clone", "stages::Event::parse (clone)", || {
        pass(samples::fork(AT), |b| matches!(b, Body::Fork(f) if f.is_child()))
    }),
    ("parse_exec", "stages::Event::parse (execve)", || {
        pass(samples::exec(AT, false), |b| matches!(b, Body::Exec(e) if e.res == 0))
    }),
    ("parse_exit", "stages::Event::parse (procexit)", || {
        pass(samples::exit(AT), |b| matches!(b, Body::Exit(_)))
    }),
    ("parse_rename", "stages::Event::parse (renameat2)", || of(EventType::RENAMEAT2_X)),
    ("parse_unlink", "stages::Event::parse (unlinkat)", || of(EventType::UNLINKAT_2_X)),
    ("parse_link", "stages::Event::parse (linkat)", || of(EventType::LINKAT_2_X)),
    ("parse_mkdir", "stages::Event::parse (mkdirat)", || of(EventType::MKDIRAT_X)),
    ("parse_chmod", "stages::Event::parse (fchmodat)", || of(EventType::FCHMODAT_X)),
    ("parse_chown", "stages::Event::parse (fchownat)", || of(EventType::FCHOWNAT_X)),
    ("parse_mount", "stages::Event::parse (mount)", || of(EventType::MOUNT_X)),
    ("parse_ptrace", "stages::Event::parse (ptrace)", || of(EventType::PTRACE_X)),
    ("parse_bpf", "stages::Event::parse (bpf)", || of(EventType::BPF_2_X)),
    ("parse_setns", "stages::Event::parse (setns)", || of(EventType::SETNS_X)),
    ("parse_generic", "stages::Event::parse (generic)", || of(EventType::GENERIC_X)),
];

fn is_open(body: &Body<'_>) -> bool {
    matches!(body, Body::Open(_))
}

fn is_socket(body: &Body<'_>) -> bool {
    matches!(body, Body::Socket(_))
}

/// A call without a family of its own, or one that is not looked into.
fn of(ty: EventType) -> Pass {
    pass(samples::call(AT, ty), |body| matches!(body, Body::Call(_) | Body::Other))
}

fn pass(bytes: Vec<u8>, is_right: fn(&Body<'_>) -> bool) -> Pass {
    let mut bump = Bump::new();
    Pass::new(N, move || {
        for _ in 0..N / N_WINDOW {
            bump.reset();
            for n in 0..N_WINDOW {
                let event = Event::parse(Key(n), Key(n), black_box(&bytes), &bump);
                let event = event.expect("a sample is a frame");
                assert!(is_right(black_box(&event.body)), "the frame is of its family");
            }
        }
    })
}
