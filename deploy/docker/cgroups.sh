#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cgroups.sh - control groups of the host for a container that has no privilege of its own.
#
#   cgroups.sh make NAME [USER]     make the groups NAME and give them to USER (10001); prints what
#                                   `docker run` needs then
#   cgroups.sh remove NAME
#
# Run it as root on the host, once after each boot. With v2 the container itself starts below the
# group (--cgroup-parent): the kernel lets nobody move processes in from elsewhere. A limit for all
# runs together may be written into the group: memory.max or memory/NAME/memory.limit_in_bytes.
set -eu

action=${1:-}
name=${2:-}
user=${3:-10001}
top=/sys/fs/cgroup

case $name in
evalx*) ;;
*)
    echo "usage: cgroups.sh make|remove NAME [USER], NAME beginning with evalx" >&2
    exit 2
    ;;
esac
case $name in *..* | */*)
    echo "cgroups.sh: $name is no plain name" >&2
    exit 2
    ;;
esac

is_v2() {
    grep -qs memory "$top/cgroup.controllers"
}

make_v2() {
    echo "+memory +pids +cpuset +cpu" >"$top/cgroup.subtree_control"
    mkdir -p "$top/$name"
    echo "+memory +pids +cpuset" >"$top/$name/cgroup.subtree_control"
    chown "$user:$user" "$top/$name" "$top/$name/cgroup.procs" "$top/$name/cgroup.subtree_control"
    echo "--cgroup-parent=/$name --cgroupns=host -v $top/$name:/cgroup -e EVALX_CGROUP_ROOT=/cgroup"
}

make_v1() {
    options=
    for controller in memory pids cpuacct cpuset; do
        [ -d "$top/$controller" ] || continue
        mkdir -p "$top/$controller/$name"
        chown "$user:$user" "$top/$controller/$name"
        options="$options -v $top/$controller/$name:/cgroup/$controller"
    done
    if [ -d "$top/cpuset/$name" ]; then # a new one is empty, and takes nobody in
        for file in cpuset.cpus cpuset.mems; do
            cat "$top/cpuset/$file" >"$top/cpuset/$name/$file"
        done
    fi
    echo "${options# } -e EVALX_CGROUP_ROOT=/cgroup"
}

# Deepest first; a group in which something runs stays, and rmdir says so.
remove() {
    for group in "$top/$name" "$top"/*/"$name"; do
        [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} +
    done
}

case $action in
make) if is_v2; then make_v2; else make_v1; fi ;;
remove) remove ;;
*)
    echo "usage: cgroups.sh make|remove NAME [USER]" >&2
    exit 2
    ;;
esac
