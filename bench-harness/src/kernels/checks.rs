//! What the guest said, and whether it is what the harness made it do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::boot::Console;

/// The guest's lines by kind (`guest/init` and `examples/guest-probe.rs` write them).
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Release of the kernel that ran.
    pub(crate) kernel: Option<String>,
    /// Programs that the kernel accepted.
    pub(crate) attached: Vec<String>,
    /// Programs it refused, each with the kernel's words.
    pub(crate) refused: Vec<String>,
    /// Anything else the probe has to say.
    pub(crate) notes: Vec<String>,
    /// Process ids by what they do.
    pids: BTreeMap<String, u64>,
    /// Alerts, parsed.
    alerts: Vec<Value>,
    /// Lines of stdout that are no alert.
    pub(crate) not_json: Vec<String>,
    /// Lines of stderr.
    pub(crate) err: Vec<String>,
    exit: Option<i32>,
    /// Of the run with the unit's five capabilities: words by subject.
    pub(crate) five: BTreeMap<String, String>,
    five_err: Vec<String>,
    /// Words that stand alone on their line: `ready`, `last`, `stuck`, `done`.
    marks: BTreeSet<String>,
}

impl Report {
    /// Sorts the console's lines.
    pub(crate) fn read(console: &Console) -> Self {
        let mut r = Self::default();
        for line in &console.lines {
            // A kernel message may sit before it on the same line.
            let Some((_, line)) = line.split_once('@') else { continue };
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            match kind {
                "kernel" => r.kernel = Some(rest.to_owned()),
                "attached" => r.attached.push(rest.to_owned()),
                "refused" => r.refused.push(rest.to_owned()),
                "note" => r.notes.push(rest.to_owned()),
                "pid" => {
                    if let Some((name, pid)) = rest.split_once(' ')
                        && let Ok(pid) = pid.parse()
                    {
                        r.pids.insert(name.to_owned(), pid);
                    }
                }
                "out" => match serde_json::from_str(rest) {
                    Ok(alert) => r.alerts.push(alert),
                    Err(_) => r.not_json.push(rest.to_owned()),
                },
                "err" => r.err.push(rest.to_owned()),
                "exit" => r.exit = rest.parse().ok(),
                "log" => {}
                "five" => {
                    let (subject, words) = rest.split_once(' ').unwrap_or((rest, ""));
                    r.five.insert(subject.to_owned(), words.trim().to_owned());
                }
                "five-err" => r.five_err.push(rest.to_owned()),
                mark => {
                    r.marks.insert(mark.to_owned());
                }
            }
        }
        r
    }

    fn pid(&self, name: &str) -> Result<u64, String> {
        self.pids.get(name).copied().ok_or_else(|| format!("the guest did not get to {name}"))
    }

    /// Fields of every alert of `rule` whose process id is `pid`.
    fn alerts(&self, rule: &str, pid: u64) -> Vec<&Value> {
        self.alerts
            .iter()
            .filter(|a| a["rule"] == rule)
            .map(|a| &a["output_fields"])
            .filter(|f| number(&f["proc.pid"]) == Some(pid as i64))
            .collect()
    }

    /// Whether `rule` gave exactly one alert for `pid`, with exactly these fields.
    fn one(&self, rule: &str, pid: u64, want: &[(&str, String)]) -> Result<(), String> {
        let found = self.alerts(rule, pid);
        let [fields] = found[..] else {
            return Err(format!("{} events of process {pid}, want 1: {found:?}", found.len()));
        };
        let wrong: Vec<_> = want
            .iter()
            .filter(|(name, want)| text(&fields[*name]) != *want)
            .map(|(name, want)| format!("{name} is {}, want {want:?}", fields[*name]))
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    /// Every check by name. The same ones for each kernel.
    pub(crate) fn checks(&self) -> Vec<(&'static str, Result<(), String>)> {
        vec![
            ("starts and attaches", self.starts()),
            ("exec with its arguments", self.exec()),
            ("open by relative path", self.open()),
            ("connect with both endpoints", self.connect()),
            ("fork, both sides", self.fork()),
            ("ends by itself", self.ends()),
            ("five capabilities, bounded, through a reload", self.five()),
        ]
    }

    fn starts(&self) -> Result<(), String> {
        let [ready, last] = ["ready", "last"].map(|m| self.marks.contains(m));
        if ready && last {
            return Ok(());
        }
        let err = self.err.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(" / ");
        Err(format!("first event seen: {ready}, last: {last}; stderr: {err}"))
    }

    fn exec(&self) -> Result<(), String> {
        let pid = self.pid("exec")?;
        let s = str::to_owned;
        self.one(
            "exec",
            pid,
            &[
                ("evt.type", s("execve")),
                ("proc.ppid", self.pid("exec-parent")?.to_string()),
                ("proc.name", s("busybox")),
                ("proc.exe", s("/bin/busybox")),
                ("proc.exepath", s("/bin/busybox")),
                ("proc.args", s("echo exec-check one two  three")),
                ("evt.res", s("SUCCESS")),
            ],
        )
    }

    fn open(&self) -> Result<(), String> {
        let s = str::to_owned;
        self.one(
            "open",
            self.pid("open")?,
            &[
                ("proc.name", s("cat")),
                ("fd.name", s("/check/dir/file.txt")),
                ("fd.nameraw", s("./file.txt")),
                ("fd.typechar", s("f")),
                ("evt.is_open_read", s("true")),
                ("evt.res", s("SUCCESS")),
            ],
        )
    }

    fn connect(&self) -> Result<(), String> {
        let s = str::to_owned;
        self.one(
            "connect",
            self.pid("connect")?,
            &[
                ("proc.name", s("nc")),
                ("fd.name", s("127.0.0.1:5555->127.0.0.1:4444")),
                ("fd.l4proto", s("tcp")),
                ("fd.sip", s("127.0.0.1")),
                ("fd.sport", s("4444")),
                ("fd.cip", s("127.0.0.1")),
                ("fd.cport", s("5555")),
                ("evt.res", s("SUCCESS")),
            ],
        )
    }

    fn fork(&self) -> Result<(), String> {
        let (parent, child) = (self.pid("fork")?, self.pid("fork-child")?);
        let name = ("proc.name", "sh".to_owned());
        let caller = [name.clone(), ("evt.rawres", child.to_string())];
        self.one("fork", parent, &caller).map_err(|e| format!("caller's side: {e}"))?;
        let child_side = [name, ("proc.ppid", parent.to_string()), ("evt.rawres", "0".to_owned())];
        self.one("fork", child, &child_side).map_err(|e| format!("child's side: {e}"))
    }

    /// With the capabilities of the shipped unit, exactly, and seccomp; whether there is Landlock is the kernel's affair, and told.
    fn five(&self) -> Result<(), String> {
        // CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF.
        let want = [("caps", "000000c000081004"), ("seccomp", "2"), ("removed", ""), ("exit", "0")];
        let is = |(subject, words): &(&str, &str)| {
            self.five.get(*subject).is_some_and(|said| said == words)
        };
        let is_reloaded = self.five.get("reload").is_some_and(|said| said.starts_with("0 "));
        let is_told = self.five.get("sandbox").is_some_and(|said| said.contains("Landlock"));
        if want.iter().all(is) && is_reloaded && is_told {
            return Ok(());
        }
        Err(format!(
            "{:?}; stderr: {}",
            self.five,
            self.five_err.iter().take(12).cloned().collect::<Vec<_>>().join(" / ")
        ))
    }

    fn ends(&self) -> Result<(), String> {
        let [stuck, done] = ["stuck", "done"].map(|m| self.marks.contains(m));
        match (self.exit, stuck, done) {
            (Some(0), false, true) => Ok(()),
            (exit, stuck, done) => {
                Err(format!("exit code {exit:?}, had to be killed: {stuck}, guest ended: {done}"))
            }
        }
    }
}

/// A JSON value as Falco's text output would show it.
fn text(v: &Value) -> String {
    v.as_str().map_or_else(|| v.to_string(), str::to_owned)
}

fn number(v: &Value) -> Option<i64> {
    v.as_i64().or_else(|| v.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn console(lines: &[&str]) -> Console {
        Console {
            lines: lines.iter().map(|l| (*l).to_owned()).collect(),
            took: Duration::ZERO,
            timed_out: false,
        }
    }

    const OPEN: &str = r#"@out {"rule":"open","output_fields":{"proc.pid":7,"proc.name":"cat","fd.name":"/check/dir/file.txt","fd.nameraw":"./file.txt","fd.typechar":"f","evt.is_open_read":true,"evt.res":"SUCCESS"}}"#;

    #[test]
    fn one_exact_event_passes() {
        let r = Report::read(&console(&["[    1.2] x @pid open 7", OPEN]));
        assert_eq!(r.open(), Ok(()));
    }

    #[test]
    fn no_event_two_events_and_another_name_fail() {
        assert!(Report::read(&console(&["@pid open 7"])).open().is_err());
        assert!(Report::read(&console(&["@pid open 7", OPEN, OPEN])).open().is_err());
        let other = OPEN.replace("/check/dir/file.txt", "/check/file.txt");
        let wrong = Report::read(&console(&["@pid open 7", &other])).open().unwrap_err();
        assert!(wrong.contains("fd.name"), "{wrong}");
        let other = OPEN.replace("\"proc.pid\":7", "\"proc.pid\":8");
        assert!(Report::read(&console(&["@pid open 7", &other])).open().is_err());
    }

    #[test]
    fn a_guest_that_never_ended_fails() {
        assert!(Report::read(&console(&["@exit 0"])).ends().is_err());
        assert_eq!(Report::read(&console(&["@exit 0", "@done"])).ends(), Ok(()));
    }
}
