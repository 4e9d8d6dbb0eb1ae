//! The process family on the running kernel.

mod live;

use std::process::Command;

use event::{EventType, Frame, flags};
use live::{Live, text};

#[test]
fn exec_carries_arguments_and_ids() {
    let Some(mut live) = Live::start(&[
        EventType::EXECVE_19_X,
        EventType::CLONE_20_X,
        EventType::CLONE3_X,
        EventType::VFORK_20_X,
        EventType::PROCEXIT_1_E,
    ]) else {
        return;
    };
    eprintln!("{:#?}", live.probe.report());
    let mut child = Command::new("/bin/echo")
        .args(["one", "two words"])
        .env("PEREGRINE_TEST", "yes")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let bytes = live.wait("exec", |f| {
        f.event_type() == EventType::EXECVE_19_X
            && f.header().tgid == pid
            && f.param_i64(0) == Some(0)
    });
    let exec = Frame::parse(&bytes).unwrap();
    for (n, p) in exec.params().enumerate() {
        let name = exec.event_type().info().unwrap().params[n].name;
        eprintln!("{n} {name}: {:?}", String::from_utf8_lossy(p));
    }
    eprintln!("{:?} {:?}", exec.header(), exec.trailer().proc());
    assert_eq!(text(&exec, 1), "/bin/echo");
    assert_eq!(exec.param(2), Some(&b"one\0two words\0"[..]));
    let fork = live.wait("fork", |f| f.trailer().creator().is_some() && f.header().tgid == pid);
    let fork = Frame::parse(&fork).unwrap();
    for (n, p) in fork.params().enumerate() {
        let name = fork.event_type().info().unwrap().params[n].name;
        eprintln!("{n} {name}: {:?}", String::from_utf8_lossy(p));
    }
    eprintln!("{:?} {:?} {:?}", fork.header(), fork.trailer().creator(), fork.trailer().proc());
    let exit =
        live.wait("exit", |f| f.event_type() == EventType::PROCEXIT_1_E && f.header().tgid == pid);
    let exit = Frame::parse(&exit).unwrap();
    assert!(exit.has(flags::GROUP_DEAD));
    eprintln!("{:?} {:?}", exit.header(), exit.trailer().exit());
    live.probe.detach();
    assert_eq!(live.probe.counters().unexplained(), 0);
}
