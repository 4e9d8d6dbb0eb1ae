//! Golden messages: each `golden/NAME.yaml` loads to exactly `golden/NAME.txt`. A case is a file; `REWRITE_GOLDEN=1`
//! writes the texts anew, and the diff is the review.

use std::path::{Path, PathBuf};

use rules::{Code, Options, RuleError, Ruleset, Source};

fn golden(extension: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    files
}

/// What loading says, and what the rules became.
fn outcome(path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let source = Source { name, text: std::fs::read_to_string(path).unwrap() };
    let drawn = |errors: &[RuleError]| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    // Rules of this source are checked as well; nothing here makes its events.
    let options = Options { sources: vec!["k8s_audit".to_owned()], ..Options::default() };
    let lines = match Ruleset::load(vec![source], options) {
        Err(errors) => drawn(&errors),
        Ok(set) => {
            let rules = set.rules().map(|r| {
                let tags: Vec<&str> = r.tags.iter().map(|t| &**t).collect();
                let (name, priority, tags) = (&r.name, r.priority, tags.join(" "));
                let head = format!("rule {name} [{priority}] [{tags}]\n  {}", r.desc);
                format!("{head}\n  condition: {}\n  output: {}", r.condition, r.output)
            });
            drawn(set.warnings()).into_iter().chain(rules).collect()
        }
    };
    lines.join("\n") + "\n"
}

#[test]
fn messages_are_as_written() {
    let rewrite = std::env::var_os("REWRITE_GOLDEN").is_some();
    let cases = golden("yaml");
    assert!(cases.len() >= 20, "only {} cases found", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let expected = case.with_extension("txt");
        let actual = outcome(case);
        if rewrite {
            std::fs::write(&expected, actual).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != actual {
            wrong.push(format!("{}:\n{actual}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_text_has_its_case() {
    for text in golden("txt") {
        assert!(text.with_extension("yaml").exists(), "{}", text.display());
    }
}

#[test]
fn every_code_has_its_text() {
    let texts: Vec<String> =
        golden("txt").iter().map(|p| std::fs::read_to_string(p).unwrap()).collect();
    // Whoever reads the files tells that one cannot be read.
    for code in Code::ALL.into_iter().filter(|&c| c != Code::FileRead) {
        let drawn = format!("[{}]: ", code.as_str());
        assert!(texts.iter().any(|t| t.contains(&drawn)), "{drawn}");
    }
}
