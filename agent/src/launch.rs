//! The hidden command behind `peregrine trace -- CMD`: waits until everything is attached, then becomes the command.
//!
//! Its standard input is a socket. What comes over it is the input that the command is to have; what goes back is why the command cannot be
//! executed. The socket closes when the command runs.

use std::ffi::OsString;
use std::io::{IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Name of the hidden command.
pub(crate) const LAUNCH: &str = "launch-for-trace";

/// The command to become.
#[derive(Debug, Args)]
pub(crate) struct LaunchArgs {
    /// Path of the program, then its arguments beginning with its name
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Becomes the command once it may; comes back only where that fails.
pub(crate) fn run(args: &LaunchArgs) -> Result<ExitCode> {
    let [path, name, rest @ ..] = &args.command[..] else { bail!("no command") };
    let mut line = std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from)?;
    let Some(stdin) = received(&line).context("this command is what `trace -- CMD` runs")? else {
        // Whoever wanted the command is gone.
        return Ok(ExitCode::FAILURE);
    };
    rustix::stdio::dup2_stdin(&stdin)?;
    drop(stdin);
    let why = Command::new(path).arg0(name).args(rest).exec();
    line.write_all(&why.raw_os_error().unwrap_or_default().to_le_bytes())?;
    Ok(ExitCode::FAILURE)
}

/// Sends a descriptor.
pub(crate) fn send(line: &UnixStream, fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let fds = [fd];
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut room);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(line, &[IoSlice::new(&[0])], &mut control, SendFlags::empty()).map(drop)
}

/// Waits for a descriptor; none comes where the other end is closed.
fn received(line: &UnixStream) -> rustix::io::Result<Option<OwnedFd>> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC;
    rustix::io::retry_on_intr(|| {
        recvmsg(line, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)
    })?;
    let fds = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok(fds.last())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_descriptor_goes_over_the_line() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        send(&ours, writer.as_fd()).unwrap();
        drop(writer);
        let received = super::received(&theirs).unwrap().unwrap();
        std::fs::File::from(received).write_all(b"x").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        drop(ours);
        assert!(super::received(&theirs).unwrap().is_none());
    }
}
