//! Inputs that fuzzing has found, and every capture of our own, through what fuzzing tries.

mod fuzzing;

use std::path::Path;

#[test]
fn what_was_found_once_is_not_found_again() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut n = 0;
    for folder in ["tests/regressions/savefile", "../testdata/captures"] {
        for entry in std::fs::read_dir(here.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e == "scap") {
                fuzzing::savefile(&std::fs::read(&path).unwrap());
                n += 1;
            }
        }
    }
    assert!(n >= 20, "{n}");
}
