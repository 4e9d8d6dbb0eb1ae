. ../lib.sh
mkdir www logs temp
seq 1 1000 >www/numbers.txt
echo '<p>hello</p>' >www/index.html
cat >nginx.conf <<C
user www-data;
worker_processes 2;
pid $PWD/nginx.pid;
error_log $PWD/logs/error.log;
events { worker_connections 64; }
http {
    access_log $PWD/logs/access.log;
    client_body_temp_path $PWD/temp/body;
    proxy_temp_path $PWD/temp/proxy;
    fastcgi_temp_path $PWD/temp/fastcgi;
    uwsgi_temp_path $PWD/temp/uwsgi;
    scgi_temp_path $PWD/temp/scgi;
    sendfile on;
    gzip on;
    server {
        listen 127.0.0.1:$PORT;
        root $PWD/www;
        location /again/ { proxy_pass http://127.0.0.1:$PORT/; }
    }
}
C
id www-data >/dev/null 2>&1 || sed -i s/www-data/nobody/ nginx.conf
chmod 755 .. .
nginx=$(command -v nginx || echo /usr/sbin/nginx)
$nginx -t -p "$PWD" -c "$PWD/nginx.conf"
$nginx -p "$PWD" -c "$PWD/nginx.conf" -g 'daemon off;' & daemon=$!
trap 'end $daemon' EXIT
until_true fetch "http://127.0.0.1:$PORT/"
for i in 1 2 3 4 5 6 7 8 9 10; do
    fetch "http://127.0.0.1:$PORT/numbers.txt" | tail -n 1
    fetch "http://127.0.0.1:$PORT/again/index.html"
    fetch "http://127.0.0.1:$PORT/none" >/dev/null || true
done
mv logs/access.log logs/access.log.1
$nginx -p "$PWD" -c "$PWD/nginx.conf" -s reopen
$nginx -p "$PWD" -c "$PWD/nginx.conf" -s reload
until_true fetch "http://127.0.0.1:$PORT/"
$nginx -p "$PWD" -c "$PWD/nginx.conf" -s quit
wait $daemon || true
