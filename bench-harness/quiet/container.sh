. ../lib.sh
mkdir -p rootfs/bin rootfs/proc rootfs/dev rootfs/sys rootfs/tmp rootfs/etc
cp "$(command -v busybox)" rootfs/bin/busybox
for applet in sh ls cat echo sleep id ps mount wget grep find; do ln -s busybox rootfs/bin/$applet; done
echo root:x:0:0:root:/:/bin/sh >rootfs/etc/passwd
name=peregrine-quiet-$$
runc spec
# No terminal, no cgroup namespace of a manager, and a command that ends by itself.
sed -i -e 's/"terminal": true/"terminal": false/' -e 's,^\(\t*\)"sh"$,\1"sh"\, "-c"\, "id; ls /; ps; echo x >/tmp/x; sleep 1",' \
    -e 's/"readonly": true/"readonly": false/' config.json
grep -q '"-c"' config.json
# A machine that cannot raise limits gets none.
if ! runc --root "$PWD/state" run "$name" 2>first.log; then
    sed -i '/"rlimits": \[/,/^\t\t\],/d' config.json
    runc --root "$PWD/state" delete -f "$name" 2>/dev/null || true
    runc --root "$PWD/state" run "$name" || skip "runc cannot make a container here: $(tail -n 1 first.log)"
fi
sed -i 's/sleep 1"/sleep 60"/' config.json
trap 'runc --root "$PWD/state" delete -f "$name" 2>/dev/null || true' EXIT
runc --root "$PWD/state" run --detach "$name" </dev/null >out 2>&1
runc --root "$PWD/state" list
runc --root "$PWD/state" exec "$name" sh -c 'cat /etc/passwd; find /etc; grep root /etc/passwd'
runc --root "$PWD/state" ps "$name"
runc --root "$PWD/state" pause "$name" && runc --root "$PWD/state" resume "$name" || echo "no freezer here"
runc --root "$PWD/state" kill "$name" KILL
runc --root "$PWD/state" delete -f "$name"
