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

password() { # password NAME: that of its secret, or an end if it is weak and this is production
  secret=$(cat "/run/secrets/$1-password")
  if [ "${TWINSAGA_ENVIRONMENT:-}" = production ]; then
    case $(printf %s "$secret" | tr 'A-Z' 'a-z' | tr -d '_ -') in
      "" | *changeme* | "$1" | admin | password | postgres | root | secret | temporal | twinsaga)
        echo "the password of $1 is empty, well known, or the name of its user" >&2
        exit 1
        ;;
    esac
  fi
  printf %s "$secret"
}

superuser=$(password postgres) # only the check: the image has set it already
[ -n "$superuser" ]
for service in orders payments inventory shipping gateway estate temporal; do
  secret=$(password "$service")
  role "$service" "$secret"
  database "$service" "$service"
done
database temporal_visibility temporal
