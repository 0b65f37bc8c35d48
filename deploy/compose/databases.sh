#!/bin/bash
# PostgreSQL runs this script once on a new volume. It creates three databases, each owned by a role without access to the
# others; the roles of PMMDS, to which migrations grant privileges; and one login each for the service, the assets and
# the console.
# The login names and passwords come from make_secrets.py. psql reads the passwords from files because every user of the
# machine can see command lines.
set -euo pipefail
secrets=${SECRETS:-/run/secrets}
for name in pmmds dagster mlflow; do
  psql --quiet -v ON_ERROR_STOP=1 -v name="$name" -U "$POSTGRES_USER" -d postgres <<SQL
\set password \`cat "$secrets/${name}_password"\`
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done

psql --quiet -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d pmmds <<SQL
\set serving \`cat "$secrets/serving_password"\`
\set assets \`cat "$secrets/assets_password"\`
\set console \`cat "$secrets/console_password"\`
CREATE ROLE pmmds_service;
CREATE ROLE pmmds_monitor;
CREATE ROLE pmmds_promoter;
CREATE ROLE pmmds_console;
GRANT pmmds_monitor TO pmmds_promoter;
GRANT pmmds_promoter TO pmmds_console;
CREATE ROLE pmmds_serving LOGIN PASSWORD :'serving' IN ROLE pmmds_service;
CREATE ROLE pmmds_assets LOGIN PASSWORD :'assets' IN ROLE pmmds_promoter;
CREATE ROLE pmmds_console_login LOGIN PASSWORD :'console' IN ROLE pmmds_console;
GRANT CONNECT ON DATABASE pmmds TO pmmds_serving, pmmds_assets, pmmds_console_login;
SQL
