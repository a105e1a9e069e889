#!/bin/sh
# Creates Temporal's own tables, or updates them to the version of this image. Repeatable. The tool reads SQL_HOST, SQL_PORT,
# SQL_USER and SQL_PLUGIN, and the password from its secret.
set -eu
SQL_PASSWORD=$(cat /run/secrets/temporal-password)
export SQL_PASSWORD

schema() { # schema DATABASE FOLDER
  temporal-sql-tool --database "$1" setup-schema --version 0.0
  temporal-sql-tool --database "$1" update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$2/versioned"
}

schema temporal temporal
schema temporal_visibility visibility
