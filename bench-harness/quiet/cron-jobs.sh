. ../lib.sh
mkdir -p jobs spool
# Jobs work on absolute paths: cron starts them somewhere else.
here=$PWD
touch spool/old.tmp spool/new
cat >jobs/tidy <<S
#!/bin/sh
df -P / >$here/spool/df.txt
find $here/spool -name '*.tmp' -mmin -5 -delete
S
cat >jobs/backup <<S
#!/bin/sh
set -e
tar czf $here/spool/backup.tar.gz -C $here jobs
ls -l $here/spool/backup.tar.gz | awk '{print \$5}'
S
cat >jobs/report <<S
#!/bin/sh
[ -x /usr/bin/perl ] && perl -e 'print time, "\n"'
logger -t quiet hello || true
S
chmod +x jobs/*
run-parts --report "$here/jobs"
[ ! -e spool/old.tmp ]
# As cron starts them: a shell, a command line, a bare environment.
env -i HOME=/root LOGNAME=root PATH=/usr/bin:/bin SHELL=/bin/sh PEREGRINE_RUN="$PEREGRINE_RUN" \
    /bin/sh -c 'cd / && run-parts --report '"$here/jobs"' && [ -x /usr/bin/true ] || true'
# Of the machine's own jobs those that change nothing but what they derive from it: the copy of dpkg's lists, the index of manual pages.
for job in dpkg man-db; do
    if [ -x "/etc/cron.daily/$job" ]; then "/etc/cron.daily/$job" || true; fi
done
