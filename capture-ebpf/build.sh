#!/bin/sh
# Builds the kernel object from source and writes the note beside it.
#
#   build.sh             builds into capture/object/
#   build.sh --out DIR   builds into DIR
#   build.sh --check     builds nothing; fails where the committed object and note do not belong to the source
#
# Tool chains (either): a distribution's rustc with its library source, or rustup's nightly with rust-src and llvm-tools; a bpf-linker on the
# same LLVM. Looked for in: PEREGRINE_RUSTC, /usr/bin/rustc with library source, `rustup run nightly`; PEREGRINE_BPF_LINKER, PATH,
# target/tools, else it is installed there; PEREGRINE_LLVM_STRIP, llvm-strip-NN, the tool chain's own.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
root=$(dirname -- "$here")
out=$root/capture/object
linker_version=0.13.0

fail() {
    echo "capture-ebpf/build.sh: $*" >&2
    exit 1
}

# One hash over everything the object is made from. Names are relative to the root, so that the place of the checkout does not matter.
source_hash() {
    (
        cd "$root"
        find capture-ebpf event/src event/Cargo.toml -name target -prune -o -type f -print |
            LC_ALL=C sort | while IFS= read -r f; do sha256sum "$f"; done | sha256sum | cut -d' ' -f1
    )
}

note_value() {
    sed -n "s/^$1: //p" "$out/peregrine.bpf.note"
}

check() {
    [ -f "$out/peregrine.bpf.note" ] || fail "no note beside the object: run capture-ebpf/build.sh"
    want=$(source_hash)
    have=$(note_value source-sha256)
    [ "$want" = "$have" ] || fail "the object was not built from this source
  source now: $want
  in note:    $have
run capture-ebpf/build.sh and commit capture/object/"
    want=$(sha256sum "$out/peregrine.bpf.o" | cut -d' ' -f1)
    have=$(note_value object-sha256)
    [ "$want" = "$have" ] || fail "the object is not the one of the note
  object: $want
  note:   $have"
    echo "kernel object belongs to its source ($have)"
}

case ${1-} in
--check)
    check
    exit 0
    ;;
--out)
    mkdir -p "$2"
    out=$(CDPATH='' cd -- "$2" && pwd -P)
    ;;
'') ;;
*) fail "unknown argument $1" ;;
esac

# rustc with the source of its library.
has_source() {
    [ -f "$("$1" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/core/Cargo.toml" ]
}
if [ -n "${PEREGRINE_RUSTC-}" ]; then
    rustc=$PEREGRINE_RUSTC
elif has_source /usr/bin/rustc; then
    rustc=/usr/bin/rustc
else
    rustc=$(rustup which --toolchain nightly rustc 2>/dev/null) || rustc=
fi
[ -n "$rustc" ] && has_source "$rustc" ||
    fail "no rustc with library source: install rustc-web, rust-web-src and llvm-22-dev, or rustup's nightly with rust-src and llvm-tools"
llvm=$("$rustc" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')

linker=${PEREGRINE_BPF_LINKER-}
[ -n "$linker" ] || linker=$(command -v bpf-linker) || linker=$here/target/tools/bin/bpf-linker
if [ ! -x "$linker" ]; then
    flags=
    [ ! -d "/usr/lib/llvm-$llvm/lib" ] ||
        flags="-L /usr/lib/llvm-$llvm/lib -C link-arg=-Wl,-rpath,/usr/lib/llvm-$llvm/lib"
    RUSTFLAGS=$flags cargo install bpf-linker --version "$linker_version" --root "$here/target/tools" \
        --no-default-features --features "llvm-$llvm" --locked
    linker=$here/target/tools/bin/bpf-linker
fi

strip=${PEREGRINE_LLVM_STRIP-}
[ -n "$strip" ] || strip=$(command -v "llvm-strip-$llvm") || strip=$(command -v llvm-strip) ||
    strip=$(find "$("$rustc" --print sysroot)/lib/rustlib" -name llvm-strip -type f | head -n 1)
[ -n "$strip" ] || fail "no llvm-strip: install llvm-$llvm, or rustup's llvm-tools"

# Paths in line information: the same from any directory and for any user.
sysroot=$("$rustc" --print sysroot)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
sep=$(printf '\037')
flags=--cfg=bpf_target_arch=\"x86_64\"
for flag in -Cdebuginfo=2 "-Clinker=$linker" -Clink-arg=--btf -Ctarget-cpu=v3 -Cpanic=abort \
    "--remap-path-prefix=$root=/peregrine" "--remap-path-prefix=$cargo_home=/cargo" \
    "--remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rust"; do
    flags=$flags$sep$flag
done
(
    cd "$here"
    unset RUSTFLAGS CARGO_TARGET_DIR RUSTC_WRAPPER RUSTUP_TOOLCHAIN
    RUSTC=$rustc RUSTC_BOOTSTRAP=1 CARGO_ENCODED_RUSTFLAGS=$flags \
        cargo build --locked --release --target bpfel-unknown-none --target-dir target -Z build-std=core
)
mkdir -p "$out"
built=$here/target/bpfel-unknown-none/release/peregrine
# Only the type information that the loader needs stays, not the DWARF it was made from.
"$strip" -g -o "$out/peregrine.bpf.o" "$built"
cat >"$out/peregrine.bpf.note" <<NOTE
The kernel object in this folder is built by capture-ebpf/build.sh; \`build.sh --check\` compares these hashes with the source.
source-sha256: $(source_hash)
object-sha256: $(sha256sum "$out/peregrine.bpf.o" | cut -d' ' -f1)
rustc: $("$rustc" -V)
llvm: $llvm
bpf-linker: $("$linker" --version | cut -d' ' -f2)
NOTE
echo "built $out/peregrine.bpf.o"
