. ../lib.sh
if have strace; then
    strace -f -o trace sh -c 'true; ls /'
    sleep 30 & sleeper=$!
    timeout 2 strace -p $sleeper -o attached || true
    end $sleeper
fi
if have gdb; then
    gdb -batch -ex 'break main' -ex run -ex bt -ex kill /bin/true || true
    sleep 30 & sleeper=$!
    gdb -batch -ex bt -p $sleeper || true
    end $sleeper
fi
if have ltrace; then ltrace -o calls true || true; fi
