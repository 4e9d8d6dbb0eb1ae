//! The command line: what to list, what to perform, and against which agent.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::action::Action;
use crate::catalogue;
use crate::stage::{self, Stage};
use crate::sys;
use crate::verdict::{self, Verdict};
use crate::watch::Watch;

/// Performs one harmless action for each shipped rule and checks that Peregrine reports exactly it
///
/// Actions happen in mount and network namespaces of their own, over made-up files; nothing of the machine is changed and
/// no packet leaves it.
#[derive(Parser, Debug)]
#[command(name = "peregrine-actions", version)]
struct Cli {
    /// Names of actions, or `all`
    #[arg(value_name = "NAME", required_unless_present = "list")]
    names: Vec<String>,
    /// Show every action: name, rule, what it does, and why it cannot be done here where it cannot
    #[arg(long)]
    list: bool,
    /// The program to check; without it `peregrine` beside this program
    #[arg(long, value_name = "PATH")]
    agent: Option<PathBuf>,
    /// Only perform the actions, for an engine that is watching already
    #[arg(long, conflicts_with_all = ["agent", "agent_args"])]
    without_agent: bool,
    /// Show the alerts too
    #[arg(long, short)]
    verbose: bool,
    /// More arguments for the agent
    #[arg(last = true, value_name = "AGENT ARGUMENTS")]
    agent_args: Vec<String>,
}

/// Runs the program and says whether every expectation was met.
///
/// # Errors
/// Where it cannot do its work at all.
pub(crate) fn run() -> Result<bool> {
    let mut args = std::env::args();
    // Not for users: how the program calls itself.
    match args.nth(1).as_deref() {
        Some(stage::STAGE) => return stage::serve(&dir_argument(args.next())?).map(|()| true),
        Some(stage::PERFORM) => {
            let dir = dir_argument(args.next())?;
            return stage::perform(&dir, &args.next().unwrap_or_default()).map(|()| true);
        }
        _ => {}
    }
    let cli = Cli::parse();
    if cli.list {
        list()?;
        return Ok(true);
    }
    let wanted = chosen(&cli.names)?;
    let (able, unable): (Vec<_>, Vec<_>) =
        wanted.into_iter().map(|a| (a, a.obstacle())).partition(|(_, obstacle)| obstacle.is_none());
    let mut verdicts: Vec<Verdict> =
        unable.into_iter().map(|(a, why)| Verdict::unable(a, why.unwrap_or_default())).collect();
    let able: Vec<&Action> = able.into_iter().map(|(a, _)| a).collect();
    if !able.is_empty() {
        sys::outlive_interrupts()?;
        let stage = Stage::build()?;
        if cli.without_agent {
            verdicts.extend(stage.perform_all(&able)?.into_iter().map(Verdict::unwatched));
        } else {
            let program = match cli.agent {
                Some(path) => path,
                None => beside_this_program()?,
            };
            let watch = Watch::start(&program, stage.pid(), &cli.agent_args)?;
            eprintln!("{} watches; performing {} actions", program.display(), able.len());
            let done = stage.perform_all(&able)?;
            verdicts.extend(verdict::judge(done, watch.finish()?));
        }
    }
    let order = |v: &Verdict| catalogue::all().iter().position(|a| a.name == v.action.name);
    verdicts.sort_by_key(order);
    verdict::print(&verdicts, cli.verbose)
}

fn dir_argument(text: Option<String>) -> Result<PathBuf> {
    text.map(PathBuf::from).context("a directory belongs here")
}

fn chosen(names: &[String]) -> Result<Vec<&'static Action>> {
    if names.iter().any(|n| n == "all") {
        return Ok(catalogue::all().to_vec());
    }
    let mut found: Vec<&Action> = Vec::new();
    for name in names {
        match catalogue::all().iter().find(|a| a.name == name || a.rule == name) {
            Some(action) if found.iter().any(|f| f.name == action.name) => {}
            Some(action) => found.push(action),
            None => bail!("there is no action {name:?} (--list shows them)"),
        }
    }
    Ok(found)
}

fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for action in catalogue::all() {
        let Action { name, rule, what, .. } = action;
        writeln!(out, "{name}\n    rule  {rule}\n    does  {what}")?;
        match action.obstacle() {
            None => writeln!(out, "    here  yes")?,
            Some(why) => writeln!(out, "    here  no: {why}")?,
        }
    }
    Ok(())
}

fn beside_this_program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("this program's path is not known")?;
    let agent = own.with_file_name("peregrine");
    if !agent.is_file() {
        bail!(
            "{} does not exist: build it (cargo build -p agent) or give --agent PATH",
            agent.display()
        );
    }
    Ok(agent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definition_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn an_action_named_twice_is_performed_once() {
        let names: Vec<&str> = catalogue::all().iter().map(|a| a.name).collect();
        let twice = [names[1].to_owned(), names[0].to_owned(), names[1].to_owned()];
        let found: Vec<&str> = chosen(&twice).unwrap().iter().map(|a| a.name).collect();
        assert_eq!(found, [names[1], names[0]]);
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let Err(e) = chosen(&["no-such".to_owned()]) else { panic!("there is none") };
        assert!(e.to_string().contains("--list"), "{e}");
    }
}
