//! The kernel side: one program at every syscall exit, one per captured call behind it, three at the scheduler's process tracepoints, and one at
//! every syscall entry where somebody asks for it.
//!
//! `sys_exit -> interest, self and scope filter -> tail call -> frame in scratch -> reserve, stamp, copy, submit`. Nothing here knows an
//! offset: the loader takes them from the running kernel's BTF (`event::KernelField`).

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod call;
mod connection;
mod credentials;
mod dispatch;
mod early;
mod enter;
mod file;
mod filter;
mod history;
mod hook;
mod io;
mod ipc;
mod iter;
mod loss;
mod maps;
mod mark;
mod mem;
mod memory;
mod message;
mod network;
mod path;
mod plain;
mod process;
mod quota;
mod record;
mod same;
mod sched;
mod signal;
mod sock;
mod sockopt;
mod system;
mod task;
mod wait;

/// The arguments of a tracepoint.
#[derive(Clone, Copy)]
pub struct Ctx(pub *mut u64);

impl Ctx {
    #[inline(always)]
    pub fn arg(self, n: usize) -> u64 {
        // SAFETY: the verifier checks the index against the tracepoint's arguments.
        unsafe { core::ptr::read_volatile(self.0.add(n)) }
    }

    /// An argument as a mere number: a typed pointer may not be passed to a global function.
    #[inline(always)]
    pub fn number(self, n: usize) -> u64 {
        mem::read(self.0 as u64 + 8 * n as u64)
    }
}

macro_rules! program {
    ($section:literal, $name:ident => $body:expr) => {
        #[unsafe(no_mangle)]
        #[unsafe(link_section = $section)]
        pub extern "C" fn $name(ctx: *mut u64) -> i32 {
            let _ = $body(Ctx(ctx));
            0
        }
    };
}

program!("tp_btf/sys_exit", sys_exit => dispatch::sys_exit);
program!("tp_btf/sys_enter", sys_enter => enter::sys_enter);
program!("tp_btf/sys_exit", x_early => early::early);
program!("tp_btf/sys_exit", x_open => file::open);
program!("tp_btf/sys_exit", x_open_by_handle_at => file::open_by_handle_at);
program!("tp_btf/sys_exit", x_socket => connection::socket);
program!("tp_btf/sys_exit", x_connect => connection::connect);
program!("tp_btf/sys_exit", x_accept => connection::accept);
program!("tp_btf/sys_exit", x_bind => connection::bind);
program!("tp_btf/sys_exit", x_listen => connection::listen);
program!("tp_btf/sys_exit", x_send => message::send);
program!("tp_btf/sys_exit", x_recv => message::recv);
program!("tp_btf/sys_exit", x_message => message::messages);
program!("tp_btf/sys_exit", x_socketpair => connection::socketpair);
program!("tp_btf/sys_exit", x_exec => process::exec_exit);
program!("tp_btf/sys_exit", x_clone => process::clone_exit);
program!("tp_btf/sys_exit", x_plain => plain::plain);
program!("tp_btf/sys_exit", x_mmap => memory::mmap);
// What a program costs that does nothing; only measured, never attached by the loader.
program!("tp_btf/sys_enter", empty_enter => |_| ());
program!("tp_btf/sys_exit", empty_exit => |_| ());
program!("tp_btf/sched_process_fork", sched_process_fork => process::fork);
program!("tp_btf/sched_process_exec", sched_process_exec => process::exec);
program!("tp_btf/sched_process_exit", sched_process_exit => process::exit);
program!("tp_btf/signal_deliver", signal_deliver => signal::deliver);
program!("tp_btf/sched_switch", sched_switch => sched::switch);
program!("tp_btf/page_fault_user", page_fault_user => sched::page_fault);
program!("tp_btf/page_fault_kernel", page_fault_kernel => sched::page_fault);
program!("iter/task", seed_tasks => iter::task);
program!("iter.s/task", seed_memory => iter::memory);
program!("iter/task_file", seed_sockets => iter::file);

/// Loaded once for each hook of sockets, which the loader names. It lets every call go on.
#[unsafe(no_mangle)]
#[unsafe(link_section = "cgroup/connect4")]
pub extern "C" fn socket_hook(ctx: *mut u64) -> i32 {
    let _ = hook::socket(ctx);
    1
}

/// The helpers that read kernel memory ask for a licence that the kernel knows as compatible with its own.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
pub static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}
