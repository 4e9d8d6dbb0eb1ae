. ../lib.sh
try() { if have "$1"; then timeout 5 "$@" >/dev/null 2>&1 || echo "fails here: $*"; fi; }
# Names and services, of which a machine without a network knows few.
for name in localhost deb.debian.org example.org; do
    try getent ahosts "$name"
    try getent hosts "$name"
    try perl -MSocket=getaddrinfo -e 'getaddrinfo($ARGV[0], 8080)' "$name"
    try host "$name"
    try dig +short +time=1 +tries=1 "$name"
    try nslookup -timeout=1 "$name"
done
try getent services ssh
try getent protocols udp
try ping -c 1 -w 1 localhost
try traceroute -m 1 -w 1 127.0.0.1
try logger -t quiet --udp --server 127.0.0.1 --port "$PORT" hello
# A statistics client: datagrams to a port of this machine.
perl -MIO::Socket::INET -e '
    my $from = IO::Socket::INET->new(Proto => "udp", LocalAddr => "127.0.0.1", LocalPort => $ENV{PORT2}) or die;
    my $to = IO::Socket::INET->new(Proto => "udp", PeerAddr => "127.0.0.1", PeerPort => $ENV{PORT2}) or die;
    $to->send("requests:1|c"); $from->recv(my $got, 64); print "$got\n";'
