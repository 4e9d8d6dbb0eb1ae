//! `golden_head`: the lines that current libs print, for all that is not internal.

use std::collections::HashMap;

use crate::differences::Differences;
use crate::replayed::{CAPTURES, corpus, replayed};

const DAY_NS: u64 = 24 * 3600 * 1_000_000_000;

/// `number time cpu name (tid) direction type info`; a name may have blanks.
struct Line<'l> {
    num: u64,
    ns_of_day: u64,
    cpu: u64,
    tid: u64,
    dir: &'l str,
    ty: &'l str,
    info: &'l str,
}

fn parse(line: &str) -> Option<Line<'_>> {
    let (num, rest) = line.split_once(' ')?;
    let (time, rest) = rest.split_once(' ')?;
    let (cpu, rest) = rest.split_once(' ')?;
    let mut from = 0;
    let (tid, rest) = loop {
        let at = from + rest[from..].find(" (")?;
        from = at + 2;
        let (tid, after) = rest[from..].split_once(") ")?;
        if let Ok(tid) = tid.parse() {
            break (tid, after);
        }
    };
    let (dir, rest) = rest.split_once(' ')?;
    let (ty, info) = rest.split_once(' ').unwrap_or((rest, ""));
    let (seconds, ns) = time.split_once('.')?;
    let seconds =
        seconds.split(':').try_fold(0, |sum, part| Some(sum * 60 + part.parse::<u64>().ok()?))?;
    Some(Line {
        num: num.parse().ok()?,
        ns_of_day: seconds * 1_000_000_000 + ns.parse::<u64>().ok()?,
        cpu: cpu.parse().ok()?,
        tid,
        dir,
        ty,
        info,
    })
}

#[test]
fn every_line_of_current_libs_is_ours() {
    const INTERNAL: &str = "procinfo";
    // They have numbers, and are shown to nobody.
    const HIDDEN: [&str; 5] =
        ["container", "useradded", "userdeleted", "groupadded", "groupdeleted"];
    let Some(corpus) = corpus() else { return };
    let mut differences = Differences::of("golden");
    for capture in CAPTURES {
        let text = corpus.join(format!("scap/golden_head/{capture}.txt"));
        let text = String::from_utf8_lossy(&std::fs::read(text).unwrap()).into_owned();
        let lines: Vec<_> =
            text.lines().map(|l| parse(l).unwrap_or_else(|| panic!("{capture}: {l}"))).collect();
        let fields = ["evt.num", "evt.cpu", "evt.dir", "evt.info"];
        let mut ours: HashMap<_, Vec<_>> = HashMap::new();
        let mut n_ours = 0;
        let events = replayed(&corpus.join(format!("scap/{capture}.scap")), &fields);
        for ((time, tid, ty), values) in events {
            if ty != INTERNAL && !HIDDEN.contains(&&*ty) {
                n_ours += 1;
                ours.entry((time % DAY_NS, tid, ty)).or_default().push(values);
            }
        }
        let mut n_lines = 0;
        for line in lines.iter().filter(|l| l.ty != INTERNAL) {
            n_lines += 1;
            let key = (line.ns_of_day, line.tid, line.ty.to_owned());
            let Some(values) = ours.get_mut(&key).filter(|v| !v.is_empty()).map(|v| v.remove(0))
            else {
                differences.add([capture, line.ty, "-"], || format!("  no event {}", line.num));
                continue;
            };
            let texts = [
                ("evt.num", line.num.to_string()),
                ("evt.cpu", line.cpu.to_string()),
                ("evt.dir", line.dir.to_owned()),
                ("evt.info", line.info.trim_end().to_owned()),
            ];
            for (field, theirs) in texts {
                let value = &values[field];
                let ours =
                    value.as_str().map_or_else(|| value.to_string(), |s| s.trim_end().to_owned());
                if ours != theirs {
                    differences.add([capture, line.ty, field], || {
                        format!("  event {}\n  theirs {theirs}\n  ours   {ours}", line.num)
                    });
                }
            }
        }
        // Of the longest only the first lines were kept.
        if n_lines != n_ours && lines.len() < 2000 {
            differences.add([capture, "-", "-"], || format!("  {n_lines} lines, {n_ours} of ours"));
        }
    }
    differences.check();
}
