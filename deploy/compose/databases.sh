#!/bin/bash
# PostgreSQL runs this once on a new volume. It creates three databases, each owned by a role without access to the others,
# the roles of PMMDS, to which each migration grants privileges, and one login each for the service and the assets.
# make_secrets.py creates login names and passwords together. psql reads the passwords from files, because every user of
# the machine can read a command line.
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
CREATE ROLE pmmds_service;
CREATE ROLE pmmds_monitor;
CREATE ROLE pmmds_promoter;
CREATE ROLE pmmds_console;
GRANT pmmds_monitor TO pmmds_promoter;
GRANT pmmds_promoter TO pmmds_console;
CREATE ROLE pmmds_serving LOGIN PASSWORD :'serving' IN ROLE pmmds_service;
CREATE ROLE pmmds_assets LOGIN PASSWORD :'assets' IN ROLE pmmds_promoter;
GRANT CONNECT ON DATABASE pmmds TO pmmds_serving, pmmds_assets;
SQL
