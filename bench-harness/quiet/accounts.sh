. ../lib.sh
mkdir -p root/etc/default root/home root/etc/skel
cp /etc/passwd /etc/group /etc/login.defs root/etc/
printf 'root:*:20000:0:99999:7:::\n' >root/etc/shadow
printf 'root:*::\n' >root/etc/gshadow
cp /etc/default/useradd root/etc/default/ 2>/dev/null || true
useradd --prefix "$PWD/root" --create-home --shell /bin/sh someone
groupadd --prefix "$PWD/root" crew
usermod --prefix "$PWD/root" --append --groups crew someone
grep someone root/etc/passwd root/etc/group
userdel --prefix "$PWD/root" someone
