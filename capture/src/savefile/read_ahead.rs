//! A stream read, and unpacked, by a thread of its own, a bounded way ahead of who parses it.

use std::{
    io::{ErrorKind, Read, Result},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

/// Room in front of what a chunk has: what is left of the chunk before goes there, so that a block lies in one piece.
pub(super) const HEADROOM: usize = 64 << 10;
/// Chunks that there are: one is parsed, the others are read meanwhile.
const N_CHUNKS: usize = 4;

/// Bytes of a stream: those from [`HEADROOM`] to `end`.
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) end: usize,
}

/// The end that parses. The thread ends with it, or with the stream.
pub(super) struct ReadAhead {
    read: Receiver<Result<Chunk>>,
    spent: SyncSender<Vec<u8>>,
    chunk_len: usize,
}

impl ReadAhead {
    /// Starts the thread, which reads up to `chunk_len` bytes at once.
    pub(super) fn start(mut stream: impl Read + Send + 'static, chunk_len: usize) -> Result<Self> {
        let (spent, free) = sync_channel::<Vec<u8>>(N_CHUNKS);
        let (tx, read) = sync_channel(N_CHUNKS);
        for _ in 0..N_CHUNKS {
            if spent.try_send(vec![0; HEADROOM + chunk_len]).is_err() {
                unreachable!("there is room for every chunk");
            }
        }
        thread::Builder::new().name("read".into()).spawn(move || {
            for mut bytes in free {
                let n = loop {
                    match stream.read(&mut bytes[HEADROOM..]) {
                        Err(e) if e.kind() == ErrorKind::Interrupted => {}
                        done => break done,
                    }
                };
                let is_last = !matches!(n, Ok(1..));
                let chunk = n.map(|n| Chunk { bytes, end: HEADROOM + n });
                if tx.send(chunk).is_err() || is_last {
                    return;
                }
            }
        })?;
        Ok(Self { read, spent, chunk_len })
    }

    /// The next bytes; `None` at the end of the stream. Waits for them.
    pub(super) fn next(&mut self) -> Result<Option<Chunk>> {
        match self.read.recv() {
            Ok(Ok(chunk)) => Ok(Some(chunk).filter(|chunk| chunk.end > HEADROOM)),
            Ok(Err(e)) => Err(e),
            Err(_gone) => Ok(None),
        }
    }

    /// Gives a buffer to be used again: a chunk's, or one in its place.
    pub(super) fn give_back(&mut self, mut bytes: Vec<u8>) {
        let len = HEADROOM + self.chunk_len;
        if bytes.len() != len {
            // It held one large block, whose room is not kept.
            bytes = vec![0; len];
        }
        // Refused where the stream has ended, and where all that there are wait already.
        drop(self.spent.try_send(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::savefile::{block::BlockStream, kind};

    /// Gives a few bytes at a time, and breaks off with an error where it is told to.
    struct Trickle {
        bytes: Vec<u8>,
        at: usize,
        breaks: bool,
    }

    impl Read for Trickle {
        fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
            let left = self.bytes.len() - self.at;
            if left == 0 && self.breaks {
                return Err(std::io::Error::other("unplugged"));
            }
            let n = left.min(buf.len()).min(1 + self.at * 7 % 100_000);
            buf[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
            self.at += n;
            Ok(n)
        }
    }

    fn block(kind: u32, len: usize, fill: u8) -> Vec<u8> {
        let whole = (len as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes(), &whole, &vec![fill; len][..], &whole].concat()
    }

    /// What is read, block by block, and how it ends.
    fn blocks(stream: &Trickle, is_ahead: bool) -> (Vec<(u32, u64, Vec<u8>)>, String) {
        let Trickle { bytes, breaks, .. } = stream;
        let input = Trickle { bytes: bytes.clone(), at: 0, breaks: *breaks };
        let mut stream = BlockStream::new(input).unwrap();
        let mut out = Vec::new();
        loop {
            match stream.next() {
                Ok(Some(head)) => out.push((head.kind, head.offset, stream.body(head).to_vec())),
                Ok(None) => return (out, String::new()),
                Err(e) => return (out, e.to_string()),
            }
            if is_ahead && out.len() == 1 {
                stream.read_ahead();
            }
        }
    }

    #[test]
    fn what_is_read_ahead_is_what_the_stream_has() {
        let lens = [4, 0, 500, 700_000, 31, 65_000, 66_000, 3, 200_000, 1, 127_000, 0, 12];
        let kinds = [kind::USERS, kind::EVENT];
        let bytes: Vec<u8> = (0u8..)
            .zip(lens.iter().cycle().take(100))
            .flat_map(|(n, &len)| block(kinds[usize::from(len < 128 << 10)], len, n))
            .collect();
        for cut in [0, 1, 5, 130_000] {
            for breaks in [false, true] {
                let bytes = bytes[..bytes.len() - cut].to_vec();
                let stream = Trickle { bytes, at: 0, breaks };
                let (ahead, end) = blocks(&stream, true);
                assert_eq!((ahead, end.clone()), blocks(&stream, false), "{cut} {breaks}");
                assert_eq!(end.is_empty(), cut == 0 && !breaks, "{end}");
                assert_eq!(end.contains("unplugged"), breaks, "{end}");
            }
        }
    }
}
