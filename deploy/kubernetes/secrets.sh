#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# secrets.sh - print the Secret that evalX's pods read, with new passwords and tokens in it.
#
#   deploy/kubernetes/secrets.sh | kubectl apply -f -          Redis and PostgreSQL of the manifests
#   REDIS_URL=rediss://:PASSWORD@HOST:6379 DATABASE_URL=postgres://USER:PASSWORD@HOST/evalx?sslmode=require \
#       deploy/kubernetes/secrets.sh | kubectl apply -f -      those of a cloud; DATABASE_URL= for none
#
# NAMESPACE, NAME, REDIS_HOST, POSTGRES_HOST say where and for what (evalx, evalx, evalx-redis, evalx-postgres).
# Applied a second time it replaces all of them, and Redis and PostgreSQL keep their old passwords:
# keep what it prints, or change single keys by `kubectl edit`.
set -eu

secret() { openssl rand -hex "$1"; }

redis_password=$(secret 24)
postgres_password=$(secret 24)
name=${NAME:-evalx}

cat <<END
apiVersion: v1
kind: Secret
metadata:
  name: $name
  namespace: ${NAMESPACE:-evalx}
type: Opaque
stringData:
  redis-url: "${REDIS_URL:-redis://:$redis_password@${REDIS_HOST:-evalx-redis}:6379}"
  redis-auth.conf: "requirepass $redis_password"
  database-url: "${DATABASE_URL-postgres://evalx:$postgres_password@${POSTGRES_HOST:-evalx-postgres}:5432/evalx}"
  postgres-password: "$postgres_password"
  auth-tokens: "$(secret 24)"
  admin-tokens: "$(secret 24)"
  webhook-secret: "whsec_$(openssl rand -base64 32)"
END
