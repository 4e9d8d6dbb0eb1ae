. ../lib.sh
export CARGO_NET_OFFLINE=true CARGO_TARGET_DIR="$PWD/target"
mkdir -p sum/src app/src app/tests
cat >Cargo.toml <<'T'
[workspace]
members = ["sum", "app"]
resolver = "2"
T
printf '[package]\nname = "sum"\nversion = "0.1.0"\nedition = "2021"\n' >sum/Cargo.toml
printf '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\nbuild = "build.rs"\n[dependencies]\nsum = { path = "../sum" }\n' >app/Cargo.toml
cat >sum/src/lib.rs <<'R'
//! Adds up.
/// The sum of `n`.
pub fn sum(n: &[u32]) -> u32 { n.iter().sum() }
#[cfg(test)]
mod tests {
    #[test]
    fn adds() { assert_eq!(super::sum(&[1, 2]), 3); }
}
R
cat >app/build.rs <<'R'
fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    std::fs::write(format!("{out}/n.rs"), "const N: [u32; 2] = [20, 22];").unwrap();
    println!("cargo:rerun-if-changed=build.rs");
}
R
cat >app/src/main.rs <<'R'
include!(concat!(env!("OUT_DIR"), "/n.rs"));
fn main() {
    let t = std::thread::spawn(|| sum::sum(&N));
    println!("{}", t.join().unwrap());
}
R
cat >app/tests/runs.rs <<'R'
#[test]
fn runs() {
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_app")).output().unwrap();
    assert_eq!(out.stdout, b"42\n");
}
R
cargo build --offline
cargo test --offline
[ "$(target/debug/app)" = 42 ]
cargo clean
