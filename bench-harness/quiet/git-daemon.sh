. ../lib.sh
exec_path=$(git --exec-path)
[ -x "$exec_path/git-daemon" ] || skip "git has no daemon here"
export GIT_CONFIG_GLOBAL="$PWD/config" GIT_CONFIG_NOSYSTEM=1
git config --global user.name Somebody
git config --global user.email somebody@example.org
git init -q served
echo text >served/file
git -C served add . && git -C served commit -q -m first
# The daemon hands each connection to a child as its standard input and output.
git daemon --export-all --base-path="$PWD" --listen=127.0.0.1 --port="$PORT" --pid-file="$PWD/pid" & daemon=$!
trap 'kill "$(cat pid)" 2>/dev/null || true; end $daemon' EXIT
until_true git ls-remote "git://127.0.0.1:$PORT/served"
git clone -q "git://127.0.0.1:$PORT/served" cloned
cmp served/file cloned/file
