//! Messages and vectors through the 32-bit table, made from a 64-bit process with `int 0x80`: structures of 32 bits, and `socketcall`.

mod live;

use std::{
    arch::asm,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
    os::fd::AsRawFd,
    process::{Command, Stdio},
};

use event::{EventType, Frame, SockTuple, flags};
use live::{
    Live,
    ia32::{ACT, low_page},
};

/// A page below 4 GiB that is filled from its start.
struct Low {
    page: *mut u8,
    at: usize,
}

impl Low {
    fn new() -> Self {
        Self { page: low_page(), at: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> u32 {
        assert!(self.at + bytes.len() < 4096, "the page has room");
        // SAFETY: inside the page.
        let place = unsafe { self.page.add(self.at) };
        // SAFETY: as above.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        self.at += bytes.len().next_multiple_of(8);
        u32::try_from(place as usize).unwrap()
    }

    fn words(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        self.put(&bytes)
    }

    /// `struct compat_iovec[]` over these texts, and how many there are.
    fn vector(&mut self, texts: &[&str]) -> [u32; 2] {
        let words: Vec<u32> = texts
            .iter()
            .flat_map(|t| [self.put(t.as_bytes()), u32::try_from(t.len()).unwrap()])
            .collect();
        [self.words(&words), u32::try_from(texts.len()).unwrap()]
    }
}

fn call(nr: u32, args: [u32; 5]) -> i32 {
    let mut eax = nr;
    // SAFETY: rbx belongs to LLVM: it is saved around the call; what the arguments point to lies in the page.
    unsafe {
        asm!(
            "xchg rbx, {first}",
            "int 0x80",
            "xchg rbx, {first}",
            first = inout(reg) u64::from(args[0]) => _,
            inout("eax") eax,
            in("ecx") args[1],
            in("edx") args[2],
            in("esi") args[3],
            in("edi") args[4],
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    eax.cast_signed()
}

/// Not a test by itself: the child that makes the calls, since a kernel without the table kills it. It is told a port to send to.
#[test]
fn child_actor() {
    let Ok(port) = std::env::var(ACT) else { return };
    let port: u16 = port.parse().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let fd = u32::try_from(socket.as_raw_fd()).unwrap();
    let mut low = Low::new();
    let mut name = vec![2, 0];
    name.extend(port.to_be_bytes());
    name.extend([127, 0, 0, 1]);
    name.extend([0; 8]);
    let name = low.put(&name);
    // sendmsg, sendmmsg.
    let [vector, n] = low.vector(&["one ", "two ", "three"]);
    let msg = low.words(&[name, 16, vector, n, 0, 0, 0]);
    assert_eq!(call(370, [fd, msg, 0, 0, 0]), 13);
    let vectors = [low.vector(&["a"]), low.vector(&["b", "b"])];
    let msgs: Vec<u32> = vectors.iter().flat_map(|&[v, n]| [name, 16, v, n, 0, 0, 0, 0]).collect();
    let msgs = low.words(&msgs);
    assert_eq!(call(345, [fd, msgs, 2, 0, 0]), 2);
    // socketcall: SYS_SENDTO, then SYS_SEND on a connected socket.
    let text = low.put(b"socketcall");
    let args = low.words(&[fd, text, 10, 0, name, 16]);
    assert_eq!(call(102, [11, args, 0, 0, 0]), 10);
    socket.connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let args = low.words(&[fd, text, 6, 0]);
    assert_eq!(call(102, [9, args, 0, 0, 0]), 6);
    // writev, pwrite64 behind 4 GiB, sendfile with a position of 32 bits.
    let file = tempfile::tempfile().unwrap();
    let fd = u32::try_from(file.as_raw_fd()).unwrap();
    let [vector, n] = low.vector(&["four ", "five"]);
    assert_eq!(call(146, [fd, vector, n, 0, 0]), 9);
    assert_eq!(call(181, [fd, text, 6, 7, 1]), 6);
    let offset = low.words(&[2, u32::MAX]);
    let to = tempfile::tempfile().unwrap();
    let to = u32::try_from(to.as_raw_fd()).unwrap();
    assert_eq!(call(187, [to, fd, offset, 3, 0]), 3);
}

#[test]
fn structures_of_32_bits_are_read_as_such() {
    let types = [
        EventType::SENDMSG_X,
        EventType::SENDMMSG_X,
        EventType::SENDTO_X,
        EventType::SEND_X,
        EventType::WRITEV_X,
        EventType::PWRITE_X,
        EventType::SENDFILE_X,
    ];
    let Some(mut live) = Live::start(&types) else { return };
    assert_eq!(live.probe.report().refused, []);
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["child_actor", "--exact", "--nocapture"])
        .env(ACT, port.to_string())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    if status.code().is_none() {
        eprintln!("skipped: this kernel has no 32-bit calls ({status})");
        return;
    }
    assert!(status.success());
    let to = SocketAddr::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    let mut frame_of = |ty: EventType, res: i64| {
        live.wait(&format!("{ty:?} with result {res}"), |f| {
            f.event_type() == ty && f.has(flags::IA32) && f.param_i64(0) == Some(res)
        })
    };
    let goes_to = |frame: &Frame<'_>, n: usize| match SockTuple::decode(frame.param(n).unwrap()) {
        Some(SockTuple::Inet { dest, .. }) => dest,
        other => panic!("{other:?}"),
    };
    let bytes = frame_of(EventType::SENDMSG_X, 13);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&b"one two three"[..]), Some(13)));
    assert_eq!(goes_to(&frame, 4), to);
    for (text, len) in [(&b"a"[..], 1), (b"bb", 2)] {
        let bytes = frame_of(EventType::SENDMMSG_X, len);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param_u32(2), frame.param(3)), (u32::try_from(len).ok(), Some(text)));
        assert_eq!(goes_to(&frame, 4), to);
    }
    for (ty, text) in [(EventType::SENDTO_X, &b"socketcall"[..]), (EventType::SEND_X, b"socket")] {
        let len = text.len();
        let bytes = frame_of(ty, i64::try_from(len).unwrap());
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param(1), frame.param_u32(3)), (Some(text), u32::try_from(len).ok()));
        assert_eq!(goes_to(&frame, 4), to);
    }
    let bytes = frame_of(EventType::WRITEV_X, 9);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&b"four five"[..]), Some(9)));
    let bytes = frame_of(EventType::PWRITE_X, 6);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param(1), frame.param_u64(4)), (Some(&b"socket"[..]), Some(7 | 1 << 32)));
    let bytes = frame_of(EventType::SENDFILE_X, 3);
    assert_eq!(Frame::parse(&bytes).unwrap().param_u64(1), Some(5));
    live.finish();
}
