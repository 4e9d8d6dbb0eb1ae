#!/bin/bash
# Records ordinary-work.sh as root: record.sh PEREGRINE OUT.scap. The machine's other processes, users and name stay out of the file: they are
# hidden in a mount namespace before Peregrine looks at them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${3-}" != inside ]; then
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin unshare --mount --uts --propagation private bash "$0" "$1" "$2" inside
fi
peregrine=$1 out=$2
hostname builder
# All that this needs lies in memory and goes with the namespace.
mount -t tmpfs tmpfs /mnt
stage=/mnt/stage
mkdir -p "$stage/proc" /mnt/work
cp "$here/ordinary-work.sh" /mnt/work.sh
printf 'root:x:0:0:root:/work:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n' > "$stage/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$stage/group"
printf '127.0.0.1 localhost builder\n' > "$stage/hosts"
for name in passwd group hosts; do mount --bind "$stage/$name" "/etc/$name"; done
printf -- '- rule: Never\n  desc: Nothing\n  condition: evt.num = 0\n  output: none\n  priority: INFO\n' > "$stage/rules.yaml"

# The workload's shell, in the root cgroup, waits for a line until Peregrine watches it.
mkfifo "$stage/go"
(
    [ ! -w /sys/fs/cgroup/memory/cgroup.procs ] || echo "$BASHPID" > /sys/fs/cgroup/memory/cgroup.procs
    cd /mnt/work
    exec env -i PATH=/usr/bin:/bin HOME=/mnt/work setsid bash -c 'read -r _; exec bash /mnt/work.sh' < "$stage/go" > "$stage/work.log" 2>&1
) &
work=$!
exec 3> "$stage/go"
sleep 0.5

mount --bind /proc "$stage/proc"
mount -t tmpfs tmpfs /proc
for name in $(ls "$stage/proc"); do
    case $name in
        [0-9]*) ;;
        *) ln -s "$stage/proc/$name" "/proc/$name" ;;
    esac
done
ln -s "$stage/proc/$work" "/proc/$work"

# Nor is Peregrine itself among the processes it sees.
"$peregrine" --scope-pid "$work" -r "$stage/rules.yaml" -w "$out" --socket "$stage/peregrine.sock" 2> "$stage/peregrine.log" &
agent=$!
for _ in $(seq 100); do
    ! grep -q 'only process' "$stage/peregrine.log" || break
    sleep 0.1
done
echo go >&3
exec 3>&-
wait "$work" || { cat "$stage/work.log"; exit 1; }
sleep 1
kill -TERM "$agent"
wait "$agent" || true
cat "$stage/peregrine.log"
