#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# secrets.sh [FOLDER] - passwords and tokens of compose.yaml, made once and never overwritten.
#
# One file each, in a folder only its owner may enter; the containers see the files they are given,
# as ordinary users, so the files themselves may be read.
set -eu

folder=${1:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# NAME TEXT
put() {
    [ -e "$folder/$1" ] || printf '%s\n' "$2" >"$folder/$1"
    chmod 444 "$folder/$1"
}

put redis_password "$(random)"
put redis_acl "user default on >$(cat "$folder/redis_password") ~* &* +@all"
put redis_url "redis://:$(cat "$folder/redis_password")@redis:6379"
put postgres_password "$(random)"
put database_url "postgres://evalx:$(cat "$folder/postgres_password")@postgres:5432/evalx"
put auth_tokens "$(random)"
put admin_tokens "$(random)"
put grafana_password "$(random)"
echo "secrets are in $folder; clients send the token in auth_tokens"
