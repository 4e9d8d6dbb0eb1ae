. ../lib.sh
perl -MIO::Socket::INET -MFile::Temp -e '
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => $ENV{PORT}) or die;
    if (!fork) { my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ENV{PORT}); print $c "hello\n"; exit }
    my $c = $s->accept; print scalar <$c>; wait;
    my $t = File::Temp->new; print $t "x"; print `echo from a shell`; system "true";'
python=
for p in /usr/bin/python3 /usr/local/bin/python3; do
    if [ -x $p ]; then python=$p; fi
done
[ -n "$python" ] || { echo "without python"; exit 0; }
cat >job.py <<'P'
import concurrent.futures, json, multiprocessing, os, socket, sqlite3, subprocess, sys, tempfile, threading
def square(n): return n * n
if __name__ == "__main__":
    with concurrent.futures.ThreadPoolExecutor(4) as pool: assert sum(pool.map(square, range(10))) == 285
    with multiprocessing.Pool(2) as pool: assert sum(pool.map(square, range(10))) == 285
    print(subprocess.run(["sh", "-c", "echo from python"], capture_output=True, check=True).stdout)
    with tempfile.TemporaryDirectory() as d:
        db = sqlite3.connect(os.path.join(d, "x.db")); db.execute("create table t (a)"); db.execute("insert into t values (1)"); db.commit(); db.close()
        json.dump({"a": 1}, open(os.path.join(d, ".state.json"), "w"))
    print(socket.getaddrinfo("localhost", 80)[0][4])
    import pty; pty.spawn(["true"])
P
"$python" job.py
if "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv env
    env/bin/python -m pip --version
    env/bin/python -c 'print("in an environment")'
fi
if have node; then node -e 'require("child_process").execSync("true"); require("fs").writeFileSync("x", "y"); console.log(process.version)'; fi
