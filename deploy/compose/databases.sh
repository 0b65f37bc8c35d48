#!/bin/bash
# PostgreSQL runs this once, on a new volume: a database for each of the three, owned by a role that can reach no other.
# A name and its password in secrets/ are made together by make_secrets.py.
set -euo pipefail
for name in pmmds dagster mlflow; do
  psql --quiet -v ON_ERROR_STOP=1 -v name="$name" -v password="$(cat "/run/secrets/${name}_password")" \
    -U "$POSTGRES_USER" -d postgres <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
