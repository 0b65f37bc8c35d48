#!/bin/sh
# Write PgBouncer's configuration and start it in transaction mode.
# Only PMMDS connects through PgBouncer; Dagster and MLflow need few connections and connect to PostgreSQL directly.
set -eu
umask 077
cp /run/secrets/pgbouncer_users /tmp/users.txt
cat >/tmp/pgbouncer.ini <<INI
[databases]
pmmds = host=postgres port=5432 dbname=pmmds
[pgbouncer]
listen_addr = 0.0.0.0
listen_port = 6432
unix_socket_dir =
auth_type = scram-sha-256
auth_file = /tmp/users.txt
pool_mode = transaction
max_client_conn = ${MAX_CLIENT_CONN:-500}
default_pool_size = ${DEFAULT_POOL_SIZE:-20}
reserve_pool_size = 5
server_connect_timeout = 5
query_wait_timeout = 30
ignore_startup_parameters = extra_float_digits,options
log_connections = 0
log_disconnections = 0
INI
exec pgbouncer /tmp/pgbouncer.ini
