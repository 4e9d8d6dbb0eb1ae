//! The event table: number, direction, name, category, flags and parameters of every event type.
//!
//! Facts of the `.scap` schema (falcosecurity/libs, driver schema 4.5.1); the row number is the type number.

use super::{
    Direction::{Enter, Exit},
    EventInfo, Param,
    ParamFormat::{Dec, Hex, Na, Oct},
    ParamType, flag_sets as sets,
};

const fn p(name: &'static str, ty: ParamType, format: super::ParamFormat) -> Param {
    Param { name, ty, format, flags: None }
}

const fn f(
    name: &'static str,
    ty: ParamType,
    format: super::ParamFormat,
    flags: super::FlagSet,
) -> Param {
    Param { name, ty, format, flags: Some(flags) }
}

const fn e(
    direction: super::Direction,
    name: &'static str,
    category: u16,
    flags: u16,
    params: &'static [Param],
) -> EventInfo {
    EventInfo { name, direction, category, flags, params }
}

#[rustfmt::skip]
pub(super) static EVENTS: [EventInfo; 454] = [
    e(Enter, "syscall", 0x201, 0x1200, &[p("ID", ParamType::SyscallId, Dec), p("nativeID", ParamType::U16, Dec)]), // 0
    e(Exit, "syscall", 0x201, 0x1000, &[p("ID", ParamType::SyscallId, Dec), p("nativeID", ParamType::U16, Dec)]), // 1
    e(Enter, "open", 0x202, 0x1021, &[p("name", ParamType::FsPath, Na), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS), p("mode", ParamType::U32, Oct)]), // 2
    e(Exit, "open", 0x202, 0x1021, &[p("fd", ParamType::Fd, Dec), p("name", ParamType::FsPath, Na), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS), p("mode", ParamType::U32, Oct), p("dev", ParamType::U32, Hex), p("ino", ParamType::U64, Dec)]), // 3
    e(Enter, "close", 0x222, 0x1226, &[p("fd", ParamType::Fd, Dec)]), // 4
    e(Exit, "close", 0x222, 0x1026, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec)]), // 5
    e(Enter, "read", 0x220, 0x120c, &[p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec)]), // 6
    e(Exit, "read", 0x220, 0x100c, &[p("res", ParamType::Errno, Dec), p("data", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec)]), // 7
    e(Enter, "write", 0x221, 0x1214, &[p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec)]), // 8
    e(Exit, "write", 0x221, 0x1014, &[p("res", ParamType::Errno, Dec), p("data", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec)]), // 9
    e(Enter, "brk", 0x205, 0x1200, &[p("size", ParamType::U32, Dec)]), // 10
    e(Exit, "brk", 0x205, 0x1200, &[p("res", ParamType::U64, Hex)]), // 11
    e(Enter, "execve", 0x206, 0x1220, &[]), // 12
    e(Exit, "execve", 0x206, 0x1220, &[p("res", ParamType::Errno, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::U64, Dec)]), // 13
    e(Enter, "clone", 0x206, 0x220, &[]), // 14
    e(Exit, "clone", 0x206, 0x1220, &[p("res", ParamType::Pid, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::I64, Dec), f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec)]), // 15
    e(Enter, "procexit", 0x406, 0x1220, &[]), // 16
    e(Exit, "NA", 0x0, 0x40, &[]), // 17
    e(Enter, "socket", 0x203, 0x1221, &[f("domain", ParamType::EnumFlags32, Dec, sets::SOCKET_DOMAIN), p("type", ParamType::U32, Dec), p("proto", ParamType::U32, Dec)]), // 18
    e(Exit, "socket", 0x203, 0x1021, &[p("fd", ParamType::Fd, Dec), f("domain", ParamType::EnumFlags32, Dec, sets::SOCKET_DOMAIN), p("type", ParamType::U32, Dec), p("proto", ParamType::U32, Dec), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS)]), // 19
    e(Enter, "bind", 0x203, 0x1224, &[p("fd", ParamType::Fd, Dec)]), // 20
    e(Exit, "bind", 0x203, 0x1024, &[p("res", ParamType::Errno, Dec), p("addr", ParamType::SockAddr, Na), p("fd", ParamType::Fd, Dec)]), // 21
    e(Enter, "connect", 0x203, 0x1024, &[p("fd", ParamType::Fd, Dec), p("addr", ParamType::SockAddr, Na)]), // 22
    e(Exit, "connect", 0x203, 0x1024, &[p("res", ParamType::Errno, Dec), p("tuple", ParamType::SockTuple, Na), p("fd", ParamType::Fd, Dec), p("addr", ParamType::SockAddr, Na)]), // 23
    e(Enter, "listen", 0x203, 0x1204, &[p("fd", ParamType::Fd, Dec), p("backlog", ParamType::I32, Dec)]), // 24
    e(Exit, "listen", 0x203, 0x1004, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), p("backlog", ParamType::I32, Dec)]), // 25
    e(Enter, "accept", 0x203, 0x221, &[]), // 26
    e(Exit, "accept", 0x203, 0x1221, &[p("fd", ParamType::Fd, Dec), p("tuple", ParamType::SockTuple, Na), p("queuepct", ParamType::U8, Dec)]), // 27
    e(Enter, "send", 0x221, 0x1214, &[p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec)]), // 28
    e(Exit, "send", 0x221, 0x1014, &[p("res", ParamType::Errno, Dec), p("data", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("tuple", ParamType::SockTuple, Na)]), // 29
    e(Enter, "sendto", 0x221, 0x1234, &[p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("tuple", ParamType::SockTuple, Na)]), // 30
    e(Exit, "sendto", 0x221, 0x1034, &[p("res", ParamType::Errno, Dec), p("data", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("tuple", ParamType::SockTuple, Na)]), // 31
    e(Enter, "recv", 0x220, 0x120c, &[p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec)]), // 32
    e(Exit, "recv", 0x220, 0x100c, &[p("res", ParamType::Errno, Dec), p("data", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("tuple", ParamType::SockTuple, Na)]), // 33
    e(Enter, "recvfrom", 0x220, 0x122c, &[p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec)]), // 34
    e(Exit, "recvfrom", 0x220, 0x102c, &[p("res", ParamType::Errno, Dec), p("data", ParamType::ByteBuf, Na), p("tuple", ParamType::SockTuple, Na), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec)]), // 35
    e(Enter, "shutdown", 0x203, 0x1224, &[p("fd", ParamType::Fd, Dec), f("how", ParamType::EnumFlags8, Hex, sets::SHUTDOWN_HOW)]), // 36
    e(Exit, "shutdown", 0x203, 0x1024, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), f("how", ParamType::EnumFlags8, Hex, sets::SHUTDOWN_HOW)]), // 37
    e(Enter, "getsockname", 0x203, 0x200, &[]), // 38
    e(Exit, "getsockname", 0x203, 0x0, &[]), // 39
    e(Enter, "getpeername", 0x203, 0x200, &[]), // 40
    e(Exit, "getpeername", 0x203, 0x0, &[]), // 41
    e(Enter, "socketpair", 0x204, 0x1221, &[f("domain", ParamType::EnumFlags32, Dec, sets::SOCKET_DOMAIN), p("type", ParamType::U32, Dec), p("proto", ParamType::U32, Dec)]), // 42
    e(Exit, "socketpair", 0x204, 0x1021, &[p("res", ParamType::Errno, Dec), p("fd1", ParamType::Fd, Dec), p("fd2", ParamType::Fd, Dec), p("source", ParamType::U64, Hex), p("peer", ParamType::U64, Hex), f("domain", ParamType::EnumFlags32, Dec, sets::SOCKET_DOMAIN), p("type", ParamType::U32, Dec), p("proto", ParamType::U32, Dec)]), // 43
    e(Enter, "setsockopt", 0x203, 0x200, &[]), // 44
    e(Exit, "setsockopt", 0x203, 0x4, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), f("level", ParamType::EnumFlags8, Dec, sets::SETSOCKOPT_LEVEL), f("optname", ParamType::EnumFlags8, Dec, sets::SETSOCKOPT_OPTNAME), p("val", ParamType::Dyn, Dec), p("optlen", ParamType::U32, Dec)]), // 45
    e(Enter, "getsockopt", 0x203, 0x220, &[]), // 46
    e(Exit, "getsockopt", 0x203, 0x24, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), f("level", ParamType::EnumFlags8, Dec, sets::SETSOCKOPT_LEVEL), f("optname", ParamType::EnumFlags8, Dec, sets::SETSOCKOPT_OPTNAME), p("val", ParamType::Dyn, Dec), p("optlen", ParamType::U32, Dec)]), // 47
    e(Enter, "sendmsg", 0x221, 0x1234, &[p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("tuple", ParamType::SockTuple, Na)]), // 48
    e(Exit, "sendmsg", 0x221, 0x1034, &[p("res", ParamType::Errno, Dec), p("data", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("tuple", ParamType::SockTuple, Na)]), // 49
    e(Enter, "sendmmsg", 0x221, 0x200, &[]), // 50
    e(Exit, "sendmmsg", 0x221, 0x1034, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("data", ParamType::ByteBuf, Na), p("tuple", ParamType::SockTuple, Na)]), // 51
    e(Enter, "recvmsg", 0x220, 0x122c, &[p("fd", ParamType::Fd, Dec)]), // 52
    e(Exit, "recvmsg", 0x220, 0x102c, &[p("res", ParamType::Errno, Dec), p("size", ParamType::U32, Dec), p("data", ParamType::ByteBuf, Na), p("tuple", ParamType::SockTuple, Na), p("msgcontrol", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec)]), // 53
    e(Enter, "recvmmsg", 0x220, 0x200, &[]), // 54
    e(Exit, "recvmmsg", 0x220, 0x102c, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("data", ParamType::ByteBuf, Na), p("tuple", ParamType::SockTuple, Na), p("msgcontrol", ParamType::ByteBuf, Na)]), // 55
    e(Enter, "accept", 0x203, 0x1221, &[p("flags", ParamType::I32, Hex)]), // 56
    e(Exit, "accept", 0x203, 0x1221, &[p("fd", ParamType::Fd, Dec), p("tuple", ParamType::SockTuple, Na), p("queuepct", ParamType::U8, Dec)]), // 57
    e(Enter, "creat", 0x202, 0x1021, &[p("name", ParamType::FsPath, Na), p("mode", ParamType::U32, Oct)]), // 58
    e(Exit, "creat", 0x202, 0x1021, &[p("fd", ParamType::Fd, Dec), p("name", ParamType::FsPath, Na), p("mode", ParamType::U32, Oct), p("dev", ParamType::U32, Hex), p("ino", ParamType::U64, Dec), f("creat_flags", ParamType::Flags16, Hex, sets::CREAT_CREAT_FLAGS)]), // 59
    e(Enter, "pipe", 0x204, 0x221, &[]), // 60
    e(Exit, "pipe", 0x204, 0x21, &[p("res", ParamType::Errno, Dec), p("fd1", ParamType::Fd, Dec), p("fd2", ParamType::Fd, Dec), p("ino", ParamType::U64, Dec)]), // 61
    e(Enter, "eventfd", 0x204, 0x1221, &[p("initval", ParamType::U64, Dec), p("flags", ParamType::U32, Hex)]), // 62
    e(Exit, "eventfd", 0x204, 0x1021, &[p("res", ParamType::Fd, Dec), p("initval", ParamType::U64, Dec), p("flags", ParamType::U32, Hex)]), // 63
    e(Enter, "futex", 0x204, 0x1200, &[p("addr", ParamType::U64, Hex), f("op", ParamType::Flags16, Hex, sets::FUTEX_OP), p("val", ParamType::U64, Dec)]), // 64
    e(Exit, "futex", 0x204, 0x1000, &[p("res", ParamType::Errno, Dec), p("addr", ParamType::U64, Hex), f("op", ParamType::Flags16, Hex, sets::FUTEX_OP), p("val", ParamType::U64, Dec)]), // 65
    e(Enter, "stat", 0x202, 0x200, &[]), // 66
    e(Exit, "stat", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("path", ParamType::FsPath, Na)]), // 67
    e(Enter, "lstat", 0x202, 0x200, &[]), // 68
    e(Exit, "lstat", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("path", ParamType::FsPath, Na)]), // 69
    e(Enter, "fstat", 0x202, 0x1204, &[p("fd", ParamType::Fd, Na)]), // 70
    e(Exit, "fstat", 0x202, 0x1004, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Na)]), // 71
    e(Enter, "stat64", 0x202, 0x200, &[]), // 72
    e(Exit, "stat64", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("path", ParamType::FsPath, Na)]), // 73
    e(Enter, "lstat64", 0x202, 0x200, &[]), // 74
    e(Exit, "lstat64", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("path", ParamType::FsPath, Na)]), // 75
    e(Enter, "fstat64", 0x202, 0x204, &[p("fd", ParamType::Fd, Na)]), // 76
    e(Exit, "fstat64", 0x202, 0x0, &[p("res", ParamType::Errno, Dec)]), // 77
    e(Enter, "epoll_wait", 0x240, 0x1280, &[p("maxevents", ParamType::Errno, Dec)]), // 78
    e(Exit, "epoll_wait", 0x240, 0x1080, &[p("res", ParamType::Errno, Dec), p("maxevents", ParamType::Errno, Dec)]), // 79
    e(Enter, "poll", 0x240, 0x1280, &[p("fds", ParamType::FdList, Dec), p("timeout", ParamType::I64, Dec)]), // 80
    e(Exit, "poll", 0x240, 0x1080, &[p("res", ParamType::Errno, Dec), p("fds", ParamType::FdList, Dec), p("timeout", ParamType::I64, Dec)]), // 81
    e(Enter, "select", 0x240, 0x280, &[]), // 82
    e(Exit, "select", 0x240, 0x80, &[p("res", ParamType::Errno, Dec)]), // 83
    e(Enter, "select", 0x240, 0x280, &[]), // 84
    e(Exit, "select", 0x240, 0x1280, &[p("res", ParamType::Errno, Dec)]), // 85
    e(Enter, "lseek", 0x202, 0x1204, &[p("fd", ParamType::Fd, Dec), p("offset", ParamType::U64, Dec), f("whence", ParamType::EnumFlags8, Dec, sets::LSEEK_WHENCE)]), // 86
    e(Exit, "lseek", 0x202, 0x1004, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), p("offset", ParamType::U64, Dec), f("whence", ParamType::EnumFlags8, Dec, sets::LSEEK_WHENCE)]), // 87
    e(Enter, "llseek", 0x202, 0x1204, &[p("fd", ParamType::Fd, Dec), p("offset", ParamType::U64, Dec), f("whence", ParamType::EnumFlags8, Dec, sets::LSEEK_WHENCE)]), // 88
    e(Exit, "llseek", 0x202, 0x1004, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), p("offset", ParamType::U64, Dec), f("whence", ParamType::EnumFlags8, Dec, sets::LSEEK_WHENCE)]), // 89
    e(Enter, "ioctl", 0x222, 0x1204, &[p("fd", ParamType::Fd, Dec), p("request", ParamType::U64, Hex)]), // 90
    e(Exit, "ioctl", 0x222, 0x1204, &[p("res", ParamType::Errno, Dec)]), // 91
    e(Enter, "getcwd", 0x202, 0x200, &[]), // 92
    e(Exit, "getcwd", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("path", ParamType::CharBuf, Na)]), // 93
    e(Enter, "chdir", 0x202, 0x220, &[]), // 94
    e(Exit, "chdir", 0x202, 0x20, &[p("res", ParamType::Errno, Dec), p("path", ParamType::CharBuf, Na)]), // 95
    e(Enter, "fchdir", 0x202, 0x1224, &[p("fd", ParamType::Fd, Na)]), // 96
    e(Exit, "fchdir", 0x202, 0x1024, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Na)]), // 97
    e(Enter, "mkdir", 0x202, 0x1200, &[p("path", ParamType::FsPath, Na), p("mode", ParamType::U32, Hex)]), // 98
    e(Exit, "mkdir", 0x202, 0x1200, &[p("res", ParamType::Errno, Dec)]), // 99
    e(Enter, "rmdir", 0x202, 0x1200, &[p("path", ParamType::FsPath, Na)]), // 100
    e(Exit, "rmdir", 0x202, 0x1200, &[p("res", ParamType::Errno, Dec)]), // 101
    e(Enter, "openat", 0x202, 0x1221, &[p("dirfd", ParamType::Fd, Dec), p("name", ParamType::CharBuf, Na), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS), p("mode", ParamType::U32, Oct)]), // 102
    e(Exit, "openat", 0x202, 0x1221, &[p("fd", ParamType::Fd, Dec)]), // 103
    e(Enter, "link", 0x202, 0x1200, &[p("oldpath", ParamType::FsPath, Na), p("newpath", ParamType::FsPath, Na)]), // 104
    e(Exit, "link", 0x202, 0x1200, &[p("res", ParamType::Errno, Dec)]), // 105
    e(Enter, "linkat", 0x202, 0x1200, &[p("olddir", ParamType::Fd, Dec), p("oldpath", ParamType::CharBuf, Na), p("newdir", ParamType::Fd, Dec), p("newpath", ParamType::CharBuf, Na)]), // 106
    e(Exit, "linkat", 0x202, 0x1200, &[p("res", ParamType::Errno, Dec)]), // 107
    e(Enter, "unlink", 0x202, 0x1200, &[p("path", ParamType::FsPath, Na)]), // 108
    e(Exit, "unlink", 0x202, 0x1200, &[p("res", ParamType::Errno, Dec)]), // 109
    e(Enter, "unlinkat", 0x202, 0x1200, &[p("dirfd", ParamType::Fd, Dec), p("name", ParamType::CharBuf, Na)]), // 110
    e(Exit, "unlinkat", 0x202, 0x1200, &[p("res", ParamType::Errno, Dec)]), // 111
    e(Enter, "pread", 0x220, 0x120c, &[p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("pos", ParamType::U64, Dec)]), // 112
    e(Exit, "pread", 0x220, 0x100c, &[p("res", ParamType::Errno, Dec), p("data", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("pos", ParamType::U64, Dec)]), // 113
    e(Enter, "pwrite", 0x221, 0x1214, &[p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("pos", ParamType::U64, Dec)]), // 114
    e(Exit, "pwrite", 0x221, 0x1014, &[p("res", ParamType::Errno, Dec), p("data", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("pos", ParamType::U64, Dec)]), // 115
    e(Enter, "readv", 0x220, 0x120c, &[p("fd", ParamType::Fd, Dec)]), // 116
    e(Exit, "readv", 0x220, 0x100c, &[p("res", ParamType::Errno, Dec), p("size", ParamType::U32, Dec), p("data", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec)]), // 117
    e(Enter, "writev", 0x221, 0x1214, &[p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec)]), // 118
    e(Exit, "writev", 0x221, 0x1014, &[p("res", ParamType::Errno, Dec), p("data", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec)]), // 119
    e(Enter, "preadv", 0x220, 0x120c, &[p("fd", ParamType::Fd, Dec), p("pos", ParamType::U64, Dec)]), // 120
    e(Exit, "preadv", 0x220, 0x100c, &[p("res", ParamType::Errno, Dec), p("size", ParamType::U32, Dec), p("data", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec), p("pos", ParamType::U64, Dec)]), // 121
    e(Enter, "pwritev", 0x221, 0x1214, &[p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("pos", ParamType::U64, Dec)]), // 122
    e(Exit, "pwritev", 0x221, 0x1014, &[p("res", ParamType::Errno, Dec), p("data", ParamType::ByteBuf, Na), p("fd", ParamType::Fd, Dec), p("size", ParamType::U32, Dec), p("pos", ParamType::U64, Dec)]), // 123
    e(Enter, "dup", 0x222, 0x1225, &[p("fd", ParamType::Fd, Dec)]), // 124
    e(Exit, "dup", 0x222, 0x1225, &[p("res", ParamType::Fd, Dec)]), // 125
    e(Enter, "signalfd", 0x209, 0x1221, &[p("fd", ParamType::Fd, Dec), p("mask", ParamType::U32, Hex), p("flags", ParamType::U8, Hex)]), // 126
    e(Exit, "signalfd", 0x209, 0x1021, &[p("res", ParamType::Fd, Dec), p("fd", ParamType::Fd, Dec), p("mask", ParamType::U32, Hex), p("flags", ParamType::U8, Hex)]), // 127
    e(Enter, "kill", 0x209, 0x1200, &[p("pid", ParamType::Pid, Dec), p("sig", ParamType::SigType, Dec)]), // 128
    e(Exit, "kill", 0x209, 0x1000, &[p("res", ParamType::Errno, Dec), p("pid", ParamType::Pid, Dec), p("sig", ParamType::SigType, Dec)]), // 129
    e(Enter, "tkill", 0x209, 0x1200, &[p("tid", ParamType::Pid, Dec), p("sig", ParamType::SigType, Dec)]), // 130
    e(Exit, "tkill", 0x209, 0x1000, &[p("res", ParamType::Errno, Dec), p("tid", ParamType::Pid, Dec), p("sig", ParamType::SigType, Dec)]), // 131
    e(Enter, "tgkill", 0x209, 0x1200, &[p("pid", ParamType::Pid, Dec), p("tid", ParamType::Pid, Dec), p("sig", ParamType::SigType, Dec)]), // 132
    e(Exit, "tgkill", 0x209, 0x1000, &[p("res", ParamType::Errno, Dec), p("pid", ParamType::Pid, Dec), p("tid", ParamType::Pid, Dec), p("sig", ParamType::SigType, Dec)]), // 133
    e(Enter, "nanosleep", 0x207, 0x1280, &[p("interval", ParamType::RelTime, Dec)]), // 134
    e(Exit, "nanosleep", 0x207, 0x1080, &[p("res", ParamType::Errno, Dec), p("interval", ParamType::RelTime, Dec)]), // 135
    e(Enter, "timerfd_create", 0x20b, 0x1221, &[p("clockid", ParamType::U8, Dec), p("flags", ParamType::U8, Hex)]), // 136
    e(Exit, "timerfd_create", 0x20b, 0x1021, &[p("res", ParamType::Fd, Dec), p("clockid", ParamType::U8, Dec), p("flags", ParamType::U8, Hex)]), // 137
    e(Enter, "inotify_init", 0x204, 0x1221, &[p("flags", ParamType::U8, Hex)]), // 138
    e(Exit, "inotify_init", 0x204, 0x1021, &[p("res", ParamType::Fd, Dec), p("flags", ParamType::U8, Hex)]), // 139
    e(Enter, "getrlimit", 0x206, 0x1200, &[f("resource", ParamType::EnumFlags8, Dec, sets::GETRLIMIT_RESOURCE)]), // 140
    e(Exit, "getrlimit", 0x206, 0x1000, &[p("res", ParamType::Errno, Dec), p("cur", ParamType::I64, Dec), p("max", ParamType::I64, Dec), f("resource", ParamType::EnumFlags8, Dec, sets::GETRLIMIT_RESOURCE)]), // 141
    e(Enter, "setrlimit", 0x206, 0x1200, &[f("resource", ParamType::EnumFlags8, Dec, sets::GETRLIMIT_RESOURCE)]), // 142
    e(Exit, "setrlimit", 0x206, 0x1000, &[p("res", ParamType::Errno, Dec), p("cur", ParamType::I64, Dec), p("max", ParamType::I64, Dec), f("resource", ParamType::EnumFlags8, Dec, sets::GETRLIMIT_RESOURCE)]), // 143
    e(Enter, "prlimit", 0x206, 0x1200, &[p("pid", ParamType::Pid, Dec), f("resource", ParamType::EnumFlags8, Dec, sets::GETRLIMIT_RESOURCE)]), // 144
    e(Exit, "prlimit", 0x206, 0x1000, &[p("res", ParamType::Errno, Dec), p("newcur", ParamType::I64, Dec), p("newmax", ParamType::I64, Dec), p("oldcur", ParamType::I64, Dec), p("oldmax", ParamType::I64, Dec), p("pid", ParamType::I64, Dec), f("resource", ParamType::EnumFlags8, Dec, sets::GETRLIMIT_RESOURCE)]), // 145
    e(Enter, "switch", 0x480, 0x1300, &[p("next", ParamType::Pid, Dec)]), // 146
    e(Exit, "NA", 0x0, 0x40, &[]), // 147
    e(Enter, "drop", 0x1100, 0x100, &[p("ratio", ParamType::U32, Dec)]), // 148
    e(Exit, "drop", 0x1100, 0x100, &[p("ratio", ParamType::U32, Dec)]), // 149
    e(Enter, "fcntl", 0x222, 0x1224, &[p("fd", ParamType::Fd, Dec), f("cmd", ParamType::EnumFlags8, Dec, sets::FCNTL_CMD)]), // 150
    e(Exit, "fcntl", 0x222, 0x1024, &[p("res", ParamType::Fd, Dec), p("fd", ParamType::Fd, Dec), f("cmd", ParamType::EnumFlags8, Dec, sets::FCNTL_CMD), p("arg", ParamType::U64, Hex)]), // 151
    e(Enter, "switch", 0x480, 0x0, &[p("next", ParamType::Pid, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec)]), // 152
    e(Exit, "NA", 0x0, 0x40, &[]), // 153
    e(Enter, "execve", 0x206, 0x1220, &[]), // 154
    e(Exit, "execve", 0x206, 0x1220, &[p("res", ParamType::Errno, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::U64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec)]), // 155
    e(Enter, "clone", 0x206, 0x220, &[]), // 156
    e(Exit, "clone", 0x206, 0x1220, &[p("res", ParamType::Pid, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::I64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec)]), // 157
    e(Enter, "brk", 0x205, 0x1200, &[p("addr", ParamType::U64, Hex)]), // 158
    e(Exit, "brk", 0x205, 0x1000, &[p("res", ParamType::U64, Hex), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("addr", ParamType::U64, Hex)]), // 159
    e(Enter, "mmap", 0x205, 0x1204, &[p("addr", ParamType::U64, Hex), p("length", ParamType::U64, Dec), f("prot", ParamType::Flags32, Hex, sets::MMAP_PROT), f("flags", ParamType::Flags32, Hex, sets::MMAP_FLAGS), p("fd", ParamType::Fd, Dec), p("offset", ParamType::U64, Dec)]), // 160
    e(Exit, "mmap", 0x205, 0x1004, &[p("res", ParamType::Errno, Hex), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("addr", ParamType::U64, Hex), p("length", ParamType::U64, Dec), f("prot", ParamType::Flags32, Hex, sets::MMAP_PROT), f("flags", ParamType::Flags32, Hex, sets::MMAP_FLAGS), p("fd", ParamType::Fd, Dec), p("offset", ParamType::U64, Dec)]), // 161
    e(Enter, "mmap2", 0x205, 0x1204, &[p("addr", ParamType::U64, Hex), p("length", ParamType::U64, Dec), f("prot", ParamType::Flags32, Hex, sets::MMAP_PROT), f("flags", ParamType::Flags32, Hex, sets::MMAP_FLAGS), p("fd", ParamType::Fd, Dec), p("pgoffset", ParamType::U64, Dec)]), // 162
    e(Exit, "mmap2", 0x205, 0x1004, &[p("res", ParamType::Errno, Hex), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("addr", ParamType::U64, Hex), p("length", ParamType::U64, Dec), f("prot", ParamType::Flags32, Hex, sets::MMAP_PROT), f("flags", ParamType::Flags32, Hex, sets::MMAP_FLAGS), p("fd", ParamType::Fd, Dec), p("pgoffset", ParamType::U64, Dec)]), // 163
    e(Enter, "munmap", 0x205, 0x1200, &[p("addr", ParamType::U64, Hex), p("length", ParamType::U64, Dec)]), // 164
    e(Exit, "munmap", 0x205, 0x1000, &[p("res", ParamType::Errno, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("addr", ParamType::U64, Hex), p("length", ParamType::U64, Dec)]), // 165
    e(Enter, "splice", 0x222, 0x1204, &[p("fd_in", ParamType::Fd, Dec), p("fd_out", ParamType::Fd, Dec), p("size", ParamType::U64, Dec), f("flags", ParamType::Flags32, Hex, sets::SPLICE_FLAGS)]), // 166
    e(Exit, "splice", 0x222, 0x1004, &[p("res", ParamType::Errno, Dec), p("fd_in", ParamType::Fd, Dec), p("fd_out", ParamType::Fd, Dec), p("size", ParamType::U64, Dec), f("flags", ParamType::Flags32, Hex, sets::SPLICE_FLAGS)]), // 167
    e(Enter, "ptrace", 0x206, 0x1200, &[f("request", ParamType::EnumFlags16, Dec, sets::PTRACE_REQUEST), p("pid", ParamType::Pid, Dec)]), // 168
    e(Exit, "ptrace", 0x206, 0x1000, &[p("res", ParamType::Errno, Dec), p("addr", ParamType::Dyn, Hex), p("data", ParamType::Dyn, Hex), f("request", ParamType::EnumFlags16, Dec, sets::PTRACE_REQUEST), p("pid", ParamType::Pid, Dec)]), // 169
    e(Enter, "ioctl", 0x222, 0x1204, &[p("fd", ParamType::Fd, Dec), p("request", ParamType::U64, Hex), p("argument", ParamType::U64, Hex)]), // 170
    e(Exit, "ioctl", 0x222, 0x1004, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), p("request", ParamType::U64, Hex), p("argument", ParamType::U64, Hex)]), // 171
    e(Enter, "execve", 0x206, 0x1220, &[]), // 172
    e(Exit, "execve", 0x206, 0x1220, &[p("res", ParamType::Errno, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::U64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("env", ParamType::ByteBuf, Na)]), // 173
    e(Enter, "rename", 0x202, 0x200, &[]), // 174
    e(Exit, "rename", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("oldpath", ParamType::FsPath, Na), p("newpath", ParamType::FsPath, Na)]), // 175
    e(Enter, "renameat", 0x202, 0x200, &[]), // 176
    e(Exit, "renameat", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("olddirfd", ParamType::Fd, Dec), p("oldpath", ParamType::FsRelPath, Na), p("newdirfd", ParamType::Fd, Dec), p("newpath", ParamType::FsRelPath, Na)]), // 177
    e(Enter, "symlink", 0x202, 0x200, &[]), // 178
    e(Exit, "symlink", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("target", ParamType::CharBuf, Na), p("linkpath", ParamType::FsPath, Na)]), // 179
    e(Enter, "symlinkat", 0x202, 0x200, &[]), // 180
    e(Exit, "symlinkat", 0x202, 0x4, &[p("res", ParamType::Errno, Dec), p("target", ParamType::CharBuf, Na), p("linkdirfd", ParamType::Fd, Dec), p("linkpath", ParamType::FsRelPath, Na)]), // 181
    e(Enter, "fork", 0x206, 0x220, &[]), // 182
    e(Exit, "fork", 0x206, 0x1220, &[p("res", ParamType::Pid, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::I64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec)]), // 183
    e(Enter, "vfork", 0x206, 0x220, &[]), // 184
    e(Exit, "vfork", 0x206, 0x1220, &[p("res", ParamType::Pid, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::I64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec)]), // 185
    e(Enter, "procexit", 0x406, 0x20, &[p("status", ParamType::Errno, Dec), p("ret", ParamType::Errno, Dec), p("sig", ParamType::SigType, Dec), p("core", ParamType::U8, Dec), p("reaper_tid", ParamType::Pid, Dec)]), // 186
    e(Exit, "NA", 0x0, 0x40, &[]), // 187
    e(Enter, "sendfile", 0x221, 0x1204, &[p("out_fd", ParamType::Fd, Dec), p("in_fd", ParamType::Fd, Dec), p("offset", ParamType::U64, Dec), p("size", ParamType::U64, Dec)]), // 188
    e(Exit, "sendfile", 0x221, 0x1004, &[p("res", ParamType::Errno, Dec), p("offset", ParamType::U64, Dec), p("out_fd", ParamType::Fd, Dec), p("in_fd", ParamType::Fd, Dec), p("size", ParamType::U64, Dec)]), // 189
    e(Enter, "quotactl", 0x20a, 0x1200, &[f("cmd", ParamType::Flags16, Dec, sets::QUOTACTL_CMD), f("type", ParamType::Flags8, Dec, sets::QUOTACTL_TYPE), p("id", ParamType::U32, Dec), f("quota_fmt", ParamType::Flags8, Dec, sets::QUOTACTL_QUOTA_FMT)]), // 190
    e(Exit, "quotactl", 0x20a, 0x1000, &[p("res", ParamType::Errno, Dec), p("special", ParamType::CharBuf, Na), p("quotafilepath", ParamType::CharBuf, Na), p("dqb_bhardlimit", ParamType::U64, Dec), p("dqb_bsoftlimit", ParamType::U64, Dec), p("dqb_curspace", ParamType::U64, Dec), p("dqb_ihardlimit", ParamType::U64, Dec), p("dqb_isoftlimit", ParamType::U64, Dec), p("dqb_btime", ParamType::RelTime, Dec), p("dqb_itime", ParamType::RelTime, Dec), p("dqi_bgrace", ParamType::RelTime, Dec), p("dqi_igrace", ParamType::RelTime, Dec), f("dqi_flags", ParamType::Flags8, Dec, sets::QUOTACTL_DQI_FLAGS), f("quota_fmt_out", ParamType::Flags8, Dec, sets::QUOTACTL_QUOTA_FMT), f("cmd", ParamType::Flags16, Dec, sets::QUOTACTL_CMD), f("type", ParamType::Flags8, Dec, sets::QUOTACTL_TYPE), p("id", ParamType::U32, Dec), f("quota_fmt", ParamType::Flags8, Dec, sets::QUOTACTL_QUOTA_FMT)]), // 191
    e(Enter, "setresuid", 0x20a, 0x1220, &[p("ruid", ParamType::Uid, Dec), p("euid", ParamType::Uid, Dec), p("suid", ParamType::Uid, Dec)]), // 192
    e(Exit, "setresuid", 0x20a, 0x1020, &[p("res", ParamType::Errno, Dec), p("ruid", ParamType::Uid, Dec), p("euid", ParamType::Uid, Dec), p("suid", ParamType::Uid, Dec)]), // 193
    e(Enter, "setresgid", 0x20a, 0x1220, &[p("rgid", ParamType::Gid, Dec), p("egid", ParamType::Gid, Dec), p("sgid", ParamType::Gid, Dec)]), // 194
    e(Exit, "setresgid", 0x20a, 0x1020, &[p("res", ParamType::Errno, Dec), p("rgid", ParamType::Gid, Dec), p("egid", ParamType::Gid, Dec), p("sgid", ParamType::Gid, Dec)]), // 195
    e(Enter, "scapevent", 0x1100, 0x100, &[p("event_type", ParamType::U32, Dec), p("event_data", ParamType::U64, Dec)]), // 196
    e(Exit, "NA", 0x0, 0x40, &[]), // 197
    e(Enter, "setuid", 0x20a, 0x1220, &[p("uid", ParamType::Uid, Dec)]), // 198
    e(Exit, "setuid", 0x20a, 0x1020, &[p("res", ParamType::Errno, Dec), p("uid", ParamType::Uid, Dec)]), // 199
    e(Enter, "setgid", 0x20a, 0x1220, &[p("gid", ParamType::Gid, Dec)]), // 200
    e(Exit, "setgid", 0x20a, 0x1020, &[p("res", ParamType::Errno, Dec), p("gid", ParamType::Gid, Dec)]), // 201
    e(Enter, "getuid", 0x20a, 0x200, &[]), // 202
    e(Exit, "getuid", 0x20a, 0x0, &[p("uid", ParamType::Uid, Dec)]), // 203
    e(Enter, "geteuid", 0x20a, 0x200, &[]), // 204
    e(Exit, "geteuid", 0x20a, 0x0, &[p("euid", ParamType::Uid, Dec)]), // 205
    e(Enter, "getgid", 0x20a, 0x200, &[]), // 206
    e(Exit, "getgid", 0x20a, 0x0, &[p("gid", ParamType::Gid, Dec)]), // 207
    e(Enter, "getegid", 0x20a, 0x200, &[]), // 208
    e(Exit, "getegid", 0x20a, 0x0, &[p("egid", ParamType::Gid, Dec)]), // 209
    e(Enter, "getresuid", 0x20a, 0x200, &[]), // 210
    e(Exit, "getresuid", 0x20a, 0x0, &[p("res", ParamType::Errno, Dec), p("ruid", ParamType::Uid, Dec), p("euid", ParamType::Uid, Dec), p("suid", ParamType::Uid, Dec)]), // 211
    e(Enter, "getresgid", 0x20a, 0x200, &[]), // 212
    e(Exit, "getresgid", 0x20a, 0x0, &[p("res", ParamType::Errno, Dec), p("rgid", ParamType::Gid, Dec), p("egid", ParamType::Gid, Dec), p("sgid", ParamType::Gid, Dec)]), // 213
    e(Enter, "execve", 0x206, 0x1220, &[]), // 214
    e(Exit, "execve", 0x206, 0x1220, &[p("res", ParamType::Errno, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::U64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), p("env", ParamType::ByteBuf, Na)]), // 215
    e(Enter, "clone", 0x206, 0x220, &[]), // 216
    e(Exit, "clone", 0x206, 0x1220, &[p("res", ParamType::Pid, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::I64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec)]), // 217
    e(Enter, "fork", 0x206, 0x220, &[]), // 218
    e(Exit, "fork", 0x206, 0x1220, &[p("res", ParamType::Pid, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::I64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec)]), // 219
    e(Enter, "vfork", 0x206, 0x220, &[]), // 220
    e(Exit, "vfork", 0x206, 0x1220, &[p("res", ParamType::Pid, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::I64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec)]), // 221
    e(Enter, "clone", 0x206, 0x220, &[]), // 222
    e(Exit, "clone", 0x206, 0x1020, &[p("res", ParamType::Pid, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::I64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), p("cgroups", ParamType::ByteBuf, Na), f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec), p("vtid", ParamType::Pid, Dec), p("vpid", ParamType::Pid, Dec), p("pidns_init_start_ts", ParamType::U64, Dec)]), // 223
    e(Enter, "fork", 0x206, 0x220, &[]), // 224
    e(Exit, "fork", 0x206, 0x1020, &[p("res", ParamType::Pid, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::I64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), p("cgroups", ParamType::ByteBuf, Na), f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec), p("vtid", ParamType::Pid, Dec), p("vpid", ParamType::Pid, Dec), p("pidns_init_start_ts", ParamType::U64, Dec)]), // 225
    e(Enter, "vfork", 0x206, 0x220, &[]), // 226
    e(Exit, "vfork", 0x206, 0x1020, &[p("res", ParamType::Pid, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::I64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), p("cgroups", ParamType::ByteBuf, Na), f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec), p("vtid", ParamType::Pid, Dec), p("vpid", ParamType::Pid, Dec), p("pidns_init_start_ts", ParamType::U64, Dec)]), // 227
    e(Enter, "container", 0x1100, 0x1320, &[p("id", ParamType::CharBuf, Na), p("type", ParamType::U32, Dec), p("name", ParamType::CharBuf, Na), p("image", ParamType::CharBuf, Na)]), // 228
    e(Exit, "NA", 0x0, 0x40, &[]), // 229
    e(Enter, "execve", 0x206, 0x1220, &[]), // 230
    e(Exit, "execve", 0x206, 0x1220, &[p("res", ParamType::Errno, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::U64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), p("cgroups", ParamType::ByteBuf, Na), p("env", ParamType::ByteBuf, Na)]), // 231
    e(Enter, "signaldeliver", 0x409, 0x0, &[p("spid", ParamType::Pid, Dec), p("dpid", ParamType::Pid, Dec), p("sig", ParamType::SigType, Dec)]), // 232
    e(Exit, "NA", 0x0, 0x40, &[]), // 233
    e(Enter, "procinfo", 0x1100, 0x100, &[p("cpu_usr", ParamType::U64, Dec), p("cpu_sys", ParamType::U64, Dec)]), // 234
    e(Exit, "NA", 0x0, 0x40, &[]), // 235
    e(Enter, "getdents", 0x202, 0x1204, &[p("fd", ParamType::Fd, Na)]), // 236
    e(Exit, "getdents", 0x202, 0x1004, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Na)]), // 237
    e(Enter, "getdents64", 0x202, 0x1204, &[p("fd", ParamType::Fd, Na)]), // 238
    e(Exit, "getdents64", 0x202, 0x1004, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Na)]), // 239
    e(Enter, "setns", 0x206, 0x1204, &[p("fd", ParamType::Fd, Na), f("nstype", ParamType::Flags32, Hex, sets::CLONE_FLAGS)]), // 240
    e(Exit, "setns", 0x206, 0x1004, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Na), f("nstype", ParamType::Flags32, Hex, sets::CLONE_FLAGS)]), // 241
    e(Enter, "flock", 0x202, 0x1204, &[p("fd", ParamType::Fd, Na), f("operation", ParamType::Flags32, Hex, sets::FLOCK_OPERATION)]), // 242
    e(Exit, "flock", 0x202, 0x1004, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Na), f("operation", ParamType::Flags32, Hex, sets::FLOCK_OPERATION)]), // 243
    e(Enter, "cpu_hotplug", 0x1008, 0x120, &[p("cpu", ParamType::U32, Dec), p("action", ParamType::U32, Dec)]), // 244
    e(Exit, "NA", 0x0, 0x40, &[]), // 245
    e(Enter, "accept", 0x203, 0x221, &[]), // 246
    e(Exit, "accept", 0x203, 0x21, &[p("fd", ParamType::Fd, Dec), p("tuple", ParamType::SockTuple, Na), p("queuepct", ParamType::U8, Dec), p("queuelen", ParamType::U32, Dec), p("queuemax", ParamType::U32, Dec)]), // 247
    e(Enter, "accept", 0x203, 0x1221, &[p("flags", ParamType::I32, Hex)]), // 248
    e(Exit, "accept", 0x203, 0x1221, &[p("fd", ParamType::Fd, Dec), p("tuple", ParamType::SockTuple, Na), p("queuepct", ParamType::U8, Dec), p("queuelen", ParamType::U32, Dec), p("queuemax", ParamType::U32, Dec)]), // 249
    e(Enter, "semop", 0x206, 0x1200, &[p("semid", ParamType::I32, Dec)]), // 250
    e(Exit, "semop", 0x206, 0x1000, &[p("res", ParamType::Errno, Dec), p("nsops", ParamType::U32, Dec), p("sem_num_0", ParamType::U16, Dec), p("sem_op_0", ParamType::I16, Dec), f("sem_flg_0", ParamType::Flags16, Hex, sets::SEMOP_SEM_FLG_0), p("sem_num_1", ParamType::U16, Dec), p("sem_op_1", ParamType::I16, Dec), f("sem_flg_1", ParamType::Flags16, Hex, sets::SEMOP_SEM_FLG_0), p("semid", ParamType::I32, Dec)]), // 251
    e(Enter, "semctl", 0x206, 0x1200, &[p("semid", ParamType::I32, Dec), p("semnum", ParamType::I32, Dec), f("cmd", ParamType::Flags16, Hex, sets::SEMCTL_CMD), p("val", ParamType::I32, Dec)]), // 252
    e(Exit, "semctl", 0x206, 0x1000, &[p("res", ParamType::Errno, Dec), p("semid", ParamType::I32, Dec), p("semnum", ParamType::I32, Dec), f("cmd", ParamType::Flags16, Hex, sets::SEMCTL_CMD), p("val", ParamType::I32, Dec)]), // 253
    e(Enter, "ppoll", 0x240, 0x1280, &[p("fds", ParamType::FdList, Dec), p("timeout", ParamType::RelTime, Dec), p("sigmask", ParamType::SigSet, Dec)]), // 254
    e(Exit, "ppoll", 0x240, 0x1080, &[p("res", ParamType::Errno, Dec), p("fds", ParamType::FdList, Dec), p("timeout", ParamType::RelTime, Dec), p("sigmask", ParamType::SigSet, Dec)]), // 255
    e(Enter, "mount", 0x202, 0x1220, &[f("flags", ParamType::Flags32, Hex, sets::MOUNT_FLAGS)]), // 256
    e(Exit, "mount", 0x202, 0x1020, &[p("res", ParamType::Errno, Dec), p("dev", ParamType::CharBuf, Na), p("dir", ParamType::FsPath, Na), p("type", ParamType::CharBuf, Na), f("flags", ParamType::Flags32, Hex, sets::MOUNT_FLAGS)]), // 257
    e(Enter, "umount", 0x202, 0x220, &[f("flags", ParamType::Flags32, Hex, sets::UMOUNT_FLAGS)]), // 258
    e(Exit, "umount", 0x202, 0x1220, &[p("res", ParamType::Errno, Dec), p("name", ParamType::FsPath, Na)]), // 259
    e(Enter, "k8s", 0x1100, 0x320, &[p("json", ParamType::CharBuf, Na)]), // 260
    e(Exit, "NA", 0x0, 0x40, &[]), // 261
    e(Enter, "semget", 0x206, 0x1200, &[p("key", ParamType::I32, Hex), p("nsems", ParamType::I32, Dec), f("semflg", ParamType::Flags32, Hex, sets::SEMGET_SEMFLG)]), // 262
    e(Exit, "semget", 0x206, 0x1000, &[p("res", ParamType::Errno, Dec), p("key", ParamType::I32, Hex), p("nsems", ParamType::I32, Dec), f("semflg", ParamType::Flags32, Hex, sets::SEMGET_SEMFLG)]), // 263
    e(Enter, "access", 0x202, 0x1200, &[f("mode", ParamType::Flags32, Hex, sets::ACCESS_MODE)]), // 264
    e(Exit, "access", 0x202, 0x1000, &[p("res", ParamType::Errno, Dec), p("name", ParamType::FsPath, Na), f("mode", ParamType::Flags32, Hex, sets::ACCESS_MODE)]), // 265
    e(Enter, "chroot", 0x206, 0x220, &[]), // 266
    e(Exit, "chroot", 0x206, 0x20, &[p("res", ParamType::Errno, Dec), p("path", ParamType::FsPath, Na)]), // 267
    e(Enter, "tracer", 0x1001, 0x200, &[p("id", ParamType::I64, Dec), p("tags", ParamType::CharBufArray, Na), p("args", ParamType::CharBufPairArray, Na)]), // 268
    e(Exit, "NA", 0x0, 0x40, &[p("id", ParamType::I64, Dec), p("tags", ParamType::CharBufArray, Na), p("args", ParamType::CharBufPairArray, Na)]), // 269
    e(Enter, "mesos", 0x1100, 0x320, &[p("json", ParamType::CharBuf, Na)]), // 270
    e(Exit, "NA", 0x0, 0x40, &[]), // 271
    e(Enter, "container", 0x1006, 0x1220, &[p("json", ParamType::CharBuf, Na)]), // 272
    e(Exit, "NA", 0x0, 0x40, &[]), // 273
    e(Enter, "setsid", 0x206, 0x220, &[]), // 274
    e(Exit, "setsid", 0x206, 0x20, &[p("res", ParamType::Pid, Dec)]), // 275
    e(Enter, "mkdir", 0x202, 0x1200, &[p("mode", ParamType::U32, Hex)]), // 276
    e(Exit, "mkdir", 0x202, 0x1000, &[p("res", ParamType::Errno, Dec), p("path", ParamType::FsPath, Na), p("mode", ParamType::U32, Hex)]), // 277
    e(Enter, "rmdir", 0x202, 0x200, &[]), // 278
    e(Exit, "rmdir", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("path", ParamType::FsPath, Na)]), // 279
    e(Enter, "notification", 0x1001, 0x100, &[p("id", ParamType::CharBuf, Dec), p("desc", ParamType::CharBuf, Na)]), // 280
    e(Exit, "NA", 0x0, 0x40, &[]), // 281
    e(Enter, "execve", 0x206, 0x1220, &[]), // 282
    e(Exit, "execve", 0x206, 0x1220, &[p("res", ParamType::Errno, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::U64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), p("cgroups", ParamType::ByteBuf, Na), p("env", ParamType::ByteBuf, Na), p("tty", ParamType::I32, Dec)]), // 283
    e(Enter, "unshare", 0x206, 0x1200, &[f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS)]), // 284
    e(Exit, "unshare", 0x206, 0x1000, &[p("res", ParamType::Errno, Dec), f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS)]), // 285
    e(Enter, "infra", 0x1100, 0x100, &[p("source", ParamType::CharBuf, Dec), p("name", ParamType::CharBuf, Na), p("description", ParamType::CharBuf, Na), p("scope", ParamType::CharBuf, Na)]), // 286
    e(Exit, "NA", 0x0, 0x40, &[]), // 287
    e(Enter, "execve", 0x206, 0x1220, &[p("filename", ParamType::FsPath, Na)]), // 288
    e(Exit, "execve", 0x206, 0x1220, &[p("res", ParamType::Errno, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::U64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), p("cgroups", ParamType::ByteBuf, Na), p("env", ParamType::ByteBuf, Na), p("tty", ParamType::I32, Dec)]), // 289
    e(Enter, "page_fault", 0x401, 0x100, &[p("addr", ParamType::U64, Hex), p("ip", ParamType::U64, Hex), f("error", ParamType::Flags32, Hex, sets::PAGE_FAULT_ERROR)]), // 290
    e(Exit, "NA", 0x0, 0x40, &[]), // 291
    e(Enter, "execve", 0x206, 0x1220, &[p("filename", ParamType::FsPath, Na)]), // 292
    e(Exit, "execve", 0x206, 0x1020, &[p("res", ParamType::Errno, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::U64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), p("cgroups", ParamType::ByteBuf, Na), p("env", ParamType::ByteBuf, Na), p("tty", ParamType::U32, Dec), p("vpgid", ParamType::Pid, Dec), p("loginuid", ParamType::Uid, Dec), f("flags", ParamType::Flags32, Hex, sets::EXECVE_FLAGS), p("cap_inheritable", ParamType::U64, Hex), p("cap_permitted", ParamType::U64, Hex), p("cap_effective", ParamType::U64, Hex), p("exe_ino", ParamType::U64, Dec), p("exe_ino_ctime", ParamType::AbsTime, Dec), p("exe_ino_mtime", ParamType::AbsTime, Dec), p("uid", ParamType::Uid, Dec), p("trusted_exepath", ParamType::FsPath, Na), p("pgid", ParamType::Pid, Na), p("gid", ParamType::Gid, Dec), p("filename", ParamType::FsPath, Na)]), // 293
    e(Enter, "setpgid", 0x206, 0x1200, &[p("pid", ParamType::Pid, Dec), p("pgid", ParamType::Pid, Dec)]), // 294
    e(Exit, "setpgid", 0x206, 0x1000, &[p("res", ParamType::Errno, Dec), p("pid", ParamType::Pid, Dec), p("pgid", ParamType::Pid, Dec)]), // 295
    e(Enter, "bpf", 0x201, 0x1201, &[p("cmd", ParamType::I64, Dec)]), // 296
    e(Exit, "bpf", 0x201, 0x1201, &[p("res_or_fd", ParamType::Dyn, Dec)]), // 297
    e(Enter, "seccomp", 0x201, 0x1200, &[p("op", ParamType::U64, Dec), p("flags", ParamType::U64, Hex)]), // 298
    e(Exit, "seccomp", 0x201, 0x1000, &[p("res", ParamType::Errno, Dec), p("op", ParamType::U64, Dec), p("flags", ParamType::U64, Hex)]), // 299
    e(Enter, "unlink", 0x202, 0x200, &[]), // 300
    e(Exit, "unlink", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("path", ParamType::FsPath, Na)]), // 301
    e(Enter, "unlinkat", 0x202, 0x200, &[]), // 302
    e(Exit, "unlinkat", 0x202, 0x4, &[p("res", ParamType::Errno, Dec), p("dirfd", ParamType::Fd, Dec), p("name", ParamType::FsRelPath, Na), f("flags", ParamType::Flags32, Hex, sets::UNLINKAT_FLAGS)]), // 303
    e(Enter, "mkdirat", 0x202, 0x200, &[]), // 304
    e(Exit, "mkdirat", 0x202, 0x4, &[p("res", ParamType::Errno, Dec), p("dirfd", ParamType::Fd, Dec), p("path", ParamType::FsRelPath, Na), p("mode", ParamType::U32, Hex)]), // 305
    e(Enter, "openat", 0x202, 0x1021, &[p("dirfd", ParamType::Fd, Dec), p("name", ParamType::FsRelPath, Na), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS), p("mode", ParamType::U32, Oct)]), // 306
    e(Exit, "openat", 0x202, 0x1021, &[p("fd", ParamType::Fd, Dec), p("dirfd", ParamType::Fd, Dec), p("name", ParamType::FsRelPath, Na), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS), p("mode", ParamType::U32, Oct), p("dev", ParamType::U32, Hex), p("ino", ParamType::U64, Dec)]), // 307
    e(Enter, "link", 0x202, 0x200, &[]), // 308
    e(Exit, "link", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("oldpath", ParamType::FsPath, Na), p("newpath", ParamType::FsPath, Na)]), // 309
    e(Enter, "linkat", 0x202, 0x200, &[]), // 310
    e(Exit, "linkat", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("olddir", ParamType::Fd, Dec), p("oldpath", ParamType::FsRelPath, Na), p("newdir", ParamType::Fd, Dec), p("newpath", ParamType::FsRelPath, Na), f("flags", ParamType::Flags32, Hex, sets::LINKAT_FLAGS)]), // 311
    e(Enter, "fchmodat", 0x202, 0x200, &[]), // 312
    e(Exit, "fchmodat", 0x202, 0x4, &[p("res", ParamType::Errno, Dec), p("dirfd", ParamType::Fd, Dec), p("filename", ParamType::FsRelPath, Na), f("mode", ParamType::Mode, Oct, sets::FCHMODAT_MODE)]), // 313
    e(Enter, "chmod", 0x202, 0x200, &[]), // 314
    e(Exit, "chmod", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("filename", ParamType::FsPath, Na), f("mode", ParamType::Mode, Oct, sets::FCHMODAT_MODE)]), // 315
    e(Enter, "fchmod", 0x202, 0x200, &[]), // 316
    e(Exit, "fchmod", 0x202, 0x4, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), f("mode", ParamType::Mode, Oct, sets::FCHMODAT_MODE)]), // 317
    e(Enter, "renameat2", 0x202, 0x200, &[]), // 318
    e(Exit, "renameat2", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("olddirfd", ParamType::Fd, Dec), p("oldpath", ParamType::FsRelPath, Na), p("newdirfd", ParamType::Fd, Dec), p("newpath", ParamType::FsRelPath, Na), f("flags", ParamType::Flags32, Hex, sets::RENAMEAT2_FLAGS)]), // 319
    e(Enter, "userfaultfd", 0x202, 0x221, &[]), // 320
    e(Exit, "userfaultfd", 0x202, 0x21, &[p("res", ParamType::Errno, Dec), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS)]), // 321
    e(Enter, "pluginevent", 0x801, 0x800, &[p("plugin_id", ParamType::U32, Dec), p("event_data", ParamType::ByteBuf, Na)]), // 322
    e(Exit, "NA", 0x0, 0x40, &[]), // 323
    e(Enter, "container", 0x1006, 0x820, &[p("json", ParamType::CharBuf, Na)]), // 324
    e(Exit, "NA", 0x0, 0x40, &[]), // 325
    e(Enter, "openat2", 0x202, 0x1021, &[p("dirfd", ParamType::Fd, Dec), p("name", ParamType::FsRelPath, Na), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS), p("mode", ParamType::U32, Oct), f("resolve", ParamType::Flags32, Hex, sets::OPENAT2_RESOLVE)]), // 326
    e(Exit, "openat2", 0x202, 0x1021, &[p("fd", ParamType::Fd, Dec), p("dirfd", ParamType::Fd, Dec), p("name", ParamType::FsRelPath, Na), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS), p("mode", ParamType::U32, Oct), f("resolve", ParamType::Flags32, Hex, sets::OPENAT2_RESOLVE), p("dev", ParamType::U32, Hex), p("ino", ParamType::U64, Dec)]), // 327
    e(Enter, "mprotect", 0x205, 0x1200, &[p("addr", ParamType::U64, Hex), p("length", ParamType::U64, Dec), f("prot", ParamType::Flags32, Hex, sets::MMAP_PROT)]), // 328
    e(Exit, "mprotect", 0x205, 0x1000, &[p("res", ParamType::Errno, Dec), p("addr", ParamType::U64, Hex), p("length", ParamType::U64, Dec), f("prot", ParamType::Flags32, Hex, sets::MMAP_PROT)]), // 329
    e(Enter, "execveat", 0x206, 0x1220, &[p("dirfd", ParamType::Fd, Dec), p("pathname", ParamType::FsRelPath, Na), f("flags", ParamType::Flags32, Hex, sets::EXECVEAT_FLAGS)]), // 330
    e(Exit, "execveat", 0x206, 0x1020, &[p("res", ParamType::Errno, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::U64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), p("cgroups", ParamType::ByteBuf, Na), p("env", ParamType::ByteBuf, Na), p("tty", ParamType::U32, Dec), p("vpgid", ParamType::Pid, Dec), p("loginuid", ParamType::Uid, Dec), f("flags", ParamType::Flags32, Hex, sets::EXECVE_FLAGS), p("cap_inheritable", ParamType::U64, Hex), p("cap_permitted", ParamType::U64, Hex), p("cap_effective", ParamType::U64, Hex), p("exe_ino", ParamType::U64, Dec), p("exe_ino_ctime", ParamType::AbsTime, Dec), p("exe_ino_mtime", ParamType::AbsTime, Dec), p("uid", ParamType::Uid, Dec), p("trusted_exepath", ParamType::FsPath, Na), p("pgid", ParamType::Pid, Na), p("gid", ParamType::Gid, Dec)]), // 331
    e(Enter, "copy_file_range", 0x202, 0x121c, &[p("fdin", ParamType::Fd, Dec), p("offin", ParamType::U64, Dec), p("len", ParamType::U64, Dec)]), // 332
    e(Exit, "copy_file_range", 0x202, 0x101c, &[p("res", ParamType::Errno, Dec), p("fdout", ParamType::Fd, Dec), p("offout", ParamType::U64, Dec), p("fdin", ParamType::Fd, Dec), p("offin", ParamType::U64, Dec), p("len", ParamType::U64, Dec)]), // 333
    e(Enter, "clone3", 0x206, 0x220, &[]), // 334
    e(Exit, "clone3", 0x206, 0x1020, &[p("res", ParamType::Pid, Dec), p("exe", ParamType::CharBuf, Na), p("args", ParamType::ByteBuf, Na), p("tid", ParamType::Pid, Dec), p("pid", ParamType::Pid, Dec), p("ptid", ParamType::Pid, Dec), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::I64, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("comm", ParamType::CharBuf, Na), p("cgroups", ParamType::ByteBuf, Na), f("flags", ParamType::Flags32, Hex, sets::CLONE_FLAGS), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec), p("vtid", ParamType::Pid, Dec), p("vpid", ParamType::Pid, Dec), p("pidns_init_start_ts", ParamType::U64, Dec)]), // 335
    e(Enter, "open_by_handle_at", 0x202, 0x221, &[]), // 336
    e(Exit, "open_by_handle_at", 0x202, 0x21, &[p("fd", ParamType::Fd, Dec), p("mountfd", ParamType::Fd, Dec), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS), p("path", ParamType::FsPath, Na), p("dev", ParamType::U32, Hex), p("ino", ParamType::U64, Dec)]), // 337
    e(Enter, "io_uring_setup", 0x222, 0x221, &[]), // 338
    e(Exit, "io_uring_setup", 0x222, 0x21, &[p("res", ParamType::Errno, Dec), p("entries", ParamType::U32, Dec), p("sq_entries", ParamType::U32, Dec), p("cq_entries", ParamType::U32, Dec), f("flags", ParamType::Flags32, Hex, sets::IO_URING_SETUP_FLAGS), p("sq_thread_cpu", ParamType::U32, Dec), p("sq_thread_idle", ParamType::U32, Dec), f("features", ParamType::Flags32, Hex, sets::IO_URING_SETUP_FEATURES)]), // 339
    e(Enter, "io_uring_enter", 0x222, 0x200, &[]), // 340
    e(Exit, "io_uring_enter", 0x222, 0x4, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), p("to_submit", ParamType::U32, Dec), p("min_complete", ParamType::U32, Dec), f("flags", ParamType::Flags32, Hex, sets::IO_URING_ENTER_FLAGS), p("sig", ParamType::SigSet, Dec)]), // 341
    e(Enter, "io_uring_register", 0x222, 0x200, &[]), // 342
    e(Exit, "io_uring_register", 0x222, 0x4, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), f("opcode", ParamType::EnumFlags16, Dec, sets::IO_URING_REGISTER_OPCODE), p("arg", ParamType::U64, Hex), p("nr_args", ParamType::U32, Dec)]), // 343
    e(Enter, "mlock", 0x205, 0x200, &[]), // 344
    e(Exit, "mlock", 0x205, 0x0, &[p("res", ParamType::Errno, Dec), p("addr", ParamType::U64, Hex), p("len", ParamType::U64, Dec)]), // 345
    e(Enter, "munlock", 0x205, 0x200, &[]), // 346
    e(Exit, "munlock", 0x205, 0x0, &[p("res", ParamType::Errno, Dec), p("addr", ParamType::U64, Hex), p("len", ParamType::U64, Dec)]), // 347
    e(Enter, "mlockall", 0x205, 0x200, &[]), // 348
    e(Exit, "mlockall", 0x205, 0x0, &[p("res", ParamType::Errno, Dec), f("flags", ParamType::Flags32, Hex, sets::MLOCKALL_FLAGS)]), // 349
    e(Enter, "munlockall", 0x205, 0x200, &[]), // 350
    e(Exit, "munlockall", 0x205, 0x0, &[p("res", ParamType::Errno, Dec)]), // 351
    e(Enter, "capset", 0x206, 0x220, &[]), // 352
    e(Exit, "capset", 0x206, 0x20, &[p("res", ParamType::Errno, Dec), p("cap_inheritable", ParamType::U64, Hex), p("cap_permitted", ParamType::U64, Hex), p("cap_effective", ParamType::U64, Hex)]), // 353
    e(Enter, "useradded", 0x1006, 0x20, &[p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec), p("name", ParamType::CharBuf, Na), p("home", ParamType::CharBuf, Na), p("shell", ParamType::CharBuf, Na), p("container_id", ParamType::CharBuf, Na)]), // 354
    e(Exit, "NA", 0x0, 0x40, &[]), // 355
    e(Enter, "userdeleted", 0x1006, 0x20, &[p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec), p("name", ParamType::CharBuf, Na), p("home", ParamType::CharBuf, Na), p("shell", ParamType::CharBuf, Na), p("container_id", ParamType::CharBuf, Na)]), // 356
    e(Exit, "NA", 0x0, 0x40, &[]), // 357
    e(Enter, "groupadded", 0x1006, 0x20, &[p("gid", ParamType::U32, Dec), p("name", ParamType::CharBuf, Na), p("container_id", ParamType::CharBuf, Na)]), // 358
    e(Exit, "NA", 0x0, 0x40, &[]), // 359
    e(Enter, "groupdeleted", 0x1006, 0x20, &[p("gid", ParamType::U32, Dec), p("name", ParamType::CharBuf, Na), p("container_id", ParamType::CharBuf, Na)]), // 360
    e(Exit, "NA", 0x0, 0x40, &[]), // 361
    e(Enter, "dup2", 0x222, 0x225, &[p("fd", ParamType::Fd, Dec)]), // 362
    e(Exit, "dup2", 0x222, 0x25, &[p("res", ParamType::Fd, Dec), p("oldfd", ParamType::Fd, Dec), p("newfd", ParamType::Fd, Dec)]), // 363
    e(Enter, "dup3", 0x222, 0x225, &[p("fd", ParamType::Fd, Dec)]), // 364
    e(Exit, "dup3", 0x222, 0x25, &[p("res", ParamType::Fd, Dec), p("oldfd", ParamType::Fd, Dec), p("newfd", ParamType::Fd, Dec), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS)]), // 365
    e(Enter, "dup", 0x222, 0x225, &[p("fd", ParamType::Fd, Dec)]), // 366
    e(Exit, "dup", 0x222, 0x25, &[p("res", ParamType::Fd, Dec), p("oldfd", ParamType::Fd, Dec)]), // 367
    e(Enter, "bpf", 0x201, 0x201, &[p("cmd", ParamType::I64, Dec)]), // 368
    e(Exit, "bpf", 0x201, 0x1, &[p("fd", ParamType::Fd, Dec), f("cmd", ParamType::EnumFlags32, Dec, sets::BPF_CMD)]), // 369
    e(Enter, "mlock2", 0x205, 0x200, &[]), // 370
    e(Exit, "mlock2", 0x205, 0x0, &[p("res", ParamType::Errno, Dec), p("addr", ParamType::U64, Hex), p("len", ParamType::U64, Dec), f("flags", ParamType::Flags32, Hex, sets::MLOCK2_FLAGS)]), // 371
    e(Enter, "fsconfig", 0x208, 0x200, &[]), // 372
    e(Exit, "fsconfig", 0x208, 0x4, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), f("cmd", ParamType::EnumFlags32, Dec, sets::FSCONFIG_CMD), p("key", ParamType::CharBuf, Na), p("value_bytebuf", ParamType::ByteBuf, Na), p("value_charbuf", ParamType::CharBuf, Na), p("aux", ParamType::I32, Dec)]), // 373
    e(Enter, "epoll_create", 0x240, 0x1221, &[p("size", ParamType::I32, Dec)]), // 374
    e(Exit, "epoll_create", 0x240, 0x1021, &[p("res", ParamType::Errno, Dec), p("size", ParamType::I32, Dec)]), // 375
    e(Enter, "epoll_create1", 0x240, 0x1221, &[f("flags", ParamType::Flags32, Hex, sets::EPOLL_CREATE1_FLAGS)]), // 376
    e(Exit, "epoll_create1", 0x240, 0x1021, &[p("res", ParamType::Errno, Dec), f("flags", ParamType::Flags32, Hex, sets::EPOLL_CREATE1_FLAGS)]), // 377
    e(Enter, "chown", 0x202, 0x200, &[]), // 378
    e(Exit, "chown", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("path", ParamType::FsPath, Na), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec)]), // 379
    e(Enter, "lchown", 0x202, 0x200, &[]), // 380
    e(Exit, "lchown", 0x202, 0x0, &[p("res", ParamType::Errno, Dec), p("path", ParamType::FsPath, Na), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec)]), // 381
    e(Enter, "fchown", 0x202, 0x200, &[]), // 382
    e(Exit, "fchown", 0x202, 0x4, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec)]), // 383
    e(Enter, "fchownat", 0x202, 0x200, &[]), // 384
    e(Exit, "fchownat", 0x202, 0x4, &[p("res", ParamType::Errno, Dec), p("dirfd", ParamType::Fd, Dec), p("pathname", ParamType::FsRelPath, Na), p("uid", ParamType::U32, Dec), p("gid", ParamType::U32, Dec), f("flags", ParamType::Flags32, Hex, sets::FCHOWNAT_FLAGS)]), // 385
    e(Enter, "umount", 0x202, 0x220, &[]), // 386
    e(Exit, "umount", 0x202, 0x20, &[p("res", ParamType::Errno, Dec), p("name", ParamType::FsPath, Na)]), // 387
    e(Enter, "accept4", 0x203, 0x1221, &[p("flags", ParamType::I32, Hex)]), // 388
    e(Exit, "accept4", 0x203, 0x1021, &[p("fd", ParamType::Fd, Dec), p("tuple", ParamType::SockTuple, Na), p("queuepct", ParamType::U8, Dec), p("queuelen", ParamType::U32, Dec), p("queuemax", ParamType::U32, Dec), p("flags", ParamType::I32, Hex)]), // 389
    e(Enter, "umount2", 0x202, 0x1220, &[f("flags", ParamType::Flags32, Hex, sets::UMOUNT_FLAGS)]), // 390
    e(Exit, "umount2", 0x202, 0x1020, &[p("res", ParamType::Errno, Dec), p("name", ParamType::FsPath, Na), f("flags", ParamType::Flags32, Hex, sets::UMOUNT_FLAGS)]), // 391
    e(Enter, "pipe2", 0x204, 0x221, &[]), // 392
    e(Exit, "pipe2", 0x204, 0x21, &[p("res", ParamType::Errno, Dec), p("fd1", ParamType::Fd, Dec), p("fd2", ParamType::Fd, Dec), p("ino", ParamType::U64, Dec), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS)]), // 393
    e(Enter, "inotify_init1", 0x204, 0x221, &[]), // 394
    e(Exit, "inotify_init1", 0x204, 0x21, &[p("res", ParamType::Fd, Dec), f("flags", ParamType::Flags16, Hex, sets::OPEN_FLAGS)]), // 395
    e(Enter, "eventfd2", 0x204, 0x1221, &[p("initval", ParamType::U64, Dec)]), // 396
    e(Exit, "eventfd2", 0x204, 0x1021, &[p("res", ParamType::Fd, Dec), f("flags", ParamType::Flags16, Hex, sets::OPEN_FLAGS), p("initval", ParamType::U64, Dec)]), // 397
    e(Enter, "signalfd4", 0x209, 0x1221, &[p("fd", ParamType::Fd, Dec), p("mask", ParamType::U32, Hex)]), // 398
    e(Exit, "signalfd4", 0x209, 0x1021, &[p("res", ParamType::Fd, Dec), f("flags", ParamType::Flags16, Hex, sets::OPEN_FLAGS), p("fd", ParamType::Fd, Dec), p("mask", ParamType::U32, Hex)]), // 399
    e(Enter, "prctl", 0x206, 0x220, &[]), // 400
    e(Exit, "prctl", 0x206, 0x20, &[p("res", ParamType::Errno, Dec), f("option", ParamType::EnumFlags32, Dec, sets::PRCTL_OPTION), p("arg2_str", ParamType::CharBuf, Na), p("arg2_int", ParamType::I64, Dec)]), // 401
    e(Enter, "asyncevent", 0x1001, 0x800, &[p("plugin_id", ParamType::U32, Dec), p("name", ParamType::CharBuf, Na), p("data", ParamType::ByteBuf, Na)]), // 402
    e(Exit, "NA", 0x0, 0x40, &[]), // 403
    e(Enter, "memfd_create", 0x205, 0x221, &[]), // 404
    e(Exit, "memfd_create", 0x205, 0x21, &[p("fd", ParamType::Fd, Dec), p("name", ParamType::CharBuf, Na), f("flags", ParamType::Flags32, Hex, sets::MEMFD_CREATE_FLAGS)]), // 405
    e(Enter, "pidfd_getfd", 0x206, 0x221, &[]), // 406
    e(Exit, "pidfd_getfd", 0x206, 0x21, &[p("fd", ParamType::Fd, Dec), p("pid_fd", ParamType::Fd, Dec), p("target_fd", ParamType::Fd, Dec), p("flags", ParamType::U32, Hex)]), // 407
    e(Enter, "pidfd_open", 0x206, 0x221, &[]), // 408
    e(Exit, "pidfd_open", 0x206, 0x21, &[p("fd", ParamType::Fd, Dec), p("pid", ParamType::Pid, Dec), f("flags", ParamType::Flags32, Hex, sets::PIDFD_OPEN_FLAGS)]), // 409
    e(Enter, "init_module", 0x201, 0x200, &[]), // 410
    e(Exit, "init_module", 0x201, 0x0, &[p("res", ParamType::Errno, Dec), p("img", ParamType::ByteBuf, Na), p("length", ParamType::U64, Dec), p("uargs", ParamType::CharBuf, Na)]), // 411
    e(Enter, "finit_module", 0x201, 0x200, &[]), // 412
    e(Exit, "finit_module", 0x201, 0xc, &[p("res", ParamType::Errno, Dec), p("fd", ParamType::Fd, Dec), p("uargs", ParamType::CharBuf, Na), f("flags", ParamType::Flags32, Hex, sets::FINIT_MODULE_FLAGS)]), // 413
    e(Enter, "mknod", 0x201, 0x200, &[]), // 414
    e(Exit, "mknod", 0x201, 0x0, &[p("res", ParamType::Errno, Dec), p("path", ParamType::FsPath, Na), f("mode", ParamType::Mode, Oct, sets::MKNOD_MODE), p("dev", ParamType::U32, Dec)]), // 415
    e(Enter, "mknodat", 0x201, 0x200, &[]), // 416
    e(Exit, "mknodat", 0x201, 0x4, &[p("res", ParamType::Errno, Dec), p("dirfd", ParamType::Fd, Dec), p("path", ParamType::FsRelPath, Na), f("mode", ParamType::Mode, Oct, sets::MKNOD_MODE), p("dev", ParamType::U32, Dec)]), // 417
    e(Enter, "newfstatat", 0x202, 0x200, &[]), // 418
    e(Exit, "newfstatat", 0x202, 0x4, &[p("res", ParamType::Errno, Dec), p("dirfd", ParamType::Fd, Dec), p("path", ParamType::FsRelPath, Na), f("flags", ParamType::Flags32, Hex, sets::NEWFSTATAT_FLAGS)]), // 419
    e(Enter, "process_vm_readv", 0x204, 0x200, &[]), // 420
    e(Exit, "process_vm_readv", 0x204, 0x0, &[p("res", ParamType::I64, Dec), p("pid", ParamType::Pid, Dec), p("data", ParamType::ByteBuf, Na)]), // 421
    e(Enter, "process_vm_writev", 0x204, 0x200, &[]), // 422
    e(Exit, "process_vm_writev", 0x204, 0x0, &[p("res", ParamType::I64, Dec), p("pid", ParamType::Pid, Dec), p("data", ParamType::ByteBuf, Na)]), // 423
    e(Enter, "delete_module", 0x201, 0x200, &[]), // 424
    e(Exit, "delete_module", 0x201, 0x0, &[p("res", ParamType::Errno, Dec), p("name", ParamType::CharBuf, Na), f("flags", ParamType::Flags32, Hex, sets::DELETE_MODULE_FLAGS)]), // 425
    e(Enter, "setreuid", 0x20a, 0x220, &[]), // 426
    e(Exit, "setreuid", 0x20a, 0x20, &[p("res", ParamType::Errno, Dec), p("ruid", ParamType::Uid, Dec), p("euid", ParamType::Uid, Dec)]), // 427
    e(Enter, "setregid", 0x20a, 0x200, &[]), // 428
    e(Exit, "setregid", 0x20a, 0x20, &[p("res", ParamType::Errno, Dec), p("rgid", ParamType::Uid, Dec), p("egid", ParamType::Uid, Dec)]), // 429
    e(Enter, "task", 0x2006, 0x20, &[p("ppid", ParamType::Pid32, Dec), p("pgid", ParamType::Pid32, Dec), p("vpgid", ParamType::Pid32, Dec), p("sid", ParamType::Pid32, Dec), p("comm", ParamType::CharBuf, Na), p("argv", ParamType::CharBufArray, Na), p("exepath", ParamType::FsPath, Na), f("flags", ParamType::Flags32, Hex, sets::EXECVE_FLAGS), p("env", ParamType::CharBufArray, Na), p("cwd", ParamType::CharBuf, Na), p("fdlimit", ParamType::U64, Dec), p("euid", ParamType::Uid, Dec), p("egid", ParamType::Gid, Dec), p("cap_permitted", ParamType::U64, Hex), p("cap_effective", ParamType::U64, Hex), p("cap_inheritable", ParamType::U64, Hex), p("exe_ino_num", ParamType::U64, Dec), p("exe_ino_ctime", ParamType::AbsTime, Dec), p("exe_ino_mtime", ParamType::AbsTime, Dec), p("vm_size", ParamType::U32, Dec), p("vm_rss", ParamType::U32, Dec), p("vm_swap", ParamType::U32, Dec), p("pgft_maj", ParamType::U64, Dec), p("pgft_min", ParamType::U64, Dec), p("vtgid", ParamType::Pid32, Dec), p("vpid", ParamType::Pid32, Dec), p("pidns_init_start_ts", ParamType::U64, Dec), p("cgroups", ParamType::CharBufArray, Na), p("root", ParamType::FsPath, Na), p("start_time", ParamType::AbsTime, Dec), p("tty", ParamType::U32, Dec), p("loginuid", ParamType::Uid, Dec)]), // 430
    e(Exit, "NA", 0x0, 0x40, &[]), // 431
    e(Enter, "task_file_pipe", 0x2002, 0x20, &[p("fd", ParamType::Fd32, Dec), p("path", ParamType::FsPath, Na), p("ino_num", ParamType::U64, Dec)]), // 432
    e(Exit, "NA", 0x0, 0x40, &[]), // 433
    e(Enter, "task_file_memfd", 0x2002, 0x20, &[p("fd", ParamType::Fd32, Dec), p("path", ParamType::FsPath, Na), p("ino_num", ParamType::U64, Dec)]), // 434
    e(Exit, "NA", 0x0, 0x40, &[]), // 435
    e(Enter, "task_file_regular", 0x2002, 0x20, &[p("fd", ParamType::Fd32, Dec), p("path", ParamType::FsPath, Na), f("flags", ParamType::Flags32, Hex, sets::OPEN_FLAGS), p("mnt_id", ParamType::U32, Dec), p("ino_num", ParamType::U64, Dec)]), // 436
    e(Exit, "NA", 0x0, 0x40, &[]), // 437
    e(Enter, "task_file_directory", 0x2002, 0x20, &[p("fd", ParamType::Fd32, Dec), p("path", ParamType::FsPath, Na), p("ino_num", ParamType::U64, Dec)]), // 438
    e(Exit, "NA", 0x0, 0x40, &[]), // 439
    e(Enter, "task_file_socket_inet", 0x2002, 0x20, &[p("fd", ParamType::Fd32, Dec), p("sk_type", ParamType::U16, Dec), p("sk_proto", ParamType::U16, Dec), p("local_ip", ParamType::Ipv4, Hex), p("local_port", ParamType::Port, Hex), p("remote_ip", ParamType::Ipv4, Hex), p("remote_port", ParamType::Port, Hex), p("ino_num", ParamType::U64, Dec)]), // 440
    e(Exit, "NA", 0x0, 0x40, &[]), // 441
    e(Enter, "task_file_socket_inet6", 0x2002, 0x20, &[p("fd", ParamType::Fd32, Dec), p("sk_type", ParamType::U16, Dec), p("sk_proto", ParamType::U16, Dec), p("local_ip", ParamType::Ipv6, Hex), p("local_port", ParamType::Port, Hex), p("remote_ip", ParamType::Ipv6, Hex), p("remote_port", ParamType::Port, Hex), p("ino_num", ParamType::U64, Dec)]), // 442
    e(Exit, "NA", 0x0, 0x40, &[]), // 443
    e(Enter, "task_file_socket_unix", 0x2002, 0x20, &[p("fd", ParamType::Fd32, Dec), p("sk_type", ParamType::U16, Dec), p("sk_proto", ParamType::U16, Dec), p("sk_pointer", ParamType::U64, Na), p("sun_path", ParamType::FsPath, Na), p("ino_num", ParamType::U64, Dec)]), // 444
    e(Exit, "NA", 0x0, 0x40, &[]), // 445
    e(Enter, "task_file_socket_netlink", 0x2002, 0x20, &[p("fd", ParamType::Fd32, Dec), p("sk_type", ParamType::U16, Dec), p("sk_proto", ParamType::U16, Dec), p("ino_num", ParamType::U64, Dec)]), // 446
    e(Exit, "NA", 0x0, 0x40, &[]), // 447
    e(Enter, "task_file_anon_inode", 0x2002, 0x20, &[p("fd", ParamType::Fd32, Dec), f("fd_type", ParamType::Flags8, Dec, sets::TASK_FILE_ANON_INODE_FD_TYPE), p("path", ParamType::FsPath, Na), p("ino_num", ParamType::U64, Dec)]), // 448
    e(Exit, "NA", 0x0, 0x40, &[]), // 449
    e(Enter, "NA", 0x0, 0x40, &[]), // 450
    e(Exit, "close_range", 0x222, 0x20, &[p("res", ParamType::Errno, Dec), p("first", ParamType::U32, Dec), p("last", ParamType::U32, Dec), f("flags", ParamType::Flags32, Hex, sets::CLOSE_RANGE_FLAGS)]), // 451
    e(Enter, "NA", 0x0, 0x40, &[]), // 452
    e(Exit, "keyctl", 0x201, 0x0, &[p("res", ParamType::Errno, Dec), f("operation", ParamType::EnumFlags32, Dec, sets::KEYCTL_OPERATION), p("arg2", ParamType::Dyn, Dec), p("arg3", ParamType::Dyn, Dec), p("arg4", ParamType::Dyn, Dec), p("arg5", ParamType::Dyn, Dec)]), // 453
];
