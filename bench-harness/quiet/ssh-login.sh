. ../lib.sh
for kind in rsa ed25519; do ssh-keygen -q -t $kind -N '' -f host_$kind; done
ssh-keygen -q -t ed25519 -N '' -C quiet -f id
cp id.pub authorized_keys
chmod 600 authorized_keys
[ -d /run/sshd ] || mkdir -p -m 755 /run/sshd
cat >sshd_config <<C
Port $PORT
ListenAddress 127.0.0.1
HostKey $PWD/host_rsa
HostKey $PWD/host_ed25519
PidFile $PWD/sshd.pid
AuthorizedKeysFile $PWD/authorized_keys
StrictModes no
PermitRootLogin prohibit-password
UsePAM yes
PrintMotd no
Subsystem sftp internal-sftp
C
sshd=$(command -v sshd || echo /usr/sbin/sshd)
$sshd -t -f sshd_config
$sshd -D -e -f sshd_config 2>sshd.log & daemon=$!
trap 'end $daemon' EXIT
cat >config <<C
Host here
    HostName 127.0.0.1
    Port $PORT
    User root
    IdentityFile $PWD/id
    IdentitiesOnly yes
    UserKnownHostsFile $PWD/known_hosts
    StrictHostKeyChecking accept-new
    BatchMode yes
C
until_true ssh -F config here true || { cat sshd.log; exit 1; }
ssh -F config here 'id; tty; uname -a'
ssh -F config -tt here 'bash -lic "exit 0"' </dev/null
echo content >file
scp -q -F config file "here:$PWD/copied"
cmp file copied
printf 'put file %s/by-sftp\nls -la %s\n' "$PWD" "$PWD" | sftp -q -F config -b - here
ssh -F config -L "127.0.0.1:$PORT2:127.0.0.1:$PORT" here true
ssh-keyscan -p "$PORT" 127.0.0.1 >scanned 2>/dev/null
eval "$(ssh-agent -s)"
ssh-add -q id
ssh-add -l
ssh-agent -k
