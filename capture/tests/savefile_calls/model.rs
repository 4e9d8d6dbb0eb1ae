//! Random recordings of opens, copies, closes, forks, execs and exits tell what a plain model of them tells.

use std::collections::HashMap;

use event::EventType as E;
use proptest::prelude::*;

use super::recording::{
    CLONE_THREAD, Calls, O_CLOEXEC,
    Param::{I64, U8, U32},
    Recording, shorts, text,
};

/// Threads that calls are made of: two processes, and a second thread of the first.
const FIRST: u32 = 5;
const N_TASKS: u32 = 6;
const N_FDS: i64 = 6;

#[derive(Clone, Debug)]
enum Step {
    Open { fd: i64, is_close_on_exec: bool },
    Dup { from: i64, to: i64, is_close_on_exec: bool },
    Mark { fd: i64, is_set: bool },
    Close { fd: i64, fails: bool },
    CloseRange { first: i64, last: i64 },
    Use { fd: i64 },
    Fork { child: u32 },
    Share { child: u32 },
    Thread { child: u32 },
    Exec,
    Exit,
}

fn step() -> impl Strategy<Value = (u32, Step)> {
    let fd = || 0..N_FDS;
    let task = || FIRST..FIRST + N_TASKS;
    let step = prop_oneof![
        4 => (fd(), any::<bool>()).prop_map(|(fd, is_close_on_exec)| Step::Open { fd, is_close_on_exec }),
        3 => (fd(), fd(), any::<bool>())
            .prop_map(|(from, to, is_close_on_exec)| Step::Dup { from, to, is_close_on_exec }),
        1 => (fd(), any::<bool>()).prop_map(|(fd, is_set)| Step::Mark { fd, is_set }),
        3 => (fd(), any::<bool>()).prop_map(|(fd, fails)| Step::Close { fd, fails }),
        1 => (fd(), fd()).prop_map(|(first, last)| Step::CloseRange { first, last }),
        6 => fd().prop_map(|fd| Step::Use { fd }),
        2 => task().prop_map(|child| Step::Fork { child }),
        1 => task().prop_map(|child| Step::Share { child }),
        1 => task().prop_map(|child| Step::Thread { child }),
        1 => Just(Step::Exec),
        1 => Just(Step::Exit),
    ];
    (task(), step)
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    name: String,
    is_close_on_exec: bool,
}

type Table = HashMap<i64, Entry>;

/// A process is named by its first thread; several may have one table.
#[derive(Debug, Default)]
struct Model {
    process_of: HashMap<u32, u32>,
    table_of: HashMap<u32, usize>,
    tables: Vec<Table>,
}

impl Model {
    fn is_alive(&self, task: u32) -> bool {
        self.process_of.contains_key(&task)
    }

    fn is_free(&self, task: u32) -> bool {
        !self.is_alive(task) && !self.process_of.values().any(|&p| p == task)
    }

    fn add_process(&mut self, task: u32, table: usize) {
        self.process_of.insert(task, task);
        self.table_of.insert(task, table);
    }

    fn table(&mut self, task: u32) -> &mut Table {
        let table = self.table_of[&self.process_of[&task]];
        &mut self.tables[table]
    }

    fn own_table(&mut self, task: u32) -> usize {
        let copy = self.table(task).clone();
        self.tables.push(copy);
        self.tables.len() - 1
    }

    fn shown(&mut self, task: u32, fd: i64) -> String {
        match self.table(task).get(&fd) {
            Some(e) => format!("{fd}<f>{}", e.name),
            None => format!("{fd}<?>"),
        }
    }
}

fn fork(r: &mut Recording, child: u32, parent: u32, process: u32, flags: u32) {
    let mut params = vec![super::recording::Param::Empty; 21];
    (params[0], params[3], params[4]) = (I64(0), I64(i64::from(child)), I64(i64::from(process)));
    (params[5], params[15]) = (I64(i64::from(parent)), U32(flags));
    r.call_of(child, E::CLONE_20_X, &params);
}

/// Makes the call of both, and gives what its event shows.
fn make(r: &mut Recording, model: &mut Model, n: usize, task: u32, step: &Step) -> Option<String> {
    if !model.is_alive(task) {
        return None;
    }
    Some(match *step {
        Step::Open { fd, is_close_on_exec } => {
            let name = format!("/f{n}");
            let flags = if is_close_on_exec { O_CLOEXEC | 1 } else { 1 };
            r.call_of(task, E::OPEN_X, &[I64(fd), text(&name), U32(flags)]);
            model.table(task).insert(fd, Entry { name, is_close_on_exec });
            model.shown(task, fd)
        }
        Step::Dup { from, to, is_close_on_exec } => {
            let flags = U32(if is_close_on_exec { O_CLOEXEC } else { 0 });
            if from == to {
                return None;
            }
            r.call_of(task, E::DUP3_X, &[I64(to), I64(from), I64(to), flags]);
            let found = model.table(task).get(&from).cloned();
            if let Some(e) = found {
                model.table(task).insert(to, Entry { is_close_on_exec, ..e });
                model.shown(task, to)
            } else {
                model.table(task).remove(&to);
                model.shown(task, from)
            }
        }
        Step::Mark { fd, is_set } => {
            r.call_of(task, E::FCNTL_X, &[I64(0), I64(fd), U8(3), I64(i64::from(is_set))]);
            if let Some(e) = model.table(task).get_mut(&fd) {
                e.is_close_on_exec = is_set;
            }
            model.shown(task, fd)
        }
        Step::Close { fd, fails } => {
            r.close(task, if fails { -9 } else { 0 }, fd);
            let shown = model.shown(task, fd);
            if !fails {
                model.table(task).remove(&fd);
            }
            shown
        }
        Step::CloseRange { first, last } => {
            let [from, to] = [first, last].map(|n| U32(n as u32));
            r.call_of(task, E::CLOSE_RANGE_X, &[I64(0), from, to, U32(0)]);
            model.table(task).retain(|fd, _| !(first..=last).contains(fd));
            "-".into()
        }
        Step::Use { fd } => {
            r.fstat(task, fd);
            model.shown(task, fd)
        }
        Step::Fork { child } | Step::Share { child } | Step::Thread { child }
            if !model.is_free(child) =>
        {
            return None;
        }
        Step::Fork { child } => {
            fork(r, child, task, child, 0);
            let table = model.own_table(task);
            model.add_process(child, table);
            "-".into()
        }
        Step::Share { child } => {
            fork(r, child, task, child, 1);
            let table = model.table_of[&model.process_of[&task]];
            model.add_process(child, table);
            "-".into()
        }
        Step::Thread { child } => {
            let process = model.process_of[&task];
            fork(r, child, task, process, CLONE_THREAD);
            model.process_of.insert(child, process);
            "-".into()
        }
        Step::Exec => {
            let process = model.process_of[&task];
            // The thread that calls takes the first one's id, and the others end.
            r.exec(process);
            let table = model.own_table(task);
            model.table_of.insert(process, table);
            model.process_of.retain(|_, p| *p != process);
            model.process_of.insert(process, process);
            model.tables[table].retain(|_, e| !e.is_close_on_exec);
            "-".into()
        }
        Step::Exit => {
            let exit = [I64(0), I64(0), U8(0), U8(0), I64(1)];
            r.call_of(task, E::PROCEXIT_1_E, &exit);
            model.process_of.remove(&task);
            "-".into()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_calls_show_what_a_plain_model_shows(steps in prop::collection::vec(step(), 1..80)) {
        let mut r = Recording::new();
        let mut model = Model { tables: vec![Table::new()], ..Model::default() };
        model.add_process(FIRST, 0);
        // A recording has events.
        r.fstat(FIRST, 0);
        let mut expected = vec!["0<?>".to_owned()];
        for (n, (task, step)) in steps.iter().enumerate() {
            expected.extend(make(&mut r, &mut model, n, *task, step));
        }
        prop_assert_eq!(shorts(&r), expected);
    }
}
