#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What on_systemd.sh does inside the virtual machine. The last line is the count.
passed=0 failed=0
url=http://127.0.0.1:2358

check() { # NAME COMMAND...: counted, and told when it fails
    name=$1
    shift
    if "$@" >/tmp/said 2>&1; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        sed 's/^/        /' /tmp/said | tail -n 30
    fi
}

ready() { # within a minute, here
    for _ in $(seq 60); do
        curl -fsS "${1:-$url}/health/ready" && return
        sleep 1
    done
    systemctl --no-pager status 'evalx*'
    return 1
}

submit() { curl -sS -m 120 -H 'Content-Type: application/json' "$url/v1/submissions?wait=100" -d "$1"; }
ends_as() { submit "$2" | tee /tmp/answer | grep "\"verdict\":\"$1\"" || { cat /tmp/answer && false; }; }
is() { [ "$2" = "$3" ] || { echo "$1 is $2, not $3" && false; }; }
gone() { ! [ -e "$1" ]; }

export DEBIAN_FRONTEND=noninteractive
check "an older package installs" dpkg -i /mnt/old.deb
check "and has started" ready
check "a program runs" ends_as accepted '{"language":"python","source":"print(6 * 7)","expected_output":"42"}'
check "a program that wants too much memory is stopped, and only that" ends_as memory_limit \
    '{"language":"python","source":"x = []\nwhile True: x.append(bytearray(1 << 20))","limits":{"memory_bytes":33554432,"wall_time_ms":60000,"cpu_time_ms":60000}}'
check "the unit is still up" systemctl is-active evalx
check "figures come from the control group" grep '"measured_by":"cgroup"' /tmp/answer
main=$(systemctl show -P MainPID evalx)
check "the server is nobody's superior" grep 'CapEff:	0000000000000000' "/proc/$main/status"
check "and is a user of its own" is "user" "$(stat -c %U "/proc/$main")" evalx
check "every layer of the sandbox stands" sh -c "! curl -s $url/health | grep '\"status\":\"failing\"'"

# SIGTERM reaches the server alone: what runs is answered before it ends.
submit '{"language":"python","source":"import time; time.sleep(3); print(5)"}' >/tmp/slow &
slow=$!
sleep 3
check "stopping waits for what runs" systemctl stop evalx
wait "$slow"
check "and its client has the answer" grep '"verdict":"accepted"' /tmp/slow
check "it was a good end" is "result" "$(systemctl show -P Result evalx)" success
check "no control group is left" gone /sys/fs/cgroup/system.slice/evalx.service

check "it starts again" systemctl start evalx
check "what it knew it knows" sh -c "curl -s $url/v1/submissions | grep '\"stdout\\|\"token\"'"
systemctl kill --signal=KILL --kill-whom=main evalx
sleep 3
check "killed, it comes back by itself" ready
check "once" is "restarts" "$(systemctl show -P NRestarts evalx)" 1

echo "EVALX_RETENTION=30d" >>/etc/evalx/evalx.env
check "an upgrade" dpkg -i --force-confold /mnt/new.deb
check "restarts it" ready
check "and keeps the settings" grep EVALX_RETENTION=30d /etc/evalx/evalx.env

mkdir -p /etc/evalx/secrets /etc/systemd/system/evalx.service.d
echo sesame >/etc/evalx/secrets/admin_tokens
chmod -R go= /etc/evalx/secrets
grep -e '^\[' -e admin_tokens /usr/share/doc/evalx/examples/systemd/secrets.conf \
    >/etc/systemd/system/evalx.service.d/secrets.conf
systemctl daemon-reload
check "with a secret it starts" systemctl restart evalx
check "who has it may" is "status" \
    "$(curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer sesame' $url/v1/queue)" 200
check "who has not may not" is "status" "$(curl -s -o /dev/null -w '%{http_code}' $url/v1/queue)" 401

printf 'EVALX_REDIS_URL=redis://127.0.0.1:6379\nEVALX_LISTEN=127.0.0.1:2400\n' >/etc/evalx/evalx-api.env
systemctl start redis-server
check "an API starts behind all the hardening there is" systemctl start evalx-api
check "and is ready to take submissions" sh -c \
    "curl -sS -H 'Content-Type: application/json' http://127.0.0.1:2400/v1/submissions -d '{\"language\":\"python\",\"source\":\"1\"}' | grep token"
systemctl stop evalx-api

for unit in evalx evalx-api; do systemd-analyze security --no-pager "$unit" | tail -n 1; done
rm -rf /etc/systemd/system/evalx.service.d /etc/evalx/evalx-api.env
check "it is removed" dpkg -r evalx
check "and stopped" sh -c '! systemctl is-active evalx'
check "its data stay" test -e /var/lib/evalx/evalx.db
check "it is purged" dpkg -P evalx
check "and its data with it" gone /var/lib/evalx
check "and its settings" gone /etc/evalx

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
