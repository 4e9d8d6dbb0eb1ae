//! Runs inside the guests of `peregrine-bench kernels`: loads the kernel object and says which programs the kernel took.

use capture::{Asked, Probe, ProbeOptions};
use event::EventSet;

fn main() {
    // Everything there is, the program at the start of calls included.
    let asked = Asked { entry: EventSet::all(), ..Asked::default() };
    let interest = EventSet::all();
    let mut probe = match Probe::load(ProbeOptions { interest, asked, ..ProbeOptions::default() }) {
        Ok(probe) => probe,
        Err(e) => {
            println!("@refused everything: {e}");
            return;
        }
    };
    if let Err(e) = probe.attach() {
        println!("@refused attaching: {e}");
    }
    let report = probe.report();
    for name in report.attached {
        println!("@attached {name}");
    }
    for (name, why) in report.refused {
        println!("@refused {name}: {why}");
    }
    for text in report.warnings {
        println!("@note warning: {text}");
    }
    for text in report.not_covered {
        println!("@note not covered: {text}");
    }
}
