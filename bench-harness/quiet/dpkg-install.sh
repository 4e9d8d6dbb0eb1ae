. ../lib.sh
mkdir -p pkg/DEBIAN pkg/usr/bin pkg/etc/demo pkg/etc/cron.daily pkg/etc/profile.d pkg/usr/share/doc/demo
printf 'Package: peregrine-quiet-demo\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: a demonstration\n' >pkg/DEBIAN/control
printf '#!/bin/sh\nset -e\necho configured >>$DPKG_ROOT/etc/demo/state\n' >pkg/DEBIAN/postinst
printf '#!/bin/sh\nset -e\nrm -f $DPKG_ROOT/etc/demo/state\n' >pkg/DEBIAN/prerm
chmod 755 pkg/DEBIAN/postinst pkg/DEBIAN/prerm
printf '/etc/demo/demo.conf\n/etc/cron.daily/demo\n' >pkg/DEBIAN/conffiles
printf '#!/bin/sh\necho demo\n' >pkg/usr/bin/demo
printf '#!/bin/sh\ntrue\n' >pkg/etc/cron.daily/demo
printf 'DEMO=1\n' >pkg/etc/profile.d/demo.sh
chmod 755 pkg/usr/bin/demo pkg/etc/cron.daily/demo
echo option=1 >pkg/etc/demo/demo.conf
dpkg-deb --root-owner-group --build pkg demo.deb
mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates root/usr/bin
touch root/var/lib/dpkg/status root/var/lib/dpkg/available
set -- --root="$PWD/root" --force-script-chrootless --log="$PWD/dpkg.log"
dpkg "$@" --install demo.deb
dpkg "$@" --list
root/usr/bin/demo
dpkg "$@" --install demo.deb
dpkg "$@" --remove peregrine-quiet-demo
dpkg "$@" --purge peregrine-quiet-demo
dpkg-deb --contents demo.deb
