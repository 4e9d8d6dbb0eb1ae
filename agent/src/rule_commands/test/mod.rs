//! `peregrine rules test`: tests of rules as data. docs/rule-tests.md describes the files.
//!
//! `written -> tree, scene (frames) -> pipeline (a shard as the agent runs it) -> judge -> report`

mod descriptor;
mod given;
mod judge;
mod locate;
mod people;
mod pipeline;
mod report;
mod runtimes;
mod scene;
mod shapes;
mod tree;
mod value;
mod written;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use rules::{Options, Priority, RuleMatching, Ruleset, closest};

use crate::cli::{ConfigSource, Settings};
use crate::config::{self, Config, RuleInputs};
use crate::rule_files;
use crate::rule_load;
use judge::{Raised, judge};
use locate::Step;
use people::people;
use pipeline::{Pipeline, Setting};
use report::Outcome;
use scene::Scene;
use tree::{Place as _, Tree, Wrong};
use written::{Matching, TestFile};

/// A test file above this size is refused.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Options of `peregrine rules test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Test files, or directories of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Rule file, or directory of rule files, instead of those that the test files name; repeatable, read in order
    #[arg(short = 'r', value_name = "RULES")]
    rules: Vec<PathBuf>,

    /// Print one JSON object for each test
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    config: ConfigSource,
}

/// Runs the tests.
///
/// # Errors
/// The configuration is wrong, a test failed, a file is wrong, or stdout is gone.
pub(crate) fn run(args: &TestArgs, out: &mut dyn Write) -> Result<()> {
    let set = Settings { rules: args.rules.clone(), ..Settings::default() };
    let config = config::load_and_say(&args.config, &set)?;
    let (mut n_passed, mut n_failed, mut n_broken) = (0, 0, 0);
    for path in test_files(&args.files)? {
        match run_file(&path, &config) {
            Ok(outcomes) => {
                for outcome in outcomes {
                    let passed = outcome.has_passed();
                    *(if passed { &mut n_passed } else { &mut n_failed }) += 1;
                    if args.json {
                        outcome.print_json(out)?;
                    } else if !passed {
                        outcome.print_text(out)?;
                    }
                }
            }
            Err(e) => {
                n_broken += 1;
                if args.json {
                    let file = path.display().to_string();
                    let error = format!("{e:#}");
                    writeln!(out, "{}", serde_json::json!({ "file": file, "error": error }))?;
                } else {
                    writeln!(out, "BROKEN  {e:#}")?;
                }
            }
        }
    }
    let broken = if n_broken > 0 { format!(", {n_broken} not read") } else { String::new() };
    let summary = format!("{n_passed} passed, {n_failed} failed{broken}");
    if n_failed + n_broken > 0 {
        bail!("{summary}");
    }
    if !args.json {
        writeln!(out, "{summary}")?;
    }
    Ok(())
}

/// The files named, and those of directories named, in order of their names.
fn test_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            let files = rule_files::directory(path)?;
            if files.is_empty() {
                bail!("no test file in {}", path.display());
            }
            all.extend(files);
        } else {
            all.push(path.clone());
        }
    }
    Ok(all)
}

fn run_file(path: &Path, config: &Config) -> Result<Vec<Outcome>> {
    let name = path.display().to_string();
    let context = || format!("cannot read the test file {name}");
    let len = fs::metadata(path).with_context(context)?.len();
    if len > MAX_FILE_BYTES {
        bail!("{name}: {len} bytes are more than the limit of {MAX_FILE_BYTES}");
    }
    let text = fs::read_to_string(path).with_context(context)?;
    let file: TestFile =
        serde_yaml::from_str(&text).map_err(|e| anyhow!("{}", readable(&name, &e)))?;
    let placed = |wrong: Wrong| {
        if wrong.path.is_empty() {
            return anyhow!("{name}: {:#}", wrong.error);
        }
        let line = locate::line(&text, &wrong.path);
        anyhow!("{name}:{line}: {:#}", wrong.error)
    };
    let setting = setting(&file, path, config).map_err(placed)?;
    let mut outcomes = Vec::new();
    for n in 0..file.tests.len() {
        let outcome = run_test(&file, n, &setting).map_err(placed)?;
        let line = locate::line(&text, &[Step::Key("tests"), Step::Index(n)]);
        outcomes.push(Outcome { file: name.clone(), line, ..outcome });
    }
    Ok(outcomes)
}

/// The rules that a file is about, loaded: what the file does not say is as the configuration has it.
fn setting(file: &TestFile, path: &Path, config: &Config) -> Result<Setting, Wrong> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Rules that the command line names are no mistake of the file.
    let (inputs, named) = match &config.rules {
        RuleInputs::BuiltIn | RuleInputs::Configured(_) if !file.rules.0.is_empty() => {
            let paths = file.rules.0.iter().map(|rules| folder.join(rules)).collect();
            (RuleInputs::Given(paths), &[Step::Key("rules")][..])
        }
        inputs => (inputs.clone(), &[][..]),
    };
    let matching = match file.rule_matching {
        Some(Matching::First) => RuleMatching::First,
        Some(Matching::All) => RuleMatching::All,
        None => rule_load::matching(config),
    };
    let min_priority = match &file.priority {
        Some(text) => {
            text.0.parse::<Priority>().map_err(anyhow::Error::from).at(&[Step::Key("priority")])?
        }
        None => config.min_priority,
    };
    // What a test expects may name fields.
    let options =
        Options { matching, min_priority, tells_fields: true, ..rule_load::options(config) };
    let sources = rule_files::read(&inputs).at(named)?;
    let ruleset = Ruleset::load(sources, options).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(|e| e.to_string().trim_end().to_owned()).collect();
        anyhow!("the rules are wrong:\n{}", all.join("\n"))
    });
    let hostname = file.hostname.as_ref().map_or("localhost", |h| &h.0);
    Ok(Setting { ruleset: Arc::new(ruleset.at(named)?), matching, hostname: hostname.into() })
}

fn run_test(file: &TestFile, n: usize, setting: &Setting) -> Result<Outcome, Wrong> {
    let test = &file.tests[n];
    let place = vec![Step::Key("tests"), Step::Index(n)];
    let tree = Tree::build(file, n)?;
    let mut pipeline = Pipeline::new(setting, people(file, &tree).at(&place)?);
    pipeline.tell(|lineage| runtimes::tell(file, lineage.containers())).at(&place)?;
    let mut scene = Scene::new(tree);
    let seeds = scene.seeds().at(&place)?;
    for seed in &seeds {
        pipeline.seed(seed).at(&place)?;
    }
    let (mut events, mut raised) = (Vec::new(), Vec::new());
    for (i, event) in test.events.0.iter().enumerate() {
        let place = [&place[..], &[Step::Key("events"), Step::Index(i)]].concat();
        let played = scene.play(event, &place)?;
        let alerts = pipeline.feed(&played.frame).at(&place)?;
        raised.extend(alerts.into_iter().map(|alert| Raised { event: i + 1, alert }));
        events.push(played.what);
    }
    let expected: Vec<_> = test.alerts.0.iter().map(|alert| &alert.0).collect();
    let differences = judge(&expected, &raised, test.any_order, &setting.ruleset);
    let (file, name, line) = (String::new(), test.name.0.clone(), 0);
    Ok(Outcome { file, name, line, differences, events, raised })
}

/// An error of serde as `FILE:LINE: ...`, with the nearest key where an unknown one was written.
fn readable(file: &str, error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let line = error.location().map_or(0, |l| l.line());
    let text = text.split(" at line ").next().unwrap_or(&text);
    let words: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let text = match words.split_first() {
        Some((word, known))
            if text.contains("unknown field `") || text.contains("unknown variant `") =>
        {
            let what = if text.contains("unknown field") { "key" } else { "word" };
            let place = text.split("unknown ").next().unwrap_or_default();
            match closest(word, known.iter().copied()) {
                Some(near) => format!("{place}unknown {what} `{word}`, did you mean `{near}`?"),
                None => format!("{place}unknown {what} `{word}`, known are {}", known.join(", ")),
            }
        }
        _ => text.to_owned(),
    };
    format!("{file}:{line}: {text}")
}
