//! Descriptors of recordings: each line of the corpus's golden output shows the descriptors that the frame of its event tells of.
//! The corpus is found through `PEREGRINE_CORPUS`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use capture::savefile::{EVT_NUM_SHIFT, Playback};
use event::{DescriptorFacts, Frame, ParamType};

fn corpus() -> Option<PathBuf> {
    let dir = std::env::var_os("PEREGRINE_CORPUS").map(PathBuf::from);
    if dir.is_none() {
        eprintln!("skipped: capture/tests/savefile_descriptors.rs: PEREGRINE_CORPUS is not set");
    }
    dir
}

/// Golden lines by the number of their event.
fn golden(path: &Path) -> BTreeMap<u64, String> {
    let bytes = fs::read(path).unwrap();
    String::from_utf8_lossy(&bytes)
        .lines()
        .filter_map(|line| Some((line.split_once(' ')?.0.parse().ok()?, line.to_owned())))
        .collect()
}

fn letter(l4: u8) -> &'static str {
    ["", "", "t", "u", "i", "r"][usize::from(l4)]
}

/// How a parameter that is a descriptor is printed.
fn shown(name: &str, fd: i64, facts: Option<&DescriptorFacts<'_>>) -> String {
    match facts {
        Some(d) => {
            let kind = char::from(if d.kind == b'U' { b'u' } else { d.kind });
            // What is no text is shown as such.
            let text = String::from_utf8_lossy(d.name).replace(char::is_control, "\u{fffd}");
            format!("{name}={fd}(<{kind}{}>{text})", letter(d.l4))
        }
        None => format!("{name}={fd}"),
    }
}

/// How a list of descriptors is printed.
fn shown_list(list: &[u8], known: impl Fn(i64) -> Option<u8>) -> String {
    let (entries, rest) = list[2..].as_chunks::<10>();
    assert!(rest.is_empty());
    let shown = |entry: &[u8; 10]| {
        let fd = i64::from_le_bytes(*entry.first_chunk().unwrap());
        let flags = i16::from_le_bytes([entry[8], entry[9]]);
        format!("{fd}:{}{flags:x}", char::from(known(fd).unwrap_or(b'?')))
    };
    entries.iter().map(shown).collect::<Vec<_>>().join(" ")
}

/// What is not as the line says, for each parameter that is a descriptor.
fn differences(frame: &Frame<'_>, line: &str) -> Vec<String> {
    let facts: Vec<_> = frame.trailer().descriptors().filter(|d| d.kind != 0).collect();
    let known = |fd: i64| facts.iter().find(|d| d.fd == fd);
    let params = frame.event_type().info().unwrap().params;
    let mut out = Vec::new();
    for (n, param) in params.iter().enumerate() {
        if param.ty == ParamType::FdList
            && let Some(list) = frame.param(n).filter(|l| !l.is_empty())
        {
            let list = shown_list(list, |fd| known(fd).map(|d| d.kind));
            let expected = format!("{}={list} ", param.name);
            if !line.contains(&expected) {
                out.push(expected);
            }
        }
        if param.ty == ParamType::Fd
            && let Some(fd) = frame.param_i64(n)
        {
            let expected = shown(param.name, fd, known(fd));
            let is_there = line.match_indices(&expected).any(|(at, _)| {
                let behind = &line[at + expected.len()..];
                behind.is_empty() || behind.starts_with(' ') || fd < 0 && behind.starts_with('(')
            });
            if !is_there {
                out.push(expected);
            }
        }
    }
    out
}

#[test]
fn each_line_shows_what_its_frame_tells() {
    let Some(corpus) = corpus() else { return };
    let mut found = Vec::new();
    let mut n_shown = 0;
    for entry in fs::read_dir(corpus.join("scap/golden_head")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let lines = golden(&path);
        let mut playback = Playback::open(&corpus.join(format!("scap/{name}.scap"))).unwrap();
        while let Some(played) = playback.next_frame().unwrap() {
            let frame = Frame::parse(played.frame).unwrap();
            let Some(line) = lines.get(&(played.key.0 >> EVT_NUM_SHIFT)) else { continue };
            n_shown += frame.trailer().descriptors().filter(|d| d.kind != 0).count();
            found.extend(
                differences(&frame, line)
                    .into_iter()
                    .map(|d| format!("{name}: {d} is not in {line}")),
            );
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(n_shown > 950, "{n_shown} descriptors");
}
