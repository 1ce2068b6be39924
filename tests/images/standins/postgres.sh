#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the entry point of the postgres image does with the settings compose.yaml gives it.
set -eu

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres:postgres "$(dirname "$PGDATA")"
    chmod 700 "$PGDATA"
    exec setpriv --reuid postgres --regid postgres --clear-groups "$0"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # shellcheck disable=SC2086 # a list of options
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" -D "$PGDATA" $POSTGRES_INITDB_ARGS >/dev/null
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo "CREATE DATABASE \"$POSTGRES_DB\";" | postgres --single -D "$PGDATA" postgres >/dev/null
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp
