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
# What apt's job does is seen in pieces of its own; here it must not wait for its random time.
printf 'APT::Periodic::Enable "0";\nAPT::Periodic::RandomSleep "0";\n' >apt.conf
export APT_CONFIG="$here/apt.conf"
if [ -d /etc/cron.daily ]; then run-parts --report /etc/cron.daily || true; fi
if [ -d /etc/cron.hourly ]; then run-parts --report /etc/cron.hourly || true; fi
