//! What commands print, word for word, held against the texts of a folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of `golden`.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Runs the program in the folder.
pub(crate) fn run<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_peregrine"))
        .current_dir(folder)
        // Help is as wide as the terminal.
        .env("COLUMNS", "120")
        .env("PEREGRINE_TEST_FOLDER", "/var/log")
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// The command line as it is shown, both outputs and the exit code.
pub(crate) fn told(shown: &str, out: &Output) -> String {
    let [stdout, stderr] = [&out.stdout, &out.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let code = out.status.code().expect("it ends by itself");
    format!("$ peregrine {shown}\n{stdout}[stderr]\n{stderr}[exit {code}]\n")
}

/// Holds each text against `NAME.txt` of the folder; `REWRITE_GOLDEN=1` writes them.
pub(crate) fn check<'a>(folder: &Path, texts: impl IntoIterator<Item = (&'a str, String)>) {
    let rewrite = std::env::var_os("REWRITE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for (name, actual) in texts {
        let expected = folder.join(format!("{name}.txt"));
        if rewrite {
            std::fs::write(&expected, actual).expect("the folder can be written");
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != actual {
            wrong.push(format!("{name}:\n{actual}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
