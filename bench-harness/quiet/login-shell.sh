. ../lib.sh
export HOME="$PWD/home"
mkdir home
cp /etc/skel/.bashrc /etc/skel/.profile home/ 2>/dev/null || true
export SHELL=/bin/bash
script -qec 'bash -lic "id; ls -la; cd /tmp; history; alias; exit 0"' typescript
script -qec 'sh -lc "stty -a; tty"' typescript
script -qec 'bash -ic "(sleep 0.1 & jobs; wait); cat ~/.bashrc | less -F | head -n 2; exit 0"' typescript
if have su; then script -qec 'su -s /bin/sh -c id nobody' typescript; fi
if have sudo; then script -qec 'sudo -n id' typescript || true; fi
if have vim; then vim -es -c 'normal ix' -c wq! new.txt </dev/null; cat new.txt; fi
