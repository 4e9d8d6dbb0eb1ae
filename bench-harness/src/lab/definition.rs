//! What is measured: engines and benchmarks as a folder of TOML files says it, checked before anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::figure::{self, Statistic};
use super::record::is_toml;
use super::values::{self, placeholders};

/// Rules of a file that is made up.
const MAX_RULES: usize = 100_000;

/// One file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    engine: Vec<Engine>,
    #[serde(default)]
    bench: Vec<Bench>,
}

/// A program that runs beside a storm, or reads a file to its end.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Engine {
    pub(crate) name: String,
    /// Program and arguments; nothing for the engine that is no program.
    #[serde(default)]
    pub(crate) command: Vec<String>,
    /// Arguments that are added where a benchmark is scoped to the storm's processes.
    #[serde(default)]
    pub(crate) scoped: Vec<String>,
    /// What it says once it is attached.
    pub(crate) ready: Option<Ready>,
    /// How long it is left alone after that.
    #[serde(default)]
    pub(crate) settle_ms: u64,
    /// Command that prints its counters as `peregrine stats --json` does.
    #[serde(default)]
    pub(crate) stats: Vec<String>,
    /// Command that prints its version; where it fails the engine is not there.
    #[serde(default)]
    pub(crate) version: Vec<String>,
    /// Command that prints what its rules ask for, kept in a record.
    #[serde(default)]
    pub(crate) needed: Vec<String>,
    /// How the line of stderr begins whose first number says how many events it has read.
    pub(crate) said: Option<String>,
    /// Whether it prints a line for each event.
    #[serde(default)]
    pub(crate) prints: bool,
}

/// What the line has in it that says that an engine is attached.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ready {
    Stdout(String),
    Stderr(String),
}

/// A benchmark, of exactly one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bench {
    /// Becomes `file/name` once read.
    pub(crate) name: String,
    /// What the figures mean and what was seen in them.
    pub(crate) analysis: String,
    /// The first is what the others are compared with.
    pub(crate) engines: Vec<String>,
    #[serde(default = "seven")]
    pub(crate) rounds: u32,
    #[serde(default)]
    pub(crate) must: Vec<Bar>,
    storm: Option<Storm>,
    idle: Option<Idle>,
    replay: Option<Replay>,
}

fn seven() -> u32 {
    7
}

/// What a benchmark does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'a> {
    Storm(&'a Storm),
    Idle(&'a Idle),
    Replay(&'a Replay),
}

/// A storm of system calls, alone and with each engine beside it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Storm {
    /// Command line of the storm, which prints one JSON object.
    pub(crate) command: Vec<String>,
    /// What the storm is told to do, and has to say that it did.
    pub(crate) count: u64,
    /// Whether engines that can look at the storm's processes only.
    pub(crate) scoped: bool,
    /// Events that reach an engine for each that the storm counts.
    #[serde(default)]
    pub(crate) expect: BTreeMap<String, f64>,
    /// Cycles a second, `{rate}`; `count` is for that rate.
    pub(crate) rate: Option<u64>,
    /// The rate is at most so much of what the storm reaches alone; `count` gets as much less.
    pub(crate) share_of_most: Option<f64>,
    /// Alerts for each that the storm counts, taken from the engine's stdout with the time of their arrival.
    pub(crate) alerts: Option<u64>,
    /// Events more than that which the storm's own start and end may bring.
    #[serde(default = "five_hundred")]
    pub(crate) beside: u64,
}

fn five_hundred() -> u64 {
    500
}

/// An engine that has nothing to do: how soon it is there, and what it takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Idle {
    /// How long it is watched, after the engine's own `settle_ms`.
    pub(crate) window_ms: u64,
    pub(crate) scoped: bool,
}

/// A recording that each engine reads to its end.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    /// Command line that records `{file}`, unless `{recording}` is given.
    pub(crate) record: Vec<String>,
    /// Event blocks of the long recording that is made of it.
    pub(crate) events: u64,
    /// Numbers of made-up rules: of each there is a file `{rules}/N.yaml`.
    #[serde(default)]
    pub(crate) rules: Vec<usize>,
}

/// What a figure must be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bar {
    /// What a report calls it.
    pub(crate) what: String,
    pub(crate) engine: String,
    pub(crate) figure: String,
    /// Which of the rounds counts; the best one where not said, since noise only adds.
    pub(crate) of: Option<Statistic>,
    /// The figure is divided by this engine's.
    pub(crate) against: Option<String>,
    /// This engine's figure is taken off.
    pub(crate) minus: Option<String>,
    pub(crate) at_most: Option<f64>,
    pub(crate) at_least: Option<f64>,
}

/// All that a folder defines.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    pub(crate) engines: BTreeMap<String, Engine>,
    pub(crate) benches: Vec<Bench>,
}

impl Definitions {
    /// Reads every `*.toml` of a folder, in the order of their names.
    ///
    /// # Errors
    /// Names the file and the key that is wrong.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let context = || format!("cannot read {}", dir.display());
        let mut files: Vec<PathBuf> = fs::read_dir(dir)
            .with_context(context)?
            .map(|e| Ok(e?.path()))
            .collect::<Result<_>>()
            .with_context(context)?;
        files.retain(|f| is_toml(f));
        files.sort();
        let mut texts = Vec::new();
        for file in &files {
            let text = fs::read_to_string(file);
            texts.push((file, text.with_context(|| format!("cannot read {}", file.display()))?));
        }
        let definitions = Self::parse(texts.iter().map(|(f, t)| (f.as_path(), t.as_str())))?;
        ensure!(!definitions.benches.is_empty(), "{}: defines no benchmark", dir.display());
        Ok(definitions)
    }

    /// The same of texts.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn parse<'a>(texts: impl Iterator<Item = (&'a Path, &'a str)>) -> Result<Self> {
        let mut all = Self::default();
        let mut files = Vec::new();
        for (file, text) in texts {
            let parsed: File =
                toml::from_str(text).with_context(|| format!("{}", file.display()))?;
            for engine in parsed.engine {
                let at = format!("{}: engine {:?}", file.display(), engine.name);
                engine.check().with_context(|| at.clone())?;
                let name = engine.name.clone();
                ensure!(all.engines.insert(name, engine).is_none(), "{at}: defined twice");
            }
            files.push((file, parsed.bench));
        }
        let mut names = BTreeSet::new();
        for (file, benches) in files {
            let group = file.file_stem().unwrap_or_default().to_string_lossy();
            for mut bench in benches {
                let at = format!("{}: bench {:?}", file.display(), bench.name);
                bench.check(&all.engines).with_context(|| at.clone())?;
                bench.name = format!("{group}/{}", bench.name);
                ensure!(names.insert(bench.name.clone()), "{at}: name: defined twice");
                all.benches.push(bench);
            }
        }
        Ok(all)
    }
}

fn check_name(name: &str) -> Result<()> {
    let is_ok = |c: char| c.is_ascii_alphanumeric() || "-/.".contains(c);
    ensure!(
        !name.is_empty() && name.chars().all(is_ok),
        "name: has other characters than letters, digits, '-', '.' and '/'"
    );
    Ok(())
}

fn check_command(key: &str, command: &[String]) -> Result<()> {
    for word in command {
        for name in placeholders(word) {
            ensure!(
                values::is_known(name),
                "{key}: {{{name}}} is none of {}",
                values::KNOWN.join(", ")
            );
        }
    }
    Ok(())
}

impl Engine {
    fn check(&self) -> Result<()> {
        let Self {
            name,
            command,
            scoped,
            ready,
            settle_ms: _,
            stats,
            version,
            needed,
            said: _,
            prints: _,
        } = self;
        check_name(name)?;
        for (key, command) in [
            ("command", command),
            ("scoped", scoped),
            ("stats", stats),
            ("version", version),
            ("needed", needed),
        ] {
            check_command(key, command)?;
        }
        if command.is_empty() {
            ensure!(
                ready.is_none() && stats.is_empty() && scoped.is_empty(),
                "command: missing, but ready, stats or scoped is there"
            );
        }
        if let Some(Ready::Stdout(line) | Ready::Stderr(line)) = ready {
            ensure!(!line.is_empty(), "ready: is empty");
        }
        Ok(())
    }

    fn asks_for(&self, name: &str) -> bool {
        self.command.iter().any(|word| placeholders(word).any(|asked| asked == name))
    }

    /// Whether it runs beside a storm, rather than to its own end.
    pub(crate) fn stays(&self) -> bool {
        self.ready.is_some()
    }
}

impl Bench {
    /// What it does.
    pub(crate) fn kind(&self) -> Kind<'_> {
        match (&self.storm, &self.idle, &self.replay) {
            (Some(storm), _, _) => Kind::Storm(storm),
            (None, Some(idle), _) => Kind::Idle(idle),
            (None, None, Some(replay)) => Kind::Replay(replay),
            (None, None, None) => {
                unreachable!("a bench is checked to be of one kind when it is read")
            }
        }
    }

    fn check(&self, engines: &BTreeMap<String, Engine>) -> Result<()> {
        let Self { name, analysis, engines: names, rounds, must, storm, idle, replay } = self;
        check_name(name)?;
        ensure!(!analysis.trim().is_empty(), "analysis: is empty");
        ensure!((1..=1000).contains(rounds), "rounds: {rounds} is not between 1 and 1000");
        ensure!(!names.is_empty(), "engines: is empty");
        let mut seen = BTreeSet::new();
        for name in names {
            ensure!(engines.contains_key(name), "engines: no engine is called {name:?}");
            ensure!(seen.insert(name), "engines: {name:?} is there twice");
        }
        let kinds =
            [("storm", storm.is_some()), ("idle", idle.is_some()), ("replay", replay.is_some())];
        let given: Vec<&str> = kinds.iter().filter(|k| k.1).map(|k| k.0).collect();
        match given.as_slice() {
            [_] => {}
            [] => bail!("is of no kind: there has to be one of {}", kinds.map(|k| k.0).join(", ")),
            several => bail!("is of several kinds: {}", several.join(", ")),
        }
        for (at, bar) in must.iter().enumerate() {
            bar.check(names).with_context(|| format!("must[{at}]"))?;
        }
        let runs = |name: &&String| engines.get(*name).is_some_and(|e| !e.command.is_empty());
        let stays = |name: &&String| engines.get(*name).is_some_and(Engine::stays);
        let reads = matches!(self.kind(), Kind::Replay(_));
        if !matches!(self.kind(), Kind::Storm(_))
            && let Some(name) = names.iter().find(|n| !runs(n))
        {
            bail!("engines: {name:?} is no program");
        }
        match names.iter().filter(runs).find(|n| stays(n) == reads) {
            Some(name) if reads => bail!("engines: {name:?} stays, so it reads nothing to its end"),
            Some(name) => {
                bail!(
                    "engines: {name:?} does not say when it is ready, so it cannot run beside others"
                )
            }
            None => {}
        }
        match self.kind() {
            Kind::Storm(storm) => storm.check(names).context("storm"),
            Kind::Idle(idle) => {
                ensure!(idle.window_ms > 0, "idle.window_ms: is 0");
                Ok(())
            }
            Kind::Replay(Replay { record, events, rules }) => {
                ensure!(!record.is_empty(), "replay.record: is empty");
                check_command("replay.record", record)?;
                ensure!(*events > 0, "replay.events: is 0");
                let most = rules.iter().max().copied().unwrap_or(0);
                ensure!(most <= MAX_RULES, "replay.rules: {most} is more than {MAX_RULES}");
                let asks = |name: &&String| engines[*name].asks_for("rules");
                let asking = names.iter().find(asks).filter(|_| rules.is_empty());
                if let Some(name) = asking {
                    bail!("replay.rules: missing, but {name:?} asks for {{rules}}");
                }
                Ok(())
            }
        }
    }
}

impl Storm {
    fn check(&self, engines: &[String]) -> Result<()> {
        let Self { command, count, scoped: _, expect, rate, share_of_most, alerts, beside: _ } =
            self;
        ensure!(!command.is_empty(), "command: is empty");
        check_command("command", command)?;
        ensure!(
            command.iter().any(|w| placeholders(w).any(|p| p == "count")),
            "command: {{count}} is missing"
        );
        ensure!(*count > 0, "count: is 0");
        let asks_for_rate = command.iter().any(|w| placeholders(w).any(|p| p == "rate"));
        ensure!(rate.is_some() == asks_for_rate, "rate: and {{rate}} in command go together");
        ensure!(rate.is_none_or(|n| n > 0), "rate: is 0");
        if let Some(share) = share_of_most {
            ensure!(rate.is_some(), "share_of_most: is there without rate");
            ensure!(*share > 0.0 && *share <= 1.0, "share_of_most: {share} is no part of one");
        }
        ensure!(alerts.is_none_or(|n| n > 0), "alerts: is 0");
        for (name, n) in expect {
            ensure!(engines.contains(name), "expect: {name:?} is none of the engines");
            ensure!(n.is_finite() && *n >= 0.0, "expect.{name:?}: {n} is no number of events");
        }
        Ok(())
    }
}

impl Bar {
    fn check(&self, engines: &[String]) -> Result<()> {
        let Self { what, engine, figure, of: _, against, minus, at_most, at_least } = self;
        ensure!(!what.trim().is_empty(), "what: is empty");
        for (key, name) in
            [("engine", Some(engine)), ("against", against.as_ref()), ("minus", minus.as_ref())]
        {
            let Some(name) = name else { continue };
            ensure!(engines.contains(name), "{key}: {name:?} is none of the engines");
        }
        ensure!(against.is_none() || minus.is_none(), "minus: is there beside against");
        if figure::find(figure).is_none() {
            let all: Vec<&str> = figure::FIGURES.iter().map(|f| f.name).collect();
            bail!("figure: {figure:?} is none of {}", all.join(", "));
        }
        match (at_most, at_least) {
            (Some(n), None) | (None, Some(n)) => {
                ensure!(n.is_finite(), "the bound {n} is no number");
            }
            _ => bail!("there has to be either at_most or at_least"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINES: &str = "[[engine]]\nname = \"none\"\n\
        [[engine]]\nname = \"ours\"\ncommand = [\"{peregrine}\"]\nready = { stderr = \"up\" }\n";

    fn parse(text: &str) -> Result<Definitions> {
        let files = [(Path::new("d/engines.toml"), ENGINES), (Path::new("d/x.toml"), text)];
        Definitions::parse(files.into_iter())
    }

    fn bench(lines: &str) -> String {
        format!(
            "[[bench]]\nname = \"a\"\nanalysis = \"why\"\nengines = [\"none\", \"ours\"]\n{lines}"
        )
    }

    const STORM: &str =
        "storm = { command = [\"{storm}\", \"--count\", \"{count}\"], count = 5, scoped = true }\n";

    #[test]
    fn a_benchmark_is_called_after_its_file() {
        let must = "[[bench.must]]\nwhat = \"w\"\nengine = \"ours\"\nfigure = \"ns_per_call\"\nagainst = \"none\"\nat_most = 1.4\n";
        let all = parse(&bench(&format!("{STORM}{must}"))).unwrap();
        assert_eq!(all.benches[0].name, "x/a");
        assert_eq!((all.benches[0].rounds, all.benches[0].must.len()), (7, 1));
        assert!(matches!(all.benches[0].kind(), Kind::Storm(s) if s.count == 5 && s.scoped));
    }

    /// Whatever is wrong, the error has the file and the key.
    #[test]
    fn nonsense_is_refused_by_file_and_key() {
        let bar = |lines: &str| bench(&format!("{STORM}[[bench.must]]\nwhat = \"w\"\n{lines}"));
        let cases = [
            (bench(""), "is of no kind: there has to be one of storm, idle, replay"),
            (
                bench(&format!("{STORM}idle = {{ window_ms = 1, scoped = false }}")),
                "is of several kinds: storm, idle",
            ),
            (bench(&format!("round = 3\n{STORM}")), "unknown field `round`"),
            (
                bench("storm = { command = [\"x\"], count = 5, scoped = true }"),
                "{count} is missing",
            ),
            (bench(&STORM.replace("{storm}", "{strom}")), "storm: command: {strom} is none of"),
            (bench(&STORM.replace('5', "0")), "storm: count: is 0"),
            (bench(&STORM.replace('5', "\"5\"")), "count"),
            (bench(&format!("rounds = 0\n{STORM}")), "rounds: 0 is not between"),
            (
                bench(STORM).replace("\"ours\"", "\"theirs\""),
                "engines: no engine is called \"theirs\"",
            ),
            (bench(STORM).replace("why", " "), "analysis: is empty"),
            (bench(STORM).replace("\"a\"", "\"a b\""), "name: has other characters"),
            (format!("{0}{0}", bench(STORM)), "name: defined twice"),
            (bench("idle = { window_ms = 1, scoped = false }"), "engines: \"none\" is no program"),
            (
                bar("engine = \"ours\"\nfigure = \"ns_per_cal\"\nat_most = 1"),
                "\"ns_per_cal\" is none",
            ),
            (
                bench("replay = { record = [\"x\"], events = 1 }").replace("\"none\", ", ""),
                "engines: \"ours\" stays",
            ),
            (
                bench("replay = { record = [\"{recorder}\"], events = 1 }")
                    .replace("\"none\", \"ours\"", "\"reader\"")
                    + "\n[[engine]]\nname = \"reader\"\ncommand = [\"x\"]\n",
                "replay.record: {recorder} is none of",
            ),
            (
                bench("replay = { record = [\"x\"], events = 1 }")
                    .replace("\"none\", \"ours\"", "\"reader\"")
                    + "\n[[engine]]\nname = \"reader\"\ncommand = [\"{rules}/5.yaml\"]\n",
                "replay.rules: missing, but \"reader\" asks for {rules}",
            ),
            (
                bench("replay = { record = [\"x\"], events = 1, rules = [100001] }")
                    .replace("\"none\", \"ours\"", "\"reader\"")
                    + "\n[[engine]]\nname = \"reader\"\ncommand = [\"x\"]\n",
                "replay.rules: 100001 is more than 100000",
            ),
            (bar("engine = \"ours\"\nfigure = \"ns_per_call\""), "either at_most or at_least"),
            (
                bar("engine = \"our\"\nfigure = \"ns_per_call\"\nat_most = 1"),
                "must[0]: engine: \"our\"",
            ),
            (
                bar("engine = \"ours\"\nfigure = \"ns_per_call\"\nat_most = 1\nof = \"mean\""),
                "unknown variant `mean`",
            ),
            (bench(&STORM.replace(" }", ", rate = 5 }")), "storm: rate: and {rate} in command"),
            (
                bench(&STORM.replace(" }", ", share_of_most = 0.5 }")),
                "storm: share_of_most: is there without rate",
            ),
            (bench(&STORM.replace(" }", ", alerts = 0 }")), "storm: alerts: is 0"),
            (bench(&STORM.replace(" }", ", expect = { x = 1 } }")), "storm: expect: \"x\""),
        ];
        for (text, want) in cases {
            let e = parse(&text).err().map(|e| format!("{e:#}"));
            let e = e.unwrap_or_else(|| panic!("{text} is accepted"));
            assert!(e.contains("d/x.toml") && e.contains(want), "{text}\n{e}");
        }
    }

    #[test]
    fn an_engine_is_checked_too() {
        let cases = [
            ("name = \"none\"\n", "engine \"none\": defined twice"),
            ("name = \"e\"\nready = { stdout = \"x\" }\n", "command: missing"),
            ("name = \"e\"\ncommand = [\"{floot}\"]\n", "command: {floot} is none of"),
            (
                "name = \"e\"\ncommand = [\"x\"]\nready = { pipe = \"x\" }\n",
                "unknown variant `pipe`",
            ),
        ];
        for (engine, want) in cases {
            let e = parse(&format!("[[engine]]\n{engine}")).err().map(|e| format!("{e:#}"));
            let e = e.unwrap_or_else(|| panic!("{engine} is accepted"));
            assert!(e.contains("d/x.toml") && e.contains(want), "{engine}\n{e}");
        }
    }

    #[test]
    fn what_is_committed_can_be_read() {
        let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/definitions"));
        Definitions::read(dir).unwrap();
    }
}
