#!/bin/bash
# PostgreSQL runs this once, on a new volume: a database for each of the three, owned by a role that can reach no other;
# then the roles of PMMDS, whose rights each migration grants, and a login for the service and one for the assets.
# A name and its password in secrets/ are made together by make_secrets.py. psql reads the passwords itself: on its
# command line everybody on the machine could read them.
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
GRANT pmmds_monitor TO pmmds_promoter;
CREATE ROLE pmmds_serving LOGIN PASSWORD :'serving' IN ROLE pmmds_service;
CREATE ROLE pmmds_assets LOGIN PASSWORD :'assets' IN ROLE pmmds_promoter;
GRANT CONNECT ON DATABASE pmmds TO pmmds_serving, pmmds_assets;
SQL
