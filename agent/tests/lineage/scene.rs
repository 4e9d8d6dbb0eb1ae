//! What a test's child does: makes processes in every way there is, each of which opens a file and notes what `/proc` says of it.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::mem::size_of;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Tells the child what to do: a word, and the folder to do it in.
pub(crate) const ACT: &str = "PEREGRINE_ACT";

/// Does what the environment says, if it says anything.
pub(crate) fn act() {
    let Ok(act) = std::env::var(ACT) else { return };
    let (what, dir) = act.split_once(' ').expect("a word and a folder");
    let scene = Scene { dir: dir.into() };
    match what {
        "orphan" => scene.orphan(),
        "reapers" => scene.reapers(),
        "vfork" => scene.vfork(),
        "sibling" => scene.sibling(),
        "thread-exec" => scene.thread_exec(),
        "headless" => scene.headless(),
        "headless-exec" => scene.headless_exec(),
        "headless-before" => scene.headless_before(),
        "headless-reaper" => scene.headless_reaper(),
        "namespace" => scene.namespace(),
        "namespace-reaper" => scene.namespace_reaper(),
        "entered" => scene.entered(),
        "again" => scene.again(),
        other => panic!("unknown act {other:?}"),
    }
}

/// What `/proc` says of a process: id, parent, name. Ids are those of the outermost namespace whatever the process calls itself.
fn stat(pid: &str) -> Option<(String, String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (open, close) = (text.find('(')?, text.rfind(')')?);
    let ppid = text[close + 2..].split(' ').nth(1)?;
    Some((text[..open - 1].to_owned(), ppid.to_owned(), text[open + 1..close].to_owned()))
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "waited for: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn parent_is_not(before: i32) {
    // SAFETY: takes nothing.
    until("another parent", || unsafe { libc::getppid() } != before);
}

/// A child that does something and ends; gives its id.
fn child(act: impl FnOnce()) -> i32 {
    // SAFETY: the C library makes its locks usable in the child, whose only thread this is.
    made(unsafe { libc::fork() }.into(), act)
}

fn made(result: libc::c_long, act: impl FnOnce()) -> i32 {
    assert!(result >= 0, "{}", std::io::Error::last_os_error());
    if result == 0 {
        act();
        // SAFETY: takes a number; nothing of the parent is run at its end.
        unsafe { libc::_exit(0) }
    }
    result as i32
}

fn clone3(flags: i32, set_tid: Option<i32>, act: impl FnOnce()) -> i32 {
    let mut ids = [set_tid.unwrap_or(0)];
    // SAFETY: all zeroes is a valid `clone_args`.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags as u64;
    args.exit_signal = if flags & libc::CLONE_PARENT == 0 { libc::SIGCHLD as u64 } else { 0 };
    if set_tid.is_some() {
        args.set_tid = ids.as_mut_ptr() as u64;
        args.set_tid_size = 1;
    }
    let len = size_of::<libc::clone_args>();
    // SAFETY: the arguments live until the call returns; the child has a copy of all memory.
    made(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, len) }, act)
}

fn wait_for(pid: i32) {
    // SAFETY: asks for no status.
    let waited = unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    assert_eq!(waited, pid, "{}", std::io::Error::last_os_error());
}

fn reap_orphans() {
    // SAFETY: takes numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }, 0);
}

fn end_first_thread() -> ! {
    // SAFETY: takes a number; the other threads use nothing of this one's stack.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("the thread has ended")
}

/// Where an actor opens files and notes the truth.
#[derive(Clone, Debug)]
struct Scene {
    dir: PathBuf,
}

impl Scene {
    fn marker(&self, label: &str) -> PathBuf {
        self.dir.join(format!("marker-{label}"))
    }

    fn note(&self, line: &str) {
        let file = OpenOptions::new().append(true).create(true).open(self.dir.join("truth"));
        file.and_then(|mut f| f.write_all(format!("{line}\n").as_bytes())).expect("a file");
    }

    /// Opens a file and notes what this process is.
    fn open(&self, label: &str) {
        let exe = fs::read_link("/proc/self/exe").expect("a program");
        self.open_as(label, &exe);
    }

    /// The same where `/proc` does not know the program any more.
    fn open_as(&self, label: &str, exe: &Path) {
        let (pid, ppid, name) = stat("self").expect("this process");
        File::create(self.marker(label)).expect("a file");
        self.tell(label, &pid, &ppid, &name, exe);
    }

    fn tell(&self, label: &str, pid: &str, ppid: &str, name: &str, exe: &Path) {
        let above = |pid: &str| {
            stat(pid).map_or(("0".to_owned(), "<NA>".to_owned()), |(_, up, name)| (up, name))
        };
        let (grandparent, pname) = above(ppid);
        let (_, aname) = above(&grandparent);
        self.note(&format!("marker-{label}|{pid}|{ppid}|{name}|{pname}|{aname}|{}", exe.display()));
    }

    /// A file for another program to open.
    fn lay(&self, label: &str) {
        let file = self.dir.join(label);
        fs::write(&file, "").expect("a file");
        fs::rename(file, self.marker(label)).expect("a file");
    }

    /// Becomes a program that opens a file, and notes before what that will be.
    fn become_reader(&self, label: &str) {
        self.lay(label);
        let cat = fs::canonicalize("/bin/cat").expect("a program");
        let (pid, ppid, _) = stat("self").expect("this process");
        self.tell(label, &pid, &ppid, "cat", &cat);
        let error = Command::new("/bin/cat").arg(self.marker(label)).exec();
        panic!("{error}");
    }

    fn orphan(&self) {
        let own = child(|| {
            let parent = std::process::id() as i32;
            child(|| {
                parent_is_not(parent);
                self.open("orphan");
                self.note("ended");
            });
        });
        wait_for(own);
        until("the orphan", || {
            fs::read_to_string(self.dir.join("truth")).is_ok_and(|t| t.contains("ended"))
        });
    }

    /// A reaper below a reaper: the orphan goes to the nearer one, and with its end to the other.
    fn reapers(&self) {
        let outer = child(|| {
            reap_orphans();
            let inner = child(|| {
                reap_orphans();
                let parent = child(|| {
                    let parent = std::process::id() as i32;
                    child(|| {
                        self.open("born");
                        parent_is_not(parent);
                        self.open("inner");
                        // SAFETY: takes nothing.
                        let inner = unsafe { libc::getppid() };
                        File::create(self.dir.join("go")).expect("a file");
                        parent_is_not(inner);
                        self.open("outer");
                    });
                    until("the orphan's first file", || self.marker("born").exists());
                });
                wait_for(parent);
                until("the orphan's second file", || self.dir.join("go").exists());
            });
            wait_for(inner);
            // SAFETY: asks for no status.
            while unsafe { libc::wait(std::ptr::null_mut()) } > 0 {}
        });
        wait_for(outer);
    }

    fn vfork(&self) {
        self.lay("vfork");
        let own = child(|| {
            let mut command = Command::new("/bin/cat");
            let mut cat =
                command.arg(self.marker("vfork")).stdin(Stdio::null()).spawn().expect("cat");
            let exe = fs::canonicalize("/bin/cat").expect("a program");
            let (ppid, _, _) = stat("self").expect("this process");
            self.tell("vfork", &cat.id().to_string(), &ppid, "cat", &exe);
            cat.wait().expect("cat ends");
        });
        wait_for(own);
    }

    fn sibling(&self) {
        let own = child(|| {
            let creator = child(|| {
                clone3(libc::CLONE_PARENT, None, || {
                    self.open("sibling");
                    child(|| self.open("niece"));
                    // SAFETY: asks for no status.
                    while unsafe { libc::wait(std::ptr::null_mut()) } > 0 {}
                });
            });
            wait_for(creator);
            // SAFETY: asks for no status; a child that its sibling made sends no signal when it ends.
            while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::__WALL) } > 0 {}
        });
        wait_for(own);
    }

    fn thread_exec(&self) {
        let own = child(|| {
            let scene = self.clone();
            thread::spawn(move || {
                scene.open("in-thread");
                scene.become_reader("thread-exec");
            });
            thread::sleep(Duration::from_secs(10));
        });
        wait_for(own);
    }

    /// Further threads of a process whose first one has ended; `then` is what the first of them does.
    fn without_first(&self, then: impl FnOnce(&Self, &Path) + Send + 'static) {
        let scene = self.clone();
        let exe = fs::read_link("/proc/self/exe").expect("a program");
        thread::spawn(move || {
            let pid = std::process::id();
            until("the first thread's end", || {
                fs::read_to_string(format!("/proc/{pid}/task/{pid}/stat"))
                    .is_ok_and(|text| text.contains(") Z "))
            });
            then(&scene, &exe);
        });
        end_first_thread()
    }

    fn headless(&self) {
        let own = child(|| {
            self.without_first(|scene, exe| {
                scene.open_as("headless", exe);
                let own = child(|| scene.open("headless-child"));
                wait_for(own);
            });
        });
        wait_for(own);
    }

    fn headless_exec(&self) {
        let own = child(|| self.without_first(|scene, _| scene.become_reader("headless-exec")));
        wait_for(own);
    }

    /// A reaper whose first thread has ended still reaps.
    fn headless_reaper(&self) {
        let own = child(|| {
            reap_orphans();
            self.without_first(|scene, _| {
                wait_for(child(|| {
                    let parent = std::process::id() as i32;
                    child(|| {
                        parent_is_not(parent);
                        scene.open("headless-reaper");
                    });
                }));
                // SAFETY: asks for no status.
                while unsafe { libc::wait(std::ptr::null_mut()) } > 0 {}
            });
        });
        wait_for(own);
    }

    /// Its first thread has ended when the agent starts.
    fn headless_before(&self) {
        let own = child(|| {
            self.without_first(|scene, exe| {
                fs::write(scene.dir.join("pid"), std::process::id().to_string()).expect("a file");
                until("the agent", || scene.dir.join("go").exists());
                scene.open_as("before", exe);
            });
        });
        wait_for(own);
    }

    fn namespace(&self) {
        let own = child(|| {
            let init = clone3(libc::CLONE_NEWPID, None, || {
                let parent = child(|| {
                    child(|| {
                        // The first process of a namespace is its 1.
                        parent_is_not(2);
                        self.open("in-namespace");
                    });
                });
                wait_for(parent);
                // SAFETY: asks for no status.
                while unsafe { libc::wait(std::ptr::null_mut()) } > 0 {}
            });
            wait_for(init);
        });
        wait_for(own);
    }

    /// A reaper within a namespace, below one outside: it comes before the namespace's first process, who comes before the one outside.
    fn namespace_reaper(&self) {
        let own = child(|| {
            reap_orphans();
            let init = clone3(libc::CLONE_NEWPID, None, || {
                let inner = child(|| {
                    reap_orphans();
                    let parent = child(|| {
                        // SAFETY: takes nothing.
                        let parent = unsafe { libc::getpid() };
                        child(|| {
                            parent_is_not(parent);
                            self.open("to-inner");
                            // SAFETY: takes nothing.
                            let inner = unsafe { libc::getppid() };
                            File::create(self.dir.join("may-end")).expect("a file");
                            parent_is_not(inner);
                            self.open("to-init");
                        });
                    });
                    wait_for(parent);
                    until("the orphan's file", || self.dir.join("may-end").exists());
                });
                wait_for(inner);
                // SAFETY: asks for no status.
                while unsafe { libc::wait(std::ptr::null_mut()) } > 0 {}
            });
            wait_for(init);
        });
        wait_for(own);
    }

    /// What is put into a namespace has a parent outside; its orphans go to the namespace's first process, not to a reaper outside.
    fn entered(&self) {
        let own = child(|| {
            reap_orphans();
            let init = clone3(libc::CLONE_NEWPID, None, || {
                until("the end", || self.dir.join("done").exists());
            });
            let namespace = File::open(format!("/proc/{init}/ns/pid")).expect("a namespace");
            rustix::thread::move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&namespace),
                Some(rustix::thread::LinkNameSpaceType::ProcessID),
            )
            .expect("a namespace to enter");
            let entered = child(|| {
                let parent = std::process::id() as i32;
                child(|| {
                    parent_is_not(parent);
                    self.open("entered");
                    File::create(self.dir.join("done")).expect("a file");
                });
            });
            wait_for(entered);
            wait_for(init);
        });
        wait_for(own);
    }

    /// Three processes with one id, one after the other.
    fn again(&self) {
        let own = child(|| {
            let first = child(|| self.open("first"));
            wait_for(first);
            let second = clone3(0, Some(first), || {
                self.open("second");
                child(|| self.open("child-of-second"));
                // SAFETY: asks for no status.
                unsafe { libc::wait(std::ptr::null_mut()) };
            });
            wait_for(second);
            wait_for(clone3(0, Some(first), || self.become_reader("third")));
        });
        wait_for(own);
    }
}
