//! What is tried with a configuration that somebody else made up: by the fuzz target (`fuzz/`), and by the test of seeds and of inputs that were
//! found.

use agent::{JudgedConfiguration, judge_configuration};

/// Lines that begin so are options.
const OPTION: &str = "-o ";

/// More than any place, key and value take that are cut to what one can read.
const MAX_LINE_CHARS: usize = 4000;

/// A configuration file with options: judged, and where nothing is wrong shown and read again.
pub(crate) fn configuration(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    let (options, lines): (Vec<&str>, Vec<&str>) =
        input.split_inclusive('\n').partition(|line| line.starts_with(OPTION));
    let option = |line: &&str| line[OPTION.len()..].trim_end_matches('\n').to_owned();
    let options: Vec<String> = options.iter().map(option).collect();
    let JudgedConfiguration { told, shown, resolved } = match judge(&lines.concat(), &options) {
        Ok(judged) => judged,
        Err(why) => return check_line(&why),
    };
    for line in &told {
        check_line(line);
    }
    let n_told = told.iter().filter(|line| !line.starts_with("note: ")).count();
    // A hundred, how many more, what is wrong between keys, and what the file and the options come to.
    assert!(n_told <= 104, "{n_told} lines");
    let has_error = told.iter().any(|line| line.starts_with("error: "));
    assert_eq!(has_error, resolved.is_none(), "{told:?}");
    if resolved.is_some() {
        let again = judge(&shown, &[]).unwrap_or_else(|e| panic!("{e}\n{shown}"));
        assert_eq!(again.resolved, resolved, "{shown}");
    }
}

fn judge(text: &str, options: &[String]) -> Result<JudgedConfiguration, String> {
    let lookup = |name: &str| match name {
        "A" => Some("true".into()),
        "B" => Some("${A}: [".into()),
        _ => None,
    };
    judge_configuration(text, options, &lookup)
}

fn check_line(line: &str) {
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(
        line.chars().count() <= MAX_LINE_CHARS,
        "{} characters: {line:.200}",
        line.chars().count()
    );
}
