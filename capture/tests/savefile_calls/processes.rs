//! What processes and threads share, and what they pass on.

use event::EventType as E;

use super::recording::{
    CLONE_THREAD, Calls, GETCWD_X, O_DIRECTORY,
    Param::{Empty, I64, U8, U32},
    Played, Recording, process, shorts, text,
};

#[test]
fn a_fork_has_what_its_parent_had() {
    let mut r = Recording::new();
    r.open(3, "/a", 1).fork(9, 5, 0).close(5, 0, 3).open(3, "b", 1);
    r.fstat(9, 3).call_of(9, E::OPEN_X, &[I64(4), text("c"), U32(1)]).fstat(5, 4).fstat(5, 3);
    let shorts = shorts(&r);
    assert_eq!(&shorts[4..], ["3<f>/a", "4<f>/home/c", "4<?>", "3<f>/home/b"]);
}

#[test]
fn a_clone_with_shared_files_shares_them_until_an_exec() {
    let mut r = Recording::new();
    r.fork(9, 5, 1).open(3, "/a", 1).fstat(9, 3).exec(9).open(4, "/b", 1).fstat(9, 3).fstat(9, 4);
    let shorts = shorts(&r);
    assert_eq!((&*shorts[2], &shorts[5..]), ("3<f>/a", &["3<f>/a".into(), "4<?>".into()][..]));
    let mut r = Recording::new();
    r.fork(9, 5, 1).call(E::UNSHARE_X, &[I64(0), U32(1)]).open(3, "/a", 1).fstat(9, 3);
    assert_eq!(r.last().short(), "3<?>");
    let mut r = Recording::new();
    r.open(3, "/a", 1)
        .fork(9, 5, 1)
        .call_of(9, E::CLOSE_RANGE_X, &[I64(0), U32(3), U32(3), U32(2)])
        .fstat(5, 3)
        .fstat(9, 3);
    assert_eq!(&super::recording::shorts(&r)[3..], ["3<f>/a", "3<?>"]);
}

#[test]
fn threads_share_descriptors_and_directory() {
    let mut r = Recording::new();
    r.processes.push(process(6, 5, "/ignored"));
    r.open(3, "/a", 1)
        .fork(7, 5, CLONE_THREAD)
        .call_of(7, E::CHDIR_X, &[I64(0), text("sub")])
        .fstat(6, 3)
        .call_of(6, E::OPEN_X, &[I64(4), text("x"), U32(1)])
        .fstat(7, 4);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(Played::short).collect();
    assert_eq!(&shorts[3..], ["3<f>/a", "4<f>/home/sub/x", "4<f>/home/sub/x"]);
    assert!(played.iter().all(|p| (p.tgid, p.start_ns) == (5, 1)));
    assert_eq!(played[2].cwd.as_deref(), Some("/home/sub"));
}

#[test]
fn the_working_directory_is_followed() {
    let mut r = Recording::new();
    r.open(3, "/srv/www", O_DIRECTORY | 1)
        .call(E::FCHDIR_X, &[I64(0), I64(3)])
        .open(4, "index", 1)
        .call(E::CHDIR_X, &[I64(-2), text("/nowhere")])
        .call(E::CHDIR_X, &[I64(0), text("..")])
        .open(4, "x", 1)
        .call(E::FCHDIR_X, &[I64(0), I64(70)])
        .call(GETCWD_X, &[I64(5), text("/real")])
        .open(4, "y", 1)
        .call(E::CHDIR_X, &[I64(0), text("/")])
        .open(4, "z", 1);
    let played = r.play_all();
    let names: Vec<_> = [2, 5, 8, 10].map(|n| played[n].short()).to_vec();
    assert_eq!(names, ["4<f>/srv/www/index", "4<f>/srv/x", "4<f>/real/y", "4<f>/z"]);
    let cwds: Vec<_> = played.iter().map(|p| p.cwd.as_deref()).collect();
    assert_eq!(cwds[1], Some("/srv/www"));
    assert_eq!((cwds[3], cwds[4], cwds[6]), (None, Some("/srv"), None));
    assert_eq!((cwds[7], cwds[9]), (Some("/real"), Some("/")));
}

#[test]
fn what_a_fork_says_of_the_directory_counts_and_what_an_exec_says_does_not() {
    let mut params = vec![Empty; 31];
    (params[0], params[3], params[4]) = (I64(0), I64(60), I64(60));
    params[6] = text("/work");
    let mut r = Recording::new();
    r.call_of(60, E::OPEN_X, &[I64(3), text("x"), U32(1)])
        .call_of(60, E::EXECVE_19_X, &params)
        .fstat(60, 3)
        .call_of(60, E::OPEN_X, &[I64(4), text("x"), U32(1)]);
    assert_eq!(shorts(&r), ["3<f>./x", "-", "3<f>./x", "4<f>./x"]);
    (params[5], params[15]) = (I64(5), U32(0));
    let mut r = Recording::new();
    r.call_of(60, E::CLONE_20_X, &params[..21]).call_of(
        60,
        E::OPEN_X,
        &[I64(4), text("x"), U32(1)],
    );
    assert_eq!(shorts(&r), ["-", "4<f>/work/x"]);
}

#[test]
fn the_callers_side_makes_a_child_that_its_own_side_keeps() {
    let mut caller = vec![Empty; 21];
    (caller[0], caller[15], caller[18]) = (I64(9), U32(0), I64(5));
    let mut r = Recording::new();
    r.open(3, "/a", 1)
        .call(E::CLONE_20_X, &caller)
        .close(5, 0, 3)
        .fstat(9, 3)
        .fork(9, 5, 0)
        .fstat(9, 3);
    let played = r.play_all();
    assert_eq!((played[3].short(), played[5].short()), ("3<f>/a".into(), "3<f>/a".into()));
    assert_eq!((played[3].start_ns, played[5].start_ns), (2, 2));
    // In a namespace the number is another one's, and after a vfork the child may be gone.
    for (flags, vtid) in [(0, 1), (1 << 27, 5), (1 << 29, 5), (0x40, 5)] {
        (caller[15], caller[18]) = (U32(flags), I64(vtid));
        let mut r = Recording::new();
        r.open(3, "/a", 1).call(E::CLONE_20_X, &caller).fstat(9, 3);
        let last = r.last();
        assert_eq!((last.short(), last.start_ns), ("3<?>".into(), 0), "{flags:#x} {vtid}");
    }
}

#[test]
fn a_process_that_ended_leaves_nothing() {
    let exit = [I64(0), I64(0), U8(0), U8(0), I64(1)];
    let mut r = Recording::new();
    r.open(3, "/a", 1).call(E::PROCEXIT_1_E, &exit).fstat(5, 3);
    r.fork(5, 1, 0).fstat(5, 3);
    let shorts = shorts(&r);
    assert_eq!((&*shorts[2], &*shorts[4]), ("3<?>", "3<?>"));
}
