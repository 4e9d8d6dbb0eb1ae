. ../lib.sh
if have openssl; then
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost 2>/dev/null
    openssl s_server -accept "127.0.0.1:$PORT" -key key.pem -cert cert.pem -quiet -www & server=$!
    trap 'end $server' EXIT
    until_true openssl s_client -connect "127.0.0.1:$PORT" -brief
    openssl dgst -sha256 -sign key.pem -out sum.sig cert.pem
    openssl x509 -in cert.pem -noout -text | head -n 3
    openssl passwd -6 -salt x y
fi
if have gpg; then
    export GNUPGHOME="$PWD/gnupg"
    mkdir -m 700 gnupg
    gpg --batch --quiet --passphrase '' --quick-gen-key someone@example.org default default never
    echo text >plain
    gpg --batch --quiet --yes -s plain
    gpg --batch --quiet --verify plain.gpg
    gpg --batch --quiet --yes -e -r someone@example.org plain
    gpg --batch --quiet -d plain.gpg
    gpgconf --kill all
fi
