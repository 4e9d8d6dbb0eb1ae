#!/bin/bash
# Ordinary work of a build host for a recording: compile, version control, search, archive, database, a TCP exchange. Works in $HOME, which is
# empty at the start; README.md says how it is recorded.
set -eu
export GIT_CONFIG_NOSYSTEM=1
cd "$HOME"

mkdir -p project/src && cd project
for part in main list text; do
    printf '#include <stdio.h>\n#include <string.h>\nint %s_size(void) { return (int)strlen("%s"); }\n' "$part" "$part" > "src/$part.c"
done
printf 'int list_size(void);\nint text_size(void);\nint main(void) { return list_size() + text_size() == 8 ? 0 : 1; }\n' >> src/main.c
cat > Makefile <<'MAKEFILE'
objects = main.o list.o text.o
app: $(objects)
	gcc -o $@ $^
%.o: src/%.c
	gcc -O1 -Wall -c -o $@ $<
MAKEFILE
make
./app

git init -q -b main .
git config user.name builder
git config user.email builder@example.com
git add src Makefile
git commit -q -m 'first'
sed -i 's/O1/O2/' Makefile
git diff | cat
git commit -q -a -m 'second'
git log --oneline --stat | tail -n 5
make -B

find /usr/include/linux/netfilter -name '*.h' -newer /etc/hostname | sort | head -n 5
grep -rl 'struct sockaddr' /usr/include/x86_64-linux-gnu | wc -l
find /etc/ssl /etc/alternatives -maxdepth 1 | wc -l

cd "$HOME"
tar czf project.tar.gz project
mkdir unpacked && tar xzf project.tar.gz -C unpacked
chmod -R go-w unpacked && ln -s project/src sources && cp -r sources/. copied && mv copied kept
awk '{ n += NF } END { print n }' project/src/*.c
for round in 1 2 3 4 5 6 7 8; do
    cat /etc/hosts /etc/nsswitch.conf > /dev/null
    ls -l project/src | wc -l
    id -un
    date +%Y > "kept/$round"
done

sqlite3 data.db 'create table t (a int, b text); insert into t values (1, "one"), (2, "two"); select count(*) from t;'
perl -e '
    use IO::Socket::INET;
    my $server = IO::Socket::INET->new(Listen => 4, LocalAddr => "127.0.0.1", LocalPort => 18080, ReuseAddr => 1) or die;
    if (!fork) {
        for (1 .. 8) { my $c = $server->accept or last; my $l = <$c>; print $c "hello $l"; close $c; }
        exit;
    }
    for (1 .. 8) {
        my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => 18080) or die;
        print $s "$_\n"; my $l = <$s>; close $s;
    }
    wait;
'
python3 -I -S -c 'import json, csv, subprocess; subprocess.run(["true"]); print(json.dumps({"done": 1}))'
rm -r unpacked kept
