. ../lib.sh
mkdir -p lists/partial cache/archives/partial
chmod 755 .. . lists cache
chown -R _apt lists cache 2>/dev/null || true
set -- -o Dir::State::lists="$PWD/lists" -o Dir::Cache="$PWD/cache" -o Acquire::Retries=1 -o Acquire::http::Timeout=15
apt-get "$@" update >log 2>&1 || skip "the mirrors cannot be reached: $(grep -m 1 -E '^(E|W|Err)' log)"
if grep -qE '^(W|E): Failed to fetch' log; then skip "the mirrors cannot be reached: $(grep -m 1 Failed log)"; fi
cat log
apt-cache "$@" policy bash
apt-get "$@" -s upgrade | tail -n 1
apt-get "$@" download hello 2>/dev/null || true
