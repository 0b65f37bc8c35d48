#!/bin/bash
# PostgreSQL runs this once, on a new volume: a database for each of the three, owned by a role that can reach no other;
# then the roles of PMMDS, whose rights each migration grants, and a login for the service and one for the assets.
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

psql --quiet -v ON_ERROR_STOP=1 -v serving="$(cat /run/secrets/serving_password)" \
  -v assets="$(cat /run/secrets/assets_password)" -U "$POSTGRES_USER" -d pmmds <<'SQL'
CREATE ROLE pmmds_service;
CREATE ROLE pmmds_monitor;
CREATE ROLE pmmds_promoter;
GRANT pmmds_monitor TO pmmds_promoter;
CREATE ROLE pmmds_serving LOGIN PASSWORD :'serving' IN ROLE pmmds_service;
CREATE ROLE pmmds_assets LOGIN PASSWORD :'assets' IN ROLE pmmds_promoter;
GRANT CONNECT ON DATABASE pmmds TO pmmds_serving, pmmds_assets;
SQL
