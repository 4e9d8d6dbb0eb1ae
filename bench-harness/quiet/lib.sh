# What the pieces of the quiet suite share. They run as root under `sh -eu`, in an empty folder of their own.

# Cannot run here: says why.
skip() {
    echo "skipped: $*"
    exit 77
}

have() { command -v "$1" >/dev/null 2>&1; }

# Waits until a command succeeds, ten seconds at most.
until_true() {
    n=0
    until "$@" >/dev/null 2>&1; do
        n=$((n + 1))
        [ "$n" -lt 100 ] || { echo "never true: $*"; return 1; }
        sleep 0.1
    done
}

# Ends a process that this script started, and waits for it.
end() {
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

fetch() {
    if have curl; then curl -sS --noproxy '*' "$1"; else wget -q --no-proxy -O - "$1"; fi
}

# The mirror that apt is told to use.
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | head -n 1 | sed 's,/$,,'
}

suite() { . /etc/os-release && echo "${VERSION_CODENAME:-stable}"; }
