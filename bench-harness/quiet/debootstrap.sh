. ../lib.sh
have apt-get || skip "no apt-get here that knows a mirror"
mirror=$(mirror)
[ -n "$mirror" ] || skip "apt-get knows no mirror"
chmod 755 ..
if ! debootstrap --variant=minbase --include=ca-certificates "$(suite)" root "$mirror" >log 2>&1; then
    tail -n 20 log
    if grep -qE 'Failed getting release|Invalid Release|Cannot check Release|Couldn.t download' log; then
        skip "the mirror $mirror cannot be reached"
    fi
    tail -n 20 root/debootstrap/debootstrap.log 2>/dev/null || true
    exit 1
fi
trap 'umount root/proc 2>/dev/null || true' EXIT
# As an administrator goes on: lists, a package, a user.
if [ -f /etc/apt/apt.conf ]; then cp /etc/apt/apt.conf root/etc/apt/; fi
cp -r /etc/apt/apt.conf.d root/etc/apt/ 2>/dev/null || true
cp /etc/resolv.conf /etc/hosts root/etc/ 2>/dev/null || true
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot root apt-get -qq update || skip "the mirror cannot be reached from the new root"
chroot root apt-get -qq -y --no-install-recommends install hello cron
chroot root hello
chroot root useradd -m someone
chroot root dpkg -l | tail -n 3
chroot root apt-get -qq -y purge hello
