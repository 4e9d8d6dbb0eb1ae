. ../lib.sh
cat >worker <<'S'
#!/bin/sh
trap 'exit 0' TERM
while :; do sleep 0.2; echo tick >>"$1"; done
S
chmod +x worker
cat >demo <<S
#!/bin/sh
### BEGIN INIT INFO
# Provides: demo
# Default-Start: 2 3 4 5
### END INIT INFO
. /lib/lsb/init-functions 2>/dev/null || { log_daemon_msg() { echo "\$@"; }; log_end_msg() { :; }; }
case \$1 in
start)
    log_daemon_msg "starting demo"
    start-stop-daemon --start --quiet --background --make-pidfile --pidfile $PWD/pid --chuid nobody \\
        --chdir $PWD --startas $PWD/worker -- $PWD/out
    log_end_msg \$?
    ;;
stop) start-stop-daemon --stop --quiet --retry TERM/2/KILL/2 --pidfile $PWD/pid ;;
status) start-stop-daemon --status --pidfile $PWD/pid ;;
restart) \$0 stop; \$0 start ;;
esac
S
chmod +x demo
chmod 755 .. .
touch out && chown nobody out
./demo start
until_true grep -q tick out
./demo status
./demo restart
until_true ./demo status
./demo stop
