//! `peregrine-bench repeat`: a long savefile out of a short one. The header is kept, the event blocks come again and again, later each time.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use flate2::read::MultiGzDecoder;

/// Event blocks of every version; those with flags have four more bytes in front of the event.
const EVENT_BLOCKS: [(u32, usize); 7] = [
    (0x204, 10),
    (0x8010_ABCD, 10),
    (0x208, 14),
    (0x216, 10),
    (0x217, 14),
    (0x221, 10),
    (0x222, 14),
];
/// Between the last event of a round and the first of the next.
const PAUSE_NS: u64 = 1_000_000;

/// Options of `peregrine-bench repeat`.
#[derive(Args, Debug)]
pub(crate) struct Repeat {
    /// Savefile to repeat, plain or gzip, of one section
    input: PathBuf,
    /// Where the long one goes, plain
    output: PathBuf,
    /// Number of event blocks in the long one
    #[arg(long, value_name = "N")]
    events: u64,
}

impl Repeat {
    /// Writes the file.
    ///
    /// # Errors
    /// Where the input cannot be read or has no events, or the output cannot be written.
    pub(crate) fn run(&self) -> Result<bool> {
        let input = read(&self.input)?;
        let recording = Recording::parse(&input)
            .with_context(|| format!("{} cannot be repeated", self.input.display()))?;
        let context = || format!("cannot write {}", self.output.display());
        let mut out =
            BufWriter::with_capacity(1 << 20, File::create(&self.output).with_context(context)?);
        recording.repeat(self.events, &mut out).with_context(context)?;
        out.flush().with_context(context)?;
        Ok(true)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(&bytes[..])
        .read_to_end(&mut plain)
        .with_context(|| format!("cannot unpack {}", path.display()))?;
    Ok(plain)
}

/// A savefile cut into what is kept and what is repeated.
struct Recording<'a> {
    header: Vec<&'a [u8]>,
    /// Event blocks, and where each has its timestamp.
    events: Vec<(&'a [u8], usize)>,
}

impl<'a> Recording<'a> {
    fn parse(mut rest: &'a [u8]) -> Result<Self> {
        let mut recording = Self { header: Vec::new(), events: Vec::new() };
        while !rest.is_empty() {
            let at = |n: usize| -> Option<u32> {
                Some(u32::from_le_bytes(*rest.get(n..n + 4)?.as_array()?))
            };
            let (Some(kind), Some(len)) = (at(0), at(4)) else { bail!("it ends inside a block") };
            let Some((block, next)) = rest.split_at_checked(len as usize).filter(|_| len >= 12)
            else {
                bail!("it ends inside a block of {len} bytes");
            };
            match EVENT_BLOCKS.iter().find(|(k, _)| *k == kind) {
                Some(&(_, ts)) if block.len() >= ts + 8 => recording.events.push((block, ts)),
                Some(_) => bail!("an event block has {len} bytes"),
                None if recording.events.is_empty() => recording.header.push(block),
                None => bail!("a block of type {kind:#x} stands behind events"),
            }
            rest = next;
        }
        ensure!(!recording.events.is_empty(), "it has no events");
        Ok(recording)
    }

    fn repeat(&self, n_events: u64, out: &mut impl std::io::Write) -> std::io::Result<()> {
        for block in &self.header {
            out.write_all(block)?;
        }
        let ts = |(block, at): &(&[u8], usize)| {
            block[*at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
        };
        let (first, last) = self
            .events
            .iter()
            .map(ts)
            .fold((u64::MAX, 0), |(first, last), ts| (first.min(ts), last.max(ts)));
        let round_ns = last - first + PAUSE_NS;
        let mut block = Vec::new();
        for (n, event) in (0..n_events).zip(self.events.iter().cycle()) {
            let later = n / self.events.len() as u64 * round_ns;
            block.clear();
            block.extend_from_slice(event.0);
            block[event.1..event.1 + 8].copy_from_slice(&(ts(event) + later).to_le_bytes());
            out.write_all(&block)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let len = (body.len() + 12) as u32;
        [&kind.to_le_bytes()[..], &len.to_le_bytes(), body, &len.to_le_bytes()].concat()
    }

    fn event(kind: u32, flags: &[u8], ts: u64) -> Vec<u8> {
        block(kind, &[&[1, 0][..], flags, &ts.to_le_bytes(), &[7; 22]].concat())
    }

    #[test]
    fn events_come_again_and_later() {
        let header = block(0x0A0D_0D0A, &[0; 16]);
        let events = |ts: u64| [event(0x216, &[], 100 + ts), event(0x217, &[0; 4], 140 + ts)];
        let input = [header.clone(), events(0).concat()].concat();
        let mut out = Vec::new();
        Recording::parse(&input).unwrap().repeat(5, &mut out).unwrap();
        let round = 40 + PAUSE_NS;
        let third = events(2 * round)[0].clone();
        assert_eq!(out, [header, events(0).concat(), events(round).concat(), third].concat());
    }

    #[test]
    fn what_cannot_be_repeated_is_said() {
        let error = |input: &[u8]| Recording::parse(input).err().unwrap().to_string();
        let header = block(0x0A0D_0D0A, &[0; 16]);
        assert_eq!(error(&header), "it has no events");
        assert_eq!(error(&header[..20]), "it ends inside a block of 28 bytes");
        let two = [event(0x216, &[], 1), header].concat();
        assert_eq!(error(&two), "a block of type 0xa0d0d0a stands behind events");
    }
}
