. ../lib.sh
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || skip "no PostgreSQL server below /usr/lib/postgresql"
id postgres >/dev/null 2>&1 || skip "no user postgres"
chmod 755 ..
chown postgres .
as() { runuser -u postgres -- "$@"; }
as "$bin/initdb" -D "$PWD/data" -A trust -E UTF8 --locale C >initdb.log
cat >>data/postgresql.conf <<C
listen_addresses = '127.0.0.1'
port = $PORT
unix_socket_directories = '$PWD'
logging_collector = on
C
as "$bin/pg_ctl" -D "$PWD/data" -w -l "$PWD/data/start.log" start
trap 'as "$bin/pg_ctl" -D "$PWD/data" -m immediate stop >/dev/null 2>&1 || true' EXIT
as psql -h "$PWD" -p "$PORT" -d postgres -v ON_ERROR_STOP=1 <<'Q'
create table t (id serial primary key, text text);
insert into t (text) select md5(i::text) from generate_series(1, 20000) i;
create index on t (text);
analyze t;
select count(*), max(text) from t where text like 'a%';
set max_parallel_workers_per_gather = 2;
select sum(length(text)) from t;
vacuum t;
Q
psql -h 127.0.0.1 -p "$PORT" -U postgres -d postgres -Atc 'select version()'
as pg_dump -h "$PWD" -p "$PORT" -d postgres >dump.sql
as createdb -h "$PWD" -p "$PORT" copy
as psql -q -h "$PWD" -p "$PORT" -d copy -f - <dump.sql
if [ -x "$bin/pgbench" ]; then
    as "$bin/pgbench" -h "$PWD" -p "$PORT" -i -q copy
    as "$bin/pgbench" -h "$PWD" -p "$PORT" -c 2 -T 2 copy
fi
as "$bin/pg_ctl" -D "$PWD/data" reload
as "$bin/pg_ctl" -D "$PWD/data" -w -m fast restart -l "$PWD/data/start.log"
as "$bin/pg_ctl" -D "$PWD/data" -w -m fast stop
