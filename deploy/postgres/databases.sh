#!/bin/sh
# Creates a database and a role for each service; only that role may connect. PostgreSQL's image runs this once, when its
# volume is new. Repeatable: a second run changes only the passwords.
set -eu

role() { # role NAME PASSWORD
  psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set role="$1" --set secret="$2" <<'SQL'
SELECT format('CREATE ROLE %I LOGIN', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', :'role', :'secret') \gexec
SQL
}

database() { # database NAME OWNER
  psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set db="$1" --set role="$2" <<'SQL'
SELECT format('CREATE DATABASE %I OWNER %I', :'db', :'role') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'db') \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'db') \gexec
SQL
}

role orders "$ORDERS_PASSWORD"
role payments "$PAYMENTS_PASSWORD"
role inventory "$INVENTORY_PASSWORD"
role shipping "$SHIPPING_PASSWORD"
role gateway "$GATEWAY_PASSWORD"
role estate "$ESTATE_PASSWORD"
role temporal "$TEMPORAL_PASSWORD"
for service in orders payments inventory shipping gateway estate temporal; do
  database "$service" "$service"
done
database temporal_visibility temporal
