. ../lib.sh
logs=/var/log/peregrine-quiet.$$
mkdir -m 755 "$logs"
trap 'rm -rf "$logs"' EXIT
for name in moved copied shared; do seq 1 20000 >"$logs/$name.log"; done
cat >logrotate.conf <<C
rotate 3
compress
$logs/moved.log { size 1k
    create 0640 root adm
    delaycompress
    postrotate
        echo rotated >>$PWD/hook
    endscript
}
$logs/copied.log { size 1k
    copytruncate
}
$logs/shared.log { size 1k
    missingok
    dateext
    sharedscripts
    prerotate
        true
    endscript
}
C
chmod 644 logrotate.conf
for round in 1 2 3; do
    logrotate --state "$PWD/state" logrotate.conf
    for name in moved copied; do seq 1 20000 >>"$logs/$name.log"; done
done
grep -q rotated hook
ls -l "$logs"
