. ../lib.sh
mkdir from
cp -r /usr/share/doc/base-files /usr/share/doc/dpkg /usr/share/common-licenses from 2>/dev/null || true
seq 1 50000 >from/numbers
ln -s numbers from/link
ln from/numbers from/hard
tar czf all.tar.gz from
mkdir to
tar xzf all.tar.gz -C to
diff -r from to/from
gzip -9 -k from/numbers && gzip -t from/numbers.gz && zcat from/numbers.gz | wc -l
for tool in bzip2 xz zstd; do
    if have $tool; then $tool -q -k -f from/numbers; fi
done
tar cf - from | tar tf - | wc -l
find from -type f -newer all.tar.gz -print
find /etc -xdev -type f -name '*.conf' 2>/dev/null | sort | head -n 20
find from -name '*.gz' -exec sha256sum {} +
find from -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
grep -rn 4999 from/numbers | sort -t: -k2 -n | uniq | cut -d: -f2 | head -n 3
sed -i.old s/1/one/ from/numbers
awk '{ n += $1 } END { print n }' from/hard
split -l 10000 from/hard part. && cat part.* | cmp - from/hard
if have rsync; then rsync -a --delete from/ copy/; fi
if have zip; then zip -qr all.zip from && unzip -tq all.zip; fi
cp -a from again && mv again moved && touch moved/new && ln -sfn moved current && readlink current
mktemp -d "$PWD/tmp.XXXXXX"
dd if=/dev/zero of=zeros bs=64k count=16 status=none && truncate -s 1M zeros
chown -R nobody moved && install -m 600 from/hard private && umask 077 && mkdir deep
rm -rf from to moved part.* zeros tmp.*
