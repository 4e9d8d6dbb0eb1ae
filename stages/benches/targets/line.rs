//! The lines that `peregrine trace` prints of ordinary work.

use std::path::Path;

use bench_harness::Pass;
use rules::{LineFormat, LineScratch};
use stages::{
    BufferFormat, LineageLimits, Numbering, PortFormat, Step, TimeFormat, Tracer, TracerConfig,
};

use crate::recording::Recording;

/// Events of the recording that are printed.
const N: usize = 2000;
/// What is printed unless something else is asked for.
const FORMAT: &str =
    "*%evt.num %evt.outputtime %evt.cpu %proc.name (%thread.tid) %evt.dir %evt.type %evt.info";

struct Printing {
    recording: Recording,
    format: LineFormat,
    scratch: LineScratch,
    out: Vec<u8>,
    tracer: Option<Tracer>,
}

impl Printing {
    fn prepare(&mut self) {
        let mut tracer = Tracer::new(TracerConfig {
            filter: None,
            suppressed: Vec::new(),
            users: self.recording.users.clone(),
            hostname: "host".into(),
            numbering: Numbering::Counted,
            clock_offset_ns: 0,
            time: TimeFormat::default(),
            utc_offset: Box::new(|_| 0),
            buffers: BufferFormat::default(),
            ports: PortFormat::default(),
            limits: LineageLimits::default(),
        });
        for (key, frame) in &self.recording.frames[..self.recording.n_seeds] {
            tracer.follow(*key, frame).expect("a frame");
        }
        self.tracer = Some(tracer);
    }

    fn print(&mut self) {
        let Self { recording, format, scratch, out, tracer } = self;
        let tracer = tracer.as_mut().expect("it was prepared");
        out.clear();
        for (key, frame) in &recording.frames[recording.n_seeds..][..N] {
            if let Step::Passed(event) = tracer.step(*key, frame).expect("a frame") {
                format.print(out, &event.shown(), event.utc_offset_s(), scratch);
                out.push(b'\n');
                event.was_printed();
            }
        }
    }
}

/// Each event taken, asked for what its line shows, and printed.
pub(crate) fn trace_lines() -> Pass {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings/ordinary-work.scap.gz");
    let printing = Printing {
        recording: Recording::read(&path),
        format: LineFormat::compile(FORMAT).expect("the usual format compiles"),
        scratch: LineScratch::default(),
        out: Vec::new(),
        tracer: None,
    };
    Pass::prepared(N as u64, printing, Printing::prepare, |p| {
        p.print();
        let n_lines = p.out.split(|&b| b == b'\n').count() - 1;
        assert!(n_lines > N * 9 / 10, "{n_lines} lines of {N} events");
    })
}
