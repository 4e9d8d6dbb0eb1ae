. ../lib.sh
mkdir include
cat >include/greet.h <<'C'
const char *greet(void);
C
cat >greet.c <<'C'
#include "greet.h"
const char *greet(void) { return "hello"; }
C
cat >main.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <pthread.h>
#include "greet.h"
static void *say(void *unused) { puts(greet()); return unused; }
int main(void) {
    pthread_t t;
    if (pthread_create(&t, NULL, say, NULL)) return 1;
    return pthread_join(t, NULL);
}
C
printf 'CFLAGS = -O2 -Wall -Iinclude\nhello: main.o libgreet.a\n\t$(CC) -o $@ main.o -L. -lgreet -lpthread\nlibgreet.a: greet.o\n\t$(AR) rcs $@ $^\ninstall: hello\n\tinstall -D -m 755 hello root/usr/bin/hello\nclean:\n\trm -rf *.o *.a hello\n' >Makefile
make -j2
[ "$(./hello)" = hello ]
make install
strip root/usr/bin/hello
root/usr/bin/hello
ldd hello
nm libgreet.a
gcc -S -o - main.c -Iinclude | head -n 5
make clean
