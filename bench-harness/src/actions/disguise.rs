//! This program under the names of others: a link to it called `nginx` is a server for rules, and does what its arguments
//! and its name say, which is little.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode};

/// A name, and what a process of that name does with its arguments.
type Part = (&'static str, fn(&[String]) -> std::io::Result<()>);

/// It has a place among programs too: rules trust no editor that lies where anybody writes.
pub(crate) const EDITOR: &str = "nano";

const PARTS: [Part; 8] = [
    ("nginx", start),
    ("ssh", connect),
    ("curl", connect_to_path),
    ("xmrig", nothing),
    ("shred", nothing),
    ("apk", nothing),
    ("systemctl", nothing),
    (EDITOR, make_file),
];

/// Plays the part that the program was called by; `None` where that is its own name.
pub(crate) fn act() -> Option<ExitCode> {
    let mut args = std::env::args();
    let called = args.next()?;
    let name = Path::new(&called).file_name()?.to_str()?;
    let (_, play) = PARTS.iter().find(|(part, _)| *part == name)?;
    let rest: Vec<String> = args.collect();
    match play(&rest) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(e) => {
            eprintln!("{name}: {e}");
            Some(ExitCode::FAILURE)
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a part")]
fn nothing(_: &[String]) -> std::io::Result<()> {
    Ok(())
}

/// Makes the file that its argument names.
fn make_file(args: &[String]) -> std::io::Result<()> {
    let [path] = args else { return Err(std::io::Error::other("no file")) };
    std::fs::File::create(path).map(drop)
}

/// Runs its arguments as a program.
fn start(args: &[String]) -> std::io::Result<()> {
    let (program, args) = args.split_first().ok_or_else(|| std::io::Error::other("no program"))?;
    let status = Command::new(program).args(args).status()?;
    if status.success() { Ok(()) } else { Err(std::io::Error::other(format!("{status}"))) }
}

/// Connects to `--unix-socket PATH`.
fn connect_to_path(args: &[String]) -> std::io::Result<()> {
    let [_, path] = args else { return Err(std::io::Error::other("--unix-socket PATH")) };
    UnixStream::connect(path).map(drop)
}

/// Connects to `-p PORT HOST`.
fn connect(args: &[String]) -> std::io::Result<()> {
    let [_, port, host] = args else { return Err(std::io::Error::other("-p PORT HOST")) };
    let port = port.parse::<u16>().map_err(std::io::Error::other)?;
    TcpStream::connect((host.as_str(), port)).map(drop)
}
