//! A record: a folder with the machine, every run, and the definitions as they were.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

use super::definition::Definitions;
use super::machine::Machine;
use super::measure::Options;
use super::report;
use super::sample::Sample;

const MACHINE: &str = "machine.json";
const RAW: &str = "raw.jsonl";
const DEFINITIONS: &str = "definitions";

/// Options of `peregrine-bench record`.
#[derive(Args, Debug)]
pub(crate) struct Record {
    #[command(flatten)]
    options: Options,
    /// Where records are kept, a folder each
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/record"))]
    records: PathBuf,
    /// What the machine is called; made of its CPU where not given
    #[arg(long, value_name = "NAME")]
    machine: Option<String>,
}

impl Record {
    /// Measures, keeps the runs and writes the report; false where a run went wrong.
    ///
    /// # Errors
    /// The definitions are wrong, or the record cannot be written.
    pub(crate) fn run(&self) -> Result<bool> {
        let machine = Machine::here();
        let name = self.machine.clone().unwrap_or_else(|| machine.slug());
        let dir = self.records.join(format!("{}-{name}", machine.date));
        let recorded = self.options.measure(machine, &dir)?;
        report::write(&recorded, &dir)?;
        println!("{}", dir.join("report.md").display());
        Ok(recorded.is_sound())
    }
}

/// What a folder of a record has.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) machine: Machine,
    pub(crate) samples: Vec<Sample>,
    pub(crate) definitions: Definitions,
}

impl Recorded {
    /// Reads a folder.
    ///
    /// # Errors
    /// Says which file is missing or wrong, and where.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let text = |name: &str| {
            let file = dir.join(name);
            fs::read_to_string(&file).with_context(|| format!("{} is no record", file.display()))
        };
        let machine = serde_json::from_str(&text(MACHINE)?)
            .with_context(|| format!("{}", dir.join(MACHINE).display()))?;
        let mut samples = Vec::new();
        for (n, line) in text(RAW)?.lines().enumerate() {
            let at = || format!("{}:{}", dir.join(RAW).display(), n + 1);
            samples.push(serde_json::from_str(line).with_context(at)?);
        }
        let definitions = Definitions::read(&dir.join(DEFINITIONS))?;
        Ok(Self { machine, samples, definitions })
    }

    /// Whether every run was as its definition says, and there were some.
    pub(crate) fn is_sound(&self) -> bool {
        !self.samples.is_empty() && self.samples.iter().all(|s| s.wrong.is_empty())
    }
}

/// A record that is being written: a run that took hours leaves what it has when it is broken off.
#[derive(Debug)]
pub(crate) struct Writer {
    dir: PathBuf,
    raw: File,
}

impl Writer {
    /// Makes the folder anew, with a copy of the definitions.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn new(dir: &Path, definitions: &Path) -> Result<Self> {
        let copies = dir.join(DEFINITIONS);
        let make = || -> std::io::Result<File> {
            fs::create_dir_all(&copies)?;
            for entry in fs::read_dir(definitions)? {
                let file = entry?.path();
                if let Some(name) = file.file_name().filter(|_| is_toml(&file)) {
                    fs::copy(&file, copies.join(name))?;
                }
            }
            File::create(dir.join(RAW))
        };
        let raw = make().with_context(|| format!("cannot write {}", dir.display()))?;
        Ok(Self { dir: dir.to_owned(), raw })
    }

    /// Adds a run.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn add(&mut self, sample: &Sample) -> Result<()> {
        let line = serde_json::to_string(sample)?;
        writeln!(self.raw, "{line}").with_context(|| format!("cannot write {RAW}"))
    }

    /// Writes down the machine.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn end(self, machine: &Machine) -> Result<()> {
        let file = self.dir.join(MACHINE);
        fs::write(&file, serde_json::to_string_pretty(machine)? + "\n")
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

pub(crate) fn is_toml(file: &Path) -> bool {
    file.extension().is_some_and(|e| e == "toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let from = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/definitions"));
        let mut writer = Writer::new(dir.path(), from).unwrap();
        let sample = Sample { bench: "b".to_owned(), round: 3, ..Sample::default() };
        writer.add(&sample).unwrap();
        writer.add(&sample).unwrap();
        let machine = Machine::here();
        writer.end(&machine).unwrap();
        let recorded = Recorded::read(dir.path()).unwrap();
        assert_eq!((recorded.machine, recorded.samples), (machine, vec![sample.clone(), sample]));
        fs::write(dir.path().join(RAW), "{}\n").unwrap();
        let e = format!("{:#}", Recorded::read(dir.path()).unwrap_err());
        assert!(e.contains("raw.jsonl:1: missing field"), "{e}");
    }
}
